public import Cluster
public import Inference
public import Tensors

/// Whether a request may be cut into micro-batches: the whole compared with its parts, at two sizes (DESIGN 5.2).
///
/// A model whose items influence each other (a mean over the batch), whose batch was traced as a constant, or which declares none, is
/// never split.
public struct BatchCheck {
    /// Different batch sizes take different kernels: this much of rounding is none of the items' influence on each other.
    public static let tolerance = 1e-5

    let model: TorchModel
    let samples: SampleInputs
    let inputs: [TensorSpec]
    let outputs: [TensorSpec]

    public init(model: TorchModel, samples: SampleInputs, inputs: [TensorSpec], outputs: [TensorSpec]) {
        self.model = model
        self.samples = samples
        self.inputs = inputs
        self.outputs = outputs
    }

    public func verdict(microBatch: Int) throws -> ServedModel.Batching {
        guard inputs.contains(where: { $0.batchDimension != nil }) else {
            return .whole("no input declares a batch dimension N")
        }
        for spec in outputs where spec.batchDimension == nil {
            return .whole("output \"\(spec.name)\" has no batch dimension N, so parts of it cannot be joined")
        }
        let sizes = microBatch > 1 ? [(microBatch * 2, microBatch), (microBatch, 1)] : [(2, 1), (3, 1)]
        for (whole, part) in sizes {
            if let difference = try problem(whole: whole, part: part) { return .whole(difference) }
        }
        return .splittable
    }

    private func problem(whole: Int, part: Int) throws -> String? {
        let tensors = try samples.make(batch: whole, seed: 7)
        let reference: [Tensor]
        do { reference = try run(tensors) } catch let error as InferenceError {
            return "a batch of \(whole) is rejected (\(error.message)): was the batch size traced as a constant?"
        }
        var parts: [[Tensor]] = []
        for first in stride(from: 0, to: whole, by: part) {
            let range = first..<min(first + part, whole)
            let slice = try Batching.slice(tensors, inputs, range)
            do { parts.append(try run(slice)) } catch let error as InferenceError {
                return "a batch of \(range.count) is rejected (\(error.message)): was the batch size traced as a constant?"
            }
        }
        guard let joined = try? Batching.join(parts, outputs), joined.map(\.shape) == reference.map(\.shape) else {
            return "the parts of a batch of \(whole) do not join to the shape of the whole"
        }
        let error = Comparison.relativeError(joined, reference)
        guard error <= Self.tolerance else {
            return "items influence each other: a batch of \(whole) and its parts of \(part) differ by \(error) (relative)"
        }
        return nil
    }

    private func run(_ tensors: [Tensor]) throws -> [Tensor] {
        try model.tensors(crossing: model.layerCount, inputs: tensors)
    }
}
