import Foundation
import Glibc
import Simulator
import Transport
import Wire

/// TLS put together by chance, at the ports of both servers: hellos of ours and of others with changed bytes, lengths and pieces, records that are
/// none, and whole sessions of which records are changed on their way.
struct FuzzHandshakes {
    private static let places = 24

    private let doors: [String]
    private let hellos: [[UInt8]]
    private let contexts: [TLSContext]
    private var peers: [RawPeer] = []
    private var links: [MangledLink] = []

    init(_ scene: Scene) throws {
        doors = [scene.address] + scene.cluster.workerAddresses
        let keys = try TestKeys.shared.get()
        contexts = try [ClusterKey.Kind.cluster, .operator, .client].map { try keys.dialing(as: $0) }
        hellos = try contexts.map { try Hellos.ours($0) } + [Hellos.others(versions: []), Hellos.others(versions: [0x0304])]
    }

    mutating func turn(_ random: inout SeededRandom) throws {
        if peers.count >= Self.places { peers.remove(at: random.int(in: 0...peers.count - 1)) }
        if links.count >= Self.places { links.removeFirst() }
        let door = FieldMutation.pick(doors, &random)
        switch random.int(in: 0...9) {
        case 0, 1: links.append(try MangledLink(to: door, FieldMutation.pick(contexts, &random), seed: random.next()))
        case 2:
            // More on one that is open, whatever came of it.
            peers.randomElement(using: &random)?.send(Self.record(&random))
        default:
            let peer = try RawPeer(door)
            let bytes = changed(&random)
            // In two pieces, or whole.
            let cut = random.chance(0.5) ? bytes.count : random.int(in: 0...bytes.count)
            peer.send(Array(bytes[..<cut]))
            peer.send(Array(bytes[cut...]))
            peers.append(peer)
        }
    }

    mutating func end() { (peers, links) = ([], []) }

    private func changed(_ random: inout SeededRandom) -> [UInt8] {
        var bytes = FieldMutation.pick(hellos, &random)
        switch random.int(in: 0...6) {
        // The lengths of the record, of the message, and of what is in it.
        case 0: bytes[random.int(in: 3...4)] = UInt8(truncatingIfNeeded: random.next())
        case 1: bytes[random.int(in: 6...8)] = UInt8(truncatingIfNeeded: random.next())
        case 2: bytes[random.int(in: 43...bytes.count - 1)] = FieldMutation.pick([0, 1, 0x7f, 0x80, 0xff], &random)
        // The binder, with which it proves to have the key.
        case 3: bytes[bytes.count - 1 - random.int(in: 0...31)] ^= 1 << UInt8(random.int(in: 0...7))
        case 4: bytes += FieldMutation.pick(hellos, &random)
        case 5: bytes = Self.record(&random)
        default: bytes = FieldMutation.scramble(bytes, &random)
        }
        return random.chance(0.2) ? bytes + Self.record(&random) : bytes
    }

    /// A record's header, right or not, with something behind it.
    private static func record(_ random: inout SeededRandom) -> [UInt8] {
        let type: UInt8 = FieldMutation.pick([20, 21, 22, 23, 24, 0, 0x41, 0xff], &random)
        let announced = FieldMutation.pick([0, 1, 2, 100, 4_096, 4_097, 16_384, 16_640, 65_535], &random)
        let count = FieldMutation.pick([announced, announced, 0, 1, 100], &random)
        let bytes = (0..<count).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        return [type, FieldMutation.pick([3, 3, 3, 2, 0], &random), 3, UInt8(announced >> 8), UInt8(announced & 0xff)] + bytes
    }
}

/// A session with a right key, of which the bytes on the wire are changed by somebody between.
///
/// ## Concurrency model
/// Used by one test; its thread has both sockets, and ends with either.
private final class MangledLink {
    private let end: Int32

    init(to address: String, _ context: TLSContext, seed: UInt64) throws {
        let socket = try RawPeer.dial(address)
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            Glibc.close(socket)
            throw RogueConnection.Failure(description: "no pair of sockets: \(String(cString: strerror(errno)))")
        }
        let inner = ends[1]
        Thread.detachNewThread { Self.relay(inner, socket, SeededRandom(seed: seed)) }
        end = try TLSTunnel(ends[0], context, isServer: false).end
        let messages: [Message] = [
            RawPeer.hello, .statusRequest(StatusRequest(id: 1)), .ping(Ping(sequence: 1, sentAtNanoseconds: 1)),
        ]
        for (number, message) in messages.enumerated() {
            let encoded = try MessageCodec.encode(message)
            let frame = RogueConnection.frame(
                kind: encoded.kind, metadata: encoded.metadata, total: 0, stream: UInt32(number + 1))
            _ = frame.withUnsafeBytes { send(end, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
        }
    }

    deinit { close(end) }

    private static func relay(_ client: Int32, _ server: Int32, _ random: SeededRandom) {
        var random = random
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        for descriptor in [client, server] {
            setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        relaying: while true {
            var entries = [
                pollfd(fd: client, events: Int16(POLLIN), revents: 0), pollfd(fd: server, events: Int16(POLLIN), revents: 0),
            ]
            while poll(&entries, 2, -1) < 0, errno == EINTR {}
            for (from, to) in [(entries[0], server), (entries[1], client)] where from.revents != 0 {
                let count = recv(from.fd, &buffer, buffer.count, 0)
                guard count > 0 else { break relaying }
                var bytes = Array(buffer[..<count])
                if random.chance(0.3) { bytes = FieldMutation.scramble(bytes, &random) }
                let sent = bytes.withUnsafeBytes { send(to, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
                guard sent == bytes.count else { break relaying }
            }
        }
        close(client)
        close(server)
    }
}
