internal import Base
public import Tensors

extension InferenceRequest {
    /// A request without JSON (``InferenceBody/raw``): the body is the only input, and all outputs go out in binary.
    /// - Parameter inputs: the model's. The free dimension gets the extent that the bytes of one item come to; where there is none the batch does.
    /// - Throws: ``OpenInferenceError`` where the bytes do not say what they are.
    public init(rawByteCount: Int, for inputs: [TensorSpec]) throws(OpenInferenceError) {
        guard let spec = inputs.first, inputs.count == 1 else {
            throw OpenInferenceError(
                .invalid, "the model has \(inputs.count) inputs, and a body without JSON is one; send a JSON head")
        }
        guard spec.shape.count(where: { if case .free = $0 { true } else { false } }) <= 1 else {
            throw OpenInferenceError(
                .invalid, "more than one dimension is free, and only JSON can say how long each is; send a JSON head"
            )
            .ofInput(spec.name)
        }
        let unit = spec.concreteShape(batch: 1).reduce(spec.dtype.byteWidth) { $0.multipliedSaturating(by: $1) }
        let extent = unit > 0 ? rawByteCount / unit : 1
        let isFree = spec.shape.contains { if case .free = $0 { true } else { false } }
        let shape = spec.concreteShape(batch: isFree ? 1 : extent) { _ in extent }
        let takes = shape.reduce(spec.dtype.byteWidth) { $0.multipliedSaturating(by: $1) }
        guard takes == rawByteCount else {
            throw OpenInferenceError(
                .invalid,
                "the body has \(rawByteCount) bytes, which is no whole number of items: one of \(spec.dtype.name)[\(spec.shape.map(\.description).joined(separator: ","))] "
                    + "takes \(unit); send as many, or a JSON head"
            ).ofInput(spec.name)
        }
        self.init()
        self.inputs = [
            Input(name: spec.name, datatype: Datatype(spec.dtype), shape: shape, values: .binary(byteCount: rawByteCount))
        ]
        wantsBinaryOutputs = true
    }
}
