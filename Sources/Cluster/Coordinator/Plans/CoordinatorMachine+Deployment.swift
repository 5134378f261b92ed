internal import Base
internal import Planning
internal import Wire

/// From a plan to one that serves: have its partitions loaded, then let routes use it.
extension CoordinatorMachine {
    /// Has the plan loaded; it serves as soon as that is done, at once where all of it is loaded already. A deployment that is under way
    /// is given up for it: what that has loaded stays loaded where this plan uses it.
    mutating func deploy(_ deployment: PlannedDeployment, from origin: String, _ step: inout Step) {
        for replica in deployment.nodes { roster[replica]?.excludedUntil = nil }
        count { $0.plans += 1 }
        let generation = plans.deploy(deployment, step.now)
        step.log(
            .info, "plan is made",
            ["generation": "\(generation)", "stages": deployment.description, "origin": origin])
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
        wanted.merge(plans.active?.deployment.partitions ?? [:]) { $0.union($1) }
        let loading = deployment.partitions.filter { id, keys in keys.contains { roster[id]?.partitions[$0]?.isOwned != true } }
            .keys
        for id in loading.sorted() { release(on: id, keeping: wanted[id] ?? [], &step) }
    }

    mutating func order(
        _ stage: PlannedDeployment.Stage, on id: NodeID, asStandby isStandby: Bool = false, _ step: inout Step
    ) {
        guard let node = roster[id], let control = node.control else { return }
        switch node.partitions[stage.partition] {
        case .ordered, .sendingArchive, .ready: return
        // What is not ours may be evicted at any time: the order takes it back, and the answer says that it is still there.
        case .unowned, nil: break
        }
        roster[id]?.session?.partitions[stage.partition] = .ordered
        roster[id]?.session?.progress.loadOrderedAt = step.now
        step.emit(
            .send(
                control,
                .loadPartition(
                    LoadPartition(
                        key: stage.partition, residentBytes: stage.residentBytes, warmups: stage.warmups, isStandby: isStandby))))
    }

    mutating func reported(_ id: NodeID, _ report: PartitionReport, _ step: inout Step) {
        // Loading takes from the executors: what they owe counts from here.
        roster[id]?.session?.progress.lastAt = step.now
        plans.standbys.mayGoOn(step.now)
        // Only what it was told to load, or said that it holds: names of its own would fill our tables.
        guard roster[id]?.partitions[report.key] != nil else { return }
        switch report.state {
        case .missing:
            guard let data = roster[id]?.data, roster[id]?.partitions[report.key] == .ordered else { return }
            roster[id]?.session?.partitions[report.key] = .sendingArchive
            count { $0.archivesSent += 1 }
            step.emit(.sendArchive(data, report.key))
        case .ready:
            // What was not ordered counts only while the table has room for what is.
            guard roster[id]?.partitions[report.key] != nil || (roster[id]?.partitions.count ?? 0) < WireLimits.inventory else {
                return
            }
            roster[id]?.session?.partitions[report.key] = .ready(archiveBytes: report.archiveBytes, weightBytes: report.weightBytes)
            roster[id]?.pace.loaded(report.key, runMilliseconds: report.runMilliseconds, step.now)
            activateIfLoaded(&step)
        case .evicted:
            roster[id]?.session?.partitions[report.key] = nil
            roster[id]?.pace.forget(report.key)
            guard uses(plans.active?.deployment, id, report.key) || uses(plans.candidate?.deployment, id, report.key) else {
                return
            }
            retireActiveIfBroken()
            if uses(plans.candidate?.deployment, id, report.key) { plans.giveUpCandidate() }
            requestPlan(step.now, after: .zero)
        case .failed:
            // Only an order fails.
            guard roster[id]?.session?.partitions.removeValue(forKey: report.key) != nil else { return }
            if report.code == .failedPrecondition { return refused(id, report, &step) }
            // An answer to an order of a standby, or of a plan that was given up, is no failure of a plan.
            guard uses(plans.candidate?.deployment, id, report.key) else {
                if (roster[id]?.refusedStandbys.count ?? 0) < WireLimits.inventory {
                    roster[id]?.refusedStandbys[report.key] = report.message
                }
                return
            }
            abandonCandidate(because: "\(id) cannot load \(report.key): \(report.message)", excluding: [id], &step)
        }
    }

    /// The worker is started so that it takes no partition of this model (`--allow-model`): until it is started otherwise it is in no plan.
    private mutating func refused(_ id: NodeID, _ report: PartitionReport, _ step: inout Step) {
        if roster[id]?.session?.refusal == nil {
            step.log(.warning, "worker takes no partition of this model", ["node": id.description, "cause": report.message])
        }
        roster[id]?.session?.refusal = report.message
        if uses(plans.candidate?.deployment, id, report.key) {
            abandonCandidate(because: "\(id) refuses \(report.key): \(report.message)", excluding: [], &step)
        } else if plans.active != nil {
            // Those that were to use it are made again.
            renewStandbys(step.now)
        }
    }

    private func uses(_ deployment: PlannedDeployment?, _ id: NodeID, _ key: PartitionKey) -> Bool {
        deployment?.stages.contains { $0.partition == key && $0.replicas.contains(id) } ?? false
    }

    mutating func archiveUnavailable(_ key: PartitionKey, _ message: String, _ step: inout Step) {
        for id in roster.ids where roster[id]?.partitions[key] == .sendingArchive {
            roster[id]?.session?.partitions[key] = nil
            roster[id]?.refusedStandbys[key] = message
        }
        step.log(.error, "a partition cannot be made", ["partition": key.description, "cause": message])
        guard plans.candidate?.deployment.stages.contains(where: { $0.partition == key }) == true else { return }
        plans.candidateFailed("partition \(key) cannot be made: \(message)")
        requestPlan(step.now, after: Self.planRetryInterval)
    }

    /// A deployment that hangs (a loader that never answers) must not keep the cluster from serving on the other nodes.
    mutating func watchDeployment(_ step: inout Step) {
        guard let candidate = plans.candidate, candidate.startedAt + configuration.deploymentTimeout <= step.now else { return }
        let missing = candidate.deployment.nodes.filter { id in
            candidate.deployment.stages.contains { $0.replicas.contains(id) && !isLoaded($0.partition, on: id) }
        }.sorted()
        let who = missing.map(\.description).joined(separator: ", ")
        for id in missing {
            for stage in candidate.deployment.stages where !isLoaded(stage.partition, on: id) {
                roster[id]?.session?.partitions[stage.partition] = nil
            }
        }
        let limit = configuration.deploymentTimeout.optionText
        abandonCandidate(because: "\(who) loaded no partition within \(limit)", excluding: missing, &step)
    }

    func isLoaded(_ key: PartitionKey, on id: NodeID) -> Bool {
        if case .ready = roster[id]?.session?.partitions[key] { true } else { false }
    }

    private mutating func abandonCandidate(because cause: String, excluding ids: [NodeID], _ step: inout Step) {
        for id in ids {
            roster[id]?.excludedUntil = step.now + Self.exclusionAfterLoadFailure
            roster[id]?.exclusionCause = cause
        }
        plans.candidateFailed(cause)
        step.log(.error, "a deployment failed", ["cause": cause])
        requestPlan(step.now, after: .zero)
        plans.mayRejoin(at: step.now + Self.exclusionAfterLoadFailure)
    }

    private mutating func activateIfLoaded(_ step: inout Step) {
        guard let candidate = plans.candidate, isLoaded(candidate.deployment) else { return }
        trust(candidate.deployment)
        let window = Capacity.window(for: candidate.deployment) { roster[$0]?.profile }
        plans.activate(window: window, selectors: makeSelectors(for: candidate.deployment))
        pace.forget()
        step.log(
            .info, "plan serves",
            [
                "generation": "\(candidate.generation)", "stages": "\(candidate.deployment.stages.count)",
                "deployed_in": (step.now - candidate.startedAt).readable,
                // Totals: what a change of plans has cost is the difference between two of them.
                "requests_lost": "\(lostRequests)", "requests_failed": "\(counters.requestsFailed)",
                "micro_batches_replayed": "\(counters.microBatchesReplayed)",
            ])
        step.emit(.serving(stages: candidate.deployment.stages.count, nodes: candidate.deployment.nodes.count))
        for (stage, planned) in zip(candidate.deployment.stages, candidate.deployment.plan.stages) {
            for replica in stage.replicas { roster[replica]?.session?.progress.predict(planned.predictedMilliseconds) }
        }
        renewStandbys(step.now)
        plans.drift.renew(step.now)
        releaseUnused(&step)
    }

    /// Whether every replica has loaded its partition.
    func isLoaded(_ deployment: PlannedDeployment) -> Bool {
        deployment.stages.allSatisfy { stage in stage.replicas.allSatisfy { isLoaded(stage.partition, on: $0) } }
    }

    /// What the plan does not use may be evicted, whoever ordered it; what runs there still finishes.
    mutating func releaseUnused(_ step: inout Step) {
        let used = plans.partitionsInUse
        for id in roster.ids.sorted() { release(on: id, keeping: used[id] ?? [], &step) }
    }

    private mutating func release(on id: NodeID, keeping used: Set<PartitionKey>, _ step: inout Step) {
        guard let node = roster[id], let control = node.control else { return }
        for (key, state) in node.partitions.sorted(by: { $0.key.description < $1.key.description }) {
            guard case .ready(_, let weightBytes) = state, !used.contains(key) else { continue }
            roster[id]?.session?.partitions[key] = .unowned(weightBytes: weightBytes)
            step.emit(.send(control, .releasePartition(ReleasePartition(key: key))))
        }
    }

}

extension PlannedDeployment {
    func uses(_ node: NodeID) -> Bool { stages.contains { $0.replicas.contains(node) } }

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
