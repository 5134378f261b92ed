internal import Inference
package import Tensors
package import Wire

/// What makes two requests the same: SHA-256 over the model, its optimisation, and each input's name, type, shape and bytes, in the model's order.
///
/// The plan is not part of it: at O0 all plans of a model give the same bits for the same micro-batches, and at O1 plans differ by up to 1e-4
/// (relative), which is what a repeated request may see after a new plan anyhow. The model's digest is, so that no key can stand for two models.
package struct ResultCacheKey: Sendable, Hashable {
    package let digest: String

    /// - Parameter inputs: in the model's order, as `specs` are.
    package init(modelDigest: String, level: OptimizationLevel, specs: [TensorSpec], inputs: [Tensor]) {
        let stream = SHA256.Stream()
        func add(_ text: String) { Array(text.utf8).withUnsafeBytes { stream.update($0) } }
        // Lengths before what they count, so that no two lists of fields read alike.
        add("amp4ec result 1\n\(modelDigest.utf8.count):\(modelDigest) \(level.name) \(inputs.count)\n")
        for (spec, tensor) in zip(specs, inputs) {
            add("\(spec.name.utf8.count):\(spec.name) \(tensor.dtype.name) \(Self.text(tensor.shape)) \(tensor.byteCount)\n")
            tensor.withUnsafeBytes { stream.update($0) }
        }
        digest = stream.finish()
    }

    private static func text(_ shape: [Int]) -> String { "\(shape.count):" + shape.map(String.init).joined(separator: ",") }
}
