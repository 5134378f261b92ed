internal import DequeModule
internal import Planning
internal import Wire

/// Plans for the loss of each node that serves, made ahead while nothing more urgent is to be planned, and loaded ahead where memory is
/// left: a failover then takes no planning and, where all of it is loaded, no loading.
extension CoordinatorMachine {
    /// Standbys are made when a plan has served this long: changes often come together.
    static let standbyDelay: Duration = .milliseconds(500)
    /// Another look for memory that has become free.
    static let standbyRetryInterval: Duration = .seconds(2)
    /// Plans are made for the loss of this many nodes at most: each costs a search and up to a partition on each survivor.
    static let standbyLimit = 32
    /// Memory of a node that standbys leave alone: activations come and go, and another process may want some.
    static let standbyReserveBytes: UInt64 = 64 << 20
    /// … and at least this part of its limit.
    static let standbyReserveDivisor: UInt64 = 10
    /// A loaded partition shows in the heartbeats' memory after this time: workers sample theirs each second.
    static let memorySampleAge: Duration = .seconds(2)

    /// What a partition's need counts for the runtime, which is resident already.
    static let runtimeBytes = UInt64(clamping: PlanSettings().runtimeBaseBytes.bytes)

    struct StandbyState: Sendable {
        /// By the node that is lost.
        var plans: [NodeID: StandbyPlan] = [:]
        /// Those for which a plan is still to be made.
        var queue: Deque<NodeID> = []
        /// The order to the planner that is under way.
        var order: Order?
        /// When there is something to plan or load next.
        var dueAt: Instant?
        /// What the plans want loaded where; what earlier ones wanted until the new ones are complete.
        var wanted: [NodeID: Set<PartitionKey>] = [:]

        struct Order: Sendable {
            var generation: UInt64
            var lost: NodeID
            var members: Set<NodeID>
        }
    }

    struct StandbyPlan: Sendable {
        var deployment: PlannedDeployment?
        /// Why there is none.
        var failure = ""
        /// The nodes over which it was made.
        var members: Set<NodeID>
    }

    /// Nothing that serves or will serve is being planned or loaded.
    var canPrepareStandbys: Bool {
        active != nil && !isReplanning && standby.order == nil && !isDraining
    }

    /// A plan that shall serve is due, being made or being loaded.
    var isReplanning: Bool { planInProgress != nil || planDueAt != nil || candidate != nil }

    /// A new plan serves: standbys for it are due.
    mutating func renewStandbys(_ now: Instant) {
        standby.plans = [:]
        standby.order = nil
        standby.queue = Deque((active?.deployment.nodes.sorted() ?? []).prefix(Self.standbyLimit))
        standby.dueAt = now + Self.standbyDelay
        for id in nodes.keys { nodes[id]?.refusedStandbys = [:] }
    }

    /// A partition was loaded or refused: the next one can be.
    mutating func standbyMayGoOn(_ now: Instant) {
        if !standby.plans.isEmpty { standby.dueAt = min(standby.dueAt ?? now, now) }
    }

    /// Makes the next plan, or has the next partitions loaded.
    mutating func prepareStandbys(_ step: inout Step) {
        guard canPrepareStandbys, let due = standby.dueAt, due <= step.now else { return }
        while let lost = standby.queue.popFirst() {
            let members = planMembers(step.now).members.filter { $0.id != lost }
            guard !members.isEmpty else {
                standby.plans[lost] = StandbyPlan(deployment: nil, failure: "no other worker is ready", members: [])
                continue
            }
            // Never measured for: serving goes first.
            let number = order(.standby(without: lost), over: members, isUrgent: true, &step)
            standby.order = .init(generation: number, lost: lost, members: Set(members.map(\.id)))
            return
        }
        standby.wanted = [:]
        for plan in standby.plans.values {
            standby.wanted.merge(plan.deployment?.partitions ?? [:]) { $0.union($1) }
        }
        releaseUnused(&step)
        standby.dueAt = loadStandbys(&step)
    }

    mutating func standbyPlanned(_ generation: UInt64, _ outcome: PlanOutcome, _ now: Instant) {
        guard let order = standby.order, order.generation == generation else { return }
        standby.order = nil
        switch outcome {
        case .plan(let deployment):
            standby.plans[order.lost] = StandbyPlan(deployment: deployment, members: order.members)
        case .failure(let message):
            standby.plans[order.lost] = StandbyPlan(deployment: nil, failure: message, members: order.members)
        case .comparison: break
        }
        standby.dueAt = now
    }

    /// One partition at a time on each node, as far as its memory goes.
    /// - Returns: when to look again, where memory was short.
    private mutating func loadStandbys(_ step: inout Step) -> Instant? {
        var busy = Set(nodes.filter { $0.value.partitions.values.contains(where: \.isUnderWay) }.keys)
        var again: Instant?
        for lost in standby.plans.keys.sorted() {
            for stage in standby.plans[lost]?.deployment?.stages ?? [] {
                for id in stage.replicas where !busy.contains(id) {
                    guard let node = nodes[id], node.state == .ready, node.refusedStandbys[stage.partition] == nil else { continue }
                    let held = node.partitions[stage.partition]
                    if held?.isOwned == true { continue }
                    if held == nil {
                        guard hasStandbyRoom(node, for: stage.residentBytes, step.now) else {
                            again = step.now + Self.standbyRetryInterval
                            continue
                        }
                        let runtime = min(stage.residentBytes, Self.runtimeBytes)
                        nodes[id]?.recentLoads.append((step.now, stage.residentBytes - runtime))
                    }
                    busy.insert(id)
                    order(stage, on: id, asStandby: true, &step)
                }
            }
        }
        return again
    }

    private mutating func hasStandbyRoom(_ node: Node, for bytes: UInt64, _ now: Instant) -> Bool {
        nodes[node.id]?.recentLoads.removeAll { $0.at + Self.memorySampleAge <= now }
        let recent = (nodes[node.id]?.recentLoads ?? []).reduce(UInt64(0)) { $0.addedSaturating(to: $1.bytes) }
        let (limit, free, resident) = memory(of: node)
        let runtime = min(resident, Self.runtimeBytes)
        let reserve = max(Self.standbyReserveBytes, limit / Self.standbyReserveDivisor)
        let needed = bytes.addedSaturating(to: recent).addedSaturating(to: reserve)
        return needed <= free.addedSaturating(to: runtime)
    }

    // MARK: Use

    /// The node is silent, perhaps not for long: a plan without it that is loaded serves from now on, because going back costs as little.
    mutating func useLoadedStandby(without silent: NodeID, _ step: inout Step) {
        guard active?.deployment.nodes.contains(silent) == true, let plan = standby.plans[silent]?.deployment, isLoaded(plan) else {
            return
        }
        useStandby(without: silent, isPlanning: isReplanning, &step)
    }

    /// The node is lost: the plan that was made for this is deployed, if it still holds.
    /// - Parameter isPlanning: a plan was due, being made or being loaded before, for another reason: it is still.
    mutating func useStandby(without lost: NodeID, isPlanning: Bool, _ step: inout Step) {
        guard let plan = standby.plans[lost], let deployment = plan.deployment, isUsable(deployment, step.now) else { return }
        // What is being loaded already, and does without the node, serves sooner than what is still to be loaded.
        guard candidate == nil || isLoaded(deployment) else { return }
        planInProgress = nil
        if !isPlanning, Set(planMembers(step.now).members.map(\.id)).isSubset(of: plan.members) { planDueAt = nil }
        deploy(deployment, from: "standby for the loss of \(lost)", &step)
    }

    private func isUsable(_ deployment: PlannedDeployment, _ now: Instant) -> Bool {
        let pairs = zip(deployment.stages, deployment.stages.dropFirst())
        return deployment.nodes.allSatisfy { nodes[$0]?.state == .ready && (nodes[$0]?.excludedUntil ?? .zero) <= now }
            && !deployment.nodes.contains { nodes[$0]?.distrust.isShunned == true }
            && pairs.allSatisfy { from, to in
                from.replicas.allSatisfy { source in to.replicas.contains { links.isUsable(NodeLink(from: source, to: $0)) } }
            }
    }
}
