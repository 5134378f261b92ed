public import Base
internal import Planning
internal import Tensors
internal import Wire

extension CoordinatorMachine {
    /// The state of everything, as an operator wants to see it.
    /// - Parameters:
    ///   - ownLinks: the coordinator's own connections.
    ///   - now: what ages are counted to; the last step's time where none is given.
    public func status(ownLinks: [ClusterStatus.Link] = [], now: Instant? = nil) -> ClusterStatus {
        let known = roster.all.sorted { $0.id < $1.id }
        let aliases = aliasAddresses()
        return ClusterStatus(
            state: isDraining ? "draining" : plans.active != nil ? "serving" : "waiting",
            cause: plans.active == nil ? waitingCause : plans.failure.map { "no newer plan: \($0)" },
            model: plans.model.map(Self.describe), nodes: known.map { describe($0, aliases[$0.id], now ?? lastStep) },
            plan: plans.active.map(describe),
            links: ownLinks + known.flatMap(Self.links), requestsInFlight: requests.count,
            requestsUnanswered: requests.unansweredCount, requestsLost: lostRequests, microBatchesInFlight: flights.count,
            heldBytes: requests.heldBytes, counters: counters, latencies: latencies, waitingItems: requests.waitingItems,
            expectedWaitMs: expectedWait?.milliseconds, times: times,
            standby: plans.standbys.plans.sorted { $0.key < $1.key }.map(describe), tables: tables)
    }

    /// Requests that were admitted and of which nothing is known: neither answered, failed or cancelled, nor in flight.
    var lostRequests: Int {
        let ended = [counters.requestsCompleted, counters.requestsCached, counters.requestsFailed, counters.requestsCancelled]
        return Int(counters.requestsAdmitted ?? 0) - ended.reduce(0) { $0 + Int($1) } - requests.unansweredCount
    }

    /// Why no plan serves.
    var waitingCause: String {
        if plans.model == nil { return "the model is being analysed" }
        if let failure = plans.failure { return failure }
        if plans.candidate != nil { return "partitions are being deployed" }
        if plans.inProgress != nil, roster.all.contains(where: { $0.state == .ready }) { return "a plan is being made" }
        return missingNodes
    }

    private static func describe(_ model: ServedModel) -> ClusterStatus.Model {
        let batching =
            switch model.batching {
            case .splittable: "splittable"
            case .whole(let why): why
            }
        return ClusterStatus.Model(
            name: model.name, digest: model.digest, weightBytes: model.weightBytes, inputs: model.inputs.map(\.description),
            outputs: model.outputs.map(\.description), batching: batching)
    }

    private func describe(_ node: Node, _ aliases: [String]?, _ now: Instant?) -> ClusterStatus.Node {
        let beat = node.heartbeat
        let cores = node.profile?.cores ?? 0
        return ClusterStatus.Node(
            name: node.id, address: node.addresses.first ?? "", state: node.state.name, cause: node.cause, unused: whyUnused(node),
            capability: (cores * (node.profile?.speed ?? 0)).finite,
            cpu: .init(
                usedCores: (beat?.cpuUsedCores ?? 0).finite, quotaCores: (beat?.cpuQuotaCores ?? cores).finite,
                throttledShare: (beat?.cpuThrottledShare ?? 0).finite, processCores: (beat?.processCPUCores ?? 0).finite),
            memory: .init(
                usedBytes: beat?.memoryUsedBytes ?? 0, limitBytes: beat?.memoryLimitBytes ?? node.profile?.memoryLimitBytes ?? 0,
                processBytes: beat?.processResidentBytes ?? 0),
            network: beat.map { Self.network(of: node, $0) }, load: flights.count(on: node.id), queued: beat?.queued ?? 0,
            executing: beat?.executing ?? 0, completed: beat?.completed ?? 0,
            roundTripMs: node.roundTrip?.milliseconds, heartbeatAgeMs: Self.age(of: node.session?.heartbeatAt, now),
            timing: node.timing, partitions: Self.partitions(of: node),
            pinnedStage: node.pinnedStage, aliases: aliases, tables: beat?.tables.map(Self.entries))
    }

    private static func age(of moment: Instant?, _ now: Instant?) -> Double? {
        guard let moment, let now else { return nil }
        return max(0, (now - moment).milliseconds)
    }

    /// Why the plan that serves leaves a node out that is ready.
    private func whyUnused(_ node: Node) -> String? {
        guard let deployment = plans.active?.deployment, node.state == .ready, !deployment.nodes.contains(node.id) else {
            return nil
        }
        if let refusal = node.session?.refusal { return refusal }
        if !node.distrust.cause.isEmpty { return node.distrust.cause }
        return deployment.plan.leftOut.first { $0.node == node.id }?.cause ?? "the plan has no stage for it (its reasons say why)"
    }

    private static func entries(_ tables: WorkerTables) -> [String: Int] {
        [
            "connections": Int(tables.connections), "greeted": Int(tables.greeted), "peers": Int(tables.peers),
            "links": Int(tables.links), "micro_batches": Int(tables.microBatches), "payloads": Int(tables.payloads),
            "cancelled_keys": Int(tables.cancelledKeys), "partitions": Int(tables.partitions), "archives": Int(tables.archives),
        ]
    }

    private static func network(of node: Node, _ beat: Heartbeat) -> ClusterStatus.Network {
        ClusterStatus.Network(
            receivedBytes: beat.networkReceivedBytes, sentBytes: beat.networkSentBytes,
            receivedBytesPerSecond: node.network.receivedBytesPerSecond.finite,
            sentBytesPerSecond: node.network.sentBytesPerSecond.finite)
    }

    /// What the node holds: loaded as soon as it has said so to us, with the counts of its last heartbeat, which may be older.
    private static func partitions(of node: Node) -> [ClusterStatus.Partition] {
        let beaten = Dictionary((node.heartbeat?.partitions ?? []).map { ($0.key, $0) }, uniquingKeysWith: { _, last in last })
        let keys = Set(beaten.keys).union(node.partitions.keys).sorted {
            ($0.firstLayer, $0.endLayer, $0.description) < ($1.firstLayer, $1.endLayer, $1.description)
        }
        return keys.map { key in
            let (beat, known) = (beaten[key], node.partitions[key])
            var archiveBytes = beat?.archiveBytes ?? 0
            if case .ready(let bytes, _) = known { archiveBytes = max(archiveBytes, bytes) }
            let isLoaded = known.map { !$0.isUnderWay } ?? false
            let runs = beat?.runs ?? 0
            return ClusterStatus.Partition(
                layers: "\(key.firstLayer)..<\(key.endLayer)", archiveBytes: archiveBytes,
                weightBytes: max(beat?.weightBytes ?? 0, known?.weightBytes ?? 0), isLoaded: isLoaded || beat?.isLoaded == true,
                runs: runs, items: beat?.items ?? 0,
                meanMilliseconds: runs > 0 ? Double(beat?.computeNanoseconds ?? 0) / Double(runs) / 1e6 : 0)
        }
    }

    private func describe(_ active: ActivePlan) -> ClusterStatus.PlanStatus {
        let plan = active.deployment.plan
        return ClusterStatus.PlanStatus(
            generation: active.generation,
            stages: describe(active.deployment), microBatch: active.deployment.microBatch,
            predictedItemsPerSecond: plan.itemsPerSecond.finite, predictedLatencyMs: plan.latencyMilliseconds.finite,
            correctedItemsPerSecond: plans.drift.servingMs.map { (Double(active.deployment.microBatch) * 1000 / $0).finite },
            strategy: plan.strategy.rawValue, reasons: plan.reasons)
    }

    private func describe(_ deployment: PlannedDeployment) -> [ClusterStatus.Stage] {
        zip(deployment.plan.stages, deployment.stages).map { stage, deployed in
            ClusterStatus.Stage(
                firstLayer: stage.layers.first, lastLayer: stage.layers.end - 1, replicas: stage.replicas,
                cost: stage.predictedMilliseconds.finite,
                measuredMs: stage.replicas.map { (roster[$0]?.pace.runMilliseconds(deployed.partition) ?? 0).finite },
                parameterBytes: stage.parameterBytes.bytes, inputBytes: stage.inputBytes.bytes)
        }
    }

    private func describe(_ lost: NodeID, _ plan: StandbyPlan) -> ClusterStatus.Standby {
        guard let deployment = plan.deployment else {
            return ClusterStatus.Standby(without: lost, stages: [], isStaged: false, cause: plan.failure)
        }
        var refusals: [String] = []
        for stage in deployment.stages {
            for replica in stage.replicas where !isLoaded(stage.partition, on: replica) {
                let why = roster[replica]?.refusedStandbys[stage.partition] ?? "not loaded"
                refusals.append(
                    "\(replica), layers \(stage.partition.firstLayer) to \(max(1, stage.partition.endLayer) - 1): \(why)")
            }
        }
        return ClusterStatus.Standby(
            without: lost, stages: describe(deployment), isStaged: refusals.isEmpty,
            cause: refusals.joined(separator: "; "))
    }

    private static func links(_ node: Node) -> [ClusterStatus.Link] {
        (node.heartbeat?.links ?? []).map { link in
            ClusterStatus.Link(
                from: node.id, to: link.peer, connected: link.isConnected, messages: link.messages,
                rawBytes: link.rawBytes,
                wireBytes: link.wireBytes, bandwidthBytesPerSecond: link.bandwidthBytesPerSecond.finite,
                compressedShare: link.compressedShare.finite)
        }
    }

    /// For the shell's and the simulator's checks.
    public var requestCount: Int { requests.count }
    public var flightCount: Int { flights.count }
    public var heldByteCount: Int { requests.heldBytes }
    /// Entries in the order of turns; those of requests that are gone are cleared away when they grow too many.
    public var turnCount: Int { requests.turnCount }
    public func state(of node: NodeID) -> NodeState? { roster[node]?.state }
}
