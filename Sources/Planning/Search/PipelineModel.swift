internal import Base

/// The figures that all strategies and the evaluation share: sums over the segments between legal cuts.
///
/// A *boundary* is a place where a stage may begin or end: boundary 0 is the model's input, the last one its output, those between
/// are the legal cuts. A *segment* lies between two neighbouring boundaries and is never divided.
///
/// ## A stage's time
/// One micro-batch is `work(block)` reference milliseconds: its layers, and the copying of what crosses its two ends. Node p with
/// capability C_p takes `work / C_p`. The replicas of a stage take micro-batches in proportion to their rates, so p gets the share
/// `C_p / Σ C` and the stage as a whole takes `1 / Σ (C_p / work) = work / Σ C` for each micro-batch of the stream. The choice at
/// one stage does not depend on that at the next: of all micro-batches the share of p times the share of q goes over the link p → q.
struct PipelineModel {
    /// A run of segments as one stage, whatever nodes it is put on.
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
    let totalMilliseconds: Double
    let capabilities: [Double]
    let singleThreadCapabilities: [Double]
    let memories: [Int]
    /// The one link that all pairs of nodes have, unless ``pairLinks`` holds each (row: from).
    let commonLink: Link
    private let pairLinks: [Link]
    private let arrivals: [Link]
    private let departures: [Link]

    var segmentCount: Int { segmentMilliseconds.count }
    var isUniformAmongNodes: Bool { pairLinks.isEmpty }
    static let coordinator = -1

    /// `nodes` in the order that ties prefer. Complexity: O(layers + nodes), and O(nodes²) where links among nodes differ.
    init(request: PlanRequest, nodes: [PlanningNode]) {
        let profile = request.profile
        let links = request.links
        let costs = profile.milliseconds(by: request.costModel)
        let boundaryLayers = [0] + profile.cuts.map(\.layer) + [profile.layers.count]
        self.nodes = nodes
        self.settings = request.settings
        self.parameterFactor = profile.level.parameterMemoryFactor
        self.boundaryLayers = boundaryLayers
        self.boundaryBytes = ([profile.inputBytes] + profile.cuts.map(\.bytes) + [profile.outputBytes]).map { Double($0.bytes) }
        let segments = zip(boundaryLayers, boundaryLayers.dropFirst()).map { $0..<$1 }
        let segmentMilliseconds = segments.map { $0.reduce(0) { $0 + costs[$1] } }
        self.segmentMilliseconds = segmentMilliseconds
        self.totalMilliseconds = segmentMilliseconds.reduce(0, +)
        self.segmentParameterBytes = segments.map { $0.reduce(ByteCount.zero) { $0 + profile.layers[$1].parameterBytes }.bytes }
        self.segmentPeakBytes = segments.map { $0.reduce(0) { max($0, profile.layers[$1].outputBytes.bytes) } }
        self.capabilities = nodes.map(\.capability)
        self.singleThreadCapabilities = nodes.map(\.singleThreadCapability)
        self.memories = nodes.map(\.freeMemory.bytes)
        self.commonLink = links.common
        self.arrivals = nodes.map { links.link(from: .coordinator, to: .node($0.id)) }
        self.departures = nodes.map { links.link(from: .node($0.id), to: .coordinator) }
        let isUniform = links.isUniformAmongNodes
        self.pairLinks =
            isUniform
            ? [] : nodes.flatMap { from in nodes.map { to in links.link(from: .node(from.id), to: .node(to.id)) } }
    }

    /// From and to nodes, or ``coordinator``.
    func link(from: Int, to: Int) -> Link {
        if from == Self.coordinator { return arrivals[to] }
        if to == Self.coordinator { return departures[from] }
        return pairLinks.isEmpty ? commonLink : pairLinks[from * nodes.count + to]
    }

    func block(from: Int, to: Int) -> Block {
        var block = Block(from: from, to: from, milliseconds: 0, parameterBytes: 0, peakBytes: 0)
        block.to = to
        for segment in from..<to { block.absorb(segment, of: self) }
        return block
    }

    /// Reference milliseconds of one micro-batch: its layers, and the copying of what arrives and leaves.
    func work(_ block: Block) -> Double {
        let transferred = boundaryBytes[block.from] + boundaryBytes[block.to]
        return block.milliseconds + transferred * settings.transferCPUNanosecondsPerByte / 1e6
    }

    /// Compute time of one micro-batch with the node's whole quota on it.
    func computeMs(_ block: Block, on node: Int) -> Double { work(block) / capabilities[node] }

    func occupancyMs(at boundary: Int, from: Int, to: Int) -> Double {
        link(from: from, to: to).occupancyMs(boundaryBytes[boundary])
    }

    /// Resident bytes of a worker that serves the block: runtime, weights at the level's factor, what the operators of all executors
    /// hold, and the micro-batches that wait on either side.
    func residentBytes(_ block: Block, executors: Int) -> Int {
        let activations = Double(block.peakBytes) * settings.activationCopies * Double(executors)
        let buffers = (boundaryBytes[block.from] + boundaryBytes[block.to]) * settings.bufferedMicroBatches
        let sum = Double(settings.runtimeBaseBytes.bytes) + Double(block.parameterBytes) * parameterFactor + activations + buffers
        return Int(exactly: sum.rounded(.up)) ?? Int.max
    }

    func residentBytes(_ block: Block, on node: Int) -> Int { residentBytes(block, executors: nodes[node].executors) }

    func fits(_ block: Block, on node: Int) -> Bool { residentBytes(block, on: node) <= memories[node] }
}

extension PipelineModel.Block {
    /// Adds a neighbouring segment; the caller moves `from` or `to`.
    mutating func absorb(_ segment: Int, of model: PipelineModel) {
        milliseconds += model.segmentMilliseconds[segment]
        parameterBytes = parameterBytes.addedSaturating(to: model.segmentParameterBytes[segment])
        peakBytes = max(peakBytes, model.segmentPeakBytes[segment])
    }
}
