internal import Base

/// Stages over the legal cuts with the lowest bottleneck, then the lowest latency within the tolerance, then the fewest nodes.
///
/// `--shape pipeline` gives each stage one node, `auto` any group of nodes and leaves nodes out. Identical nodes are one kind. While
/// the automaton over counts of kinds stays below the bounds here the result is exact; otherwise it comes from ``PipelineOrderSearch``
/// or ``PacketSearch``, and the plan says its lower bound and gap.
///
/// With the objective `latency`: the lowest latency, then the fewest nodes.
struct OptimalStrategy {
    /// Eight distinct nodes have 2⁸ · 8 = 2,048 codes: about 15 ms for 152 cuts, 60 ms on a busy machine. Twice that leaves room for counts.
    static let maximumPipelineStates = 4096
    /// Pairs of boundaries times states of groups: eight distinct nodes (6,305 states) reach it at about 560 boundaries. A step takes
    /// about a nanosecond, and two searches are made.
    static let maximumGroupSteps = 1_000_000_000
    /// Values that a search keeps for each boundary and state, 24 bytes each: 100 MB.
    static let maximumGroupCells = 4_000_000
    /// The table of hops has the square of it. Eight distinct nodes make 255.
    static let maximumGroups = 1024

    let request: PlanRequest
    /// Eligible, strongest first, equals by name.
    let nodes: [PlanningNode]

    func solve() throws(PlanningError) -> PlanOutcome {
        let model = PipelineModel(request: request, nodes: nodes)
        let pins = try StagePins(nodes, shape: request.shape, segmentCount: model.segmentCount)
        var kinds = NodeKind.kinds(of: model, links: request.links)
        let allPins = kinds.map(\.pin)
        let outcome: PlanOutcome?
        if request.shape == .pipeline || request.objective == .latency && pins.isEmpty {
            // More stages than segments cannot be: counts above that only cost states. For latency alone a replica brings nothing
            // (it does where a pin forces a slow node in), so groups are single nodes there too.
            for index in kinds.indices where kinds[index].pin == nil {
                kinds[index].units = Array(kinds[index].units.prefix(model.segmentCount))
            }
            let counts = kinds.map(\.count)
            if PathAutomaton.singleStateCount(counts: counts, pins: allPins) <= Self.maximumPipelineStates {
                outcome = solveExactly(model: model, table: GroupTable(singlesOf: kinds, model: model), pins: pins)
            } else if request.shape == .pipeline {
                outcome = PipelineOrderSearch(request: request, model: model, pins: pins).solve()
            } else {
                outcome = try solveWithGroups(model: model, kinds: NodeKind.kinds(of: model, links: request.links), pins: pins)
            }
        } else {
            outcome = try solveWithGroups(model: model, kinds: kinds, pins: pins)
        }
        guard let outcome else {
            throw Self.failure(model: model, kinds: kinds, pins: pins)
        }
        return outcome
    }

    private func solveWithGroups(model: PipelineModel, kinds: [NodeKind], pins: StagePins) throws(PlanningError) -> PlanOutcome? {
        let counts = kinds.map(\.count)
        let states = PathAutomaton.groupStateCount(counts: counts, pins: kinds.map(\.pin))
        let groups = counts.reduce(1) { $0 > Self.maximumGroups ? $0 : $0 * ($1 + 1) }
        let boundaries = model.segmentCount + 1
        if groups <= Self.maximumGroups, states <= Self.maximumGroupCells / boundaries,
            states <= Self.maximumGroupSteps / (boundaries * boundaries) * 2
        {
            return solveExactly(model: model, table: GroupTable(allOf: kinds, model: model), pins: pins)
        }
        return PacketSearch(request: request, model: model, pins: pins).solve()
    }

    // MARK: - Exact

    private func solveExactly(model: PipelineModel, table: GroupTable, pins: StagePins) -> PlanOutcome? {
        let automaton = PathAutomaton(table: table)
        let search = LexicographicSearch(request: request, model: model, table: table, automaton: automaton)
        guard request.shape == .pipeline else {
            let steps = search.best(reachableMs: reachableBottleneck(model, pins: pins))
            return steps.map { search.outcome($0, isExact: true) }
        }
        let stages = min(nodes.count, model.segmentCount)
        let reachable = pins.order(nodes.indices, count: stages).flatMap { order -> Double? in
            let ordered = PipelineModel(request: request, nodes: order.map { nodes[$0] })
            return LexicographicSearch(orderOf: ordered, request: request, all: true).lowestBottleneck()
        }
        return search.longest(upTo: stages, reachableMs: reachable ?? .infinity).map { search.outcome($0, isExact: true) }
    }

    /// A bottleneck that some plan with groups has, to end the exact search's loops early; infinite where none was found.
    private func reachableBottleneck(_ model: PipelineModel, pins: StagePins) -> Double {
        guard pins.isEmpty, request.objective == .throughput else { return .infinity }
        let chain = LexicographicSearch(orderOf: model, request: request, all: false).lowestBottleneck() ?? .infinity
        return min(chain, PacketSearch.lowestOfPrefixes(model) ?? .infinity)
    }

    // MARK: - Explanation

    /// Why nothing is possible: pins, the chain that needs the least memory to be added, or no chain at all.
    private static func failure(model: PipelineModel, kinds: [NodeKind], pins: StagePins) -> PlanningError {
        var singles = kinds
        for index in singles.indices { singles[index].units = Array(singles[index].units.prefix(model.segmentCount)) }
        let counts = singles.map(\.count)
        let table: GroupTable
        let automaton: PathAutomaton
        if PathAutomaton.singleStateCount(counts: counts, pins: singles.map(\.pin)) <= Self.maximumPipelineStates {
            table = GroupTable(singlesOf: singles, model: model)
            automaton = PathAutomaton(table: table)
        } else {
            let strongest = Array(model.nodes.indices.prefix(PipelineOrderSearch.maximumNodes))
            table = GroupTable(singlesOf: strongest.map { NodeKind(units: [[$0]]) }, model: model)
            automaton = PathAutomaton(orderOf: strongest.count, all: false)
        }
        let search = PathSearch(model: model, automaton: automaton, score: ShortageScore(model: model, table: table))
        guard let least = search.bestState() else {
            return pins.isEmpty
                ? .noRoute
                : .invalidPins(
                    "no chain of workers that keeps them connects the coordinator with itself; unpin a node, or check the links")
        }
        let outcome = LexicographicSearch.outcome(search.path(to: least), table: table, model: model, isExact: false)
        var shortages: [PlanningError.Shortage] = []
        for step in outcome.steps {
            let needed = outcome.residentBytes(step)
            guard let node = step.nodes.first, needed > model.memories[node] else { continue }
            let layers = LayerRange(model.boundaryLayers[step.block.from], model.boundaryLayers[step.block.to])
            shortages.append(
                PlanningError.Shortage(
                    node: model.nodes[node].id, layers: layers, needed: ByteCount(needed), available: model.nodes[node].freeMemory,
                    smallestPiece: model.smallestPieceTooLarge(for: node)))
        }
        guard !shortages.isEmpty else {
            return .invalidPins("with every pin kept, no plan fits the nodes' memory; unpin a node")
        }
        return .insufficientMemory(shortages)
    }
}
