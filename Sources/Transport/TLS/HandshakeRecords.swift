internal import Glibc
internal import Loops

/// What comes before a peer has proved anything: cut into whole records, each held against the bounds before the library sees it.
///
/// OpenSSL makes room for a hello as long as its first bytes announce, 131 KiB, and reads any number of records; a stranger costs at most
/// ``recordByteLimit`` here. Nothing behind the handshake is taken out of the socket.
struct HandshakeRecords {
    /// Our hello has about 270 bytes, that of `openssl s_client` 320, and one with a share for each known group below 2 KiB.
    static let recordByteLimit = 4 << 10
    /// A whole handshake has below 1 KiB in each direction, a second hello included.
    static let totalByteLimit = 16 << 10
    private static let headerByteCount = 5

    enum Progress {
        case whole
        case waits
        case ended
        case failed(Int32)
        case refused(TLSProblem)
    }

    /// The record that is coming, as far as it has come.
    private(set) var bytes: [UInt8] = []
    private var totalByteCount = 0

    /// Takes the next record's bytes from the socket, and no more than those.
    mutating func receive(from socket: Int32) -> Progress {
        while true {
            let length = recordLength
            if bytes.count >= Self.headerByteCount, bytes.count == length {
                return hasWholeMessage ? .whole : .refused(.notTLS)
            }
            let begin = bytes.count
            // Memory follows what has come: a record is small.
            bytes.append(contentsOf: repeatElement(0, count: length - begin))
            let outcome = bytes.withUnsafeMutableBytes { bytes in
                Syscall.retry { recv(socket, bytes.baseAddress.map { $0 + begin }, length - begin, 0) }
            }
            let count = if case .success(let count) = outcome { count } else { 0 }
            bytes.removeLast(length - begin - count)
            totalByteCount += count
            switch outcome {
            case .success(0): return .ended
            case .success: if let problem { return .refused(problem) }
            case .failure(EAGAIN): return .waits
            case .failure(let reason): return .failed(reason)
            }
        }
    }

    /// The library has it.
    mutating func removeRecord() { bytes.removeAll(keepingCapacity: false) }

    /// Of the record with its header, as far as it is known.
    private var recordLength: Int {
        guard bytes.count >= Self.headerByteCount else { return Self.headerByteCount }
        return Self.headerByteCount + (Int(bytes[3]) << 8 | Int(bytes[4]))
    }

    private var problem: TLSProblem? {
        if totalByteCount > Self.totalByteLimit { return .handshakeTooLong }
        // Change of cipher (20), alert, handshake, data (23); the version's first byte is 3 in all of them.
        guard let type = bytes.first, (20...23).contains(type), bytes.count < 2 || bytes[1] == 3 else { return .plain(bytes) }
        guard recordLength - Self.headerByteCount <= Self.recordByteLimit else { return .handshakeTooLong }
        return nil
    }

    /// A handshake record in plain text holds one message and all of it, so its length is no longer than what has come.
    private var hasWholeMessage: Bool {
        guard bytes.first == 22 else { return true }
        guard bytes.count >= Self.headerByteCount + 4 else { return false }
        let announced = Int(bytes[6]) << 16 | Int(bytes[7]) << 8 | Int(bytes[8])
        return announced + 4 == bytes.count - Self.headerByteCount
    }
}
