/// The paper's partitioner: boundaries by greedy targets, then moved one at a time while that helps.
///
/// 1. Node i of the first k by capability (k the smaller of nodes and segments) has the target
///    `L_i = C_i / Σ C_j · total cost` (equation 4; equal nodes give `total / k`).
/// 2. Layers are added in order until the running cost meets or exceeds the target; the boundary is the first legal cut there. Each
///    later stage is left one segment at least. The remainder goes to the last stage (equations 5 and 6).
/// 3. Boundaries move by one legal cut while that lowers
///    `max_i (cost_i / C_i + bytes over the cut before i / bandwidth of the link)` (equation 13). Of all single moves the best is
///    made, so that each step lowers the maximum and the search ends.
///
/// A node whose stage does not fit its memory has capability 0 in the paper: the weakest-fitting node is taken out and the
/// boundaries are drawn again. A node that the topology pins to a stage stands there, the others keep their order. Complexity: O(nodes · moves · segments).
struct RalosStrategy {
    /// Each move lowers the maximum strictly, so it ends by itself; the bound keeps a plan below a second for absurd models.
    static let maximumMoves = 10_000

    let request: PlanRequest
    let nodes: [PlanningNode]

    func solve() throws(PlanningError) -> PlanOutcome {
        var candidates = nodes
        while !candidates.isEmpty {
            let segments = request.profile.cuts.count + 1
            let pins = try StagePins(candidates, shape: .pipeline, segmentCount: segments)
            guard let order = pins.order(candidates.indices, count: min(candidates.count, segments)) else { throw failure() }
            let model = PipelineModel(request: request, nodes: order.map { candidates[$0] })
            let boundaries = refined(greedyBoundaries(model), model)
            let blocks = zip(boundaries, boundaries.dropFirst()).map { model.block(from: $0, to: $1) }
            let misfit = blocks.indices.max { lacking(blocks[$0], $0, model) < lacking(blocks[$1], $1, model) }
            guard let misfit, lacking(blocks[misfit], misfit, model) > 0 else {
                let steps = zip(blocks, blocks.indices).map { PlanOutcome.Step(block: $0, nodes: [$1]) }
                let outcome = PlanOutcome(model: model, steps: steps, isExact: false)
                guard outcome.bottleneckMs.isFinite else { throw failure() }
                return outcome
            }
            candidates.remove(at: order[misfit])
        }
        throw failure()
    }

    private func lacking(_ block: PipelineModel.Block, _ node: Int, _ model: PipelineModel) -> Int {
        model.residentBytes(block, on: node) - model.memories[node]
    }

    /// With no partition found: what no strategy can do, or that another one can.
    private func failure() -> PlanningError {
        do {
            _ = try OptimalStrategy(request: request, nodes: nodes).solve()
            return .strategyFailed(.ralos, instead: .optimal)
        } catch {
            return error
        }
    }

    private func greedyBoundaries(_ model: PipelineModel) -> [Int] {
        let count = model.nodes.count
        let capability = model.capabilities.reduce(0, +)
        var boundaries = [0]
        for node in 0..<count - 1 {
            let target = model.capabilities[node] / capability * model.totalMilliseconds
            var running = 0.0
            var boundary = boundaries[node]
            let latest = model.segmentCount - (count - 1 - node)
            // A relative billionth: three thirds of a total must not need a fourth layer for rounding's sake.
            while boundary < latest, boundary == boundaries[node] || running < target * (1 - 1e-9) {
                running += model.segmentMilliseconds[boundary]
                boundary += 1
            }
            boundaries.append(boundary)
        }
        return boundaries + [model.segmentCount]
    }

    private func refined(_ initial: [Int], _ model: PipelineModel) -> [Int] {
        var boundaries = initial
        var values = (0..<boundaries.count - 1).map { value(ofStage: $0, boundaries[$0], boundaries[$0 + 1], model) }
        for _ in 0..<Self.maximumMoves {
            // The slowest of the stages before and after each, so that a move costs the two stages that it changes.
            var before = [0.0]
            for value in values { before.append(max(before[before.count - 1], value)) }
            var after = [0.0]
            for value in values.reversed() { after.append(max(after[after.count - 1], value)) }
            var best = before[values.count]
            var improved: (index: Int, boundary: Int)?
            for index in boundaries.indices.dropFirst().dropLast() {
                for boundary in [boundaries[index] - 1, boundaries[index] + 1] {
                    guard boundary > boundaries[index - 1], boundary < boundaries[index + 1] else { continue }
                    let others = max(before[index - 1], after[values.count - 1 - index])
                    guard others < best else { continue }
                    let left = value(ofStage: index - 1, boundaries[index - 1], boundary, model)
                    let right = value(ofStage: index, boundary, boundaries[index + 1], model)
                    let worst = max(others, left, right)
                    if worst < best {
                        best = worst
                        improved = (index, boundary)
                    }
                }
            }
            guard let improved else { break }
            boundaries[improved.index] = improved.boundary
            for stage in [improved.index - 1, improved.index] {
                values[stage] = value(ofStage: stage, boundaries[stage], boundaries[stage + 1], model)
            }
        }
        return boundaries
    }

    /// `cost_i / C_i + bytes over the cut / bandwidth`; what arrives at a stage counts for it, at the first the input.
    private func value(ofStage stage: Int, _ from: Int, _ to: Int, _ model: PipelineModel) -> Double {
        let sender = stage == 0 ? PipelineModel.coordinator : stage - 1
        return model.computeMs(model.block(from: from, to: to), on: stage) + model.occupancyMs(at: from, from: sender, to: stage)
    }
}
