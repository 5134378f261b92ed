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
            rejoinAt = nil
            requestPlan(now, after: .zero)
        }
        guard let due = planDueAt, due <= now, isStartGateOpen, planInProgress == nil, model != nil else { return }
        planDueAt = nil
        let members = nodes.values.filter { $0.state == .ready && ($0.excludedUntil ?? .zero) <= now }.sorted { $0.id < $1.id }
        guard !members.isEmpty else {
            // Nodes that are ready but could not load their partition: the reason stays, with what was missing.
            if planFailure == nil || !nodes.values.contains(where: { $0.state == .ready }) {
                planFailure = "no worker is ready (\(missingNodes))"
            }
            log(.warning, "no plan is possible", ["cause": planFailure ?? ""], &out)
            return
        }
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
        let missing = nodes.values.filter { $0.state != .ready }.sorted { $0.id < $1.id }
        return missing.isEmpty ? "no workers are listed" : missing.map { "\($0.id): \($0.cause)" }.joined(separator: "; ")
    }

    private func planningNode(_ node: Node) -> PlanningNode {
        let profile = node.profile
        let cores = profile?.cores ?? 1
        let held = node.partitions.values.reduce(UInt64(0)) { sum, state in
            if case .ready(_, let weightBytes) = state { sum + weightBytes } else { sum }
        }
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
            log(.error, "no plan is possible", ["cause": message], &out)
            if active == nil { requestPlan(now, after: Self.planRetryInterval) }
        case .plan(let deployment):
            // Membership may have changed while the plan was computed.
            guard deployment.nodes.allSatisfy({ nodes[$0]?.state == .ready }) else {
                requestPlan(now, after: .zero)
                return
            }
            planFailure = nil
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
        guard let node = nodes[id], let control = node.control, node.partitions[stage.partition] == nil else { return }
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
            out.append(.sendArchive(data, report.key))
        case .ready:
            nodes[id]?.partitions[report.key] = .ready(archiveBytes: report.archiveBytes, weightBytes: report.weightBytes)
            activateIfLoaded(now, &out)
        case .evicted:
            nodes[id]?.partitions[report.key] = nil
            guard let active, active.deployment.stages.contains(where: { $0.partition == report.key && $0.replicas.contains(id) })
            else { return }
            self.active = nil
            requestPlan(now, after: .zero)
        case .failed:
            nodes[id]?.partitions[report.key] = nil
            abandonCandidate(because: "\(id) cannot load \(report.key): \(report.message)", excluding: id, now, &out)
        }
    }

    mutating func archiveUnavailable(_ key: PartitionKey, _ message: String, _ now: Instant, _ out: inout [Directive]) {
        for id in nodes.keys where nodes[id]?.partitions[key] == .sendingArchive { nodes[id]?.partitions[key] = nil }
        planFailure = "partition \(key) cannot be made: \(message)"
        log(.error, "a partition cannot be made", ["partition": key.description, "cause": message], &out)
        candidate = nil
    }

    private mutating func abandonCandidate(because cause: String, excluding id: NodeID, _ now: Instant, _ out: inout [Directive]) {
        planFailure = cause
        nodes[id]?.excludedUntil = now + Self.exclusionAfterLoadFailure
        candidate = nil
        log(.error, "a deployment failed", ["cause": cause], &out)
        requestPlan(now, after: .zero)
        rejoinAt = min(rejoinAt ?? .distantFuture, now + Self.exclusionAfterLoadFailure)
    }

    private mutating func activateIfLoaded(_ now: Instant, _ out: inout [Directive]) {
        guard let candidate else { return }
        for stage in candidate.deployment.stages {
            for replica in stage.replicas {
                guard case .ready = nodes[replica]?.partitions[stage.partition] else { return }
            }
        }
        let previous = active
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
        if let previous { release(previous.deployment, keeping: candidate.deployment, &out) }
    }

    /// What the old plan used and the new one does not may be evicted; what runs there still finishes.
    private mutating func release(_ old: PlannedDeployment, keeping new: PlannedDeployment, _ out: inout [Directive]) {
        let kept = Set(new.stages.flatMap { stage in stage.replicas.map { NodePartition(node: $0, partition: stage.partition) } })
        for stage in old.stages {
            for replica in stage.replicas where !kept.contains(NodePartition(node: replica, partition: stage.partition)) {
                guard let control = nodes[replica]?.control else { continue }
                out.append(.send(control, .releasePartition(ReleasePartition(key: stage.partition))))
            }
        }
    }

    private struct NodePartition: Hashable {
        let node: NodeID
        let partition: PartitionKey
    }

    /// Enough under way to keep every executor busy with one more waiting, and one on each link; more would only queue at the bottleneck.
    private func window(for deployment: PlannedDeployment) -> Int {
        let executors = deployment.stages.flatMap(\.replicas).reduce(0) { $0 + Int(nodes[$1]?.profile?.executors ?? 1) }
        return 2 * executors + deployment.stages.count
    }

    /// A plan with replicas left in every stage goes on serving until the next one is loaded.
    mutating func retireActiveIfBroken(_ now: Instant, _ out: inout [Directive]) {
        guard let active else { return }
        let isServing = active.deployment.stages.allSatisfy { stage in stage.replicas.contains { nodes[$0]?.state == .ready } }
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
