internal import CTorch
public import Tensors

/// What the graph says about the items of a batch. Samples cannot show it: a threshold that none of them reaches hides what lies behind.
extension TorchModel {
    /// Why the whole batch decides, as far as the graph tells: a branch, a loop's count, a number or a size comes from what stands in a
    /// batched input, or an operator is in training mode. Branches that only raise do not count: who gets an answer gets the same one.
    /// - Parameter batched: for each input whether it is cut along N; the others travel whole with every part.
    /// - Returns: `nil` where nothing of that kind stands in the graph.
    public func contentDependence(batched: [Bool]) throws(InferenceError) -> String? {
        try exclusively { () throws(InferenceError) in
            var reason: UnsafeMutablePointer<CChar>?
            try Torch.check { amp_torch_model_content_dependence(handle, batched, batched.count, &reason, $0) }
            return Self.take(reason)
        }
    }

    /// As ``contentDependence(batched:)``, and with what two runs at different batch sizes show besides: a value that is computed from the
    /// items and has lost the batch, as a mean or an extreme over the batch has, or a branch on how many items there are.
    /// - Throws: ``InferenceError/Code/inputRejected`` where the model refuses an input: then nothing is known.
    public func batchMixing(batched: [Bool], small: [Tensor], large: [Tensor]) throws(InferenceError) -> String? {
        guard small.count == inputNames.count, large.count == inputNames.count else {
            throw InferenceError(.inputRejected, "the model takes \(inputNames.count) inputs, but \(small.count) were given")
        }
        return try exclusively { () throws(InferenceError) in
            var reason: UnsafeMutablePointer<CChar>?
            var (few, many) = (small.map(Torch.lend), large.map(Torch.lend))
            try Torch.check { amp_torch_model_batch_mixing(handle, batched, &few, &many, few.count, &reason, $0) }
            return Self.take(reason)
        }
    }

    private static func take(_ text: UnsafeMutablePointer<CChar>?) -> String? {
        defer { amp_torch_error_release(text) }
        return text.map { String(cString: $0) }
    }
}
