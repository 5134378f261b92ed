internal import Base
internal import Planning
internal import Wire

/// Workers that another coordinator holds. Right after a restart that is mostly the one before, of whose end the worker does not know yet: it
/// lets go of it by itself, so it is waited for. Who is held for longer than that belongs to a coordinator that lives.
extension CoordinatorMachine {
    /// What a worker waits for a silent holder, then the time to the next dial, and that dial's own.
    static let holdPatience: Duration = WorkerMachine.holdTimeout + .milliseconds(1_500)

    /// What a dial that came to nothing means, for an operator, once for each cause.
    mutating func say(_ failure: DialFailure, of id: NodeID, _ step: inout Step) {
        guard let node = roster[id] else { return }
        let particulars = ["node": id.description, "cause": failure.message]
        guard let refusal = failure.refusal, refusal.code == .superseded, refusal.isHeld, refusal.incarnation == nil else {
            // One that has let go of its holder is about to be taken over: it is waited for still.
            let isFree = failure.refusal.map { $0.code == .superseded && $0.incarnation == nil } ?? false
            if !isFree { roster[id]?.dial.heldSince = nil }
            guard node.cause != failure.message else { return }
            switch failure.refusal {
            case .some(let refusal) where refusal.incarnation != nil: break
            case .some(let refusal) where refusal.code == .superseded:
                step.log(.info, "taking over a worker of an earlier coordinator", particulars)
            default: step.log(.warning, "node cannot be reached", particulars)
            }
            return
        }
        guard let since = node.dial.heldSince else {
            roster[id]?.dial.heldSince = step.now
            roster[id]?.dial.isHoldSaid = false
            step.log(.info, "waiting for a worker that another coordinator holds", particulars)
            return
        }
        guard !node.dial.isHoldSaid, step.now >= since + Self.holdPatience else { return }
        roster[id]?.dial.isHoldSaid = true
        step.log(.error, "another coordinator has this worker", particulars)
    }
}
