package import Logging
package import Transport
package import Wire

/// What every server does with its connections, no matter who the peer is.
extension Connection {
    /// Whether the peer may stay; one at a public address is refused, with a line in the log, unless the operator said `--insecure`.
    package func isAdmitted(insecure: Bool, _ logger: Logger) -> Bool {
        guard let refusal = PublicAddressPolicy.refusal(ofPeer: peerAddress.hostDescription, insecure: insecure) else {
            return true
        }
        logger.warning("peer refused", metadata: ["peer": "\(peerAddress)", "cause": "\(refusal)"])
        refuse(.unauthenticated, refusal)
        return false
    }

    /// Closes the connection that has been idle for longest, to make room for a new one when no descriptor or place is free.
    /// - Returns: `false` where none is idle.
    package static func dismissIdlest(of idle: some Sequence<Connection>, _ logger: Logger) -> Bool {
        guard let oldest = idle.min(by: { $0.lastReceived < $1.lastReceived }) else { return false }
        logger.info("an idle connection makes room", metadata: ["peer": "\(oldest.peerAddress)"])
        oldest.dismiss(
            .resourceExhausted, "the connection that was idle for longest makes room for another; connect again when you need it")
        return true
    }
}

extension Listener {
    /// Says in the log, now and then, that connections are turned away and why: otherwise only the peers would know.
    package func logShortages(_ logger: Logger) {
        onShortage = { shortage in
            logger.warning(
                "no room for connections", metadata: ["turned_away": "\(shortage.turnedAway)", "cause": "\(shortage.cause)"])
        }
    }
}

extension Dialer.Settings {
    /// Dials public addresses only where the operator said `--insecure`.
    package init(_ connection: ConnectionOptions, insecure: Bool) {
        self.init()
        self.connection = connection
        objection = { PublicAddressPolicy.refusal(ofPeer: $0.hostDescription, insecure: insecure) }
    }
}

/// The kinds of our own messages that broke a bound of the protocol and were not sent; the log says so once for each kind.
package struct UnsendableKinds: Sendable {
    private var said: Set<UInt16> = []

    package init() {}

    package mutating func note(_ message: Message, to connection: Connection, _ error: WireError, _ logger: Logger) {
        guard said.insert(message.kind.rawValue).inserted else { return }
        logger.error(
            "a message of ours cannot be sent; it is left out",
            metadata: ["kind": "\(message.kind)", "peer": "\(connection.peerAddress)", "cause": "\(error.message)"])
    }
}
