import Base
import Glibc
import Loops
import Tensors
import Testing
import Transport
import Wire

/// Runs the loop until `condition` holds.
///
/// The limit is generous, as test machines are slow and shared; it is reached only where something is broken. Under a sanitizer, which slows
/// everything down, `scripts/sanitize` multiplies it (`AMP4EC_TEST_PATIENCE`).
func run(
    _ loop: EventLoop, within limit: Duration = .seconds(60), _ what: String, sourceLocation: SourceLocation = #_sourceLocation,
    until condition: () -> Bool
) throws {
    let limit = limit * patience
    let deadline = Instant.current() + limit
    while !condition() {
        try #require(Instant.current() < deadline, "\(what) did not happen within \(limit)", sourceLocation: sourceLocation)
        try loop.runOnce(maximumWait: .milliseconds(100))
    }
}

private let patience = getenv("AMP4EC_TEST_PATIENCE").flatMap { Int(String(cString: $0)) } ?? 1

/// A handler that keeps what it is told.
final class Recorder: ConnectionHandler {
    struct Received {
        let message: Message
        let payload: TensorStorage?
    }

    var opened = 0
    var connections: [Connection] = []
    var received: [Received] = []
    var aborted: [Message] = []
    var closed: [CloseReason] = []
    var announced: [Int] = []
    var disposition: (Message, Int) -> PayloadDisposition = { .accept(TensorStorage(byteCount: $1)) }
    var onMessage: (Connection, Message, TensorStorage?) -> Void = { _, _, _ in }
    var onOpen: (Connection) -> Void = { _ in }

    func connectionOpened(_ connection: Connection) {
        opened += 1
        connections.append(connection)
        onOpen(connection)
    }

    func connection(_ connection: Connection, willReceive message: Message, payloadByteCount: Int) -> PayloadDisposition {
        announced.append(payloadByteCount)
        return disposition(message, payloadByteCount)
    }

    func connection(_ connection: Connection, didReceive message: Message, payload: TensorStorage?) {
        received.append(Received(message: message, payload: payload))
        onMessage(connection, message, payload)
    }

    func connection(_ connection: Connection, didAbort message: Message) { aborted.append(message) }
    func connectionClosed(_ connection: Connection, reason: CloseReason) { closed.append(reason) }
}

/// Two ends of a connection on one loop.
final class Pair {
    let loop: EventLoop
    let listener: Listener
    let server = Recorder()
    let client = Recorder()
    let connection: Connection
    private let accepted: Box<Connection>

    /// The listener's end.
    var serverConnection: Connection {
        get throws { try #require(accepted.value) }
    }

    init(
        server serverOptions: ConnectionOptions = ConnectionOptions(), client clientOptions: ConnectionOptions = ConnectionOptions()
    ) throws {
        loop = try EventLoop()
        let accepted = Box<Connection>()
        self.accepted = accepted
        let recorder = server
        listener = try Listener(loop: loop, address: .loopback(port: 0), options: serverOptions) { connection in
            accepted.value = connection
            return recorder
        }
        connection = Connection.connect(
            loop: loop, to: listener.address, timeout: .seconds(10), options: clientOptions, handler: client)
        try run("opening") { [self] in client.opened == 1 && server.opened == 1 }
    }

    deinit { loop.shutDown() }

    func run(
        within limit: Duration = .seconds(60), _ what: String, sourceLocation: SourceLocation = #_sourceLocation,
        until condition: () -> Bool
    ) throws {
        try TransportTests.run(loop, within: limit, what, sourceLocation: sourceLocation, until: condition)
    }
}

final class Box<Value> {
    var value: Value?
}

/// A listener alone, for clients that do not speak the protocol.
final class Server {
    let loop: EventLoop
    let listener: Listener
    let recorder = Recorder()

    init(_ options: ConnectionOptions = ConnectionOptions(), maximumConnectionCount: Int = 1_000) throws {
        loop = try EventLoop()
        let recorder = recorder
        listener = try Listener(
            loop: loop, address: .loopback(port: 0), maximumConnectionCount: maximumConnectionCount, options: options
        ) { _ in recorder }
    }

    deinit { loop.shutDown() }
}

/// A blocking socket without any protocol.
final class RawClient {
    let descriptor: Int32

    convenience init(port: UInt16, receiveBufferByteCount: Int32? = nil) throws {
        self.init(receiveBufferByteCount: receiveBufferByteCount)
        try connect(port: port)
    }

    /// A socket that is not connected yet.
    init(receiveBufferByteCount: Int32? = nil) {
        descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        if var size = receiveBufferByteCount {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    func connect(port: UInt16) throws {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        let status = withUnsafeBytes(of: &address) {
            Glibc.connect(
                descriptor, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(MemoryLayout<sockaddr_in>.size))
        }
        try #require(status == 0)
    }

    deinit { close() }

    private var isClosed = false
    func close() {
        if !isClosed { _ = Glibc.close(descriptor) }
        isClosed = true
    }

    func write(_ bytes: [UInt8]) throws {
        try #require(send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count)
    }

    /// What is there now, without waiting; `nil` at the end of the stream.
    func readAvailable() -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(descriptor, &bytes, bytes.count, Int32(MSG_DONTWAIT))
        if count == 0 || (count < 0 && errno != EAGAIN) { return nil }
        return Array(bytes.prefix(max(0, count)))
    }
}

// MARK: - Messages

/// Bytes that differ from place to place and from seed to seed.
func pattern(_ count: Int, seed: UInt64) -> TensorStorage {
    let storage = TensorStorage(byteCount: count)
    let bytes = storage.mutableBytes
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    // Eight at a time: a connection that waits for its first message meanwhile is closed after some seconds.
    var written = 0
    while written < count {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        if count - written >= 8 {
            bytes.storeBytes(of: state, toByteOffset: written, as: UInt64.self)
        } else {
            for index in written..<count { bytes[index] = UInt8(truncatingIfNeeded: state >> (8 * (index - written))) }
        }
        written += 8
    }
    return storage
}

func isEqual(_ storage: TensorStorage?, _ expected: TensorStorage) -> Bool {
    guard let storage, storage.byteCount == expected.byteCount else { return false }
    return memcmp(storage.pointer, expected.pointer, expected.byteCount) == 0
}

/// A message whose payload may have any length; `number` tells one from another.
func archive(_ number: Int) -> Message {
    let digest = String(repeating: "ab", count: 32)
    let key = PartitionKey(modelDigest: digest, firstLayer: number, endLayer: number + 1, toolchain: "test", optimization: .o0)
    return .partitionData(PartitionData(key: key, contentDigest: digest))
}

func ping(_ number: UInt64) -> Message { .ping(Ping(sequence: number, sentAtNanoseconds: 0)) }

/// The bytes of one frame with a whole message in it.
func frame(_ message: Message, payload: OutgoingPayload = .empty, change: (inout FrameHeader) -> Void = { _ in }) throws -> [UInt8]
{
    let encoded = try MessageCodec.encode(message)
    var header = FrameHeader(
        kind: encoded.kind, stream: 1, metadataByteCount: encoded.metadata.count, payloadByteCount: payload.byteCount,
        totalPayloadByteCount: payload.byteCount)
    change(&header)
    encoded.metadata.withUnsafeBytes { header.seal(metadata: $0, payloadChecksum: payload.checksum(of: 0..<payload.byteCount)) }
    var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
    bytes.withUnsafeMutableBytes { header.encode(into: $0) }
    bytes += encoded.metadata
    payload.forEachPiece(in: 0..<payload.byteCount) { bytes.append(contentsOf: $0) }
    return bytes
}

/// Whether this machine lets anybody bind to `::1` (containers often do not).
let hasIPv6: Bool = {
    let probe = socket(AF_INET6, Int32(SOCK_STREAM.rawValue), 0)
    guard probe >= 0 else { return false }
    defer { close(probe) }
    var address = sockaddr_in6()
    address.sin6_family = sa_family_t(AF_INET6)
    address.sin6_addr = in6addr_loopback
    return withUnsafeBytes(of: &address) {
        bind(probe, $0.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(MemoryLayout<sockaddr_in6>.size)) == 0
    }
}()
