internal import Planning
internal import Wire

/// From a change in membership to a plan that serves: order a plan, have its partitions loaded, then let routes use it.
extension CoordinatorMachine {
    mutating func requestPlan(_ now: Instant, after delay: Duration) {
        let due = now + delay
        planDueAt = min(planDueAt ?? due, due)
    }

    mutating func startPlanning(_ step: inout Step) {
        if let rejoin = rejoinAt, rejoin <= step.now {
            // A node that could not load a partition, or that was lost too often, may take part again.
            if readmit(step.now) { requestPlan(step.now, after: .zero) }
        }
        guard let due = planDueAt, due <= step.now, isStartGateOpen, planInProgress == nil, model != nil else { return }
        planDueAt = nil
        let (members, leavesOut) = planMembers(step.now)
        guard !members.isEmpty else {
            let isAnyReady = nodes.values.contains { $0.state == .ready }
            // Nodes that are ready but could not load their partition: the reason stays, with what was missing. Where none is ready,
            // each node's own cause says more, and stays current.
            if !isAnyReady { planFailure = nil }
            if active == nil, isAnyReady { requestPlan(step.now, after: Self.planRetryInterval) }
            sayImpossible(.warning, planFailure ?? "no worker is ready (\(missingNodes))", &step)
            return
        }
        if links.isTableAwaited { publishPeers(&step) }
        hasLeftOut = leavesOut
        takesLeftOut = false
        planInProgress = order(.serve, over: members, isUrgent: !requests.isEmpty, &step)
    }

    /// Asks the planner.
    /// - Returns: the number under which it answers.
    mutating func order(
        _ purpose: PlanPurpose, over members: [Node], isUrgent: Bool, _ step: inout Step
    ) -> UInt64 {
        planOrders += 1
        let processorGroups = coresByProcessorGroup
        let obtained = sharesObtainedByMachine(step.now)
        step.emit(
            .plan(
                PlanOrder(
                    generation: planOrders, purpose: purpose,
                    nodes: members.map { planningNode($0, processorGroups, obtained, step.now) },
                    brokenLinks: links.broken, isUrgent: isUrgent, held: held(by: members),
                    observations: observations(of: members), links: measuredLinks(of: members))))
        return planOrders
    }

    /// Cores that our workers use together on each set of processors that they share.
    private var coresByProcessorGroup: [String: Double] {
        var cores: [String: Double] = [:]
        for node in nodes.values {
            guard let group = node.profile?.processorGroup, !group.isEmpty, let beat = node.heartbeat else { continue }
            cores[group, default: 0] += beat.processCPUCores
        }
        return cores
    }

    /// The part of a core that an executor gets on a machine whose nodes are all disturbed, on average over those that have shown it.
    private func sharesObtainedByMachine(_ now: Instant) -> [String: Double] {
        var shares: [String: [Double?]] = [:]
        for node in nodes.values where node.pace.hasShownCores {
            guard let profile = node.profile, !profile.machine.isEmpty else { continue }
            shares[profile.machine, default: []].append(
                node.pace.disturbedCores(now).map { $0 / Double(max(1, profile.executors)) })
        }
        return shares.compactMapValues { all in
            let disturbed = all.compactMap(\.self)
            return disturbed.count == all.count ? disturbed.reduce(0, +) / Double(all.count) : nil
        }
    }

    /// What is loaded, in a fixed order.
    private func held(by members: [Node]) -> [NodeID: [PartitionKey]] {
        Dictionary(
            uniqueKeysWithValues: members.map { node in
                (node.id, node.partitions.filter { !$0.value.isUnderWay }.keys.sorted { $0.description < $1.description })
            })
    }

    /// Who may take part in a plan: who is ready, without those that could not load their partition lately, and those that flap or lose
    /// work; these are taken all the same where nobody else is left.
    /// - Returns: also whether anybody was left out for flapping or losing work.
    func planMembers(_ now: Instant) -> (members: [Node], leavesOut: Bool) {
        let ready = nodes.values.filter { $0.state == .ready }.sorted { $0.id < $1.id }
        let able = ready.filter { ($0.excludedUntil ?? .zero) <= now }
        let steady = able.filter { !$0.isLeftOut(now) }
        if !steady.isEmpty, !takesLeftOut { return (steady, steady.count < able.count) }
        if !able.isEmpty { return (able, false) }
        // Nobody else is left: those that were left out get another chance, though not at once.
        let earlier = Self.exclusionAfterLoadFailure - Self.planRetryInterval
        return (ready.filter { ($0.excludedUntil ?? .zero) <= now + earlier }, false)
    }

    /// The kernel's CFS period, unless somebody has changed it.
    static let quotaPeriodMs = 100.0
    /// Micro-batches for each stage beyond this would only wait: a worker has room for twice as many.
    static let waitingForQuotaLimit = 16

    /// With no plan that serves, another look after this long: memory may have been freed.
    static let planRetryInterval: Duration = .seconds(5)

    /// Names each node that is not ready and why.
    var missingNodes: String {
        if nodes.isEmpty { return "no worker is listed or registered; start one with amp4ec-worker --coordinator ADDR" }
        let missing = nodes.values.filter { $0.state != .ready || $0.excludedUntil != nil }.sorted { $0.id < $1.id }
        if missing.isEmpty { return "all workers are ready" }
        return missing.map { "\($0.id): \($0.state == .ready ? $0.exclusionCause : $0.cause)" }.joined(separator: "; ")
    }

    private func planningNode(
        _ node: Node, _ processorGroups: [String: Double], _ obtainedShares: [String: Double], _ now: Instant
    ) -> PlanningNode {
        let profile = node.profile
        let beat = node.heartbeat
        // The quota may have been changed since the worker said hello.
        let quota = beat.flatMap { $0.cpuQuotaCores > 0 ? $0.cpuQuotaCores : nil } ?? profile?.cores ?? 1
        var cores = max(0.05, min(quota, Double(max(1, profile?.executors ?? 1))))
        // Our own partitions and processes make room for their successors; others' load is not ours to use.
        let (limit, free, ours) = memory(of: node)
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
            let ourCores = profile.flatMap { processorGroups[$0.processorGroup] } ?? beat.processCPUCores
            load = min(0.95, max(0, beat.cpuUsedCores - ourCores) / quota)
        }
        return PlanningNode(
            id: node.id, effectiveCores: cores, speed: (profile?.speed ?? 1) / configuration.referenceSpeed,
            freeMemory: ByteCount(Int(clamping: min(limit, free.addedSaturating(to: ours)))), load: load,
            latencyMs: (node.roundTrip?.milliseconds ?? 0) / 2, pinnedStage: node.pinnedStage, machine: machine)
    }

    /// A node's limit, what is free of it, and what we have there, in bytes.
    func memory(of node: Node) -> (limit: UInt64, free: UInt64, ours: UInt64) {
        let held = node.partitions.values.reduce(UInt64(0)) { $0.addedSaturating(to: $1.weightBytes) }
        guard let beat = node.heartbeat, beat.memoryLimitBytes > 0 else {
            return (node.profile?.memoryLimitBytes ?? 0, node.profile?.memoryAvailableBytes ?? 0, held)
        }
        let free = beat.memoryLimitBytes - min(beat.memoryUsedBytes, beat.memoryLimitBytes)
        return (beat.memoryLimitBytes, free, max(held, beat.processResidentBytes))
    }

    mutating func planned(_ generation: UInt64, _ outcome: PlanOutcome, _ step: inout Step) {
        guard planInProgress == generation else {
            if drift.order?.number == generation {
                compared(outcome, &step)
            } else {
                standbyPlanned(generation, outcome, step.now)
            }
            return
        }
        planInProgress = nil
        switch outcome {
        case .comparison: break
        case .failure where hasLeftOut:
            // Without the nodes that flap there is no plan: a shaky one is better than none.
            takesLeftOut = true
            requestPlan(step.now, after: .zero)
        case .failure(let message):
            planFailure = message
            departureObstacle = message
            sayImpossible(.error, message, &step)
            if active == nil { requestPlan(step.now, after: Self.planRetryInterval) }
        case .plan(let deployment):
            // Membership may have changed while the plan was computed.
            guard deployment.nodes.allSatisfy({ nodes[$0]?.state == .ready }), !bringsBack(deployment, orderedAs: generation) else {
                return requestPlan(step.now, after: .zero)
            }
            deploy(deployment, from: "the planner", &step)
        }
    }

    /// Has the plan loaded; it serves as soon as that is done, at once where all of it is loaded already. A deployment that is under way
    /// is given up for it: what that has loaded stays loaded where this plan uses it.
    mutating func deploy(_ deployment: PlannedDeployment, from origin: String, _ step: inout Step) {
        (planFailure, departureObstacle, saidImpossible) = (nil, nil, nil)
        for replica in deployment.nodes { nodes[replica]?.excludedUntil = nil }
        count { $0.plans += 1 }
        planGeneration += 1
        candidate = CandidatePlan(generation: planGeneration, deployment: deployment, startedAt: step.now)
        step.log(
            .info, "plan is made",
            ["generation": "\(planGeneration)", "stages": deployment.description, "origin": origin])
        sayUnused(deployment, &step)
        makeRoom(for: deployment, &step)
        for stage in deployment.stages {
            for replica in stage.replicas { order(stage, on: replica, &step) }
        }
        activateIfLoaded(&step)
    }

    /// Where the plan has something loaded, what neither it nor the plan that serves uses gives way first. With no plan that serves
    /// that is what the broken one had: a small node could not hold both.
    private mutating func makeRoom(for deployment: PlannedDeployment, _ step: inout Step) {
        var wanted = deployment.partitions
        wanted.merge(active?.deployment.partitions ?? [:]) { $0.union($1) }
        let loading = deployment.partitions.filter { id, keys in keys.contains { nodes[id]?.partitions[$0]?.isOwned != true } }.keys
        for id in loading.sorted() { release(on: id, keeping: wanted[id] ?? [], &step) }
    }

    mutating func order(
        _ stage: PlannedDeployment.Stage, on id: NodeID, asStandby isStandby: Bool = false, _ step: inout Step
    ) {
        guard let node = nodes[id], let control = node.control else { return }
        switch node.partitions[stage.partition] {
        case .ordered, .sendingArchive, .ready: return
        // What is not ours may be evicted at any time: the order takes it back, and the answer says that it is still there.
        case .unowned, nil: break
        }
        nodes[id]?.partitions[stage.partition] = .ordered
        nodes[id]?.progress.loadOrderedAt = step.now
        step.emit(
            .send(
                control,
                .loadPartition(
                    LoadPartition(
                        key: stage.partition, residentBytes: stage.residentBytes, warmups: stage.warmups, isStandby: isStandby))))
    }

    mutating func reported(_ id: NodeID, _ report: PartitionReport, _ step: inout Step) {
        // Loading takes from the executors: what they owe counts from here.
        nodes[id]?.progress.lastAt = step.now
        standbyMayGoOn(step.now)
        // Only what it was told to load, or said that it holds: names of its own would fill our tables.
        guard nodes[id]?.partitions[report.key] != nil else { return }
        switch report.state {
        case .missing:
            guard let data = nodes[id]?.data, nodes[id]?.partitions[report.key] == .ordered else { return }
            nodes[id]?.partitions[report.key] = .sendingArchive
            count { $0.archivesSent += 1 }
            step.emit(.sendArchive(data, report.key))
        case .ready:
            // What was not ordered counts only while the table has room for what is.
            guard nodes[id]?.partitions[report.key] != nil || (nodes[id]?.partitions.count ?? 0) < WireLimits.inventory else {
                return
            }
            nodes[id]?.partitions[report.key] = .ready(archiveBytes: report.archiveBytes, weightBytes: report.weightBytes)
            nodes[id]?.pace.loaded(report.key, runMilliseconds: report.runMilliseconds, step.now)
            activateIfLoaded(&step)
        case .evicted:
            nodes[id]?.partitions[report.key] = nil
            nodes[id]?.pace.forget(report.key)
            guard uses(active?.deployment, id, report.key) || uses(candidate?.deployment, id, report.key) else { return }
            retireActiveIfBroken()
            if uses(candidate?.deployment, id, report.key) { candidate = nil }
            requestPlan(step.now, after: .zero)
        case .failed:
            // Only an order fails.
            guard nodes[id]?.partitions.removeValue(forKey: report.key) != nil else { return }
            // An answer to an order of a standby, or of a plan that was given up, is no failure of a plan.
            guard uses(candidate?.deployment, id, report.key) else {
                if (nodes[id]?.refusedStandbys.count ?? 0) < WireLimits.inventory {
                    nodes[id]?.refusedStandbys[report.key] = report.message
                }
                return
            }
            abandonCandidate(because: "\(id) cannot load \(report.key): \(report.message)", excluding: [id], &step)
        }
    }

    private func uses(_ deployment: PlannedDeployment?, _ id: NodeID, _ key: PartitionKey) -> Bool {
        deployment?.stages.contains { $0.partition == key && $0.replicas.contains(id) } ?? false
    }

    mutating func archiveUnavailable(_ key: PartitionKey, _ message: String, _ step: inout Step) {
        for id in nodes.keys where nodes[id]?.partitions[key] == .sendingArchive {
            nodes[id]?.partitions[key] = nil
            nodes[id]?.refusedStandbys[key] = message
        }
        step.log(.error, "a partition cannot be made", ["partition": key.description, "cause": message])
        guard candidate?.deployment.stages.contains(where: { $0.partition == key }) == true else { return }
        planFailure = "partition \(key) cannot be made: \(message)"
        candidate = nil
        requestPlan(step.now, after: Self.planRetryInterval)
    }

    /// A deployment that hangs (a loader that never answers) must not keep the cluster from serving on the other nodes.
    mutating func watchDeployment(_ step: inout Step) {
        guard let candidate, candidate.startedAt + configuration.deploymentTimeout <= step.now else { return }
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
        abandonCandidate(because: "\(who) loaded no partition within \(limit)", excluding: missing, &step)
    }

    func isLoaded(_ key: PartitionKey, on id: NodeID) -> Bool {
        if case .ready = nodes[id]?.partitions[key] { true } else { false }
    }

    private mutating func abandonCandidate(because cause: String, excluding ids: [NodeID], _ step: inout Step) {
        planFailure = cause
        for id in ids {
            nodes[id]?.excludedUntil = step.now + Self.exclusionAfterLoadFailure
            nodes[id]?.exclusionCause = cause
        }
        candidate = nil
        step.log(.error, "a deployment failed", ["cause": cause])
        requestPlan(step.now, after: .zero)
        rejoinAt = min(rejoinAt ?? .distantFuture, step.now + Self.exclusionAfterLoadFailure)
    }

    private mutating func activateIfLoaded(_ step: inout Step) {
        guard let candidate, isLoaded(candidate.deployment) else { return }
        active = ActivePlan(
            generation: candidate.generation, deployment: candidate.deployment, window: window(for: candidate.deployment))
        trust(candidate.deployment)
        renewSelectors(for: candidate.deployment)
        self.candidate = nil
        step.log(
            .info, "plan serves",
            [
                "generation": "\(candidate.generation)", "stages": "\(candidate.deployment.stages.count)",
                "deployed_in": (step.now - candidate.startedAt).readable,
            ])
        step.emit(.serving(stages: candidate.deployment.stages.count, nodes: candidate.deployment.nodes.count))
        for (stage, planned) in zip(candidate.deployment.stages, candidate.deployment.plan.stages) {
            for replica in stage.replicas { nodes[replica]?.progress.predict(planned.predictedMilliseconds) }
        }
        renewStandbys(step.now)
        renewDrift(step.now)
        releaseUnused(&step)
    }

    /// Whether every replica has loaded its partition.
    func isLoaded(_ deployment: PlannedDeployment) -> Bool {
        deployment.stages.allSatisfy { stage in stage.replicas.allSatisfy { isLoaded(stage.partition, on: $0) } }
    }

    /// What the plan does not use may be evicted, whoever ordered it; what runs there still finishes.
    mutating func releaseUnused(_ step: inout Step) {
        var used = active?.deployment.partitions ?? [:]
        used.merge(candidate?.deployment.partitions ?? [:]) { $0.union($1) }
        used.merge(standby.wanted) { $0.union($1) }
        for id in nodes.keys.sorted() { release(on: id, keeping: used[id] ?? [], &step) }
    }

    private mutating func release(on id: NodeID, keeping used: Set<PartitionKey>, _ step: inout Step) {
        guard let node = nodes[id], let control = node.control else { return }
        for (key, state) in node.partitions.sorted(by: { $0.key.description < $1.key.description }) {
            guard case .ready(_, let weightBytes) = state, !used.contains(key) else { continue }
            nodes[id]?.partitions[key] = .unowned(weightBytes: weightBytes)
            step.emit(.send(control, .releasePartition(ReleasePartition(key: key))))
        }
    }

    /// Enough under way to keep every executor busy with one more waiting, and one on each link; more would only queue at the bottleneck.
    ///
    /// A node with a part of a core stands still once its quota is used up, for most of a period, and must find work waiting when it may go
    /// on, while its neighbours stand still at other times: then each stage is given what the bottleneck takes in one and a half periods.
    private func window(for deployment: PlannedDeployment) -> Int {
        let replicas = deployment.stages.flatMap(\.replicas)
        let executors = replicas.reduce(0) { $0 + Int(nodes[$1]?.profile?.executors ?? 1) }
        let usual = 2 * executors + deployment.stages.count
        guard replicas.contains(where: { (nodes[$0]?.profile?.cores ?? 1) < 1 }) else { return usual }
        let waiting = 1.5 * Self.quotaPeriodMs / max(1, deployment.plan.bottleneckMilliseconds)
        let perStage = Int(min(Double(Self.waitingForQuotaLimit), waiting.rounded(.up)))
        return max(usual, executors + deployment.stages.count * perStage)
    }
}

extension PlannedDeployment {
    var nodes: Set<NodeID> { Set(stages.flatMap(\.replicas)) }

    /// What each node runs in it.
    var partitions: [NodeID: Set<PartitionKey>] {
        var used: [NodeID: Set<PartitionKey>] = [:]
        for stage in stages {
            for replica in stage.replicas { used[replica, default: []].insert(stage.partition) }
        }
        return used
    }
}

extension PlannedDeployment: CustomStringConvertible {
    public var description: String {
        stages.map { stage in
            "[\(stage.partition.firstLayer),\(stage.partition.endLayer)) on \(stage.replicas.map(\.description).joined(separator: "+"))"
        }.joined(separator: " → ")
    }
}
