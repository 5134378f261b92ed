internal import Glibc
public import Tensors

extension TensorStorage {
    /// A payload this large has pages of its own: they come as its bytes come, and go back to the system when it is let go of. In the heap they
    /// would stay with the process after one large request. Smaller ones are used again so soon that fresh pages would cost more.
    public static let ownPagesByteCount = 32 << 20

    /// Memory for a payload that is about to be received.
    public convenience init(payloadByteCount byteCount: Int) {
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        guard byteCount >= Self.ownPagesByteCount, let pages = mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0),
            pages != MAP_FAILED
        else {
            self.init(byteCount: byteCount)
            return
        }
        // Safe: the closure, which runs once and last, is all that still uses the address.
        nonisolated(unsafe) let owned = pages
        self.init(borrowing: pages, byteCount: byteCount) { munmap(owned, byteCount) }
    }
}
