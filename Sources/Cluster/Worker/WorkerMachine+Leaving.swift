internal import Base
internal import Wire

/// The polite end: the coordinator takes the worker out of its plans first, so that nothing waits while another plan is loaded.
extension WorkerMachine {
    /// How long a worker that was told to end goes on working for a plan without it. Whoever stops containers kills them after ten seconds.
    public static let leavePatience: Duration = .seconds(8)

    /// Told to end: also what was about to start again ends.
    mutating func leave(_ out: inout [Directive]) {
        restartDueAt = nil
        leave(because: "it was told to end", &out)
    }

    /// Without a coordinator there is nobody to wait for.
    mutating func leave(because why: String, _ out: inout [Directive]) {
        guard !isLeaving, !isDraining else { return }
        isLeaving = true
        leavingMessage = why
        guard control != nil else {
            drain(&out)
            return
        }
        log(
            .info, "leaving: the coordinator plans without this worker first", ["cause": why, "in_flight": "\(work.count)"], &out)
        tell(.leaving(Leaving(message: why)), &out)
    }

    /// A coordinator has connected meanwhile, and does not know it yet.
    func repeatLeaving(_ out: inout [Directive]) {
        if isLeaving, !isDraining { tell(.leaving(Leaving(message: leavingMessage)), &out) }
    }

    /// From now on new work is refused; the process may end once what is held has ended.
    mutating func drain(_ out: inout [Directive]) {
        guard !isDraining else { return }
        isDraining = true
        log(.info, "draining: no new work is taken", ["in_flight": "\(work.count)"], &out)
    }

    /// Everything that was accepted is done. Who starts again waits for the coordinator's word: it must not take the end of the connections for
    /// a loss.
    func end(_ now: Instant, _ out: inout [Directive]) {
        guard let restartDueAt else { return out.append(.drained) }
        if control == nil || isReleased || restartDueAt <= now { out.append(.restart) }
    }
}
