internal import Base
internal import Cluster
internal import Wire

/// What holds of a coordinator and of a worker after each of their steps, and what they owe each other.
extension Oracle {
    // MARK: Coordinators

    /// Nothing is kept of what is over, what is kept is counted, and the machine's own promises hold.
    /// - Parameter slotCount: of all workers together: each micro-batch under way has one reserved at its first hop.
    mutating func check(_ coordinator: SimulatedCoordinator, slotCount: Int, at now: Instant) {
        let requests = coordinator.machine.requestCount
        if coordinator.payloads.requestCount != requests {
            complain(
                "\(coordinator.name) keeps the payloads of \(coordinator.payloads.requestCount) requests, not of \(requests)",
                at: now)
        }
        if coordinator.uploads.keys.contains(where: { !coordinator.payloads.isAdmitted($0) }) {
            complain("\(coordinator.name) waits for the inputs of a request that is over", at: now)
        }
        if let broken = coordinator.machine.brokenInvariant { complain("\(coordinator.name): \(broken)", at: now) }
        if coordinator.machine.flightCount > slotCount {
            complain("\(coordinator.machine.flightCount) micro-batches are under way with \(slotCount) slots", at: now)
        }
    }

    mutating func dispatched(_ key: WorkKey, of request: RequestID, by coordinator: Int) {
        attempts[coordinator][request, default: [:]][Int(key.microBatch)] = key.attempt
    }

    /// The result that counts is that of the last attempt, in the coordinator's own session.
    /// - Returns: whether it may be taken at all.
    mutating func taken(
        _ key: WorkKey, for request: RequestID, piece: Int, by coordinator: Int, session: SessionID, at now: Instant
    ) -> Bool {
        let attempt = attempts[coordinator][request]?[piece]
        if attempt != key.attempt {
            complain("the result of \(key) is taken, but the attempt that counts is \(attempt ?? 0)", at: now)
        }
        guard key.session == session else {
            complain("the result of \(key) belongs to another session", at: now)
            return false
        }
        return true
    }

    /// A worker is said to lose work: nobody but whom a fault makes lose it.
    mutating func blamed(_ node: String, hasLostWork: Bool, at now: Instant) {
        report.blamed += 1
        if !hasLostWork { complain("\(node) is blamed for work that it has not lost", at: now) }
    }

    mutating func archiveSent(_ key: PartitionKey, toHolder worker: Int?, at now: Instant) {
        if let worker { complain("the archive of \(key) is sent to w\(worker), which holds it", at: now) }
        report.archives += 1
    }

    // MARK: Workers

    /// What a worker has in hand after a step.
    struct Load {
        let payloads: Int
        let receivingBytes: Int
        let held: Int
        let executing: Int
    }

    func check(_ load: Load, ofWorker index: Int, slots: Int, executors: Int, at now: Instant) throws(Violation) {
        guard load.payloads == load.held else {
            throw violation("w\(index) keeps \(load.payloads) payloads for \(load.held) micro-batches", at: now)
        }
        guard load.receivingBytes == 0 else {
            throw violation("w\(index) keeps room for \(load.receivingBytes) bytes that have come", at: now)
        }
        guard load.executing <= executors else {
            throw violation("w\(index) runs \(load.executing) micro-batches on \(executors) executors", at: now)
        }
        guard load.held <= slots else {
            throw violation("w\(index) holds \(load.held) micro-batches, its limit is \(slots)", at: now)
        }
    }

    /// A word of the coordinator that the worker obeys has come.
    mutating func heard(_ claim: CoordinatorClaim, by worker: Int, at now: Instant) {
        if claim.session == holders[worker]?.session { holders[worker]?.heardAt = now }
    }

    /// A hello has come; what its holder's connection is before the machine decides counts.
    mutating func helloCame(to worker: Int, in world: World) {
        guard let holder = holders[worker] else { return }
        holders[worker]?.isConnected = !world.connection(holder.control)[.worker(worker)].knowsEnd
    }

    /// The worker welcomes a coordinator: it must not have been taken from one that lives.
    mutating func obeyed(_ hello: Hello, on id: ConnectionID, by index: Int, at now: Instant) throws(Violation) {
        guard hello.role == .coordinator, let claim = hello.claim else { return }
        if let holder = holders[index], holder.session != claim.session {
            let silence = now - holder.heardAt
            guard !holder.isConnected || silence >= WorkerMachine.holdTimeout else {
                throw violation(
                    "w\(index) obeys \(hello.name) (term \(claim.term)), but \(holder.name) holds it and spoke \(silence.readable) ago",
                    at: now)
            }
            guard claim.term > holder.term else {
                throw violation(
                    "w\(index) obeys \(hello.name) with term \(claim.term) after \(holder.name) with term \(holder.term)", at: now)
            }
            report.takeovers += 1
        }
        if let holder = holders[index], holder.session == claim.session, holder.token != claim.holder, holder.isConnected {
            guard now - holder.heardAt >= WorkerMachine.holdTimeout else {
                throw violation(
                    "w\(index) lets \(hello.name) replace its own connection by one that does not know its token", at: now)
            }
        }
        guard hello.channel == .control || holders[index]?.session != claim.session else {
            holders[index]?.heardAt = now
            return
        }
        holders[index] = Holder(
            session: claim.session, term: claim.term, name: hello.name, control: id, token: claim.holder, heardAt: now)
    }
}
