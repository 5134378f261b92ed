internal import Synchronization

/// Memory for one call's ciphertext, lent to whichever connection reads or writes just now: an idle one holds none.
///
/// ## Concurrency model
/// The list is behind a lock; a block belongs to whoever took it.
final class Blocks: Sendable {
    /// Plain bytes of a full record, and what a record has beside them: header, type, tag.
    static let recordByteCount = 16 << 10
    static let recordOverhead = 5 + 1 + 16
    /// Room for what the library writes of its own before a record: an update of the key takes 27 bytes.
    static let reserve = 64
    /// Records of one system call: measured on loopback, four of them take as much CPU time as 8, 16 or 32, and one takes a third more.
    static let defaultRecordCount = 4
    /// Two for each thread that has connections, of which a process has few; what comes back above that is freed.
    private static let keptCount = 8

    /// One block: ciphertext, then room in which small pieces become one record.
    struct Block: @unchecked Sendable {
        let base: UnsafeMutableRawPointer
    }

    let cipherByteCount: Int
    private let free = Mutex<[Block]>([])

    init(recordCount: Int) {
        cipherByteCount = recordCount * (Self.recordByteCount + Self.recordOverhead) + Self.reserve
    }

    deinit {
        for block in free.withLock({ $0 }) { block.base.deallocate() }
    }

    func take() -> Block {
        free.withLock { $0.popLast() }
            ?? Block(base: .allocate(byteCount: cipherByteCount + Self.recordByteCount, alignment: 64))
    }

    func giveBack(_ block: Block) {
        let isKept = free.withLock { free in
            guard free.count < Self.keptCount else { return false }
            free.append(block)
            return true
        }
        if !isKept { block.base.deallocate() }
    }

    /// Where small pieces become one record.
    static func gathering(_ block: Block, after cipherByteCount: Int) -> UnsafeMutableRawPointer { block.base + cipherByteCount }
}
