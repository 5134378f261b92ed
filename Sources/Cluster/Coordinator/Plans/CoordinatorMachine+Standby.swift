internal import Base
internal import Planning
internal import Wire

/// Plans for the loss of each node that serves, made ahead while nothing more urgent is to be planned, and loaded ahead where memory is
/// left: a failover then takes no planning and, where all of it is loaded, no loading.
extension CoordinatorMachine {
    /// Another look for memory that has become free.
    static let standbyRetryInterval: Duration = .seconds(2)
    /// Memory of a node that standbys leave alone: activations come and go, and another process may want some.
    static let standbyReserveBytes: UInt64 = 64 << 20
    /// … and at least this part of its limit.
    static let standbyReserveDivisor: UInt64 = 10
    /// A loaded partition shows in the heartbeats' memory after this time: workers sample theirs each second.
    static let memorySampleAge: Duration = .seconds(2)

    /// What a partition's need counts for the runtime, which is resident already.
    static let runtimeBytes = UInt64(clamping: PlanSettings().runtimeBaseBytes.bytes)

    /// A new plan serves: standbys for it are due.
    mutating func renewStandbys(_ now: Instant) {
        plans.renewStandbys(now)
        for id in roster.ids { roster[id]?.refusedStandbys = [:] }
    }

    /// Makes the next plan, or has the next partitions loaded.
    mutating func prepareStandbys(_ step: inout Step) {
        guard plans.isSettled, !isDraining, plans.standbys.isDue(step.now) else { return }
        while let lost = plans.standbys.takeNext() {
            let members = planMembers(step.now).members.filter { $0.id != lost }
            guard !members.isEmpty else {
                plans.standbys.impossible(without: lost, "no other worker is ready")
                continue
            }
            // Never measured for: serving goes first.
            let number = order(.standby(without: lost), over: members, isUrgent: true, &step)
            return plans.standbys.ordered(number, without: lost, over: members.map(\.id))
        }
        plans.standbys.complete()
        releaseUnused(&step)
        plans.standbys.lookAgain(at: loadStandbys(&step))
    }

    /// One partition at a time on each node, as far as its memory goes.
    /// - Returns: when to look again, where memory was short.
    private mutating func loadStandbys(_ step: inout Step) -> Instant? {
        var busy = Set(roster.all.filter { $0.partitions.values.contains(where: \.isUnderWay) }.map(\.id))
        var again: Instant?
        for lost in plans.standbys.plans.keys.sorted() {
            for stage in plans.standbys.plans[lost]?.deployment?.stages ?? [] {
                for id in stage.replicas where !busy.contains(id) {
                    guard let node = roster[id], node.state == .ready, node.refusedStandbys[stage.partition] == nil else {
                        continue
                    }
                    let held = node.partitions[stage.partition]
                    if held?.isOwned == true { continue }
                    if held == nil {
                        guard hasStandbyRoom(node, for: stage.residentBytes, step.now) else {
                            again = step.now + Self.standbyRetryInterval
                            continue
                        }
                        let runtime = min(stage.residentBytes, Self.runtimeBytes)
                        roster[id]?.session?.recentLoads.append((step.now, stage.residentBytes - runtime))
                    }
                    busy.insert(id)
                    order(stage, on: id, asStandby: true, &step)
                }
            }
        }
        return again
    }

    private mutating func hasStandbyRoom(_ node: Node, for bytes: UInt64, _ now: Instant) -> Bool {
        roster[node.id]?.session?.recentLoads.removeAll { $0.at + Self.memorySampleAge <= now }
        let recent = (roster[node.id]?.session?.recentLoads ?? []).reduce(UInt64(0)) { $0.addedSaturating(to: $1.bytes) }
        let (limit, free, resident) = Capacity.memory(of: node)
        let runtime = min(resident, Self.runtimeBytes)
        let reserve = max(Self.standbyReserveBytes, limit / Self.standbyReserveDivisor)
        let needed = bytes.addedSaturating(to: recent).addedSaturating(to: reserve)
        return needed <= free.addedSaturating(to: runtime)
    }

    // MARK: Use

    /// The node is silent, perhaps not for long: a plan without it that is loaded serves from now on, because going back costs as little.
    mutating func useLoadedStandby(without silent: NodeID, _ step: inout Step) {
        guard plans.activeUses(silent), let plan = plans.standbys.plans[silent]?.deployment, isLoaded(plan) else {
            return
        }
        useStandby(without: silent, isPlanning: plans.isReplanning, &step)
    }

    /// The node is lost: the plan that was made for this is deployed, if it still holds.
    /// - Parameter isPlanning: a plan was due, being made or being loaded before, for another reason: it is still.
    mutating func useStandby(without lost: NodeID, isPlanning: Bool, _ step: inout Step) {
        guard let plan = plans.standbys.plans[lost], let deployment = plan.deployment, isUsable(deployment, step.now) else {
            return
        }
        // What is being loaded already, and does without the node, serves sooner than what is still to be loaded.
        guard plans.candidate == nil || isLoaded(deployment) else { return }
        plans.cancelOrder()
        if !isPlanning, Set(planMembers(step.now).members.map(\.id)).isSubset(of: plan.members) { plans.cancelRequest() }
        deploy(deployment, from: "standby for the loss of \(lost)", &step)
    }

    private func isUsable(_ deployment: PlannedDeployment, _ now: Instant) -> Bool {
        let pairs = zip(deployment.stages, deployment.stages.dropFirst())
        return deployment.nodes.allSatisfy { roster[$0]?.session?.refusal == nil }
            && deployment.nodes.allSatisfy { roster[$0]?.state == .ready && (roster[$0]?.excludedUntil ?? .zero) <= now }
            && !deployment.nodes.contains { roster[$0]?.distrust.isShunned == true }
            && pairs.allSatisfy { from, to in
                from.replicas.allSatisfy { source in to.replicas.contains { links.isUsable(NodeLink(from: source, to: $0)) } }
            }
    }
}
