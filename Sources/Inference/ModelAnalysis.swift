public import Tensors

/// What a model consists of and where it can be cut, measured at one set of example inputs.
public struct ModelAnalysis: Sendable, Hashable, Codable {
    /// In the order they run.
    public var layers: [LayerInfo]
    /// `cuts[i]` lies before layer `i`; the last one behind the last layer. The first and the last are the model's ends.
    public var cuts: [CutInfo]
    /// Bytes of all weights, each counted once.
    public var weightBytes: Int

    /// Its layers with other times.
    func timed(_ milliseconds: [Double]) -> ModelAnalysis {
        var copy = self
        copy.layers = zip(layers, milliseconds).map { layer, milliseconds in
            LayerInfo(
                index: layer.index, name: layer.name, operator: layer.operator, parameterCount: layer.parameterCount,
                parameterBytes: layer.parameterBytes, outputElements: layer.outputElements, outputBytes: layer.outputBytes,
                kernel: layer.kernel, macs: layer.macs, milliseconds: milliseconds)
        }
        return copy
    }

    public init(layers: [LayerInfo], cuts: [CutInfo], weightBytes: Int) {
        self.layers = layers
        self.cuts = cuts
        self.weightBytes = weightBytes
    }

    /// The inner cuts that are possible.
    public var legalCuts: [Int] { cuts.dropFirst().dropLast().filter(\.isLegal).map(\.layer) }

    /// The inner cuts that a plan should use: possible, and not inside what an optimised partition fuses.
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
    /// Elements of its outputs at the example inputs, whatever their type, and their bytes.
    public let outputElements: Int
    public let outputBytes: Int
    public let kernel: KernelInfo?
    /// Multiply-accumulate operations at the example inputs; `nil` where the operator has none or they are not known.
    public let macs: Int?
    /// The lower quartile of the measured runs (this thread's CPU time), for the level that the analysis was asked for; 0 where
    /// nothing was measured.
    public let milliseconds: Double

    public init(
        index: Int, name: String, operator: String, parameterCount: Int, parameterBytes: Int, outputElements: Int, outputBytes: Int,
        kernel: KernelInfo?, macs: Int?, milliseconds: Double
    ) {
        self.index = index
        self.name = name
        self.operator = `operator`
        self.parameterCount = parameterCount
        self.parameterBytes = parameterBytes
        self.outputElements = outputElements
        self.outputBytes = outputBytes
        self.kernel = kernel
        self.macs = macs
        self.milliseconds = milliseconds
    }
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

    public init(kind: Kind, height: Int, width: Int, channelsIn: Int, channelsOut: Int, groups: Int) {
        self.kind = kind
        self.height = height
        self.width = width
        self.channelsIn = channelsIn
        self.channelsOut = channelsOut
        self.groups = groups
    }
}

/// The place before one layer.
public struct CutInfo: Sendable, Hashable, Codable {
    /// The cut lies before this layer.
    public let layer: Int
    public let isLegal: Bool
    /// Why it is not legal, else empty.
    public let reason: String
    /// True between a convolution or a linear layer and the batch-norm and activation that an optimised partition fuses with it:
    /// cut there, they run on their own, slower.
    public let splitsFusion: Bool
    /// What crosses, in order, at the example inputs.
    public let tensors: [TensorDescription]

    public init(layer: Int, isLegal: Bool, reason: String, splitsFusion: Bool, tensors: [TensorDescription]) {
        self.layer = layer
        self.isLegal = isLegal
        self.reason = reason
        self.splitsFusion = splitsFusion
        self.tensors = tensors
    }

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
