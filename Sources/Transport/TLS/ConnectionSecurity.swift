internal import Loops

/// How the connections of a process are opened: in plain text, or encrypted between peers that prove who they are.
public struct ConnectionSecurity: Sendable {
    /// `nil`: plain text.
    public let tls: TLSContext?
    /// What the peers of a server may say.
    public let server: PeerRights.Server?
    /// For the time of a change to encryption: plain text is taken too, and tried where a peer has no key yet.
    public let acceptsPlain: Bool
    /// Why a peer at that address must not talk in plain text, or `nil`.
    public let plainObjection: @Sendable (SocketAddress) -> String?

    /// - Parameters:
    ///   - tls: `nil` for plain text.
    ///   - server: what takes connections in this process; `nil` for one that only opens them.
    public init(
        tls: TLSContext?, server: PeerRights.Server?, acceptsPlain: Bool,
        plainObjection: @escaping @Sendable (SocketAddress) -> String?
    ) {
        self.tls = tls
        self.server = server
        self.acceptsPlain = acceptsPlain
        self.plainObjection = plainObjection
    }

    /// What a peer is told that has no key.
    static let needsKey =
        "the other side takes encrypted connections alone, and this one has no key: give it one of this cluster (--cluster-secret-file FILE, "
        + "or ~/.config/amp4ec/secret; amp4ec secret makes it)"
    private static let plainPeer =
        "the peer talks plain text, and this process takes TLS alone: start the peer with this cluster's secret"

    /// The options with this security.
    public func applied(to options: ConnectionOptions) -> ConnectionOptions {
        guard let tls else { return options }
        var options = options
        let (acceptsPlain, plainObjection) = (acceptsPlain, plainObjection)
        options.makeChannel = { isServer, peer in
            guard isServer else { return TLSChannel(tls, isServer: false) }
            guard acceptsPlain else {
                return OpeningChannel(tls, plainObjection: (word: Self.needsKey, reason: Self.plainPeer))
            }
            return OpeningChannel(tls, plainObjection: plainObjection(peer).map { (word: $0, reason: $0) })
        }
        if let server { options.objection = { PeerRights.objection(to: $0, by: $1, at: server) } }
        return options
    }

    /// How peers are dialled.
    public func dialing(_ options: ConnectionOptions) -> Dialer.Settings {
        var settings = Dialer.Settings()
        settings.connection = applied(to: options)
        if tls == nil {
            settings.objection = plainObjection
        } else if acceptsPlain {
            settings.plainFallback = (options, plainObjection)
        }
        return settings
    }
}
