internal import DequeModule
internal import HeapModule

extension CoordinatorMachine {
    /// When ``step(_:now:)`` must be called at the latest, or `nil` while only events can change anything.
    public var nextWake: Instant? {
        var wake: Instant?
        func consider(_ candidate: Instant?) {
            guard let candidate else { return }
            wake = min(wake ?? candidate, candidate)
        }
        for node in nodes.values {
            if node.control == nil {
                if !node.isDialing { consider(node.redialAt) }
            } else {
                consider(node.lastPing + configuration.pingInterval)
                consider(node.lastHeard + (node.state == .ready ? configuration.suspectAfter : configuration.lostAfter))
            }
        }
        consider(deadlines.min?.at)
        consider(abandoned.first.map { $0.at + Self.abandonedReclaim })
        if planInProgress == nil, isStartGateOpen, model != nil { consider(planDueAt) }
        consider(rejoinAt)
        if !isStartGateOpen, !nodes.isEmpty, let startedAt { consider(startedAt + configuration.joinTimeout) }
        return wake
    }
}
