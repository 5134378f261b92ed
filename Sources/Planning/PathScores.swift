/// The slowest stage or link of a chain, among chains that fit the memory and stay within `limitMs`.
struct BottleneckScore: PathScore {
    let model: PipelineModel
    var limitMs: Double
    let strongest: Double
    let largestMemory: Int

    init(model: PipelineModel, limitMs: Double) {
        self.model = model
        self.limitMs = limitMs
        self.strongest = model.capabilities.max() ?? 0
        self.largestMemory = model.memories.max() ?? 0
    }

    func combined(_ path: Double, _ step: Double) -> Double { path > step ? path : step }

    func stage(_ block: PipelineModel.Block, on kind: Int) -> Double {
        let busy = model.computeMs(block, on: kind)
        return busy <= limitMs && model.fits(block, on: kind) ? busy : .infinity
    }

    func transfer(at boundary: Int, from: Int, to: Int) -> Double {
        let busy = model.occupancyMs(at: boundary, from: from, to: to)
        return busy <= limitMs ? busy : .infinity
    }

    /// Work and weights only grow with the block; what crosses its ends does not, and is left out here.
    func isHopeless(_ block: PipelineModel.Block) -> Bool {
        if block.milliseconds / strongest > limitMs { return true }
        let weights = Double(block.parameterBytes) * model.parameterFactor
        return Double(model.settings.runtimeBaseBytes.bytes) + weights > Double(largestMemory)
    }
}

/// The time of one micro-batch alone over the chain, among the same chains.
struct LatencyScore: PathScore {
    let allowed: BottleneckScore
    private var model: PipelineModel { allowed.model }

    init(model: PipelineModel, limitMs: Double) { allowed = BottleneckScore(model: model, limitMs: limitMs) }

    func combined(_ path: Double, _ step: Double) -> Double { path + step }

    func stage(_ block: PipelineModel.Block, on kind: Int) -> Double {
        allowed.stage(block, on: kind).isFinite ? model.loneComputeMs(block, on: kind) : .infinity
    }

    func transfer(at boundary: Int, from: Int, to: Int) -> Double {
        allowed.transfer(at: boundary, from: from, to: to).isFinite ? model.transferMs(at: boundary, from: from, to: to) : .infinity
    }

    func isHopeless(_ block: PipelineModel.Block) -> Bool { allowed.isHopeless(block) }
}

/// Bytes of memory that the chain's nodes lack in all: what the explanation of an impossible plan minimises.
struct ShortageScore: PathScore {
    let model: PipelineModel

    func combined(_ path: Double, _ step: Double) -> Double { path + step }

    func stage(_ block: PipelineModel.Block, on kind: Int) -> Double {
        max(0, Double(model.residentBytes(block, on: kind)) - Double(model.memories[kind]))
    }

    func transfer(at boundary: Int, from: Int, to: Int) -> Double {
        model.occupancyMs(at: boundary, from: from, to: to).isFinite ? 0 : .infinity
    }

    func isHopeless(_ block: PipelineModel.Block) -> Bool { false }
}
