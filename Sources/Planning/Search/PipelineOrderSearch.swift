/// One node for each stage, with more distinct nodes than the exact search takes: orders of nodes, each with its best cuts.
///
/// For a given order dynamic programming finds the best boundaries (beyond ``maximumCutSteps`` a bisection of the bottleneck over
/// greedy cuts); for given blocks the heaviest belongs on the strongest node. The
/// two alternate from several first orders, and where the model is small single exchanges of the slowest stage's node
/// follow. Not exact (layers 5, 10, 5 on speeds 2, 1, 1: the sorted order alone gives 7.5, 5.0 is possible), so the plan says its gap.
struct PipelineOrderSearch {
    /// Stages beyond these help no real model, each boundary costs a hop: the bound of searches over any nodes in order.
    static let maximumNodes = 128
    /// Pairs of boundaries times stages of one search for boundaries: tens of milliseconds.
    static let maximumCutSteps = 10_000_000
    /// Halvings of the bottleneck: the last one changes a relative millionth.
    static let bisections = 20
    /// Alternations from one first order; they end earlier when the order repeats.
    static let maximumRounds = 8
    /// Boundary pairs times stages of all searches that exchanges may cost: about a second.
    static let exchangeBudget = 100_000_000

    let request: PlanRequest
    /// Of all nodes that may take part, strongest first.
    let model: PipelineModel
    let pins: StagePins

    func solve() -> PlanOutcome? {
        let available = Array(model.nodes.indices)
        var stages = min(available.count, model.segmentCount)
        while stages >= 1 {
            if let found = solve(stages: stages, available) { return found }
            // Memory or links: fewer stages, by halves, since each step is a search of its own.
            stages = stages > 8 ? stages / 2 : stages - 1
        }
        return nil
    }

    private func solve(stages: Int, _ available: [Int]) -> PlanOutcome? {
        guard let falling = pins.order(available, count: stages) else { return nil }
        let free = Array(falling.reversed())
        let rising = pins.order(free, count: stages) ?? falling
        var best: PlanOutcome?
        for first in [falling, rising] {
            var order = first
            for _ in 0..<Self.maximumRounds {
                guard let outcome = cutBest(order) else { break }
                best = PlanOutcome.better(best, outcome, request)
                let next = matched(outcome, order)
                if next == order { break }
                order = next
            }
        }
        return best.map { exchanged($0, available) }
    }

    /// The best boundaries for an order, every node used.
    private func cutBest(_ order: [Int]) -> PlanOutcome? {
        let pairs = model.segmentCount * model.segmentCount / 2
        if order.count > Self.maximumNodes || pairs > Self.maximumCutSteps / order.count { return cutByBisection(order) }
        let ordered = PipelineModel(request: request, nodes: order.map { model.nodes[$0] })
        let search = LexicographicSearch(orderOf: ordered, request: request, all: true)
        guard let found = search.best() else { return nil }
        let steps = found.path.map { PlanOutcome.Step(block: model.block(from: $0.from, to: $0.to), nodes: [order[$0.group]]) }
        return PlanOutcome(model: model, steps: steps, isExact: false)
    }

    /// Good boundaries for an order, every node used: the lowest bottleneck for which greedy longest blocks reach the end.
    private func cutByBisection(_ order: [Int]) -> PlanOutcome? {
        guard var best = greedyCut(order, limitMs: .infinity) else { return nil }
        var high = best.bottleneckMs
        var low = 0.0
        for _ in 0..<Self.bisections {
            let middle = (low + high) / 2
            if let outcome = greedyCut(order, limitMs: middle) {
                best = outcome
                high = min(middle, outcome.bottleneckMs)
            } else {
                low = middle
            }
        }
        return best
    }

    /// Each node takes the longest block within the limit, one segment at least is left for each later one.
    private func greedyCut(_ order: [Int], limitMs: Double) -> PlanOutcome? {
        var steps: [PlanOutcome.Step] = []
        var from = 0
        for (place, node) in order.enumerated() {
            let sender = place == 0 ? PipelineModel.coordinator : order[place - 1]
            guard model.occupancyMs(at: from, from: sender, to: node) <= limitMs else { return nil }
            let latest = model.segmentCount - (order.count - 1 - place)
            let earliest = place == order.count - 1 ? latest : from + 1
            var block = model.block(from: from, to: from)
            var chosen: PipelineModel.Block?
            while block.to < latest {
                block.absorb(block.to, of: model)
                block.to += 1
                if block.milliseconds / model.capabilities[node] > limitMs { break }
                if block.to >= earliest, model.computeMs(block, on: node) <= limitMs, model.fits(block, on: node) { chosen = block }
            }
            guard let chosen else { return nil }
            steps.append(PlanOutcome.Step(block: chosen, nodes: [node]))
            from = chosen.to
        }
        let outcome = PlanOutcome(model: model, steps: steps, isExact: false)
        return outcome.bottleneckMs <= limitMs && outcome.bottleneckMs.isFinite ? outcome : nil
    }

    /// The heaviest block to the strongest node and so on; pinned nodes stay.
    private func matched(_ outcome: PlanOutcome, _ order: [Int]) -> [Int] {
        let movable = order.indices.filter { pins.nodesOfStage[$0] == nil }
        let byWork = movable.sorted { (-model.work(outcome.steps[$0].block), $0) < (-model.work(outcome.steps[$1].block), $1) }
        let byStrength = movable.map { order[$0] }.sorted { (-model.capabilities[$0], $0) < (-model.capabilities[$1], $1) }
        var result = order
        for (place, node) in zip(byWork, byStrength) { result[place] = node }
        return result
    }

    /// Exchanges two places, or a place with a node left out, while that is better.
    private func exchanged(_ start: PlanOutcome, _ available: [Int]) -> PlanOutcome {
        var best = start
        let stages = start.steps.count
        let searchCost = max(1, model.segmentCount * model.segmentCount * stages / 2)
        var searchesLeft = Self.exchangeBudget / searchCost
        var improved = true
        while improved {
            improved = false
            let order = best.steps.map { $0.nodes[0] }
            let slowest = order.indices.max { best.intervalMs(ofStage: $0) < best.intervalMs(ofStage: $1) } ?? 0
            guard pins.nodesOfStage[slowest] == nil else { break }
            for node in available where node != order[slowest] && model.nodes[node].pinnedStage == nil {
                guard searchesLeft > 0 else { return best }
                searchesLeft -= 1
                var exchanged = order
                if let place = order.firstIndex(of: node) { exchanged[place] = order[slowest] }
                exchanged[slowest] = node
                guard let outcome = cutBest(exchanged), outcome.bottleneckMs < best.bottleneckMs * (1 - 1e-9) else { continue }
                best = outcome
                improved = true
                break
            }
        }
        return best
    }
}

extension PlanOutcome {
    /// The better of two by the objective: bottleneck beyond the tolerance, then latency, then nodes.
    static func better(_ known: PlanOutcome?, _ other: PlanOutcome, _ request: PlanRequest) -> PlanOutcome {
        guard let known else { return other }
        if request.objective == .throughput {
            let (left, right) = (known.bottleneckMs, other.bottleneckMs)
            if min(left, right) * request.settings.bottleneckTolerance < max(left, right) { return left < right ? known : other }
        }
        return (other.latencyMs, other.nodeCount) < (known.latencyMs, known.nodeCount) ? other : known
    }
}
