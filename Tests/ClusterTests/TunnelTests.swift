import Foundation
import Glibc
import Testing
import Transport

/// The harness's own TLS: what goes through it arrives as it was sent, nobody is read for without bound, and each end reaches the other side.
@Suite("The rogues' TLS")
struct TunnelTests {
    /// Two blocking descriptors with TLS between them.
    private static func pair(reads: Bool = true) throws -> (client: Int32, server: Int32) {
        let listener = try TakenPort()
        let dialled = try RawPeer.dial("127.0.0.1:\(listener.port)")
        let accepted = try #require(listener.accept())
        let keys = try TestKeys.shared.get()
        let client = try TLSTunnel(dialled, keys.dialing(as: .client), isServer: false, reads: reads)
        let server = try TLSTunnel(accepted, keys.accepting(as: .coordinator), isServer: true)
        return (client.end, server.end)
    }

    private static func read(_ descriptor: Int32, upTo limit: Int = .max) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 10_000)
        while bytes.count < limit {
            let count = recv(descriptor, &piece, min(piece.count, limit - bytes.count), 0)
            guard count > 0 else { break }
            bytes += piece[..<count]
        }
        return bytes
    }

    private static func write(_ bytes: [UInt8], to descriptor: Int32) -> Int {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                send(descriptor, $0.baseAddress.map { $0 + sent }, $0.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { break }
            sent += count
        }
        return sent
    }

    private static func limit(_ descriptor: Int32, _ option: Int32, seconds: Int) {
        var time = timeval(tv_sec: seconds, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, option, &time, socklen_t(MemoryLayout<timeval>.size))
    }

    @Test("bytes in both directions arrive whole, and the end after them", arguments: [0, 1, 16_384, 3_000_001])
    func whole(count: Int) async throws {
        let (client, server) = try Self.pair()
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
        for (from, to) in [(client, server), (server, client)] {
            Thread.detachNewThread {
                _ = Self.write(bytes, to: from)
                if from == server { shutdown(from, Int32(SHUT_RDWR)) }
            }
            #expect(Self.read(to, upTo: count) == bytes)
        }
        // The server's end is the client's.
        #expect(Self.read(client).isEmpty)
        close(client)
        close(server)
    }

    @Test("who is not read waits: a peer that does not read takes no more than sockets and buffers hold")
    func backPressure() async throws {
        let (client, server) = try Self.pair(reads: false)
        Self.limit(server, SO_SNDTIMEO, seconds: 1)
        // The kernel's own buffers of a connection reach some megabytes.
        let bound = 64 << 20
        let sent = Self.write([UInt8](repeating: 7, count: bound), to: server)
        #expect(sent > 0 && sent < bound / 2, "\(sent)")
        for end in [client, server] { close(end) }
    }

    @Test("who does not read sees the other side go")
    func unreadEnd() async throws {
        let (client, server) = try Self.pair(reads: false)
        #expect(Self.write([1, 2, 3], to: server) == 3)
        close(server)
        var entry = pollfd(fd: client, events: 0x2000, revents: 0)
        #expect(poll(&entry, 1, 10_000) == 1)
        close(client)
    }

    @Test("a peer without a right key, and one that talks plain text, end it with a reason")
    func refused() async throws {
        let listener = try TakenPort()
        let foreign = try TLSContext(KeyRing([TestKeys.freshRoot().derived(.client)], for: .client))
        let client = try TLSTunnel(RawPeer.dial("127.0.0.1:\(listener.port)"), foreign, isServer: false)
        let server = try TLSTunnel(
            #require(listener.accept()), TestKeys.shared.get().accepting(as: .coordinator), isServer: true)
        for tunnel in [client, server] { #expect(Self.read(tunnel.end).isEmpty) }
        try await eventually("both say why", within: .seconds(10)) { client.problem != nil && server.problem != nil }
        #expect(server.problem?.contains("is not known here") == true, "\(server.problem ?? "")")
        #expect(client.problem?.contains("keys of the same root") == true, "\(client.problem ?? "")")
        for tunnel in [client, server] { close(tunnel.end) }
    }
}
