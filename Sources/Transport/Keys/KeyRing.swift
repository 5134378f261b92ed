public import Base

/// What a server makes of the name of a key that a peer says in its hello.
public enum KeyAnswer: Sendable {
    case key(PreSharedKey)
    case unknown
    /// A key of this cluster that opens nothing here, and why: for the log.
    case refused(String)
}

/// The keys of one process: which it proves as a client, and which it takes as a server. A value without a connection.
public struct KeyRing: Sendable {
    /// What the process is; it says which kinds of key are of use to it.
    public enum Owner: Sendable, Hashable, CaseIterable {
        case coordinator, worker
        /// An application, or a command that asks or infers.
        case client
        case healthCheck
    }

    public let owner: Owner
    /// The first is what the process proves; a server takes each of them.
    public let own: [PreSharedKey]
    private let keys: [ClusterKey]
    private let revoked: Set<String>

    /// - Parameters:
    ///   - keys: one, or two during a rotation; the first is what the process proves.
    ///   - revoked: a coordinator's: client and operator keys that it takes no longer, as `LABEL`, or as `client:LABEL` or `operator:LABEL`.
    /// - Throws: where a key is of a kind that the process has no use for; the message says which it needs.
    public init(_ keys: [ClusterKey], for owner: Owner, revoked: Set<String> = []) throws(ValueError) {
        self.owner = owner
        self.keys = keys
        self.revoked = revoked
        own = try keys.map { key throws(ValueError) in try Self.proof(of: key, for: owner) }
        guard !own.isEmpty else { throw ValueError("encryption needs a key") }
    }

    /// - Throws: as ``init(_:for:revoked:)``; the message names the file.
    public init(_ files: [KeyFile], for owner: Owner, revoked: Set<String> = []) throws(ValueError) {
        for file in files {
            do throws(ValueError) { _ = try Self.proof(of: file.key, for: owner) } catch {
                throw ValueError("\(file.path): \(error.message)", reason: error.message)
            }
        }
        try self.init(files.map(\.key), for: owner, revoked: revoked)
    }

    private static func proof(of key: ClusterKey, for owner: Owner) throws(ValueError) -> PreSharedKey {
        let derived: ClusterKey? =
            switch (owner, key.kind) {
            case (.coordinator, .root), (.worker, .root): try key.derived(.cluster)
            case (.worker, .cluster), (.client, .client), (.client, .operator): key
            // Whoever has the root may do what an operator may.
            case (.client, .root): try key.derived(.operator)
            case (.healthCheck, _): nil
            case (.coordinator, _):
                throw wrongKind(key, "the coordinator needs the root key (amp4ec-root:…), from which it knows all others")
            case (.worker, _):
                throw wrongKind(key, "a worker needs the cluster key (amp4ec secret --derive cluster makes it from the root key)")
            case (.client, _):
                throw wrongKind(
                    key,
                    "an application needs a client's key, an operator an operator's (amp4ec secret --derive client or operator makes it from the root key)"
                )
            }
        guard let derived else { return key.healthPreSharedKey }
        guard let proof = derived.preSharedKey else { throw ValueError("a root key proves nothing itself") }
        return proof
    }

    private static func wrongKind(_ key: ClusterKey, _ need: String) -> ValueError {
        ValueError("a key of the kind \(key.kind.rawValue) is of no use here: \(need)")
    }

    /// What is wrong with an entry of the revoked keys; `nil` where a key can have that name.
    public static func problem(withRevoked entry: String) -> String? {
        let parts = entry.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let kinds: [String: ClusterKey.Kind] = ["client": .client, "operator": .operator]
        if parts.count == 2, kinds[parts[0]] == nil {
            return "it is a label, or client:LABEL or operator:LABEL, as logs show it before the #"
        }
        return ClusterKey.problem(
            withLabel: parts[parts.count - 1], of: parts.count == 2 ? kinds[parts[0]] ?? .client : .client)
    }

    // MARK: A server's

    /// The key that a peer means, found from those that this process has. Costs a few derivations at most.
    public func answer(to name: String) -> KeyAnswer {
        if let key = own.first(where: { $0.name == name }) { return .key(key) }
        guard let identity = PeerIdentity(inKeyName: name) else { return .unknown }
        switch owner {
        case .client, .healthCheck: return .unknown
        case .worker:
            // Its own keys alone: an application's cannot be found from the cluster key, and opens nothing at a worker in any case.
            switch (identity.kind, identity.application) {
            case (.client, _), (.operator, _):
                return .refused(
                    "the peer names the key \(name), which opens nothing at a worker: it is to connect to the coordinator")
            case (.health, _?):
                return .refused(
                    "the peer is a health check with an application's key (\(name)): at a worker it needs the cluster key")
            case (.health, nil), (.cluster, _): break
            }
        case .coordinator: break
        }
        for key in keys {
            guard let candidate = candidate(for: identity, from: key), candidate.name == name else { continue }
            if let proved = identity.application, let label = proved.label,
                let entry = [label, proved.description].first(where: { revoked.contains($0) })
            {
                return .refused("the peer's key \(name) is revoked here (--revoke \(entry))")
            }
            return .key(candidate)
        }
        return .unknown
    }

    private func candidate(for identity: PeerIdentity, from key: ClusterKey) -> PreSharedKey? {
        switch identity.kind {
        case .cluster: nil
        case .operator: try? key.derived(.operator, label: identity.label).preSharedKey
        case .client: try? key.derived(.client, label: identity.label).preSharedKey
        case .health: source(ofHealth: identity, from: key)?.healthPreSharedKey
        }
    }

    /// The key that a health check was given, which its identity names.
    private func source(ofHealth identity: PeerIdentity, from key: ClusterKey) -> ClusterKey? {
        guard let text = identity.label, let given = PeerIdentity(text) else { return nil }
        switch given.kind {
        case .cluster: return key.kind == .root ? try? key.derived(.cluster) : key
        case .operator: return try? key.derived(.operator, label: given.label)
        case .client: return try? key.derived(.client, label: given.label)
        case .health: return nil
        }
    }
}

extension PeerIdentity {
    /// Reads ``description``; `nil` where it is none.
    init?(_ text: String) {
        let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        guard let kind = parts.first.flatMap({ Kind(rawValue: String($0)) }) else { return nil }
        self.init(kind, label: parts.count == 2 ? String(parts[1]) : nil)
    }

    /// Reads it out of the name of a key on the wire: `client:laptop#0123456789ab`.
    init?(inKeyName name: String) {
        guard let end = name.lastIndex(of: "#") else { return nil }
        self.init(String(name[..<end]))
    }

    /// Of a client or operator itself; of a health check whose key is made from theirs.
    var application: PeerIdentity? {
        switch kind {
        case .client, .operator: self
        case .health: label.flatMap { PeerIdentity($0) }?.application
        case .cluster: nil
        }
    }
}
