import Base
import Glibc
import Loops
import Tensors
import Testing
import Transport
import Wire

/// A key of made-up bytes; the same seed gives the same.
func preSharedKey(_ kind: PeerIdentity.Kind = .cluster, label: String? = nil, seed: UInt8 = 1) throws -> PreSharedKey {
    try PreSharedKey(PeerIdentity(kind, label: label), secret: (0..<32).map { $0 &* 31 &+ seed })
}

func tlsContext(_ keys: [PreSharedKey], ciphers: [TLSContext.Cipher] = [.aes128GCM, .chaCha20Poly1305]) throws -> TLSContext {
    try TLSContext(keys: keys, ciphers: ciphers)
}

func tlsOptions(_ context: TLSContext) -> ConnectionOptions {
    var options = ConnectionOptions()
    options.makeChannel = { isServer, _ in context.makeChannel(isServer: isServer) }
    return options
}

/// A listener and a client that is told to connect to it; neither needs to come about.
final class Meeting {
    let loop: EventLoop
    let server = Recorder()
    let client = Recorder()
    let listener: Listener

    init(server options: ConnectionOptions, client clientOptions: ConnectionOptions) throws {
        loop = try EventLoop()
        let recorder = server
        listener = try Listener(loop: loop, address: .loopback(port: 0), options: options) { _ in recorder }
        Connection.connect(loop: loop, to: listener.address, timeout: .seconds(10), options: clientOptions, handler: client)
    }

    deinit { loop.shutDown() }

    /// What both sides say in the end.
    func reasons(sourceLocation: SourceLocation = #_sourceLocation) throws -> (server: String, client: String) {
        try run(loop, "both ends", sourceLocation: sourceLocation) { server.closed.count == 1 && client.closed.count == 1 }
        return (server.closed[0].description, client.closed[0].description)
    }
}

/// One side of TLS without a connection, over one end of a pair of sockets; the other end is the test's to carry bytes from and to.
final class LooseEnd {
    let channel: any ByteChannel
    let socket: Int32
    /// What the channel sent, and what it is to get.
    let wire: Int32
    private(set) var failure: SystemError?
    private(set) var isOpen = false

    init(_ context: TLSContext, isServer: Bool, bufferByteCount: Int32? = nil) throws {
        channel = context.makeChannel(isServer: isServer)
        var descriptors: [Int32] = [0, 0]
        let kind = Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &descriptors) == 0)
        socket = descriptors[0]
        wire = descriptors[1]
        guard var size = bufferByteCount else { return }
        setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }

    deinit {
        close(socket)
        close(wire)
    }

    func handshake() {
        guard !isOpen, failure == nil else { return }
        switch channel.handshake(on: socket) {
        case .done: isOpen = true
        case .waits: break
        case .failed(let error), .refused(_, let error): failure = error
        }
    }

    /// What it has sent, `limit` bytes at most; `nil` at its end.
    func take(_ limit: Int = 1 << 20) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = recv(wire, &bytes, limit, Int32(MSG_DONTWAIT))
        if count == 0 { return nil }
        return Array(bytes.prefix(max(0, count)))
    }

    func give(_ bytes: [UInt8]) {
        if !bytes.isEmpty { #expect(send(wire, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count) }
    }

    func write(_ bytes: [UInt8]) -> ChannelOutcome {
        var bytes = bytes
        return bytes.withUnsafeMutableBytes { bytes in
            var piece = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
            return withUnsafeMutablePointer(to: &piece) {
                channel.write(UnsafeMutableBufferPointer(start: $0, count: 1), to: socket)
            }
        }
    }

    func read(_ limit: Int = 1 << 20) -> (ChannelOutcome, [UInt8]) {
        var bytes = [UInt8](repeating: 0, count: limit)
        let outcome = bytes.withUnsafeMutableBytes { bytes in
            var piece = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
            return withUnsafeMutablePointer(to: &piece) {
                channel.read(into: UnsafeMutableBufferPointer(start: $0, count: 1), from: socket)
            }
        }
        if case .bytes(let count) = outcome { return (outcome, Array(bytes.prefix(count))) }
        return (outcome, [])
    }
}

/// Carries bytes between two ends until both are open or one has failed.
func open(_ client: LooseEnd, _ server: LooseEnd, step: Int = 1 << 20) throws {
    var turns = 0
    while !(client.isOpen && server.isOpen), client.failure == nil || server.failure == nil {
        turns += 1
        try #require(turns < 10_000, "the handshake goes on forever")
        client.handshake()
        server.give(client.take(step) ?? [])
        server.handshake()
        client.give(server.take(step) ?? [])
    }
}

func isWaiting(_ outcome: ChannelOutcome) -> Bool { if case .waits(.readable) = outcome { true } else { false } }

/// What a test stops at.
struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}
