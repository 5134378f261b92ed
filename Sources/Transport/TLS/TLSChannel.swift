internal import CTLS
public import Glibc
internal import Loops

/// TLS 1.3 over a socket: OpenSSL works on memory alone, and the system calls stand here.
///
/// OpenSSL over the socket itself (`SSL_set_fd`) makes two calls to read a record of 16 KiB and one to write it, and its `write` may raise
/// SIGPIPE. Here one call takes the ciphertext of several records into a block that is lent for the time of the call (``Blocks``): what stays
/// behind is the rest of a record, as OpenSSL would keep it itself.
///
/// Used by one thread at a time, its loop's.
public final class TLSChannel: ByteChannel {
    enum State {
        case handshaking
        case open
        /// The peer's close_notify has come.
        case ended
        case failed(SystemError)
    }

    let context: TLSContext
    let isServer: Bool
    /// Made with the handshake's first record, so that a stranger who says nothing costs no more than in plain text; a client's at once.
    var tls: OpaquePointer?
    var state: State = .handshaking
    public internal(set) var peerIdentity: PeerIdentity?

    // MARK: The handshake's (TLSChannel+Handshake)

    var records = HandshakeRecords()
    /// A server's: the names that the peer has said.
    var askedNames: [String] = []
    /// Why a key that the peer has named opens nothing here.
    var refusedKey: String?
    /// Whose key the peer has named, before it has proved to have it.
    var claimedIdentity: PeerIdentity?

    // MARK: Reading

    /// Ciphertext that came and was not needed yet: whole records, and the beginning of one.
    var held: [UInt8] = []
    var heldOffset = 0

    // MARK: Writing (TLSChannel+Writing)

    var outgoing = SealedRecords()
    /// What the library wrote of its own accord: handshake, alerts, answers, close_notify. It follows ``outgoing``.
    var tail: [UInt8] = []
    /// Plain bytes that are with the kernel and that the connection has not been told of.
    var written = 0
    var recordsOfKey = 0
    var hasFinishedWriting = false
    var mustEndStream = false

    init(_ context: TLSContext, isServer: Bool) {
        self.context = context
        self.isServer = isServer
    }

    deinit {
        amp_tls_free(tls)
        outgoing.removeAll(givingBackTo: context.blocks)
    }

    /// The cipher suite in use, as RFC 8446 writes it; `nil` before the handshake is done.
    public var cipherSuite: String? {
        guard let tls, !isHandshaking else { return nil }
        return String(cString: amp_tls_cipher(tls))
    }

    public private(set) var endedAsPlainPeersDo = false
    public var authenticatesBytes: Bool { true }

    var isHandshaking: Bool { if case .handshaking = state { true } else { false } }

    // MARK: Reading

    public var hasBufferedInput: Bool {
        switch state {
        case .handshaking: false
        // The next read says so.
        case .ended, .failed: true
        case .open: tls.map { amp_tls_pending($0) > 0 } == true || hasHeldRecord
        }
    }

    /// Whether what is held begins with a whole record. It begins where a record does: the library has taken those before it wholly.
    private var hasHeldRecord: Bool {
        let count = held.count - heldOffset
        guard count >= 5 else { return false }
        return count >= 5 + (Int(held[heldOffset + 3]) << 8 | Int(held[heldOffset + 4]))
    }

    public func read(into pieces: UnsafeMutableBufferPointer<iovec>, from socket: Int32) -> ChannelOutcome {
        switch state {
        case .handshaking: return .failed(TLSProblem.library("read before the handshake").error(isServer: isServer))
        case .ended: return .endOfStream
        case .failed(let error): return .failed(error)
        case .open: break
        }
        guard let tls else { return .waits(.readable) }
        var cursor = PieceCursor(pieces)
        let asked = cursor.rest
        withAnswers(of: tls) {
            // What is held stays where it is while the library takes it.
            let held = held
            held.withUnsafeBufferPointer { bytes in
                amp_tls_lend_input(tls, bytes.baseAddress.map { $0 + heldOffset }, bytes.count - heldOffset)
                decrypt(tls, &cursor)
                heldOffset = bytes.count - amp_tls_input_left(tls)
                amp_tls_lend_input(tls, nil, 0)
            }
            if heldOffset == held.count, !held.isEmpty || heldOffset > 0 {
                self.held = []
                heldOffset = 0
            }
            if case .open = state, self.held.isEmpty, cursor.rest > 0 { receive(tls, &cursor, from: socket) }
        }
        _ = sendPending(to: socket)
        let taken = asked - cursor.rest
        if taken > 0 { return .bytes(taken) }
        switch state {
        case .ended: return .endOfStream
        case .failed(let error): return .failed(error)
        case .open, .handshaking: return .waits(.readable)
        }
    }

    /// What a peer may send in one read beyond what its plain bytes have room for: new keys and empty records must not keep the loop.
    private static let spareByteCount = 32 << 10

    /// Reads ciphertext until the pieces are full or the socket is empty.
    private func receive(_ tls: OpaquePointer, _ cursor: inout PieceCursor, from socket: Int32) {
        let block = context.blocks.take()
        defer { context.blocks.giveBack(block) }
        var budget = cursor.rest + Self.spareByteCount
        while case .open = state, cursor.rest > 0, budget > 0 {
            // No more than has room, so that seldom anything is left over; at least a record, or that would take several calls.
            let wanted = min(context.blocks.cipherByteCount, max(cursor.rest, Blocks.recordByteCount) + Blocks.recordOverhead)
            switch Syscall.retry({ recv(socket, block.base, wanted, 0) }) {
            case .success(0): return fail(.cutOff)
            case .success(let count):
                budget -= count
                amp_tls_lend_input(tls, block.base.assumingMemoryBound(to: UInt8.self), count)
                decrypt(tls, &cursor)
                let left = amp_tls_input_left(tls)
                amp_tls_lend_input(tls, nil, 0)
                if left > 0 { held = Array(UnsafeRawBufferPointer(start: block.base + count - left, count: left)) }
                if count < wanted { return }
            case .failure(EAGAIN): return
            case .failure(let reason): return state = .failed(SystemError("reading from the peer", systemError: reason))
            }
        }
    }

    /// Decrypts what is lent until it is used up or the pieces are full.
    private func decrypt(_ tls: OpaquePointer, _ cursor: inout PieceCursor) {
        while let piece = cursor.piece() {
            var count = 0
            switch amp_tls_read(tls, piece.baseAddress, piece.count, &count) {
            case AMP_TLS_DONE: cursor.advance(by: count)
            case AMP_TLS_NEEDS_INPUT: return
            case AMP_TLS_NEEDS_OUTPUT: return fail(.tooManyUpdates)
            case AMP_TLS_END: return state = .ended
            default: return fail(problem(of: tls))
            }
        }
    }

    public func speaksAtOnce(on socket: Int32) -> Bool { !isHandshaking }

    func fail(_ problem: TLSProblem) {
        if isHandshaking {
            switch problem {
            case .plain, .brokenOff: endedAsPlainPeersDo = true
            default: break
            }
        }
        state = .failed(problem.error(isServer: isServer))
    }
}
