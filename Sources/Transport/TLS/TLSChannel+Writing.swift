internal import CTLS
public import Glibc
internal import Loops

/// Writing encrypts up to a block of records and sends them with one call. Bytes count as written when their record is wholly with the kernel:
/// so nothing waits here that the connection does not know of, and what it offers again is known to be encrypted already.
extension TLSChannel {
    /// What the library writes of its own accord in one call: its side of a handshake has below 400 bytes.
    static let answerByteLimit = 2 << 10

    enum Sending {
        case done
        case blocked
        case failed(SystemError)
    }

    public func write(_ pieces: UnsafeMutableBufferPointer<iovec>, to socket: Int32) -> ChannelOutcome {
        guard let tls, !isHandshaking else {
            return .failed(TLSProblem.library("written before the handshake").error(isServer: isServer))
        }
        // An orderly end of the peer's side leaves ours open.
        if case .failed(let error) = state { return .failed(error) }
        switch sendPending(to: socket) {
        case .done: break
        case .blocked: return written > 0 ? .bytes(takeWritten()) : .waits(.writable)
        case .failed(let error): return .failed(error)
        }
        // These are offered again, and are with the kernel since then.
        var cursor = PieceCursor(pieces)
        cursor.skip(written)
        encrypt(tls, &cursor)
        if case .failed(let error) = sendPending(to: socket) { return .failed(error) }
        if case .failed(let error) = state, written == 0 { return .failed(error) }
        return written > 0 ? .bytes(takeWritten()) : .waits(.writable)
    }

    private func takeWritten() -> Int {
        defer { written = 0 }
        return written
    }

    /// Fills a block with records.
    private func encrypt(_ tls: OpaquePointer, _ cursor: inout PieceCursor) {
        guard cursor.rest > 0 else { return }
        let capacity = context.blocks.cipherByteCount
        let block = context.blocks.take()
        outgoing.begin(block)
        var position = 0
        while cursor.rest > 0, capacity - position >= Blocks.recordByteCount + Blocks.recordOverhead + Blocks.reserve {
            guard let piece = cursor.piece() else { break }
            var source: UnsafeRawPointer? = UnsafeRawPointer(piece.baseAddress)
            var count = Blocks.recordByteCount
            if piece.count >= count {
                cursor.advance(by: count)
            } else {
                // Small pieces share a record.
                let gathering = Blocks.gathering(block, after: capacity)
                count = cursor.copy(count, to: gathering)
                source = UnsafeRawPointer(gathering)
            }
            if recordsOfKey >= context.recordsPerKey, amp_tls_renew_key(tls) == 1 { recordsOfKey = 0 }
            recordsOfKey += 1
            amp_tls_lend_output(tls, (block.base + position).assumingMemoryBound(to: UInt8.self), capacity - position)
            let status = amp_tls_write(tls, source, count)
            let sealed = amp_tls_output_count(tls)
            amp_tls_lend_output(tls, nil, 0)
            guard status == AMP_TLS_DONE else {
                fail(problem(of: tls))
                break
            }
            outgoing.append(byteCount: sealed, plainByteCount: count)
            position += sealed
        }
    }

    // MARK: What waits for the socket

    /// Sends what is encrypted, as far as the socket takes it.
    func sendPending(to socket: Int32) -> Sending {
        if !outgoing.isEmpty {
            switch Self.send(outgoing.rest, to: socket) {
            case .success(let count):
                written += outgoing.advance(by: count)
                guard outgoing.isEmpty else { return .blocked }
            case .failure(EAGAIN): return .blocked
            case .failure(let reason): return .failed(SystemError("writing to the peer", systemError: reason))
            }
        }
        outgoing.removeAll(givingBackTo: context.blocks)
        if !tail.isEmpty {
            switch tail.withUnsafeBytes({ Self.send($0, to: socket) }) {
            case .success(let count): tail.removeFirst(count)
            case .failure(EAGAIN): break
            case .failure(let reason): return .failed(SystemError("writing to the peer", systemError: reason))
            }
            guard tail.isEmpty else { return .blocked }
            tail = []
        }
        if mustEndStream {
            mustEndStream = false
            _ = shutdown(socket, Int32(SHUT_WR))
        }
        return .done
    }

    /// `send` and not `write`, which would raise SIGPIPE on a closed connection.
    private static func send(_ bytes: UnsafeRawBufferPointer, to socket: Int32) -> Syscall.Outcome {
        Syscall.retry { Glibc.send(socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)) }
    }

    public var hasBufferedOutput: Bool { !tail.isEmpty || mustEndStream }

    public func flushOutput(on socket: Int32) {
        guard case .failed = sendPending(to: socket) else { return }
        // Reading says why; nothing is left that could be said.
        tail = []
        mustEndStream = false
    }

    /// Lends the library room for what it says of its own accord, and queues that.
    func withAnswers<Result>(of tls: OpaquePointer, _ body: () -> Result) -> Result {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.answerByteLimit) { room in
            amp_tls_lend_output(tls, room.baseAddress, room.count)
            let result = body()
            tail.append(contentsOf: room.prefix(amp_tls_output_count(tls)))
            amp_tls_lend_output(tls, nil, 0)
            if tail.count > Self.answerByteLimit { fail(.tooManyUpdates) }
            return result
        }
    }

    // MARK: Ending

    public func finishWriting(on socket: Int32) {
        sayGoodbye()
        mustEndStream = true
        flushOutput(on: socket)
    }

    public func willClose(_ socket: Int32) {
        // Nothing was said yet, so an alert in plain text can be: else the peer would think that nobody here speaks TLS.
        if isServer, tls == nil, isHandshaking {
            // With unread bytes the kernel would reset the connection.
            withUnsafeTemporaryAllocation(byteCount: HandshakeRecords.recordByteLimit, alignment: 1) { room in
                _ = Syscall.retry { recv(socket, room.baseAddress, room.count, 0) }
            }
            _ = Self.alertOfNoRoom.withUnsafeBytes { Self.send($0, to: socket) }
            return
        }
        guard outgoing.isEmpty, tail.isEmpty else { return }
        sayGoodbye()
        _ = sendPending(to: socket)
    }

    /// A record of type alert: fatal, internal_error (RFC 8446, sections 5.1 and 6).
    private static let alertOfNoRoom: [UInt8] = [21, 3, 3, 0, 2, 2, UInt8(TLSProblem.alertOfNoRoom)]

    /// Queues close_notify, once.
    private func sayGoodbye() {
        guard let tls, !hasFinishedWriting else { return }
        switch state {
        case .open, .ended: break
        case .handshaking, .failed: return
        }
        hasFinishedWriting = true
        withAnswers(of: tls) { amp_tls_close(tls) }
    }
}
