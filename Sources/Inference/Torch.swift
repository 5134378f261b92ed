internal import CTorch
internal import Tensors

/// Between Swift's tensors and errors and those of the C shim.
enum Torch {
    /// Calls a function of the shim and throws what it reports.
    static func check(
        _ body: (UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>) -> amp_torch_code
    ) throws(InferenceError) {
        var error: UnsafeMutablePointer<CChar>?
        let code = body(&error)
        guard code != AMP_TORCH_OK else { return }
        let message = error.map { String(cString: $0) } ?? "libtorch gave no reason"
        amp_torch_error_release(error)
        throw InferenceError(meaning(of: code), message)
    }

    private static func meaning(of code: amp_torch_code) -> InferenceError.Code {
        switch code {
        case AMP_TORCH_BAD_ARCHIVE: .notTorchScript
        case AMP_TORCH_NEWER_ARCHIVE: .newerArchive
        case AMP_TORCH_UNSUPPORTED: .unsupported
        case AMP_TORCH_INPUT_REJECTED: .inputRejected
        case AMP_TORCH_OUT_OF_MEMORY: .outOfMemory
        default: .internalError
        }
    }

    static func unwrap(_ handle: OpaquePointer?) throws(InferenceError) -> OpaquePointer {
        guard let handle else { throw InferenceError(.internalError, "libtorch reported success and gave nothing") }
        return handle
    }

    /// Lends a tensor's memory without a copy: its storage lives until libtorch lets go of it.
    static func lend(_ tensor: Tensor) -> amp_torch_input {
        var shape = amp_torch_shape()
        shape.dtype = tensor.dtype.rawValue
        shape.rank = UInt8(tensor.shape.count)
        withUnsafeMutableBytes(of: &shape.extents) { raw in
            let extents = raw.assumingMemoryBound(to: Int64.self)
            for (index, extent) in tensor.shape.enumerated() { extents[index] = Int64(extent) }
        }
        shape.bytes = Int64(tensor.byteCount)
        return amp_torch_input(
            data: UnsafeRawPointer(tensor.storage.pointer + tensor.byteOffset), shape: shape,
            owner: Unmanaged.passRetained(tensor.storage).toOpaque(),
            release: { owner in
                guard let owner else { return }
                Unmanaged<TensorStorage>.fromOpaque(owner).release()
            })
    }

    /// Takes libtorch's tensors over without a copy.
    static func take(_ list: OpaquePointer?) throws(InferenceError) -> [Tensor] {
        let list = try unwrap(list)
        defer { amp_torch_tensors_release(list) }
        var tensors: [Tensor] = []
        for index in 0..<amp_torch_tensors_count(list) {
            tensors.append(try take(tensor: unwrap(amp_torch_tensors_take(list, index))))
        }
        return tensors
    }

    private static func take(tensor handle: OpaquePointer) throws(InferenceError) -> Tensor {
        // Safe: the handle is only released, once, when the storage ends.
        nonisolated(unsafe) let owned = handle
        let description = TensorDescription(amp_torch_tensor_shape(handle))
        guard let dtype = description.dtype else {
            amp_torch_tensor_release(handle)
            throw InferenceError(.internalError, "libtorch handed out a tensor of a type that does not travel")
        }
        // An empty tensor may have no memory at all.
        guard description.byteCount > 0, let data = amp_torch_tensor_data(handle) else {
            amp_torch_tensor_release(handle)
            return try tensor(dtype, description.shape, TensorStorage(byteCount: 0))
        }
        let storage = TensorStorage(
            borrowing: UnsafeMutableRawPointer(mutating: data), byteCount: description.byteCount,
            release: { amp_torch_tensor_release(owned) })
        return try tensor(dtype, description.shape, storage)
    }

    private static func tensor(_ dtype: DType, _ shape: [Int], _ storage: TensorStorage) throws(InferenceError) -> Tensor {
        do { return try Tensor(dtype: dtype, shape: shape, storage: storage) } catch {
            throw InferenceError(.unsupported, "an output cannot travel: \(error.message)")
        }
    }
}

extension TensorDescription {
    init(_ shape: amp_torch_shape) {
        let extents = withUnsafeBytes(of: shape.extents) { raw in
            raw.assumingMemoryBound(to: Int64.self).prefix(Int(shape.rank)).map { Int($0) }
        }
        self.init(dtype: DType(rawValue: shape.dtype), shape: extents, byteCount: Int(shape.bytes))
    }
}
