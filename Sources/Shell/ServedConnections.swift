package import Logging
package import Transport
package import Wire

/// What every server does with its connections, no matter who the peer is.
extension Connection {
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
