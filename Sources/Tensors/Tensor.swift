/// A dense, row-major (C order) array: element type, shape and a place in shared storage.
///
/// Copying a `Tensor` copies no data. Its bytes are read-only once it exists.
public struct Tensor: Sendable {
    /// libtorch allows 64; no model that runs here needs more than eight, and a wire message must bound it.
    public static let maximumRank = 8
    /// One tensor's largest size. A micro-batch of images is under 100 MB; beyond this a declared size is a mistake or an attack.
    public static let maximumByteCount = 1 << 32

    public let dtype: DType
    /// Extents, outermost first. An empty shape is a scalar.
    public let shape: [Int]
    public let storage: TensorStorage
    public let byteOffset: Int

    /// A view of `storage` from `byteOffset`.
    /// - Throws: ``TensorError`` when the shape is out of bounds or the storage is too small.
    public init(dtype: DType, shape: [Int], storage: TensorStorage, byteOffset: Int = 0) throws(TensorError) {
        let needed = try Tensor.byteCount(of: dtype, shape: shape)
        guard byteOffset >= 0, byteOffset <= storage.byteCount, storage.byteCount - byteOffset >= needed else {
            throw TensorError(
                .sizeMismatch,
                "a \(dtype.name)\(shape) tensor needs \(needed) bytes from offset \(byteOffset), but the storage has \(storage.byteCount)"
            )
        }
        self.dtype = dtype
        self.shape = shape
        self.storage = storage
        self.byteOffset = byteOffset
    }

    /// Bytes of a tensor of that type and shape.
    /// - Throws: ``TensorError`` for a negative extent, more than ``maximumRank`` dimensions, or more than ``maximumByteCount`` bytes
    ///   (products that overflow included).
    public static func byteCount(of dtype: DType, shape: [Int]) throws(TensorError) -> Int {
        guard shape.count <= maximumRank else {
            throw TensorError(.invalidShape, "a shape of \(shape.count) dimensions is over the limit of \(maximumRank)")
        }
        guard shape.allSatisfy({ $0 >= 0 }) else {
            throw TensorError(.invalidShape, "shape \(shape) has a negative extent")
        }
        // Zero extents make the product zero whatever stands beside them, so the rest must be bounded on its own.
        var product = dtype.byteWidth
        for extent in shape where extent > 1 {
            let (next, overflow) = product.multipliedReportingOverflow(by: extent)
            guard !overflow, next <= maximumByteCount else {
                throw TensorError(
                    .invalidShape, "a \(dtype.name)\(shape) tensor is over the limit of \(maximumByteCount) bytes")
            }
            product = next
        }
        return shape.contains(0) ? 0 : product
    }

    public var byteCount: Int { elementCount * dtype.byteWidth }
    public var elementCount: Int { shape.reduce(1, *) }
    public var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: storage.pointer + byteOffset, count: byteCount)
    }

    /// Runs `body` over the bytes and keeps the storage alive meanwhile.
    public func withUnsafeBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
        try withExtendedLifetime(storage) { () throws(E) -> R in try body(bytes) }
    }
}

/// The Swift types that stand for a ``DType``.
public protocol TensorElement: Sendable {
    static var dtype: DType { get }
}

extension Float: TensorElement { public static var dtype: DType { .float32 } }
extension UInt8: TensorElement { public static var dtype: DType { .uint8 } }
extension Int32: TensorElement { public static var dtype: DType { .int32 } }
extension Int64: TensorElement { public static var dtype: DType { .int64 } }
extension Bool: TensorElement { public static var dtype: DType { .bool } }
#if !((os(macOS) || targetEnvironment(macCatalyst)) && arch(x86_64))
    extension Float16: TensorElement { public static var dtype: DType { .float16 } }
#endif

extension Tensor {
    /// A tensor with a copy of `values`, row-major.
    public init<T: TensorElement>(shape: [Int], values: [T]) throws(TensorError) {
        let storage = values.withUnsafeBytes { TensorStorage(copying: $0) }
        let needed = try Tensor.byteCount(of: T.dtype, shape: shape)
        guard needed == storage.byteCount else {
            throw TensorError(
                .sizeMismatch, "shape \(shape) needs \(needed / T.dtype.byteWidth) values, but \(values.count) were given")
        }
        try self.init(dtype: T.dtype, shape: shape, storage: storage)
    }

    /// The elements, row-major, or `nil` when the dtype is another.
    public func values<T: TensorElement>(as type: T.Type) -> [T]? {
        guard T.dtype == dtype else { return nil }
        return withUnsafeBytes { raw in
            [T](unsafeUninitializedCapacity: elementCount) { buffer, count in
                UnsafeMutableRawBufferPointer(buffer).copyMemory(from: raw)
                count = elementCount
            }
        }
    }

    /// The same type, shape and bytes.
    public func isBitIdentical(to other: Tensor) -> Bool {
        guard dtype == other.dtype, shape == other.shape else { return false }
        return withUnsafeBytes { mine in other.withUnsafeBytes { theirs in mine.elementsEqual(theirs) } }
    }
}
