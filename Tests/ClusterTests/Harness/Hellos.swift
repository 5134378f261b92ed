import Glibc
import Transport

/// The first bytes of TLS connections: our own, and those of others.
enum Hellos {
    /// What a client of the product says first, with the header of its record.
    static func ours(_ context: TLSContext) throws -> [UInt8] {
        var ends: [Int32] = [-1, -1]
        guard
            socketpair(
                AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0, &ends) == 0
        else { throw RogueConnection.Failure(description: "no pair of sockets: \(String(cString: strerror(errno)))") }
        defer { for end in ends { close(end) } }
        let channel = context.makeChannel(isServer: false)
        guard case .waits(.readable) = channel.handshake(on: ends[0]) else {
            throw RogueConnection.Failure(description: "a client's channel has not said hello")
        }
        var bytes = [UInt8](repeating: 0, count: 16 << 10)
        let count = recv(ends[1], &bytes, bytes.count, 0)
        guard count > 0 else { throw RogueConnection.Failure(description: "a client's channel has said nothing") }
        return Array(bytes.prefix(count))
    }

    /// A client that knows no key of ours (RFC 8446, section 4.1.2), and of TLS these versions: one of 1.2 does not name any.
    static func others(versions: [UInt16]) -> [UInt8] {
        func word(_ value: Int) -> [UInt8] { [UInt8(value >> 8 & 0xff), UInt8(value & 0xff)] }
        func block(_ bytes: [UInt8]) -> [UInt8] { word(bytes.count) + bytes }
        func noise(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0 ... .max) } }
        // supported_groups: x25519, P-256; signature_algorithms: two of ECDSA and RSA.
        var extensions = word(10) + block(block([0x00, 0x1d, 0x00, 0x17])) + word(13) + block(block([0x04, 0x03, 0x08, 0x04]))
        if !versions.isEmpty {
            let list = versions.flatMap { word(Int($0)) }
            // supported_versions; key_share of x25519.
            extensions += word(43) + block([UInt8(list.count)] + list)
            extensions += word(51) + block(block([0x00, 0x1d] + block(noise(32))))
        }
        let suites: [UInt8] = [0x13, 0x01, 0x13, 0x03, 0xc0, 0x2f, 0xc0, 0x2b]
        let body = [0x03, 0x03] + noise(32) + [32] + noise(32) + block(suites) + [1, 0] + block(extensions)
        let message = [1, 0] + word(body.count) + body
        return [22, 3, 1] + word(message.count) + message
    }
}
