internal import Glibc

/// A place in the pieces of a read or write.
struct PieceCursor {
    private let pieces: UnsafeMutableBufferPointer<iovec>
    private var index = 0
    private var offset = 0
    /// Bytes behind the place.
    private(set) var rest: Int

    init(_ pieces: UnsafeMutableBufferPointer<iovec>) {
        self.pieces = pieces
        rest = pieces.reduce(0) { $0 + $1.iov_len }
    }

    /// What is left of the piece at the place; `nil` at the end.
    mutating func piece() -> UnsafeMutableRawBufferPointer? {
        while index < pieces.count {
            let piece = pieces[index]
            if offset < piece.iov_len, let base = piece.iov_base {
                return UnsafeMutableRawBufferPointer(start: base + offset, count: piece.iov_len - offset)
            }
            index += 1
            offset = 0
        }
        return nil
    }

    /// - Parameter count: at most what is left of the piece.
    mutating func advance(by count: Int) {
        offset += count
        rest -= count
    }

    mutating func skip(_ count: Int) {
        var count = count
        while count > 0, let piece = piece() {
            let step = min(count, piece.count)
            advance(by: step)
            count -= step
        }
    }

    /// Copies up to `count` bytes and goes behind them.
    mutating func copy(_ count: Int, to target: UnsafeMutableRawPointer) -> Int {
        var copied = 0
        while copied < count, let piece = piece(), let base = piece.baseAddress {
            let step = min(count - copied, piece.count)
            (target + copied).copyMemory(from: base, byteCount: step)
            advance(by: step)
            copied += step
        }
        return copied
    }
}
