internal import Base

/// The slowest stage or link of a chain, among chains that fit the memory and stay within `limitMs`.
struct BottleneckScore: PathScore {
    let model: PipelineModel
    let table: GroupTable
    var limitMs: Double
    let strongest: Double
    let largestMemory: Int

    init(model: PipelineModel, table: GroupTable, limitMs: Double) {
        self.model = model
        self.table = table
        self.limitMs = limitMs
        self.strongest = table.capabilities.max() ?? 0
        self.largestMemory = model.memories.max() ?? 0
    }

    @inline(__always)
    func combined(_ path: Double, _ step: Double) -> Double { path > step ? path : step }

    @inline(__always)
    func stage(_ load: StageLoad, on group: Int) -> Double {
        let busy = load.work / table.capabilities[group]
        guard busy <= limitMs else { return .infinity }
        return load.fitsEverywhere || table.fits(load.block, on: group, model) ? busy : .infinity
    }

    @inline(__always)
    func transfer(bytes: Double, from: Int, to: Int) -> Double {
        let perByte = table.hop(from: from, to: to).worstMsPerByte
        guard perByte < .infinity else { return .infinity }
        let busy = bytes * perByte
        return busy <= limitMs ? busy : .infinity
    }

    /// Work and weights only grow with the block; what crosses its ends does not, and is left out here.
    func isHopeless(_ block: PipelineModel.Block) -> Bool {
        if block.milliseconds / strongest > limitMs { return true }
        let weights = Double(block.parameterBytes) * model.parameterFactor
        return Double(model.settings.runtimeBaseBytes.bytes) + weights > Double(largestMemory)
    }
}

/// The time of one micro-batch alone over the chain, the mean over the replicas by their shares, among the same chains.
struct LatencyScore: PathScore {
    let allowed: BottleneckScore
    var table: GroupTable { allowed.table }

    init(model: PipelineModel, table: GroupTable, limitMs: Double) {
        allowed = BottleneckScore(model: model, table: table, limitMs: limitMs)
    }

    @inline(__always)
    func combined(_ path: Double, _ step: Double) -> Double { path + step }

    @inline(__always)
    func stage(_ load: StageLoad, on group: Int) -> Double {
        allowed.stage(load, on: group) < .infinity ? load.work * allowed.table.loneMsPerMs[group] : .infinity
    }

    @inline(__always)
    func transfer(bytes: Double, from: Int, to: Int) -> Double {
        let hop = allowed.table.hop(from: from, to: to)
        guard hop.worstMsPerByte < .infinity, bytes * hop.worstMsPerByte <= allowed.limitMs else { return .infinity }
        return bytes * hop.meanMsPerByte + hop.meanLatencyMs
    }

    func isHopeless(_ block: PipelineModel.Block) -> Bool { allowed.isHopeless(block) }
}

/// Bytes of memory that the chain's nodes lack in all: what the explanation of an impossible plan minimises.
///
/// For tables of single nodes, since a second replica never needs less.
struct ShortageScore: PathScore {
    let model: PipelineModel
    let table: GroupTable

    func combined(_ path: Double, _ step: Double) -> Double { path + step }

    func stage(_ load: StageLoad, on group: Int) -> Double {
        let node = table.kinds[group].units[0][0]
        return max(0, Double(model.residentBytes(load.block, on: node)) - Double(model.memories[node]))
    }

    func transfer(bytes: Double, from: Int, to: Int) -> Double {
        table.hop(from: from, to: to).worstMsPerByte < .infinity ? 0 : .infinity
    }

    func isHopeless(_ block: PipelineModel.Block) -> Bool { false }
}
