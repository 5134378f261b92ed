/// Contiguous stages over the legal cuts with the lowest bottleneck, then the lowest latency within the tolerance, then the fewest nodes.
///
/// Identical nodes are one kind. While the automaton over counts of kinds stays below ``maximumStates`` the result is exact;
/// otherwise the strongest nodes are taken in the order of their capability, which is not exact (layers 5, 10, 5 on speeds
/// 2, 1, 1: 5.0 is possible, this order gives 7.5), and the plan says its lower bound and gap.
struct OptimalStrategy {
    /// Eight distinct nodes have 2⁸ · 8 = 2,048 codes: about 15 ms for 152 cuts, 60 ms on a busy machine. Twice that leaves room for counts.
    static let maximumStates = 4096
    /// In the fixed order, stages beyond these help no real model: each boundary costs a hop.
    static let maximumOrderedNodes = 128

    let request: PlanRequest
    /// Eligible, strongest first, equals by name.
    let nodes: [PlanningNode]

    func solve() throws(PlanningError) -> PlanOutcome {
        let groups = identicalGroups()
        if PathAutomaton.stateCount(counts: groups.map(\.count), bound: Self.maximumStates) != nil {
            return try solveExactly(groups: groups)
        }
        return try solveInOrder()
    }

    // MARK: - Exact

    private func solveExactly(groups: [[PlanningNode]]) throws(PlanningError) -> PlanOutcome {
        let whole = PipelineModel(request: request, nodes: nodes)
        let model = PipelineModel(request: request, nodes: groups.map { $0[0] })
        // More stages than segments cannot be: counts above that only cost states.
        let automaton = PathAutomaton(counts: groups.map { min($0.count, model.segmentCount) })
        let stages = min(nodes.count, model.segmentCount)
        let isPipeline = request.shape == .pipeline
        var limit = orderedBottleneck(stages: stages, isPipeline: isPipeline)
        if request.objective == .latency { limit = .infinity }
        var search = PathSearch(model: model, automaton: automaton, score: BottleneckScore(model: model, limitMs: limit))
        // The ordered search found a plan of this length, so rounding alone could have lost it: then look again without the limit.
        if limit.isFinite, search.bestState(where: { !isPipeline || $0 == stages }) == nil {
            limit = .infinity
            search = PathSearch(model: model, automaton: automaton, score: BottleneckScore(model: model, limitMs: limit))
        }
        var length: Int?
        if isPipeline {
            guard let longest = (1...stages).last(where: { count in search.bestState { $0 == count } != nil }) else {
                throw shortage(model: model, automaton: automaton, groups: groups)
            }
            length = longest
        }
        func isAllowed(_ used: Int) -> Bool { length.map { used == $0 } ?? true }
        guard let fastest = search.bestState(where: isAllowed) else {
            throw shortage(model: model, automaton: automaton, groups: groups)
        }
        let tolerated = request.objective == .latency ? .infinity : search.totals[fastest] * request.settings.bottleneckTolerance
        let latencies = PathSearch(model: model, automaton: automaton, score: LatencyScore(model: model, limitMs: tolerated))
        let chosen = latencies.bestState(where: isAllowed)
        return outcome(
            chosen.map { latencies.path(to: $0) } ?? search.path(to: fastest), groups: groups, model: whole, isExact: true)
    }

    // MARK: - In the order of capability

    private func solveInOrder() throws(PlanningError) -> PlanOutcome {
        let strongest = Array(nodes.prefix(Self.maximumOrderedNodes))
        let whole = PipelineModel(request: request, nodes: strongest)
        let stages = min(strongest.count, whole.segmentCount)
        if request.shape == .pipeline {
            let taken = Array(strongest.prefix(stages))
            let model = PipelineModel(request: request, nodes: taken)
            if let path = Self.bestInOrder(model, all: true, request: request) {
                return outcome(path, groups: taken.map { [$0] }, model: model, isExact: false)
            }
        }
        guard let path = Self.bestInOrder(whole, all: false, request: request) else {
            throw shortage(
                model: whole, automaton: PathAutomaton(orderOf: strongest.count, all: false), groups: strongest.map { [$0] })
        }
        return outcome(path, groups: strongest.map { [$0] }, model: whole, isExact: false)
    }

    private static func bestInOrder(_ model: PipelineModel, all: Bool, request: PlanRequest) -> [PathStep]? {
        let automaton = PathAutomaton(orderOf: model.nodes.count, all: all)
        let search = PathSearch(model: model, automaton: automaton, score: BottleneckScore(model: model, limitMs: .infinity))
        let isAllowed = { (used: Int) in !all || used == model.nodes.count }
        guard let fastest = search.bestState(where: isAllowed) else { return nil }
        let tolerated = request.objective == .latency ? .infinity : search.totals[fastest] * request.settings.bottleneckTolerance
        let latencies = PathSearch(model: model, automaton: automaton, score: LatencyScore(model: model, limitMs: tolerated))
        guard let chosen = latencies.bestState(where: isAllowed) else { return search.path(to: fastest) }
        return latencies.path(to: chosen)
    }

    /// A bottleneck that can be reached, to end the exact search's loops early; infinite where none was found.
    private func orderedBottleneck(stages: Int, isPipeline: Bool) -> Double {
        let ordered = PipelineModel(request: request, nodes: isPipeline ? Array(nodes.prefix(stages)) : nodes)
        let automaton = PathAutomaton(orderOf: ordered.nodes.count, all: isPipeline)
        let search = PathSearch(model: ordered, automaton: automaton, score: BottleneckScore(model: ordered, limitMs: .infinity))
        let best = search.bestState { !isPipeline || $0 == stages }
        return best.map { search.totals[$0] } ?? .infinity
    }

    // MARK: - Nodes

    /// Nodes that may stand for each other: equal figures, the same links from and to the coordinator, and no link of their own among workers.
    private func identicalGroups() -> [[PlanningNode]] {
        var groups: [[PlanningNode]] = []
        for node in nodes {
            let index = groups.firstIndex { Self.areIdentical($0[0], node, links: request.links) }
            if let index { groups[index].append(node) } else { groups.append([node]) }
        }
        return groups
    }

    private static func areIdentical(_ left: PlanningNode, _ right: PlanningNode, links: LinkTable) -> Bool {
        guard left.capability == right.capability, left.singleThreadCapability == right.singleThreadCapability,
            left.executors == right.executors, left.freeMemory == right.freeMemory
        else { return false }
        if links.irregularNodes.contains(left.id) || links.irregularNodes.contains(right.id) { return false }
        return links.link(from: .coordinator, to: .node(left.id)) == links.link(from: .coordinator, to: .node(right.id))
            && links.link(from: .node(left.id), to: .coordinator) == links.link(from: .node(right.id), to: .coordinator)
    }

    /// Names for kinds: the members of a group serve its stages in the order of their names.
    private func outcome(_ path: [PathStep], groups: [[PlanningNode]], model: PipelineModel, isExact: Bool) -> PlanOutcome {
        var taken = [Int](repeating: 0, count: groups.count)
        let indexOf = Dictionary(uniqueKeysWithValues: model.nodes.enumerated().map { ($1.id, $0) })
        let steps = path.compactMap { step -> (block: PipelineModel.Block, node: Int)? in
            let node = groups[step.kind][taken[step.kind]]
            taken[step.kind] += 1
            return indexOf[node.id].map { (model.block(from: step.from, to: step.to), $0) }
        }
        return PlanOutcome(model: model, steps: steps, isExact: isExact)
    }

    /// Why nothing is possible: the chain that needs the least memory to be added, or no chain at all.
    private func shortage(model: PipelineModel, automaton: PathAutomaton, groups: [[PlanningNode]]) -> PlanningError {
        let search = PathSearch(model: model, automaton: automaton, score: ShortageScore(model: model))
        guard let least = search.bestState() else { return .noRoute }
        var taken = [Int](repeating: 0, count: groups.count)
        var shortages: [PlanningError.Shortage] = []
        for step in search.path(to: least) {
            let node = groups[step.kind][taken[step.kind]]
            taken[step.kind] += 1
            let needed = model.residentBytes(model.block(from: step.from, to: step.to), on: step.kind)
            guard needed > model.memories[step.kind] else { continue }
            shortages.append(
                PlanningError.Shortage(
                    node: node.id, layers: LayerRange(model.boundaryLayers[step.from], model.boundaryLayers[step.to]),
                    needed: ByteCount(needed), available: node.freeMemory))
        }
        return .insufficientMemory(shortages)
    }
}
