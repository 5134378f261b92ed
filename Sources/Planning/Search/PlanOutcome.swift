internal import Base

/// What a strategy decides: blocks of segments on groups of nodes, in the order of the pipeline.
struct PlanOutcome {
    struct Step {
        var block: PipelineModel.Block
        /// The stage's replicas, as indices of the model's nodes.
        var nodes: [Int]
    }

    var model: PipelineModel
    var steps: [Step]
    var isExact: Bool

    var nodeCount: Int { steps.reduce(0) { $0 + $1.nodes.count } }

    /// The slowest stage or link, in ms for each micro-batch.
    var bottleneckMs: Double {
        (0...steps.count).reduce(steps.reduce(0) { max($0, stageMs($1)) }) { max($0, hop($1).busiestMs) }
    }

    /// One micro-batch alone, there and back: the mean over the replicas by their shares.
    var latencyMs: Double {
        let compute = steps.reduce(0.0) { sum, step in
            let work = model.work(step.block)
            let lone = step.nodes.reduce(0) { $0 + model.capabilities[$1] / model.singleThreadCapabilities[$1] }
            return sum + work * lone / capability(step)
        }
        return (0...steps.count).reduce(compute) { $0 + hop($1).meanMs }
    }

    /// `work / Σ C`: what the replicas together need for each micro-batch of the stream.
    func stageMs(_ step: Step) -> Double { model.work(step.block) / capability(step) }

    /// `max(compute, bytes in / link, bytes out / link)`.
    func intervalMs(ofStage index: Int) -> Double { max(stageMs(steps[index]), hop(index).busiestMs, hop(index + 1).busiestMs) }

    func residentBytes(_ step: Step) -> Int { step.nodes.map { model.residentBytes(step.block, on: $0) }.max() ?? 0 }

    var fitsMemory: Bool { steps.allSatisfy { step in step.nodes.allSatisfy { model.fits(step.block, on: $0) } } }

    private func capability(_ step: Step) -> Double { step.nodes.reduce(0) { $0 + model.capabilities[$1] } }

    /// What happens between stage `index - 1` and stage `index`: the busiest link's time and the mean way of a micro-batch.
    private func hop(_ index: Int) -> (busiestMs: Double, meanMs: Double) {
        let from = index == 0 ? nil : steps[index - 1]
        let to = index == steps.count ? nil : steps[index]
        let boundary = to?.block.from ?? model.segmentCount
        if model.isUniformAmongNodes, let from, let to {
            let busy = model.commonLink.occupancyMs(model.boundaryBytes[boundary])
            return (busy * largestShare(from) * largestShare(to), busy + model.commonLink.latencyMs)
        }
        var busiest = 0.0
        var mean = 0.0
        for (sender, senderShare) in members(from) {
            for (receiver, receiverShare) in members(to) {
                let share = senderShare * receiverShare
                let busy = model.occupancyMs(at: boundary, from: sender, to: receiver)
                busiest = max(busiest, busy * share)
                mean += (busy + model.link(from: sender, to: receiver).latencyMs) * share
            }
        }
        return (busiest, mean)
    }

    private func members(_ step: Step?) -> [(node: Int, share: Double)] {
        guard let step else { return [(PipelineModel.coordinator, 1)] }
        let sum = capability(step)
        return step.nodes.map { ($0, model.capabilities[$0] / sum) }
    }

    private func largestShare(_ step: Step) -> Double {
        (step.nodes.map { model.capabilities[$0] }.max() ?? 0) / capability(step)
    }

    /// The plan's figures; `unused` and `reasons` are the caller's, and so is the exactness of what is not exact.
    func plan(request: PlanRequest, singleBestNode: Plan.SingleNode?, unused: [NodeID], exactness: Plan.Exactness) -> Plan {
        let bottleneck = bottleneckMs
        let computeTimes = steps.map(stageMs)
        let stages = steps.indices.map { index in
            let step = steps[index]
            let block = step.block
            return Plan.Stage(
                layers: LayerRange(model.boundaryLayers[block.from], model.boundaryLayers[block.to]),
                replicas: step.nodes.map { model.nodes[$0].id }, shares: members(step).map(\.share),
                predictedMilliseconds: computeTimes[index], intervalMilliseconds: intervalMs(ofStage: index),
                parameterBytes: ByteCount(block.parameterBytes), residentBytes: ByteCount(residentBytes(step)),
                inputBytes: ByteCount(Int(model.boundaryBytes[block.from])),
                outputBytes: ByteCount(Int(model.boundaryBytes[block.to])))
        }
        return Plan(
            strategy: request.strategy, shape: request.shape, costModel: request.costModel, stages: stages,
            microBatch: request.profile.batch, bottleneckMilliseconds: bottleneck,
            itemsPerSecond: Double(request.profile.batch) * 1000 / bottleneck, latencyMilliseconds: latencyMs,
            singleBestNode: singleBestNode, balance: Plan.balance(ofTimes: computeTimes), exactness: exactness,
            unusedNodes: unused, reasons: [])
    }
}
