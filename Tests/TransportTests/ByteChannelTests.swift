import Glibc
import Loops
import Tensors
import Testing
import Transport
import Wire

/// Stands in for TLS: an opening of several steps, bytes changed on the way, waits that cross over, and input kept inside.
final class ScramblingChannel: ByteChannel {
    private static let key: UInt8 = 0x5A
    private let isServer: Bool
    private var helloSent = false
    private var inside: [UInt8] = []
    private var reads = 0
    private var writes = 0
    private(set) var crossings = 0

    init(isServer: Bool) { self.isServer = isServer }

    /// The client says one byte, the server answers one.
    func handshake(on socket: Int32) -> ChannelHandshake {
        if isServer || helloSent {
            var byte: UInt8 = 0
            let count = recv(socket, &byte, 1, 0)
            guard count == 1 else {
                return count < 0 && errno == EAGAIN
                    ? .waits(.readable) : .failed(SystemError(.connectionLost, "the opening was broken off"))
            }
            guard byte == (isServer ? 1 : 2) else {
                return .failed(SystemError(.connectionLost, "the peer does not scramble"))
            }
            if !isServer { return .done }
        }
        var byte: UInt8 = isServer ? 2 : 1
        guard send(socket, &byte, 1, Int32(MSG_NOSIGNAL)) == 1 else { return .waits(.writable) }
        helloSent = true
        return isServer ? .done : .waits(.readable)
    }

    /// Takes in up to 9,000 bytes and gives out at most 5,000, so that some stay inside.
    func read(into pieces: UnsafeMutableBufferPointer<iovec>, from socket: Int32) -> ChannelOutcome {
        reads += 1
        // Now and then it waits for room to write, as TLS does in a key update.
        if reads % 5 == 0 {
            crossings += 1
            return .waits(.writable)
        }
        if inside.isEmpty {
            var bytes = [UInt8](repeating: 0, count: 9_000)
            let count = recv(socket, &bytes, bytes.count, 0)
            if count == 0 { return .endOfStream }
            if count < 0 {
                return errno == EAGAIN ? .waits(.readable) : .failed(SystemError("reading", systemError: errno))
            }
            inside = bytes.prefix(count).map { $0 ^ Self.key }
        }
        var given = 0
        for piece in pieces where given < min(5_000, inside.count) {
            let count = min(piece.iov_len, min(5_000, inside.count) - given)
            inside.withUnsafeBytes { bytes in
                guard let base = bytes.baseAddress else { return }
                piece.iov_base?.copyMemory(from: base + given, byteCount: count)
            }
            given += count
        }
        inside.removeFirst(given)
        return .bytes(given)
    }

    func write(_ pieces: UnsafeMutableBufferPointer<iovec>, to socket: Int32) -> ChannelOutcome {
        writes += 1
        if writes % 7 == 0 { return .waits(.writable) }
        let piece = UnsafeRawBufferPointer(start: pieces[0].iov_base, count: min(pieces[0].iov_len, 6_000))
        let scrambled = piece.map { $0 ^ Self.key }
        let count = send(socket, scrambled, scrambled.count, Int32(MSG_NOSIGNAL))
        if count < 0 { return errno == EAGAIN ? .waits(.writable) : .failed(SystemError("writing", systemError: errno)) }
        return .bytes(count)
    }

    func finishWriting(on socket: Int32) { _ = shutdown(socket, Int32(SHUT_WR)) }
    var hasBufferedInput: Bool { !inside.isEmpty }
}

@Suite struct ByteChannelTests {
    static var scrambled: ConnectionOptions {
        var options = ConnectionOptions()
        options.makeChannel = { isServer, _ in ScramblingChannel(isServer: isServer) }
        // Small shares, so that turns end while input is inside the channel.
        options.readByteLimitPerWake = 7_000
        options.writeByteLimitPerWake = 10_000
        return options
    }

    @Test func anotherChannelCarriesTheSameMessages() throws {
        let pair = try Pair(server: Self.scrambled, client: Self.scrambled)
        pair.server.onMessage = { connection, message, payload in
            connection.send(message, payload: payload.map { OutgoingPayload($0) } ?? .empty)
        }
        let payloads = [pattern(700_001, seed: 1), pattern(1, seed: 2), pattern(99_999, seed: 3)]
        for (number, payload) in payloads.enumerated() { pair.connection.send(archive(number), payload: OutgoingPayload(payload)) }
        pair.connection.send(ping(1))
        try pair.run("all echoes") { pair.client.received.count == 4 }
        for received in pair.client.received {
            guard case .partitionData(let data) = received.message else { continue }
            #expect(isEqual(received.payload, payloads[data.key.firstLayer]))
        }
        pair.connection.closeAfterFlush(.requested("done"))
        try pair.run("both ends") { pair.client.closed.count == 1 && pair.server.closed.count == 1 }
        #expect(pair.server.closed == [.peerClosed])
    }

    @Test func aFailedOpeningIsAFailedConnect() throws {
        let loop = try EventLoop()
        let server = Recorder()
        let client = Recorder()
        // The server speaks plain text: the client's opening byte is no frame.
        let listener = try Listener(loop: loop, address: .loopback(port: 0)) { _ in server }
        Connection.connect(loop: loop, to: listener.address, timeout: .seconds(5), options: Self.scrambled, handler: client)
        try run(loop, "both ends") { server.closed.count == 1 && client.closed.count == 1 }
        guard case .connectFailed = client.closed[0], case .wire = server.closed[0] else {
            Issue.record("other reasons: \(client.closed[0]), \(server.closed[0])")
            return
        }
        #expect(client.opened == 0)
        loop.shutDown()
    }

    @Test func anOpeningThatDoesNotGoOnIsGivenUp() throws {
        var options = Self.scrambled
        options.firstMessageTimeout = .milliseconds(50)
        let server = try Server(options)
        let silent = try RawClient(port: server.listener.address.port)
        try run(server.loop, "the end") { server.recorder.closed.count == 1 }
        #expect(server.recorder.closed == [.firstMessageTimeout(.milliseconds(50))])
        #expect(server.recorder.opened == 0)
        withExtendedLifetime(silent) {}
    }
}
