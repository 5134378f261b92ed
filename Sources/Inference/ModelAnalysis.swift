public import Tensors

/// What a model consists of and where it can be cut, measured at one set of example inputs.
public struct ModelAnalysis: Sendable, Hashable, Codable {
    /// In the order they run.
    public var layers: [LayerInfo]
    /// `cuts[i]` lies before layer `i`; the last one behind the last layer. The first and the last are the model's ends.
    public var cuts: [CutInfo]
    /// Bytes of all weights, each counted once.
    public var weightBytes: Int

    public init(layers: [LayerInfo], cuts: [CutInfo], weightBytes: Int) {
        self.layers = layers
        self.cuts = cuts
        self.weightBytes = weightBytes
    }

    /// The inner cuts that are possible.
    public var legalCuts: [Int] { cuts.dropFirst().dropLast().filter(\.isLegal).map(\.layer) }

    /// The inner cuts that a plan should use: possible, and not between a convolution and the batch-norm that an optimised
    /// partition folds into it.
    public var advisableCuts: [Int] { cuts.dropFirst().dropLast().filter { $0.isLegal && !$0.splitsFusion }.map(\.layer) }
}

/// One operator of the model, nested blocks included.
public struct LayerInfo: Sendable, Hashable, Codable {
    public let index: Int
    /// The module path in the source where it is known ("features.3.conv.1"), else the operator's name and index.
    public let name: String
    /// For example `aten::_convolution`, `prim::Loop`.
    public let `operator`: String
    public let parameterCount: Int
    public let parameterBytes: Int
    /// Bytes of its outputs at the example inputs.
    public let outputBytes: Int
    public let kernel: KernelInfo?
    /// Multiply-accumulate operations at the example inputs; `nil` where the operator has none or they are not known.
    public let macs: Int?
    /// The median of the measured runs at O0; 0 where nothing was measured.
    public let milliseconds: Double
}

/// The weights' geometry of a convolution or a linear layer.
public struct KernelInfo: Sendable, Hashable, Codable {
    public enum Kind: String, Sendable, Hashable, Codable { case convolution, linear }
    public let kind: Kind
    /// Rows and columns of a convolution's kernel; 1 and 1 for a linear layer.
    public let height: Int
    public let width: Int
    public let channelsIn: Int
    public let channelsOut: Int
    public let groups: Int
}

/// The place before one layer.
public struct CutInfo: Sendable, Hashable, Codable {
    /// The cut lies before this layer.
    public let layer: Int
    public let isLegal: Bool
    /// Why it is not legal, else empty.
    public let reason: String
    /// True between a convolution and its batch-norm: optimised partitions cut here are slower and round differently.
    public let splitsFusion: Bool
    /// What crosses, in order, at the example inputs.
    public let tensors: [TensorDescription]

    public var byteCount: Int { tensors.reduce(0) { $0 + $1.byteCount } }
}

/// Type and shape of a tensor that is not there.
public struct TensorDescription: Sendable, Hashable, Codable {
    /// `nil` for an element type that cannot travel.
    public let dtype: DType?
    public let shape: [Int]
    public let byteCount: Int

    public init(dtype: DType?, shape: [Int], byteCount: Int) {
        self.dtype = dtype
        self.shape = shape
        self.byteCount = byteCount
    }
}
