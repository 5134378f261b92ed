internal import Planning
internal import Wire

/// From a change in membership to a plan that serves: order a plan, have its partitions loaded, then let routes use it.
extension CoordinatorMachine {
    mutating func requestPlan(_ now: Instant, after delay: Duration) {
        let due = now + delay
        planDueAt = min(planDueAt ?? due, due)
    }

    mutating func startPlanning(_ now: Instant, _ out: inout [Directive]) {
        if let rejoin = rejoinAt, rejoin <= now {
            // A node that could not load a partition may take part again.
            rejoinAt = nodes.values.compactMap(\.excludedUntil).filter { $0 > now }.min()
            requestPlan(now, after: .zero)
        }
        guard let due = planDueAt, due <= now, isStartGateOpen, planInProgress == nil, model != nil else { return }
        planDueAt = nil
        let ready = nodes.values.filter { $0.state == .ready }.sorted { $0.id < $1.id }
        var members = ready.filter { ($0.excludedUntil ?? .zero) <= now }
        if members.isEmpty {
            // Nobody else is left: those that were left out get another chance, though not at once.
            let earlier = Self.exclusionAfterLoadFailure - Self.planRetryInterval
            members = ready.filter { ($0.excludedUntil ?? .zero) <= now + earlier }
        }
        guard !members.isEmpty else {
            // Nodes that are ready but could not load their partition: the reason stays, with what was missing.
            if planFailure == nil || ready.isEmpty { planFailure = "no worker is ready (\(missingNodes))" }
            if active == nil, !ready.isEmpty { requestPlan(now, after: Self.planRetryInterval) }
            log(.warning, "no plan is possible", ["cause": planFailure ?? ""], &out)
            return
        }
        if peerTableDueAt != nil { publishPeers(&out) }
        planGeneration += 1
        planInProgress = planGeneration
        out.append(
            .plan(
                PlanOrder(
                    generation: planGeneration, nodes: members.map(planningNode), brokenLinks: brokenLinks,
                    isUrgent: !requests.isEmpty)))
    }

    /// With no plan that serves, another look after this long: memory may have been freed.
    static let planRetryInterval: Duration = .seconds(5)

    /// Names each node that is not ready and why.
    var missingNodes: String {
        if nodes.isEmpty { return "no worker is listed or registered; start one with amp4ec-worker --coordinator ADDR" }
        let missing = nodes.values.filter { $0.state != .ready || $0.excludedUntil != nil }.sorted { $0.id < $1.id }
        if missing.isEmpty { return "all workers are ready" }
        return missing.map { "\($0.id): \($0.state == .ready ? $0.exclusionCause : $0.cause)" }.joined(separator: "; ")
    }

    private func planningNode(_ node: Node) -> PlanningNode {
        let profile = node.profile
        let cores = profile?.cores ?? 1
        let held = node.partitions.values.reduce(UInt64(0)) { $0 &+ $1.weightBytes }
        var free = profile?.memoryAvailableBytes ?? 0
        var limit = profile?.memoryLimitBytes ?? 0
        if let heartbeat = node.heartbeat, heartbeat.memoryLimitBytes > 0 {
            limit = heartbeat.memoryLimitBytes
            free = limit - min(heartbeat.memoryUsedBytes, heartbeat.memoryLimitBytes)
        }
        // Our own partitions and process make room for their successors; others' load is not ours to use.
        let ours = max(held, node.heartbeat?.processResidentBytes ?? 0)
        let othersCores = node.heartbeat.map { max(0, $0.cpuUsedCores - $0.processCPUCores) } ?? 0
        return PlanningNode(
            id: node.id, effectiveCores: max(0.05, min(cores, Double(max(1, profile?.executors ?? 1)))), speed: profile?.speed ?? 1,
            freeMemory: ByteCount(Int(clamping: min(limit, free &+ ours))), load: cores > 0 ? min(0.95, othersCores / cores) : 0,
            latencyMs: (node.roundTrip?.milliseconds ?? 0) / 2)
    }

    mutating func planned(_ generation: UInt64, _ outcome: PlanOutcome, _ now: Instant, _ out: inout [Directive]) {
        guard planInProgress == generation else { return }
        planInProgress = nil
        switch outcome {
        case .failure(let message):
            planFailure = message
            departureObstacle = message
            log(.error, "no plan is possible", ["cause": message], &out)
            if active == nil { requestPlan(now, after: Self.planRetryInterval) }
        case .plan(let deployment):
            // Membership may have changed while the plan was computed.
            guard deployment.nodes.allSatisfy({ nodes[$0]?.state == .ready }) else {
                requestPlan(now, after: .zero)
                return
            }
            planFailure = nil
            departureObstacle = nil
            for replica in deployment.nodes { nodes[replica]?.excludedUntil = nil }
            count { $0.plans += 1 }
            candidate = CandidatePlan(generation: generation, deployment: deployment, startedAt: now)
            log(.info, "plan is made", ["generation": "\(generation)", "stages": deployment.description], &out)
            for stage in deployment.stages {
                for replica in stage.replicas { order(stage, on: replica, &out) }
            }
            activateIfLoaded(now, &out)
        }
    }

    private mutating func order(_ stage: PlannedDeployment.Stage, on id: NodeID, _ out: inout [Directive]) {
        guard let node = nodes[id], let control = node.control else { return }
        switch node.partitions[stage.partition] {
        case .ordered, .sendingArchive, .ready: return
        // What is not ours may be evicted at any time: the order takes it back, and the answer says that it is still there.
        case .unowned, nil: break
        }
        nodes[id]?.partitions[stage.partition] = .ordered
        out.append(
            .send(
                control,
                .loadPartition(
                    LoadPartition(key: stage.partition, residentBytes: stage.residentBytes, warmups: stage.warmups))))
    }

    mutating func reported(_ id: NodeID, _ report: PartitionReport, _ now: Instant, _ out: inout [Directive]) {
        switch report.state {
        case .missing:
            guard let data = nodes[id]?.data, nodes[id]?.partitions[report.key] == .ordered else { return }
            nodes[id]?.partitions[report.key] = .sendingArchive
            count { $0.archivesSent += 1 }
            out.append(.sendArchive(data, report.key))
        case .ready:
            nodes[id]?.partitions[report.key] = .ready(archiveBytes: report.archiveBytes, weightBytes: report.weightBytes)
            activateIfLoaded(now, &out)
        case .evicted:
            nodes[id]?.partitions[report.key] = nil
            guard uses(active?.deployment, id, report.key) || uses(candidate?.deployment, id, report.key) else { return }
            if uses(active?.deployment, id, report.key) { active = nil }
            if uses(candidate?.deployment, id, report.key) { candidate = nil }
            requestPlan(now, after: .zero)
        case .failed:
            nodes[id]?.partitions[report.key] = nil
            // An answer to an order of a plan that was given up concerns nobody.
            guard uses(candidate?.deployment, id, report.key) else { return }
            abandonCandidate(because: "\(id) cannot load \(report.key): \(report.message)", excluding: [id], now, &out)
        }
    }

    private func uses(_ deployment: PlannedDeployment?, _ id: NodeID, _ key: PartitionKey) -> Bool {
        deployment?.stages.contains { $0.partition == key && $0.replicas.contains(id) } ?? false
    }

    mutating func archiveUnavailable(_ key: PartitionKey, _ message: String, _ now: Instant, _ out: inout [Directive]) {
        for id in nodes.keys where nodes[id]?.partitions[key] == .sendingArchive { nodes[id]?.partitions[key] = nil }
        planFailure = "partition \(key) cannot be made: \(message)"
        log(.error, "a partition cannot be made", ["partition": key.description, "cause": message], &out)
        guard candidate?.deployment.stages.contains(where: { $0.partition == key }) == true else { return }
        candidate = nil
        requestPlan(now, after: Self.planRetryInterval)
    }

    /// A deployment that hangs (a loader that never answers) must not keep the cluster from serving on the other nodes.
    mutating func watchDeployment(_ now: Instant, _ out: inout [Directive]) {
        guard let candidate, candidate.startedAt + configuration.deploymentTimeout <= now else { return }
        let missing = candidate.deployment.nodes.filter { id in
            candidate.deployment.stages.contains { $0.replicas.contains(id) && !isLoaded($0.partition, on: id) }
        }.sorted()
        let who = missing.map(\.description).joined(separator: ", ")
        for id in missing {
            for stage in candidate.deployment.stages where !isLoaded(stage.partition, on: id) {
                nodes[id]?.partitions[stage.partition] = nil
            }
        }
        let limit = configuration.deploymentTimeout.readable
        abandonCandidate(because: "\(who) loaded no partition within \(limit)", excluding: missing, now, &out)
    }

    private func isLoaded(_ key: PartitionKey, on id: NodeID) -> Bool {
        if case .ready = nodes[id]?.partitions[key] { true } else { false }
    }

    private mutating func abandonCandidate(because cause: String, excluding ids: [NodeID], _ now: Instant, _ out: inout [Directive])
    {
        planFailure = cause
        for id in ids {
            nodes[id]?.excludedUntil = now + Self.exclusionAfterLoadFailure
            nodes[id]?.exclusionCause = cause
        }
        candidate = nil
        log(.error, "a deployment failed", ["cause": cause], &out)
        requestPlan(now, after: .zero)
        rejoinAt = min(rejoinAt ?? .distantFuture, now + Self.exclusionAfterLoadFailure)
    }

    private mutating func activateIfLoaded(_ now: Instant, _ out: inout [Directive]) {
        guard let candidate else { return }
        for stage in candidate.deployment.stages {
            for replica in stage.replicas where !isLoaded(stage.partition, on: replica) { return }
        }
        active = ActivePlan(
            generation: candidate.generation, deployment: candidate.deployment, window: window(for: candidate.deployment))
        self.candidate = nil
        log(
            .info, "plan serves",
            [
                "generation": "\(candidate.generation)", "stages": "\(candidate.deployment.stages.count)",
                "deployed_in": (now - candidate.startedAt).readable,
            ], &out)
        out.append(.serving(stages: candidate.deployment.stages.count, nodes: candidate.deployment.nodes.count))
        releaseUnused(by: candidate.deployment, &out)
    }

    /// What the plan does not use may be evicted, whoever ordered it; what runs there still finishes.
    private mutating func releaseUnused(by deployment: PlannedDeployment, _ out: inout [Directive]) {
        var used: [NodeID: Set<PartitionKey>] = [:]
        for stage in deployment.stages {
            for replica in stage.replicas { used[replica, default: []].insert(stage.partition) }
        }
        for id in nodes.keys.sorted() {
            guard let node = nodes[id], let control = node.control else { continue }
            for (key, state) in node.partitions.sorted(by: { $0.key.description < $1.key.description }) {
                guard case .ready(_, let weightBytes) = state, used[id]?.contains(key) != true else { continue }
                nodes[id]?.partitions[key] = .unowned(weightBytes: weightBytes)
                out.append(.send(control, .releasePartition(ReleasePartition(key: key))))
            }
        }
    }

    /// Enough under way to keep every executor busy with one more waiting, and one on each link; more would only queue at the bottleneck.
    private func window(for deployment: PlannedDeployment) -> Int {
        let executors = deployment.stages.flatMap(\.replicas).reduce(0) { $0 + Int(nodes[$1]?.profile?.executors ?? 1) }
        return 2 * executors + deployment.stages.count
    }

    /// A plan with replicas left in every stage goes on serving until the next one is loaded.
    mutating func retireActiveIfBroken(_ now: Instant, _ out: inout [Directive]) {
        guard let active else { return }
        let isServing = active.deployment.stages.allSatisfy { stage in stage.replicas.contains { nodes[$0]?.takesWork == true } }
        if !isServing { self.active = nil }
    }
}

extension PlannedDeployment: CustomStringConvertible {
    public var description: String {
        stages.map { stage in
            "[\(stage.partition.firstLayer),\(stage.partition.endLayer)) on \(stage.replicas.map(\.description).joined(separator: "+"))"
        }.joined(separator: " → ")
    }
}
