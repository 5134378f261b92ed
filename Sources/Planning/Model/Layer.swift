public import Base

/// One layer of a model: a top-level operator of the analysed graph, with what the cost models need to know of it.
///
/// Figures that grow with the batch (elements, bytes, milliseconds) are those at the ``ModelProfile``'s batch.
public struct Layer: Sendable, Hashable, Codable {
    /// What the paper's and the multiply-accumulate cost models tell apart.
    public enum Operation: Sendable, Hashable, Codable {
        case convolution(kernelHeight: Int, kernelWidth: Int, inputChannels: Int, outputChannels: Int, groups: Int)
        case linear(inputFeatures: Int, outputFeatures: Int)
        case other
    }

    public var name: String
    /// The operator's name as the engine prints it, `aten::conv2d`.
    public var operatorName: String
    public var operation: Operation
    /// Parameters and buffers that belong to this layer.
    public var parameterCount: Int
    public var parameterBytes: ByteCount
    /// Elements and bytes of the layer's outputs.
    public var outputElements: Int
    public var outputBytes: ByteCount
    /// Measured on the reference node with one thread; absent where nothing was measured.
    public var milliseconds: Double?

    public init(
        name: String, operatorName: String, operation: Operation = .other, parameterCount: Int = 0,
        parameterBytes: ByteCount = .zero, outputElements: Int = 0, outputBytes: ByteCount = .zero, milliseconds: Double? = nil
    ) {
        self.name = name
        self.operatorName = operatorName
        self.operation = operation
        self.parameterCount = parameterCount
        self.parameterBytes = parameterBytes
        self.outputElements = outputElements
        self.outputBytes = outputBytes
        self.milliseconds = milliseconds
    }
}
