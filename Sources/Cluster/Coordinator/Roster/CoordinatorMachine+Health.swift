internal import Base
internal import Planning
internal import Wire

/// The judgement of nodes: changes of state, executors that make no progress, nodes that are lost again and again.
extension CoordinatorMachine {
    /// Why a node is given up.
    enum LossKind: Sendable {
        /// A connection of it closed: its process may have ended, perhaps by what it was running.
        case process
        /// We ended it, for a reason of our own.
        case connection
        /// Nothing was heard: more likely the network or a stopped process.
        case silence
        /// It left the topology, or has another name there: nobody is lost.
        case departure
    }

    /// The one place where a node's state changes; one line of the log for each change, with its cause.
    mutating func change(
        _ id: NodeID, to state: NodeState, _ cause: String, _ particulars: [String: String], _ step: inout Step
    ) {
        guard let old = roster[id]?.state else { return }
        roster[id]?.cause = cause
        guard old != state else { return }
        roster.enter(state, id)
        selectorsHear(of: id)
        let metadata = ["node": id.description, "state": "\(old.name) → \(state.name)", "cause": cause]
        let isBad = (state == .lost && old != .drained) || state == .suspect
        step.log(isBad ? .warning : .info, state.logMessage, metadata.merging(particulars) { own, _ in own })
    }

    // MARK: Progress

    /// What a heartbeat says of the executors.
    mutating func progressReported(_ id: NodeID, _ beat: Heartbeat, _ step: inout Step) {
        let isIdle = beat.queued == 0 && beat.executing == 0
        if isIdle || beat.completed != roster[id]?.heartbeat?.completed { roster[id]?.session?.progress.lastAt = step.now }
        let hasComputed = roster[id]?.session?.progress.used(beat.executorCPUNanoseconds, step.now) == true
        roster[id]?.session?.heartbeat = beat
        roster[id]?.session?.heartbeatAt = step.now
        selectorsHear(of: id)
        if let microBatch = plans.active?.deployment.microBatch, let profile = roster[id]?.profile {
            if roster[id]?.pace.adopt(quota: beat.cpuQuotaCores) == true { plans.drift.quotaChanged() }
            roster[id]?.pace.heard(
                beat, executors: Int(max(1, profile.executors)), cores: beat.cpuQuotaCores, microBatch: microBatch, step.now)
        }
        roster[id]?.session?.hasNewHeartbeat = true
        roster[id]?.network.note(received: beat.networkReceivedBytes, sent: beat.networkSentBytes, at: step.now)
        guard let stalledAt = roster[id]?.session?.progress.stalledAt, isIdle || hasComputed || beat.completed != stalledAt else {
            return
        }
        roster[id]?.session?.progress.stalledAt = nil
        if roster[id]?.state == .suspect { clearSuspicion(of: id, "its executors work again", &step) }
    }

    /// Its heartbeats come, but what lies on it goes nowhere: it is used no more until it computes again or another process of it is reached.
    mutating func stall(_ id: NodeID, _ step: inout Step) {
        guard let session = roster[id]?.session, let beat = session.heartbeat else { return }
        let cause =
            "no progress for \((step.now - session.progress.lastAt).readable) with \(beat.executing) micro-batches executing and \(beat.queued) queued"
        roster[id]?.session?.progress.stalledAt = beat.completed
        change(id, to: .suspect, cause, ["in_flight": "\(flights.count(on: id))"], &step)
        noteLoss(of: id, &step)
        suspectInputs(on: id, &step)
        replayFlights(through: id, why: "\(id) makes no progress", &step)
        planAround(id, &step)
    }

    // MARK: Flapping

    /// Counts a loss, and leaves the node out of plans for a while when there were too many.
    mutating func noteLoss(of id: NodeID, _ step: inout Step) {
        guard let pause = roster[id]?.flapping.noteLoss(step.now) else { return }
        plans.mayRejoin(at: step.now + pause)
        step.log(
            .warning, "node flaps: it is left out of plans for a while",
            ["node": id.description, "losses": "\(roster[id]?.flapping.losses.count ?? 0)", "for": pause.readable])
    }

    /// Those whose time is over may be planned in again; when the next one may is noted.
    /// - Returns: whether a plan may be the better for it: not for a node that serves all the while, because nobody else was left (unless one
    ///   that serves beside it waits for a plan without itself), nor where a later loss has prolonged the time.
    mutating func readmit(_ now: Instant) -> Bool {
        var next: Instant?
        var isWorthAPlan = plans.active == nil
        let isOneAwaited = roster.departing.contains(where: plans.activeUses)
        for node in roster.all {
            let id = node.id
            for until in [node.excludedUntil, node.flapping.leftOutUntil, node.distrust.leftOutUntil].compactMap({ $0 })
            where until > now { next = min(next ?? until, until) }
            let isBack = !node.flapping.cause.isEmpty && !node.flapping.isLeftOut(now)
            let mayLoadAgain = node.excludedUntil.map { $0 <= now } ?? false
            if mayLoadAgain { roster[id]?.excludedUntil = nil }
            let isTrusted = !node.distrust.cause.isEmpty && !node.distrust.isLeftOut(now)
            if isBack || mayLoadAgain || isTrusted, isOneAwaited || !plans.activeUses(id) { isWorthAPlan = true }
            if isTrusted {
                roster[id]?.distrust.takesPart()
                selectorsHear(of: id)
            }
            guard isBack else { continue }
            roster[id]?.flapping.takesPart()
            if node.state == .ready { roster[id]?.cause = "answering" }
        }
        plans.nextRejoin(at: next)
        return isWorthAPlan
    }

    // MARK: A plan without it

    /// The node can take no new work: what serves goes on where every stage has a replica left; else the standby plan that was made for
    /// this, or a new one.
    mutating func planAround(_ id: NodeID, _ step: inout Step) {
        let isMember = plans.activeUses(id)
        let wasReplanning = plans.isReplanning
        if plans.candidate?.deployment.uses(id) == true { plans.giveUpCandidate() }
        // A draining node finishes what it has: its plan lives until the next one serves.
        if isMember, roster[id]?.state != .draining { retireActiveIfBroken() }
        requestPlan(step.now, after: .zero)
        if isMember { useStandby(without: id, isPlanning: wasReplanning, &step) }
    }
}
