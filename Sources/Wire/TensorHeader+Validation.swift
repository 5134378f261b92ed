internal import CZstd
public import Tensors

extension TensorHeader {
    /// The header of a tensor that goes as it is.
    public init(raw tensor: Tensor) {
        self.init(dtype: tensor.dtype, shape: tensor.shape, encoding: .raw, wireByteCount: tensor.byteCount)
    }

    /// Bytes of the tensor itself.
    public func tensorByteCount() throws(WireError) -> Int {
        do { return try Tensor.byteCount(of: dtype, shape: shape) } catch { throw WireError(.invalidValue, error.message) }
    }

    /// Checks that the segment's length is one that this tensor can have in this encoding.
    /// - Returns: bytes of the tensor itself.
    @discardableResult
    public func validate() throws(WireError) -> Int {
        let bytes = try tensorByteCount()
        switch encoding {
        case .raw:
            guard wireByteCount == bytes else {
                throw WireError(
                    .invalidValue, "a raw \(dtype.name)\(shape) segment has \(bytes) bytes, but \(wireByteCount) were declared")
            }
        case .zstd, .shuffledZstd:
            guard bytes > 0, (1...ZSTD_compressBound(bytes)).contains(wireByteCount) else {
                throw WireError(
                    .invalidValue,
                    "a compressed \(dtype.name)\(shape) segment cannot have the declared \(wireByteCount) bytes; the tensor has \(bytes)"
                )
            }
        }
        return bytes
    }
}

extension [TensorHeader] {
    /// What the tensors take once they are decoded. Each is bounded by the decoder, and so is their number: the sum does not overflow.
    public var decodedByteCount: Int { reduce(0) { $0 + ((try? $1.tensorByteCount()) ?? 0) } }

    /// What is held beside that until they are decoded.
    public var encodedByteCount: Int { reduce(0) { $0 + ($1.encoding == .raw ? 0 : $1.wireByteCount) } }
}
