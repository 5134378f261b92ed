/// The figures that all strategies and the evaluation share: prefix sums over the segments between legal cuts.
///
/// A *boundary* is a place where a stage may begin or end: boundary 0 is the model's input, the last one its output, those between
/// are the legal cuts. A *segment* lies between two neighbouring boundaries and is never divided.
struct PipelineModel {
    /// A run of segments as one stage, whatever node it is put on.
    struct Block {
        var from: Int
        var to: Int
        /// On the reference node.
        var milliseconds: Double
        var parameterBytes: Int
        /// Largest output of a single layer.
        var peakBytes: Int
    }

    let nodes: [PlanningNode]
    let settings: PlanSettings
    let parameterFactor: Double
    /// The layer before which each boundary lies.
    let boundaryLayers: [Int]
    /// Bytes over each boundary, the model's input and output included.
    let boundaryBytes: [Double]
    /// Reference milliseconds of each segment.
    let segmentMilliseconds: [Double]
    let segmentParameterBytes: [Int]
    let segmentPeakBytes: [Int]
    let capabilities: [Double]
    let singleThreadCapabilities: [Double]
    let memories: [Int]
    /// `links[from + 1][to + 1]`, where 0 is the coordinator.
    private let links: [[Link]]

    var segmentCount: Int { segmentMilliseconds.count }
    var totalMilliseconds: Double { segmentMilliseconds.reduce(0, +) }
    static let coordinator = -1

    /// `nodes` in the order that ties prefer. Complexity: O(layers + nodes²).
    init(request: PlanRequest, nodes: [PlanningNode]) {
        let profile = request.profile
        let costs = request.costModel.milliseconds(of: profile.layers)
        let boundaryLayers = [0] + profile.cuts.map(\.layer) + [profile.layers.count]
        self.nodes = nodes
        self.settings = request.settings
        self.parameterFactor = profile.level.parameterMemoryFactor
        self.boundaryLayers = boundaryLayers
        self.boundaryBytes = ([profile.inputBytes] + profile.cuts.map(\.bytes) + [profile.outputBytes]).map { Double($0.bytes) }
        let segments = zip(boundaryLayers, boundaryLayers.dropFirst()).map { $0..<$1 }
        self.segmentMilliseconds = segments.map { $0.reduce(0) { $0 + costs[$1] } }
        self.segmentParameterBytes = segments.map { $0.reduce(ByteCount.zero) { $0 + profile.layers[$1].parameterBytes }.bytes }
        self.segmentPeakBytes = segments.map { $0.reduce(0) { max($0, profile.layers[$1].outputBytes.bytes) } }
        self.capabilities = nodes.map(\.capability)
        self.singleThreadCapabilities = nodes.map(\.singleThreadCapability)
        self.memories = nodes.map(\.freeMemory.bytes)
        let endpoints: [LinkTable.Endpoint] = [.coordinator] + nodes.map { .node($0.id) }
        self.links = endpoints.map { from in endpoints.map { request.links.link(from: from, to: $0) } }
    }

    func block(from: Int, to: Int) -> Block {
        var block = Block(from: from, to: from, milliseconds: 0, parameterBytes: 0, peakBytes: 0)
        block.to = to
        for segment in from..<to { block.absorb(segment, of: self) }
        return block
    }

    /// Compute time of one micro-batch with the node's whole quota on it, the CPU of its transfers included.
    func computeMs(_ block: Block, on node: Int) -> Double { work(block) / capabilities[node] }

    /// Compute time of one micro-batch alone on the node: one thread.
    func loneComputeMs(_ block: Block, on node: Int) -> Double { work(block) / singleThreadCapabilities[node] }

    private func work(_ block: Block) -> Double {
        let transferred = boundaryBytes[block.from] + boundaryBytes[block.to]
        return block.milliseconds + transferred * settings.transferCPUNanosecondsPerByte / 1e6
    }

    func occupancyMs(at boundary: Int, from: Int, to: Int) -> Double {
        links[from + 1][to + 1].occupancyMs(boundaryBytes[boundary])
    }

    func transferMs(at boundary: Int, from: Int, to: Int) -> Double {
        occupancyMs(at: boundary, from: from, to: to) + links[from + 1][to + 1].latencyMs
    }

    /// Resident bytes of a worker that serves the block: runtime, weights at the level's factor, what the operators of all executors
    /// hold, and the micro-batches that wait on either side.
    func residentBytes(_ block: Block, on node: Int) -> Int {
        let activations = Double(block.peakBytes) * settings.activationCopies * Double(nodes[node].executors)
        let buffers = (boundaryBytes[block.from] + boundaryBytes[block.to]) * settings.bufferedMicroBatches
        let sum = Double(settings.runtimeBaseBytes.bytes) + Double(block.parameterBytes) * parameterFactor + activations + buffers
        return Int(exactly: sum.rounded(.up)) ?? Int.max
    }

    func fits(_ block: Block, on node: Int) -> Bool { residentBytes(block, on: node) <= memories[node] }
}

extension PipelineModel.Block {
    /// Adds a neighbouring segment; the caller moves `from` or `to`.
    mutating func absorb(_ segment: Int, of model: PipelineModel) {
        milliseconds += model.segmentMilliseconds[segment]
        parameterBytes += model.segmentParameterBytes[segment]
        peakBytes = max(peakBytes, model.segmentPeakBytes[segment])
    }
}
