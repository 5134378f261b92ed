/// Two path searches in a row: the lowest bottleneck B*, then, with B* times the tolerance as limit, the lowest latency.
struct LexicographicSearch {
    let request: PlanRequest
    let model: PipelineModel
    let table: GroupTable
    let automaton: PathAutomaton

    init(request: PlanRequest, model: PipelineModel, table: GroupTable, automaton: PathAutomaton) {
        self.request = request
        self.model = model
        self.table = table
        self.automaton = automaton
    }

    /// Over the model's nodes in their order, one for each stage, as many of the first as a pipeline of this length may have.
    init(orderOf model: PipelineModel, request: PlanRequest, all: Bool) {
        let count = min(model.nodes.count, PipelineOrderSearch.maximumNodes)
        let kinds = (0..<count).map { NodeKind(units: [[$0]]) }
        self.init(
            request: request, model: model, table: GroupTable(singlesOf: kinds, model: model),
            automaton: PathAutomaton(orderOf: count, all: all))
        self.exactLength = all ? count : nil
    }

    private var exactLength: Int?

    private func isAllowed(_ used: Int) -> Bool { exactLength.map { used == $0 } ?? true }

    func lowestBottleneck() -> Double? {
        let search = bottlenecks(limitMs: .infinity)
        return search.bestState(where: isAllowed).map { search.totals[$0] }
    }

    /// A chain, and the lowest bottleneck that any chain of the automaton has: the limit is the tolerance above it.
    struct Found {
        var path: [PathStep]
        var lowestMs: Double
    }

    /// The best chain of all, or nil where none is possible.
    /// - Parameter reachableMs: a bottleneck that some chain is known to have; infinite where none is known.
    func best(reachableMs: Double = .infinity) -> Found? {
        if request.objective == .latency { return latencies(limitMs: .infinity, isAllowed) }
        return lexicographic(within(reachableMs) { $0.bestState(where: isAllowed) != nil }, isAllowed)
    }

    /// The best chain of those with the most stages that are possible: for automata whose groups are single nodes.
    func longest(upTo stages: Int, reachableMs: Double) -> Found? {
        let limit = request.objective == .latency ? .infinity : reachableMs
        let search = within(limit) { search in search.bestState { $0 == stages } != nil }
        guard let length = (1...stages).last(where: { count in search.bestState { $0 == count } != nil }) else { return nil }
        if request.objective == .latency { return latencies(limitMs: .infinity) { $0 == length } }
        return lexicographic(search) { $0 == length }
    }

    /// With the limit, unless rounding lost what reached it: then without.
    private func within(_ limitMs: Double, _ hasResult: (PathSearch<BottleneckScore>) -> Bool) -> PathSearch<BottleneckScore> {
        guard limitMs.isFinite else { return bottlenecks(limitMs: .infinity) }
        let search = bottlenecks(limitMs: limitMs)
        return hasResult(search) ? search : bottlenecks(limitMs: .infinity)
    }

    private func lexicographic(_ search: PathSearch<BottleneckScore>, _ isAllowed: (Int) -> Bool) -> Found? {
        guard let fastest = search.bestState(where: isAllowed) else { return nil }
        let lowest = search.totals[fastest]
        var found = latencies(limitMs: lowest * request.settings.bottleneckTolerance, isAllowed)
        found?.lowestMs = lowest
        return found ?? Found(path: search.path(to: fastest), lowestMs: lowest)
    }

    private func bottlenecks(limitMs: Double) -> PathSearch<BottleneckScore> {
        PathSearch(model: model, automaton: automaton, score: BottleneckScore(model: model, table: table, limitMs: limitMs))
    }

    private func latencies(limitMs: Double, _ isAllowed: (Int) -> Bool) -> Found? {
        let search = PathSearch(
            model: model, automaton: automaton, score: LatencyScore(model: model, table: table, limitMs: limitMs))
        return search.bestState(where: isAllowed).map { Found(path: search.path(to: $0), lowestMs: 0) }
    }

    func outcome(_ found: Found, isExact: Bool) -> PlanOutcome {
        Self.outcome(found.path, table: table, model: model, isExact: isExact)
    }

    /// Nodes for counts: the units of a kind serve its stages in their order.
    static func outcome(_ path: [PathStep], table: GroupTable, model: PipelineModel, isExact: Bool) -> PlanOutcome {
        var taken = [Int](repeating: 0, count: table.kinds.count)
        let steps = path.map { step in
            var members: [Int] = []
            for (kind, count) in table.counts[step.group].enumerated() where count > 0 {
                members += table.kinds[kind].units[taken[kind]..<(taken[kind] + count)].joined()
                taken[kind] += count
            }
            return PlanOutcome.Step(block: model.block(from: step.from, to: step.to), nodes: members.sorted())
        }
        return PlanOutcome(model: model, steps: steps, isExact: isExact)
    }
}
