internal import Planning
internal import Wire

/// Workers that another coordinator holds. Right after a restart that is mostly the one before, of whose end the worker does not know yet: it
/// lets go of it by itself, so it is waited for. Who is held for longer than that belongs to a coordinator that lives.
extension CoordinatorMachine {
    /// What a worker waits for a silent holder, then the time to the next dial, and that dial's own.
    static let holdPatience: Duration = WorkerMachine.holdTimeout + .milliseconds(1_500)

    /// What a dial that came to nothing means, for an operator, once for each cause.
    func say(_ failure: DialFailure, of node: inout Node, _ now: Instant, _ out: inout [Directive]) {
        let particulars = ["node": node.id.description, "cause": failure.message]
        guard let refusal = failure.refusal, refusal.code == .superseded, refusal.isHeld, refusal.incarnation == nil else {
            // One that has let go of its holder is about to be taken over: it is waited for still.
            let isFree = failure.refusal.map { $0.code == .superseded && $0.incarnation == nil } ?? false
            if !isFree { node.heldSince = nil }
            guard node.cause != failure.message else { return }
            switch failure.refusal {
            case .some(let refusal) where refusal.incarnation != nil: break
            case .some(let refusal) where refusal.code == .superseded:
                log(.info, "taking over a worker of an earlier coordinator", particulars, &out)
            default: log(.warning, "node cannot be reached", particulars, &out)
            }
            return
        }
        guard let since = node.heldSince else {
            node.heldSince = now
            node.isHoldSaid = false
            log(.info, "waiting for a worker that another coordinator holds", particulars, &out)
            return
        }
        guard !node.isHoldSaid, now >= since + Self.holdPatience else { return }
        node.isHoldSaid = true
        log(.error, "another coordinator has this worker", particulars, &out)
    }
}

extension CoordinatorMachine.Node {
    /// Until when its holder may be one that has ended, or it is on its way from that one to us.
    var mayBeHeldUntil: Instant? { state == .ready ? nil : heldSince.map { $0 + CoordinatorMachine.holdPatience } }
}
