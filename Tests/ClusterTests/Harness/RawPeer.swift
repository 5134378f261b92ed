import Foundation
import Glibc
import Wire

/// A TCP connection that sends whatever a test wants, frames or not.
///
/// ## Concurrency model
/// Used by one test; not shared.
final class RawPeer {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let descriptor: Int32
    private var nextStream: UInt32 = 1
    /// Everything that has come so far.
    private(set) var received: [UInt8] = []

    /// - Parameter address: `127.0.0.1:PORT`.
    init(_ address: String) throws { descriptor = try Self.dial(address) }

    /// A connected socket, which blocks.
    static func dial(_ address: String) throws -> Int32 {
        guard let port = UInt16(TestCluster.port(address)) else { throw Failure(description: "\(address) has no port") }
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw Failure(description: "no socket: \(String(cString: strerror(errno)))") }
        guard withLoopback(port: port, { connect(descriptor, $0, $1) }) == 0 else {
            let reason = String(cString: strerror(errno))
            Glibc.close(descriptor)
            throw Failure(description: "\(address) cannot be reached: \(reason)")
        }
        return descriptor
    }

    deinit { Glibc.close(descriptor) }

    static func withLoopback<Result>(port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(MemoryLayout<sockaddr_in>.size)) }
        }
    }

    /// Sends all of it, or as much as the peer takes before it closes.
    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.send(descriptor, buffer.baseAddress.map { $0 + sent }, buffer.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            sent += count
        }
    }

    /// One frame: the message with the first bytes of its payload.
    func send(_ message: Message, payload: [UInt8] = [], of total: Int = 0) throws {
        let encoded = try MessageCodec.encode(message)
        var header = FrameHeader(
            kind: encoded.kind, stream: nextStream, metadataByteCount: encoded.metadata.count, payloadByteCount: payload.count,
            totalPayloadByteCount: total)
        nextStream += 1
        encoded.metadata.withUnsafeBytes { metadata in
            header.seal(metadata: metadata, payloadChecksum: payload.withUnsafeBytes { CRC32C.checksum($0) })
        }
        send(Self.bytes(of: header) + encoded.metadata + payload)
    }

    static func bytes(of header: FrameHeader) -> [UInt8] {
        [UInt8](unsafeUninitializedCapacity: FrameHeader.byteCount) { buffer, count in
            header.encode(into: UnsafeMutableRawBufferPointer(buffer))
            count = FrameHeader.byteCount
        }
    }

    static let hello = Message.hello(
        Hello(role: .client, channel: .data, name: "raw", software: "test", incarnation: IncarnationID(bits: 1)))

    /// Waits for so many bytes in all.
    func receive(atLeast count: Int, within limit: Duration = .seconds(20)) async throws {
        try await eventually("\(count) bytes from the peer", within: limit) {
            if try hasEnded() { throw Failure(description: "the peer closed after \(received.count) bytes") }
            return received.count >= count
        }
    }

    /// Waits until the peer has closed the connection.
    func closed(_ what: String, within limit: Duration = .seconds(20)) async throws {
        try await eventually("the peer closes: \(what)", within: limit) { try hasEnded() }
    }

    /// Reads what is there. `true` at the connection's end.
    func hasEnded() throws -> Bool {
        var buffer = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            if count > 0 {
                received += buffer[..<count]
                continue
            }
            if count == 0 || errno == ECONNRESET || errno == EPIPE { return true }
            if errno == EAGAIN { return false }
            guard errno == EINTR else { throw Failure(description: "reading: \(String(cString: strerror(errno)))") }
        }
    }
}

/// A port that somebody else listens on.
final class TakenPort: Sendable {
    let port: UInt16
    private let descriptor: Int32

    /// Below the ports that the kernel gives to connections, so that one that was let go stays free for who is to listen there.
    private static let range: Range<UInt16> = 20_000..<32_000
    private static let tries = 100

    /// - Parameter backlog: connections that the kernel takes before anybody accepts them.
    init(backlog: Int32 = 1) throws {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        self.descriptor = descriptor
        var address = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        var bound: Int32 = -1
        for _ in 0..<Self.tries where bound != 0 {
            bound = RawPeer.withLoopback(port: Self.range.randomElement() ?? 0) { bind(descriptor, $0, $1) }
        }
        let named = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
        }
        guard descriptor >= 0, bound == 0, listen(descriptor, backlog) == 0, named == 0 else {
            throw RawPeer.Failure(description: "no port to take: \(String(cString: strerror(errno)))")
        }
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit { Glibc.close(descriptor) }

    /// Waits for a connection; `nil` after ``stop()``.
    func accept() -> Int32? {
        while true {
            let connection = Glibc.accept(descriptor, nil, nil)
            if connection >= 0 {
                _ = fcntl(connection, F_SETFD, FD_CLOEXEC)
                return connection
            }
            guard errno == EINTR || errno == ECONNABORTED else { return nil }
        }
    }

    /// Takes no connection any more; the port stays taken.
    func stop() { shutdown(descriptor, Int32(SHUT_RDWR)) }
}
