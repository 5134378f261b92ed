internal import Planning
internal import Wire

/// The judgement of nodes: changes of state, executors that make no progress, nodes that are lost again and again.
extension CoordinatorMachine {
    /// An executor that ends nothing for this long stalls, however short its micro-batches are: far above what a throttled cgroup (0.1 of
    /// each 100 ms) or a page fault storm can cause.
    static let progressFloor: Duration = .seconds(5)
    /// … and it must be this many times as long as the longest run that was measured or predicted.
    static let progressFactor = 20
    /// CPU time of its executors that counts as progress, if it takes them no longer than the times above: far below what a run gets that a
    /// quota throttles or that waits for its pages, far above what waiting for a lock takes.
    static let progressCPUNanoseconds: UInt64 = 1_000_000
    /// The first run on a node has no measurement yet, and may set up what later runs find ready.
    static let firstRunFloor: Duration = .seconds(30)

    /// A node that is lost this often …
    static let flappingLosses = 4
    /// … within this time costs more (each loss is a plan, a deployment and replays) than it brings.
    static let flappingWindow: Duration = .seconds(30)
    /// It is left out of plans this long at first, twice as long at each further loss, up to the longest.
    static let flappingPauseFirst: Duration = .seconds(10)
    static let flappingPauseLongest: Duration = .seconds(300)
    /// After this long without a loss, while plans could use it, what was before is forgotten.
    static let flappingForgottenAfter: Duration = .seconds(60)

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

    struct Flapping: Sendable {
        /// Losses within the window, oldest first; as many as count.
        var losses: [Instant] = []
        var readySince: Instant = .zero
        var pause: Duration?
        var leftOutUntil: Instant?
        var cause = ""

        func isLeftOut(_ now: Instant) -> Bool { (leftOutUntil ?? .zero) > now }
    }

    /// What is known of the pace of a node's executors since its control connection opened.
    struct Progress: Sendable {
        /// When it last ended a micro-batch, had none, or changed what it has loaded.
        var lastAt: Instant = .zero
        var longestRun: Duration?
        /// What the plan expects of it.
        var predictedRun: Duration = .zero
        var loadOrderedAt: Instant?
        /// It stalled, having completed so many.
        var stalledAt: UInt64?
        /// What its executors had used when their CPU time last counted as progress.
        var cpuNanoseconds: UInt64 = 0

        init(lastAt: Instant = .zero) { self.lastAt = lastAt }

        /// A new plan: its partition may take longer than what was measured so far.
        mutating func predict(_ milliseconds: Double) {
            predictedRun = .nanoseconds(Int64(max(0, min(1e15, milliseconds * 1e6))))
        }

        /// Slow is not dead: a run that computes goes on, until its deadline and what the worker itself allows after it.
        mutating func used(_ total: UInt64, _ now: Instant) -> Bool {
            guard total > cpuNanoseconds, total - cpuNanoseconds >= CoordinatorMachine.progressCPUNanoseconds else { return false }
            cpuNanoseconds = total
            lastAt = now
            return true
        }

        mutating func ran(_ nanoseconds: UInt64, _ now: Instant) {
            lastAt = now
            longestRun = max(longestRun ?? .zero, .nanoseconds(Int64(clamping: nanoseconds)))
        }

        var limit: Duration {
            max(
                longestRun == nil ? CoordinatorMachine.firstRunFloor : CoordinatorMachine.progressFloor,
                max(longestRun ?? .zero, predictedRun) * CoordinatorMachine.progressFactor)
        }
    }

    /// The one place where a node's state changes; one line of the log for each change, with its cause.
    mutating func change(
        _ id: NodeID, to state: NodeState, _ cause: String, _ particulars: [String: String], _ step: inout Step
    ) {
        guard let old = nodes[id]?.state else { return }
        nodes[id]?.cause = cause
        guard old != state else { return }
        nodes[id]?.state = state
        selectorsHear(of: id)
        let metadata = ["node": id.description, "state": "\(old.name) → \(state.name)", "cause": cause]
        let isBad = (state == .lost && old != .drained) || state == .suspect
        step.log(isBad ? .warning : .info, state.logMessage, metadata.merging(particulars) { own, _ in own })
    }

    // MARK: Progress

    /// What a heartbeat says of the executors.
    mutating func progressReported(_ id: NodeID, _ beat: Heartbeat, _ step: inout Step) {
        let isIdle = beat.queued == 0 && beat.executing == 0
        if isIdle || beat.completed != nodes[id]?.heartbeat?.completed { nodes[id]?.progress.lastAt = step.now }
        let hasComputed = nodes[id]?.progress.used(beat.executorCPUNanoseconds, step.now) == true
        nodes[id]?.heartbeat = beat
        selectorsHear(of: id)
        if let microBatch = plans.active?.deployment.microBatch, let profile = nodes[id]?.profile {
            if nodes[id]?.pace.adopt(quota: beat.cpuQuotaCores) == true { plans.drift.quotaChanged() }
            nodes[id]?.pace.heard(
                beat, executors: Int(max(1, profile.executors)), cores: beat.cpuQuotaCores, microBatch: microBatch, step.now)
        }
        nodes[id]?.hasNewHeartbeat = true
        nodes[id]?.network.note(received: beat.networkReceivedBytes, sent: beat.networkSentBytes, at: step.now)
        guard let stalledAt = nodes[id]?.progress.stalledAt, isIdle || hasComputed || beat.completed != stalledAt else { return }
        nodes[id]?.progress.stalledAt = nil
        if nodes[id]?.state == .suspect { clearSuspicion(of: id, "its executors work again", &step) }
    }

    /// When the node counts as stalled, if it goes on like this. `nil` while it owes nothing or is loading.
    func stallDeadline(_ node: Node) -> Instant? {
        guard node.state == .ready, let beat = node.heartbeat, beat.queued > 0 || beat.executing > 0 else { return nil }
        if let ordered = node.progress.loadOrderedAt, node.partitions.values.contains(where: \.isUnderWay) {
            // A load that never ends must not hide a stall for ever: after this time nobody waits for it.
            return max(ordered + configuration.deploymentTimeout, node.progress.lastAt + node.progress.limit)
        }
        return node.progress.lastAt + node.progress.limit
    }

    /// Its heartbeats come, but what lies on it goes nowhere: it is used no more until it computes again or another process of it is reached.
    mutating func stall(_ id: NodeID, _ step: inout Step) {
        guard let node = nodes[id], let beat = node.heartbeat else { return }
        let cause =
            "no progress for \((step.now - node.progress.lastAt).readable) with \(beat.executing) micro-batches executing and \(beat.queued) queued"
        nodes[id]?.progress.stalledAt = beat.completed
        change(id, to: .suspect, cause, ["in_flight": "\(flights.count(on: id))"], &step)
        noteLoss(of: id, &step)
        suspectInputs(on: id, &step)
        replayFlights(through: id, why: "\(id) makes no progress", &step)
        planAround(id, &step)
    }

    // MARK: Flapping

    /// Counts a loss, and leaves the node out of plans for a while when there were too many.
    mutating func noteLoss(of id: NodeID, _ step: inout Step) {
        guard var flapping = nodes[id]?.flapping else { return }
        let usableSince = max(flapping.readySince, flapping.leftOutUntil ?? .zero)
        if usableSince + Self.flappingForgottenAfter <= step.now {
            flapping.losses = []
            flapping.pause = nil
        }
        flapping.losses = (flapping.losses.filter { $0 + Self.flappingWindow > step.now } + [step.now]).suffix(Self.flappingLosses)
        if flapping.pause != nil || flapping.losses.count >= Self.flappingLosses {
            let pause = flapping.pause.map { min($0 * 2, Self.flappingPauseLongest) } ?? Self.flappingPauseFirst
            flapping.pause = pause
            flapping.leftOutUntil = step.now + pause
            flapping.cause = "lost again and again: left out of plans for \(pause.readable) since the last time"
            plans.mayRejoin(at: step.now + pause)
            step.log(
                .warning, "node flaps: it is left out of plans for a while",
                ["node": id.description, "losses": "\(flapping.losses.count)", "for": pause.readable])
        }
        nodes[id]?.flapping = flapping
    }

    /// Those whose time is over may be planned in again; when the next one may is noted.
    /// - Returns: whether a plan may be the better for it: not for a node that serves all the while, because nobody else was left, nor
    ///   where a later loss has prolonged the time.
    mutating func readmit(_ now: Instant) -> Bool {
        var next: Instant?
        var isWorthAPlan = plans.active == nil
        for (id, node) in nodes {
            for until in [node.excludedUntil, node.flapping.leftOutUntil, node.distrust.leftOutUntil].compactMap({ $0 })
            where until > now { next = min(next ?? until, until) }
            let isBack = !node.flapping.cause.isEmpty && !node.flapping.isLeftOut(now)
            let mayLoadAgain = node.excludedUntil.map { $0 <= now } ?? false
            if mayLoadAgain { nodes[id]?.excludedUntil = nil }
            let isTrusted = !node.distrust.cause.isEmpty && !node.distrust.isLeftOut(now)
            if isBack || mayLoadAgain || isTrusted, !plans.activeUses(id) { isWorthAPlan = true }
            if isTrusted {
                nodes[id]?.distrust.cause = ""
                nodes[id]?.distrust.isShunned = false
                selectorsHear(of: id)
            }
            guard isBack else { continue }
            nodes[id]?.flapping.cause = ""
            if node.state == .ready { nodes[id]?.cause = "answering" }
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
        if isMember, nodes[id]?.state != .draining { retireActiveIfBroken() }
        requestPlan(step.now, after: .zero)
        if isMember { useStandby(without: id, isPlanning: wasReplanning, &step) }
    }
}

extension CoordinatorMachine.HeldState {
    /// Ordered, and the worker has not answered yet.
    var isUnderWay: Bool {
        switch self {
        case .ordered, .sendingArchive: true
        case .ready, .unowned: false
        }
    }
}
