public import Base
internal import CTLS

/// What both ends of an encrypted connection have: a secret, and the name by which a client tells a server which one it means.
///
/// The name goes over the wire in plain text. It holds the identity and a number that is derived from the secret, so that two keys of one
/// kind (during a rotation, or of two clusters) have different names.
public struct PreSharedKey: Sendable, Equatable, CustomStringConvertible {
    /// As many as the digest of TLS has bits to make of it; a 128-bit cipher's strength with room.
    public static let leastByteCount = 32
    /// More adds nothing, and each handshake copies it.
    public static let mostByteCount = Int(AMP_TLS_SECRET_LIMIT)

    public let identity: PeerIdentity
    /// On the wire: `client:laptop#0123456789ab`.
    package let name: String
    let secret: SecretBytes

    /// - Parameter secret: random bytes, from ``leastByteCount`` to ``mostByteCount`` of them.
    public init(_ identity: PeerIdentity, secret: [UInt8]) throws(ValueError) {
        guard (Self.leastByteCount...Self.mostByteCount).contains(secret.count) else {
            throw ValueError(
                "a pre-shared key of \(secret.count) bytes: it has from \(Self.leastByteCount) to \(Self.mostByteCount)",
                reason: "it has \(secret.count) bytes")
        }
        self.init(identity, secret: SecretBytes(copying: secret))
    }

    /// - Parameter number: stands in the name; derived from the secret where it is not given.
    package init(_ identity: PeerIdentity, secret: SecretBytes, number: String? = nil) {
        self.identity = identity
        self.secret = secret
        name = "\(identity)#\(number ?? Self.number(of: secret))"
    }

    /// 48 bits: enough to tell keys apart, and nothing of the secret can be found from them.
    private static func number(of secret: SecretBytes) -> String {
        secret.derived("amp4ec-key-number", byteCount: 6).withBytes { bytes in
            bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
    }

    /// The name, which is no secret.
    public var description: String { name }
}
