internal import Base
internal import Planning
internal import Wire

/// What nodes can do for a plan, from what they say of themselves and what was measured. Pure: it reads nodes and changes nothing.
struct Capacity {
    /// The kernel's CFS period, unless somebody has changed it.
    static let quotaPeriodMs = 100.0
    /// Micro-batches for each stage beyond this would only wait: a worker has room for twice as many.
    static let waitingForQuotaLimit = 16

    private let referenceSpeed: Double
    private let now: Instant
    /// Cores that our workers use together on each set of processors that they share.
    private let coresByProcessorGroup: [String: Double]
    /// The part of a core that an executor gets on a machine whose nodes are all disturbed, on average over those that have shown it.
    private let obtainedShares: [String: Double]

    /// - Parameter nodes: all, also those that take no part in the plan: they share machines with those that do.
    init(of nodes: some Collection<Node>, referenceSpeed: Double, _ now: Instant) {
        self.referenceSpeed = referenceSpeed
        self.now = now
        var cores: [String: Double] = [:]
        var shares: [String: [Double?]] = [:]
        for node in nodes {
            guard let profile = node.profile else { continue }
            if !profile.processorGroup.isEmpty, let beat = node.heartbeat {
                cores[profile.processorGroup, default: 0] += beat.processCPUCores
            }
            if node.pace.hasShownCores, !profile.machine.isEmpty {
                let obtained = node.pace.disturbedCores(now).map { $0 / Double(max(1, profile.executors)) }
                shares[profile.machine, default: []].append(obtained)
            }
        }
        coresByProcessorGroup = cores
        obtainedShares = shares.compactMapValues { all in
            let disturbed = all.compactMap(\.self)
            return disturbed.count == all.count ? disturbed.reduce(0, +) / Double(all.count) : nil
        }
    }

    func planningNode(_ node: Node) -> PlanningNode {
        let profile = node.profile
        let beat = node.heartbeat
        // The quota may have been changed since the worker said hello.
        let quota = beat.flatMap { $0.cpuQuotaCores > 0 ? $0.cpuQuotaCores : nil } ?? profile?.cores ?? 1
        var cores = max(0.05, min(quota, Double(max(1, profile?.executors ?? 1))))
        // Our own partitions and processes make room for their successors; others' load is not ours to use.
        let (limit, free, ours) = Self.memory(of: node)
        var load = 0.0
        // A node that has not shown what it gets, because it has just come, will fare like the others on its machine. Else it would be
        // planned with twice what they have, where they share processors.
        let machine = profile?.machine ?? ""
        let obtained =
            node.pace.hasShownCores
            ? node.pace.disturbedCores(now) : obtainedShares[machine].map { $0 * Double(max(1, profile?.executors ?? 1)) }
        if let obtained {
            // What the runs really got says more than who else was busy.
            cores = min(cores, max(0.05, obtained))
        } else if let beat, quota > 0 {
            let ourCores = profile.flatMap { coresByProcessorGroup[$0.processorGroup] } ?? beat.processCPUCores
            load = min(0.95, max(0, beat.cpuUsedCores - ourCores) / quota)
        }
        return PlanningNode(
            id: node.id, effectiveCores: cores, speed: (profile?.speed ?? 1) / referenceSpeed,
            freeMemory: ByteCount(Int(clamping: min(limit, free.addedSaturating(to: ours)))), load: load,
            latencyMs: (node.roundTrip?.milliseconds ?? 0) / 2, pinnedStage: node.pinnedStage, machine: machine)
    }

    /// A node's limit, what is free of it, and what we have there, in bytes.
    static func memory(of node: Node) -> (limit: UInt64, free: UInt64, ours: UInt64) {
        let held = node.partitions.values.reduce(UInt64(0)) { $0.addedSaturating(to: $1.weightBytes) }
        guard let beat = node.heartbeat, beat.memoryLimitBytes > 0 else {
            return (node.profile?.memoryLimitBytes ?? 0, node.profile?.memoryAvailableBytes ?? 0, held)
        }
        let free = beat.memoryLimitBytes - min(beat.memoryUsedBytes, beat.memoryLimitBytes)
        return (beat.memoryLimitBytes, free, max(held, beat.processResidentBytes))
    }

    /// What is loaded, in a fixed order.
    static func held(by members: [Node]) -> [NodeID: [PartitionKey]] {
        Dictionary(
            uniqueKeysWithValues: members.map { node in
                (node.id, node.partitions.filter { !$0.value.isUnderWay }.keys.sorted { $0.description < $1.description })
            })
    }

    /// What the nodes measured of the partitions that they have loaded.
    static func observations(of members: [Node]) -> [RunObservation] {
        members.flatMap { node in
            node.pace.recentRuns.filter { node.partitions[$0.key]?.isUnderWay == false }.map { key, milliseconds in
                RunObservation(
                    node: node.id, range: LayerRange(key.firstLayer, key.endLayer), milliseconds: milliseconds,
                    isAtWork: node.pace.measuredAtWork.contains(key))
            }.sorted { ($0.range.first, $0.range.end) < ($1.range.first, $1.range.end) }
        }
    }

    /// What the nodes measured of their links to each other and to the coordinator.
    static func measuredLinks(of members: [Node]) -> [MeasuredLink] {
        let known = Set(members.map(\.id))
        return members.flatMap { node in
            (node.heartbeat?.links ?? []).compactMap { link -> MeasuredLink? in
                let to = link.peer == .coordinator ? nil : link.peer
                guard link.isConnected, link.bandwidthBytesPerSecond > 0, to.map(known.contains) ?? true else { return nil }
                return MeasuredLink(
                    from: node.id, to: to, wireBytesPerSecond: link.bandwidthBytesPerSecond, rawBytes: link.rawBytes,
                    wireBytes: link.wireBytes, roundTripMs: link.roundTripMilliseconds)
            }
        }
    }

    /// Enough under way to keep every executor busy with one more waiting, and one on each link; more would only queue at the bottleneck.
    ///
    /// A node with a part of a core stands still once its quota is used up, for most of a period, and must find work waiting when it may go
    /// on, while its neighbours stand still at other times: then each stage is given what the bottleneck takes in one and a half periods.
    static func window(for deployment: PlannedDeployment, profile: (NodeID) -> WorkerProfile?) -> Int {
        let replicas = deployment.stages.flatMap(\.replicas)
        let executors = replicas.reduce(0) { $0 + Int(profile($1)?.executors ?? 1) }
        let usual = 2 * executors + deployment.stages.count
        guard replicas.contains(where: { (profile($0)?.cores ?? 1) < 1 }) else { return usual }
        let waiting = 1.5 * Self.quotaPeriodMs / max(1, deployment.plan.bottleneckMilliseconds)
        let perStage = Int(min(Double(Self.waitingForQuotaLimit), waiting.rounded(.up)))
        return max(usual, executors + deployment.stages.count * perStage)
    }
}
