/// What a strategy decides: blocks of segments on nodes, in the order of the pipeline.
struct PlanOutcome {
    var model: PipelineModel
    var steps: [(block: PipelineModel.Block, node: Int)]
    var isExact: Bool

    /// Nodes of the coordinator and the stages in the order in which a micro-batch meets them.
    private var chain: [Int] { [PipelineModel.coordinator] + steps.map(\.node) + [PipelineModel.coordinator] }

    /// The slowest stage or link, in ms for each micro-batch.
    var bottleneckMs: Double { steps.indices.reduce(0) { max($0, intervalMs(ofStage: $1)) } }

    /// One micro-batch alone, there and back.
    var latencyMs: Double {
        let chain = chain
        let compute = steps.reduce(0) { $0 + model.loneComputeMs($1.block, on: $1.node) }
        return (0..<chain.count - 1).reduce(compute) { sum, hop in
            sum + model.transferMs(at: boundary(ofHop: hop), from: chain[hop], to: chain[hop + 1])
        }
    }

    /// `max(compute, bytes in / link, bytes out / link)`.
    func intervalMs(ofStage index: Int) -> Double {
        let chain = chain
        let step = steps[index]
        let arriving = model.occupancyMs(at: step.block.from, from: chain[index], to: step.node)
        let leaving = model.occupancyMs(at: step.block.to, from: step.node, to: chain[index + 2])
        return max(model.computeMs(step.block, on: step.node), arriving, leaving)
    }

    private func boundary(ofHop hop: Int) -> Int { hop < steps.count ? steps[hop].block.from : model.segmentCount }

    /// No plan is faster: all work on all nodes, the heaviest segment on the strongest node, the input and output on the best link.
    func lowerBoundMs(nodes: [PlanningNode]) -> Double {
        let strongest = nodes.map(\.capability).max() ?? 0
        let all = nodes.reduce(0) { $0 + $1.capability }
        let heaviest = model.segmentMilliseconds.max() ?? 0
        let arriving = model.nodes.indices.map { model.occupancyMs(at: 0, from: PipelineModel.coordinator, to: $0) }.min() ?? 0
        let leaving =
            model.nodes.indices.map { model.occupancyMs(at: model.segmentCount, from: $0, to: PipelineModel.coordinator) }.min()
            ?? 0
        return max(model.totalMilliseconds / all, heaviest / strongest, arriving, leaving)
    }

    /// The plan's figures; `unused` and `reasons` are the caller's.
    func plan(request: PlanRequest, singleBestNode: Plan.SingleNode?, unused: [NodeID], reasons: [String]) -> Plan {
        let bottleneck = bottleneckMs
        let computeTimes = steps.map { model.computeMs($0.block, on: $0.node) }
        let stages = steps.indices.map { index in
            let (block, node) = steps[index]
            return Plan.Stage(
                layers: LayerRange(model.boundaryLayers[block.from], model.boundaryLayers[block.to]),
                replicas: [model.nodes[node].id], predictedMilliseconds: computeTimes[index],
                intervalMilliseconds: intervalMs(ofStage: index), parameterBytes: ByteCount(block.parameterBytes),
                residentBytes: ByteCount(model.residentBytes(block, on: node)),
                inputBytes: ByteCount(Int(model.boundaryBytes[block.from])),
                outputBytes: ByteCount(Int(model.boundaryBytes[block.to])))
        }
        return Plan(
            strategy: request.strategy, shape: request.shape, costModel: request.costModel, stages: stages,
            microBatch: request.profile.batch, bottleneckMilliseconds: bottleneck,
            itemsPerSecond: Double(request.profile.batch) * 1000 / bottleneck, latencyMilliseconds: latencyMs,
            singleBestNode: singleBestNode, balance: Plan.balance(ofTimes: computeTimes), exactness: exactness(request, bottleneck),
            unusedNodes: unused, reasons: reasons)
    }

    private func exactness(_ request: PlanRequest, _ bottleneck: Double) -> Plan.Exactness {
        if isExact { return .exact }
        if request.strategy == .ralos { return .heuristic }
        let bound = lowerBoundMs(nodes: request.nodes.filter { $0.capability > 0 })
        return .bounded(lowerBoundMilliseconds: bound, gap: bound > 0 ? bottleneck / bound - 1 : 0)
    }
}
