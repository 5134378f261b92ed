package import Base
package import Logging
internal import Loops
package import Transport
internal import Wire

/// What is said of peers in the log: each address and message once a minute, so that it does not grow with how often they come.
package struct PeerNotices {
    private static let interval: Duration = .seconds(60)
    /// Addresses that are remembered; beyond them the log says how many more there were.
    private static let limit = 64

    private var said: [String: Instant] = [:]
    private var unsaidCount = 0

    package init() {}

    /// Why a connection ended that was turned away for what the peer is.
    package mutating func turnedAway(_ connection: Connection, _ reason: CloseReason, at now: Instant, _ logger: Logger) {
        guard connection.isServer else { return }
        switch reason {
        case .failed(let error) where error.code == .notPermitted:
            say("peer turned away", of: connection, cause: error.message, at: now, logger)
        // It talks TLS, HTTP or something else at a port in plain text.
        case .wire(let error) where error.code == .badMagic:
            say("peer turned away", of: connection, cause: error.message, at: now, logger)
        default: break
        }
    }

    /// During a change to encryption: whoever is talked with in plain text.
    package mutating func opened(_ connection: Connection, _ security: ConnectionSecurity, at now: Instant, _ logger: Logger) {
        guard security.tls != nil, connection.cipherSuite == nil else { return }
        say("peer in plain text", of: connection, cause: "--accept-plain, and it has no key yet", at: now, logger)
    }

    /// Whether the peer may stay; without encryption one at a public address is refused unless the operator said `--insecure`.
    package mutating func admits(_ connection: Connection, _ security: ConnectionSecurity, at now: Instant, _ logger: Logger)
        -> Bool
    {
        // What encrypts proves who it is, and says so itself where it does not.
        guard security.tls == nil, let refusal = security.plainObjection(connection.peerAddress) else { return true }
        say("peer refused", of: connection, cause: refusal, at: now, logger)
        connection.refuse(.unauthenticated, refusal)
        return false
    }

    private mutating func say(_ what: Logger.Message, of connection: Connection, cause: String, at now: Instant, _ logger: Logger) {
        let key = "\(connection.peerAddress.hostDescription) \(what)"
        if said.count >= Self.limit { said = said.filter { now - $0.value < Self.interval } }
        let isFresh = said[key].map { now - $0 >= Self.interval } ?? (said.count < Self.limit)
        guard isFresh else {
            unsaidCount += 1
            return
        }
        said[key] = now
        var metadata: Logger.Metadata = ["peer": "\(connection.peerAddress)", "cause": "\(cause)"]
        if unsaidCount > 0 { metadata["unsaid"] = "\(unsaidCount)" }
        unsaidCount = 0
        logger.warning(what, metadata: metadata)
    }
}
