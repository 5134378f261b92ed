/// Cutting requests into micro-batches and joining their results.
public enum Batching {
    /// The items `range` of each input; inputs without a batch dimension go along whole.
    public static func slice(_ tensors: [Tensor], _ specs: [TensorSpec], _ range: Range<Int>) throws(TensorError) -> [Tensor] {
        var result: [Tensor] = []
        for (tensor, spec) in zip(tensors, specs) {
            guard let dimension = spec.batchDimension, tensor.shape[dimension] != range.count else {
                result.append(tensor)
                continue
            }
            result.append(try tensor.slice(dimension: dimension, range))
        }
        return result
    }

    /// Joins the outputs of the parts, in order.
    public static func join(_ parts: [[Tensor]], _ specs: [TensorSpec]) throws(TensorError) -> [Tensor] {
        guard let first = parts.first else { return [] }
        guard parts.count > 1 else { return first }
        var result: [Tensor] = []
        for (index, spec) in specs.enumerated() {
            guard parts.allSatisfy({ $0.indices.contains(index) }) else {
                throw TensorError(.invalidShape, "a part has no output \"\(spec.name)\"")
            }
            result.append(try Tensor.concatenate(parts.map { $0[index] }, dimension: spec.batchDimension ?? 0))
        }
        return result
    }
}
