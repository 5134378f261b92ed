public import Base

/// How far a model was transformed, as far as planning cares: what a parameter byte costs in memory.
public enum PlanningLevel: String, Sendable, Hashable, Codable, CaseIterable {
    /// As saved.
    case o0 = "O0"
    /// Frozen, folded and fused.
    case o1 = "O1"

    /// Resident bytes for each byte of parameters.
    ///
    /// O0: the archive in the worker's store and the loaded weights. O1: besides them the copy that the optimiser lays out for the
    /// vector kernels, while the loaded original is still there.
    public var parameterMemoryFactor: Double {
        switch self {
        case .o0: 2
        case .o1: 3
        }
    }
}

/// A place where the model may be cut, and what travels over it.
public struct Cut: Sendable, Hashable, Codable {
    /// The cut lies before this layer.
    public var layer: Int
    /// Bytes that cross it, at the profile's batch.
    public var bytes: ByteCount
    public var tensorCount: Int

    public init(before layer: Int, bytes: ByteCount, tensorCount: Int = 1) {
        self.layer = layer
        self.bytes = bytes
        self.tensorCount = tensorCount
    }
}

/// What is known of one model at one batch and optimisation level: the planner's picture of it.
public struct ModelProfile: Sendable, Hashable, Codable {
    public var layers: [Layer]
    /// The legal cuts, by ascending layer, each strictly inside the model.
    public var cuts: [Cut]
    /// Bytes of one micro-batch's inputs and outputs.
    public var inputBytes: ByteCount
    public var outputBytes: ByteCount
    /// Items in a micro-batch, for which all figures hold.
    public var batch: Int
    public var level: PlanningLevel
    /// Why the model cannot be cut elsewhere, the commonest causes with how often; for readers of a plan that uses few nodes.
    public var obstacles: [String]?
    /// Where the layers' milliseconds come from: measurements, or another cost model's estimate (``priced(by:)``).
    public private(set) var pricedBy: CostModel = .profiled

    public init(
        layers: [Layer], cuts: [Cut], inputBytes: ByteCount, outputBytes: ByteCount, batch: Int, level: PlanningLevel = .o1
    ) {
        self.layers = layers
        self.cuts = cuts
        self.inputBytes = inputBytes
        self.outputBytes = outputBytes
        self.batch = batch
        self.level = level
    }

    /// The profile with `costModel`'s estimate as the layers' milliseconds, so that it can be corrected by what partitions show.
    public func priced(by costModel: CostModel) -> ModelProfile {
        guard costModel != pricedBy else { return self }
        var priced = self
        for (index, milliseconds) in milliseconds(by: costModel).enumerated() { priced.layers[index].milliseconds = milliseconds }
        priced.pricedBy = costModel
        return priced
    }

    /// Each layer's cost in milliseconds of the reference node: what is written there where `costModel` wrote it, else its estimate.
    public func milliseconds(by costModel: CostModel) -> [Double] {
        costModel == pricedBy ? layers.map { $0.milliseconds ?? 0 } : costModel.milliseconds(of: layers)
    }

    public var parameterBytes: ByteCount { layers.reduce(.zero) { $0 + $1.parameterBytes } }

    /// Throws where the figures contradict each other: they come from a file or a measurement.
    func validate() throws(PlanningError) {
        guard !layers.isEmpty else {
            throw .invalidProfile("the model has no layer; analyse a model whose forward computes something")
        }
        guard batch > 0 else { throw .invalidProfile("the batch is \(batch), it must be at least 1") }
        var previous = 0
        for cut in cuts {
            guard cut.layer > previous, cut.layer < layers.count else {
                throw .invalidProfile(
                    "the cut before layer \(cut.layer) is not after \(previous) and before \(layers.count): cuts must ascend inside the model"
                )
            }
            guard cut.bytes >= .zero else {
                throw .invalidProfile("the cut before layer \(cut.layer) has \(cut.bytes.bytes) bytes")
            }
            previous = cut.layer
        }
        for (index, layer) in layers.enumerated() {
            if let time = layer.milliseconds, !(time >= 0 && time.isFinite) {
                throw .invalidProfile("layer \(index) (\(layer.name)) was measured at \(time) ms; measure it again")
            }
            guard layer.parameterBytes >= .zero, layer.outputBytes >= .zero else {
                throw .invalidProfile("layer \(index) (\(layer.name)) has a negative size")
            }
        }
        guard inputBytes >= .zero, outputBytes >= .zero else {
            throw .invalidProfile("the model's inputs or outputs have a negative size")
        }
    }
}
