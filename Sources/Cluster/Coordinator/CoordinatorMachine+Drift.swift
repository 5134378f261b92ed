public import Planning
internal import Wire

/// A plan that has become worse than another would be: nodes that got slower or faster, links that did. The planner compares what serves
/// with the best plan under the newest measurements, and ``DriftJudge`` says when a difference is worth a new plan.
extension CoordinatorMachine {
    static let driftInterval: Duration = .seconds(1)
    /// A comparison may be a whole search: the planner is kept busy with them for this part of the time at most.
    static let driftRestFactor = 20
    /// A comparison that was not answered in this time will not be: the next one is made.
    static let driftPatience: Duration = .seconds(60)

    struct DriftState: Sendable {
        var judge = DriftJudge()
        var dueAt: Instant?
        /// The order to the planner that is under way.
        var order: (number: UInt64, at: Instant)?
        /// What the plan that serves is predicted to give under the newest measurements, in milliseconds for each micro-batch.
        var servingMs: Double?
    }

    var canWatchDrift: Bool { active != nil && !isReplanning && !isDraining }

    /// When the machine must look at it.
    var driftWake: Instant? {
        guard canWatchDrift else { return nil }
        return drift.order.map { $0.at + Self.driftPatience } ?? drift.dueAt
    }

    /// A new plan serves.
    mutating func renewDrift(_ now: Instant) {
        drift.judge.planServes(now: now.nanoseconds)
        drift.order = nil
        drift.servingMs = nil
        drift.dueAt = now + Self.driftInterval
    }

    mutating func watchDrift(_ step: inout Step) {
        guard canWatchDrift, let active else { return }
        if let order = drift.order, order.at + Self.driftPatience <= step.now { drift.order = nil }
        guard drift.order == nil, standby.order == nil, let due = drift.dueAt, due <= step.now else { return }
        let members = planMembers(step.now).members
        guard !members.isEmpty else {
            drift.dueAt = step.now + Self.driftInterval
            return
        }
        let serving = active.deployment.plan.stages.map { StageAssignment(layers: $0.layers, replicas: $0.replicas) }
        let number = order(.drift(from: serving), over: members, isUrgent: true, &step)
        drift.order = (number, step.now)
    }

    mutating func compared(_ outcome: PlanOutcome, _ step: inout Step) {
        guard let order = drift.order else { return }
        drift.order = nil
        drift.dueAt = step.now + Self.driftInterval
        guard case .comparison(let comparison) = outcome else { return }
        drift.dueAt = step.now + max(Self.driftInterval, comparison.searchTime * Self.driftRestFactor)
        guard canWatchDrift else { return }
        drift.servingMs = comparison.servingMs
        guard drift.judge.judge(servingMs: comparison.servingMs, bestMs: comparison.bestMs, now: step.now.nanoseconds),
            let best = comparison.best, best.nodes.allSatisfy({ nodes[$0]?.state == .ready }),
            !bringsBack(best, orderedAs: order.number)
        else { return }
        step.log(
            .info, "the plan that serves has become worse than another",
            ["serving_ms": Self.text(comparison.servingMs), "best_ms": Self.text(comparison.bestMs)])
        count { $0.driftPlans += 1 }
        deploy(best, from: "drift", &step)
    }

    /// Two decimals.
    private static func text(_ milliseconds: Double) -> String {
        milliseconds.isFinite && milliseconds < 1e9 ? "\((milliseconds * 100).rounded() / 100)" : "\(milliseconds)"
    }

    /// What the nodes measured of the partitions that they have loaded.
    func observations(of members: [Node]) -> [RunObservation] {
        members.flatMap { node in
            node.pace.recentRuns.filter { node.partitions[$0.key]?.isUnderWay == false }.map { key, milliseconds in
                RunObservation(
                    node: node.id, range: LayerRange(key.firstLayer, key.endLayer), milliseconds: milliseconds,
                    isAtWork: node.pace.measuredAtWork.contains(key))
            }.sorted { ($0.range.first, $0.range.end) < ($1.range.first, $1.range.end) }
        }
    }

    /// What the nodes measured of their links to each other and to the coordinator.
    func measuredLinks(of members: [Node]) -> [MeasuredLink] {
        let known = Set(members.map(\.id))
        return members.flatMap { node in
            (node.heartbeat?.links ?? []).compactMap { link -> MeasuredLink? in
                let to = link.peer == "coordinator" ? nil : NodeID(link.peer)
                guard link.isConnected, link.bandwidthBytesPerSecond > 0, to.map(known.contains) ?? true else { return nil }
                return MeasuredLink(
                    from: node.id, to: to, wireBytesPerSecond: link.bandwidthBytesPerSecond, rawBytes: link.rawBytes,
                    wireBytes: link.wireBytes, roundTripMs: link.roundTripMilliseconds)
            }
        }
    }
}

/// Layers on nodes, as a plan that serves has them.
public struct StageAssignment: Sendable, Hashable {
    public var layers: LayerRange
    public var replicas: [NodeID]
    public init(layers: LayerRange, replicas: [NodeID]) {
        self.layers = layers
        self.replicas = replicas
    }
}

/// One direction of a link as its sender measured it; `nil` is the coordinator.
public struct MeasuredLink: Sendable, Hashable {
    public var from: NodeID?
    public var to: NodeID?
    /// Of raw activation bytes: compression that pays is in it.
    public var bandwidthBytesPerSecond: Double
    public var roundTripMs: Double
    public init(from: NodeID?, to: NodeID?, bandwidthBytesPerSecond: Double, roundTripMs: Double) {
        self.from = from
        self.to = to
        self.bandwidthBytesPerSecond = bandwidthBytesPerSecond
        self.roundTripMs = roundTripMs
    }

    /// From what went over it. What the codec saves counts as bandwidth: activations are planned with by their raw size.
    public init(
        from: NodeID?, to: NodeID?, wireBytesPerSecond: Double, rawBytes: UInt64, wireBytes: UInt64, roundTripMs: Double
    ) {
        let gain = wireBytes > 0 ? max(1, Double(rawBytes) / Double(wireBytes)) : 1
        self.init(from: from, to: to, bandwidthBytesPerSecond: wireBytesPerSecond * gain, roundTripMs: roundTripMs)
    }
}

/// What serves beside the best plan, both under the newest measurements. Bottlenecks in milliseconds for each micro-batch.
public struct ServingComparison: Sendable {
    public var servingMs: Double
    public var bestMs: Double
    /// `nil` where it is the plan that serves.
    public var best: PlannedDeployment?
    /// What the planner was busy with it, without the time that it had other things to do first.
    public var searchTime: Duration
    public init(servingMs: Double, bestMs: Double, best: PlannedDeployment?, searchTime: Duration = .zero) {
        self.servingMs = servingMs
        self.bestMs = bestMs
        self.best = best
        self.searchTime = searchTime
    }
}
