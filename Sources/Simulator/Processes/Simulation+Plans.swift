internal import Base
internal import Cluster
internal import Planning
internal import Wire

/// Plans: the real planner's in a share of the runs, and otherwise any that the links allow, which are more varied than the best ones.
extension Simulation {
    /// Orders of the nodes that are tried before all of them are put side by side into one stage, which needs no link.
    static let planTries = 12
    /// Measurements look as they do for about this long, longer than the coordinator waits for a better moment.
    static let driftSpell: Duration = .seconds(8)
    static let driftChance = 0.3

    mutating func plan(_ order: CoordinatorMachine.PlanOrder, coordinator index: Int) {
        let outcome: CoordinatorMachine.PlanOutcome
        if case .drift(let serving) = order.purpose {
            return step(.planned(order.generation, comparison(order, serving)), coordinator: index)
        }
        do {
            outcome = .plan(deployment(of: usesPlanner ? try bestPlan(order) : try anyPlan(order)))
        } catch {
            outcome = .failure("\(error)")
        }
        step(.planned(order.generation, outcome), coordinator: index)
    }

    /// In some spells of the stormy time another plan looks much better than the one that serves, whatever that is.
    private func comparison(_ order: CoordinatorMachine.PlanOrder, _ serving: [StageAssignment]) -> CoordinatorMachine.PlanOutcome {
        let spell = UInt64(now.nanoseconds / Self.driftSpell.nanoseconds)
        var dice = SeededRandom(seed: SeededRandom.mix(seed ^ spell &* 0x9E37_79B9_7F4A_7C15))
        let looksWorse = now < world.lastFaultStart && dice.chance(Self.driftChance)
        guard looksWorse, let best = try? usesPlanner ? bestPlan(order) : anyPlan(order, salt: spell) else {
            return .comparison(ServingComparison(servingMs: 1, bestMs: 1, best: nil))
        }
        return .comparison(ServingComparison(servingMs: 2, bestMs: 1, best: deployment(of: best)))
    }

    private func bestPlan(_ order: CoordinatorMachine.PlanOrder) throws(PlanningError) -> Plan {
        var links = LinkTable()
        for link in order.brokenLinks { links.set(.unreachable, from: .node(link.from), to: .node(link.to)) }
        return try Planner.plan(PlanRequest(profile: model.profile, nodes: order.nodes, links: links))
    }

    /// The same nodes and links give the same plan, as a planner's would.
    private func anyPlan(_ order: CoordinatorMachine.PlanOrder, salt: UInt64 = 0) throws(PlanningError) -> Plan {
        guard let first = order.nodes.first else { return try bestPlan(order) }
        var plan = try Planner.plan(PlanRequest(profile: model.profile, nodes: [first]))
        guard let whole = plan.stages.first else { return plan }
        let nodes = order.nodes.map(\.id)
        var dice = SeededRandom(seed: seed ^ salt ^ Self.hash(of: nodes, order.brokenLinks))
        let groups = grouping(of: nodes, order.brokenLinks, &dice)
        var cuts = Set<Int>()
        while cuts.count < groups.count - 1 { cuts.insert(dice.int(in: 1...(layerCount - 1))) }
        let bounds = [0] + cuts.sorted() + [layerCount]
        plan.stages = groups.enumerated().map { index, replicas in
            var stage = whole
            stage.layers = LayerRange(bounds[index], bounds[index + 1])
            stage.replicas = replicas
            return stage
        }
        return plan
    }

    private func grouping(of nodes: [NodeID], _ broken: Set<NodeLink>, _ dice: inout SeededRandom) -> [[NodeID]] {
        for _ in 0..<Self.planTries {
            let shuffled = nodes.shuffled(using: &dice)
            let stages = min(nodes.count, layerCount, dice.chance(0.6) ? nodes.count : dice.int(in: 1...nodes.count))
            var groups = shuffled.prefix(stages).map { [$0] }
            for extra in shuffled.dropFirst(stages) where dice.chance(0.5) {
                groups[dice.int(in: 0...(stages - 1))].append(extra)
            }
            let isConnected = zip(groups, groups.dropFirst()).allSatisfy { from, to in
                from.allSatisfy { first in to.allSatisfy { !broken.contains(NodeLink(from: first, to: $0)) } }
            }
            if isConnected { return groups.map { $0.sorted() } }
        }
        return [nodes]
    }

    /// FNV-1a over the names, so that it is the same in every process.
    private static func hash(of nodes: [NodeID], _ broken: Set<NodeLink>) -> UInt64 {
        var value: UInt64 = 0xCBF2_9CE4_8422_2325
        func mix(_ text: String) {
            for byte in text.utf8 { value = (value ^ UInt64(byte)) &* 0x100_0000_01B3 }
            value = (value ^ 0xFF) &* 0x100_0000_01B3
        }
        for node in nodes { mix(node.name) }
        for link in broken.sorted(by: { ($0.from, $0.to) < ($1.from, $1.to) }) {
            mix(link.from.name)
            mix(link.to.name)
        }
        return SeededRandom.mix(value)
    }

    private func deployment(of plan: Plan) -> PlannedDeployment {
        PlannedDeployment(
            plan: plan,
            stages: plan.stages.map { stage in
                PlannedDeployment.Stage(
                    partition: PartitionKey(
                        modelDigest: model.served.digest, firstLayer: stage.layers.first, endLayer: stage.layers.end,
                        toolchain: "sim", optimization: .o1),
                    replicas: stage.replicas, residentBytes: 1_000, warmups: [], inputBytesPerItem: itemBytes)
            }, microBatch: model.profile.batch, outputBytesPerItem: itemBytes)
    }
}
