public import Base

/// A key as a file holds it. Its kind says what whoever has it may do.
///
/// From the root the others are derived one way (HKDF with SHA-256): who has the cluster's key cannot find the root, an operator's or a
/// client's. With a label there are as many client and operator keys as one likes, and each can be revoked alone.
public struct ClusterKey: Sendable, Equatable, CustomStringConvertible {
    public enum Kind: String, Sendable, CaseIterable {
        /// What all others are derived from: the coordinator's.
        case root
        /// Workers'.
        case cluster
        /// Of people who drain workers and load models.
        case `operator`
        /// Of applications.
        case client

        var prefix: String { "amp4ec-\(rawValue):" }
    }

    /// Of a derived key, and of one that is made.
    public static let byteCount = 32
    /// A label stands in logs, in tables and in a hello.
    public static let labelByteLimit = 64

    public let kind: Kind
    public let label: String?
    let secret: SecretBytes

    init(_ kind: Kind, label: String? = nil, secret: SecretBytes) {
        self.kind = kind
        self.label = label
        self.secret = secret
    }

    /// A new root of random bytes, from ``PreSharedKey/leastByteCount`` to ``PreSharedKey/mostByteCount`` of them.
    public init(rootOf bytes: [UInt8]) throws(ValueError) {
        if let problem = Self.problem(withByteCount: bytes.count) { throw ValueError("a root key: \(problem)", reason: problem) }
        self.init(.root, secret: SecretBytes(copying: bytes))
    }

    /// The key that the root gives for `kind` and `label`; the same each time.
    public func derived(_ kind: Kind, label: String? = nil) throws(ValueError) -> ClusterKey {
        guard self.kind == .root else {
            throw ValueError("a \(self.kind.rawValue) key has no other keys in it: derive from the root key (amp4ec-root:…)")
        }
        guard kind != .root else { throw ValueError("a root key is not derived, it is made") }
        if let label, let problem = Self.problem(withLabel: label, of: kind) { throw ValueError(problem) }
        return make(kind, label)
    }

    private func make(_ kind: Kind, _ label: String?) -> ClusterKey {
        let purpose = label.map { "amp4ec-\(kind.rawValue):\($0)" } ?? "amp4ec-\(kind.rawValue)"
        return ClusterKey(kind, label: label, secret: secret.derived(purpose, byteCount: Self.byteCount))
    }

    // MARK: What connections use

    /// What connections of this key prove; `nil` for the root, which proves nothing itself: derive from it first.
    public var preSharedKey: PreSharedKey? {
        identity.map { PreSharedKey($0, secret: secret.derived("amp4ec-psk", byteCount: Self.byteCount)) }
    }

    /// What a health check proves that was given this key. The root's is its cluster key's.
    public var healthPreSharedKey: PreSharedKey {
        guard let identity else { return make(.cluster, nil).healthPreSharedKey }
        return PreSharedKey(
            PeerIdentity(.health, label: identity.description), secret: secret.derived("amp4ec-health", byteCount: Self.byteCount))
    }

    private var identity: PeerIdentity? {
        switch kind {
        case .root: nil
        case .cluster: PeerIdentity(.cluster)
        case .operator: PeerIdentity(.operator, label: label)
        case .client: PeerIdentity(.client, label: label)
        }
    }

    /// Without the secret.
    public var description: String { "\(kind.prefix)…" + (label.map { ":\($0)" } ?? "") }
}
