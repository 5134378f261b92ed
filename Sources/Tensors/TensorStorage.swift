/// A block of bytes that tensors look into: aligned for vector instructions, freed once.
///
/// ## Concurrency model
/// A storage is written by whoever made it (a socket read, a codec, libtorch) before it is handed on, and is only read afterwards.
/// The hand-over itself (a queue, an actor, a lock) orders the two. That is the proof behind `@unchecked Sendable`: after
/// publication there is no writer.
public final class TensorStorage: @unchecked Sendable {
    /// Cache line and AVX-512 width; libtorch's own allocator uses the same.
    public static let alignment = 64

    public let pointer: UnsafeMutableRawPointer
    public let byteCount: Int
    private let release: @Sendable () -> Void

    /// Takes uninitialised memory for `byteCount` bytes, aligned to ``alignment``.
    public init(byteCount: Int) {
        precondition(byteCount >= 0, "byteCount is checked by the caller")
        let block = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 1), alignment: Self.alignment)
        self.pointer = block
        self.byteCount = byteCount
        nonisolated(unsafe) let owned = block
        self.release = { owned.deallocate() }
    }

    /// Wraps memory of another owner (a libtorch tensor, a mapped file) and calls `release` when the last tensor lets go of it.
    public init(borrowing pointer: UnsafeMutableRawPointer, byteCount: Int, release: @escaping @Sendable () -> Void) {
        self.pointer = pointer
        self.byteCount = byteCount
        self.release = release
    }

    deinit { release() }

    /// A copy of `bytes` in fresh aligned memory.
    public convenience init(copying bytes: UnsafeRawBufferPointer) {
        self.init(byteCount: bytes.count)
        if let base = bytes.baseAddress { pointer.copyMemory(from: base, byteCount: bytes.count) }
    }

    public convenience init(copying bytes: [UInt8]) {
        self.init(byteCount: bytes.count)
        bytes.withUnsafeBytes { if let base = $0.baseAddress { pointer.copyMemory(from: base, byteCount: $0.count) } }
    }

    public var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: pointer, count: byteCount) }
    /// Only for the maker, before the storage is handed on.
    public var mutableBytes: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: pointer, count: byteCount) }
}
