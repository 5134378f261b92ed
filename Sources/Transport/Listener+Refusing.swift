internal import Glibc
internal import Loops
internal import Tensors
internal import Wire

extension Listener {
    /// Connections that found no room; see ``onShortage``.
    public struct Shortage: Sendable, Hashable {
        /// Since it was last told. 0 where they cannot even be accepted and wait in the kernel's queue.
        public var turnedAway: Int
        /// What was missing last, and what to do, as the peers are told.
        public var cause: String
    }

    /// How long nobody is accepted once not even a refusal finds a descriptor: the kernel would report the same peer again and again.
    private static let pause: Duration = .milliseconds(100)

    /// Tells a connection over the limits that there is no room.
    func refuse(_ socket: Socket, peer: SocketAddress) {
        let cause =
            connectionCount >= maximumConnectionCount
            ? "\(maximumConnectionCount) connections are open, which is the limit; try again later"
            : Self.fewDescriptors(limit: room.limit)
        note(turnedAway: 1, cause)
        let connection = Connection(loop: loop, peer: peer, isServer: true, options: options, handler: nil)
        guard refusalCount < maximumRefusalCount else { return connection.dismissAccepted(socket, .resourceExhausted, cause) }
        refusalCount += 1
        connection.onEnd = { [weak self] in self?.refusalCount -= 1 }
        connection.handler = RefusingHandler(cause)
        connection.startAccepted(socket)
    }

    /// There is no descriptor for the connection that comes next.
    /// - Parameter reason: what the kernel said.
    func turnOneAway(_ listening: Int32, _ reason: Int32) {
        // Whoever is let go frees a descriptor for the one that waits, which is reported again.
        if dismissLongSilent() || makeRoom?() == true { return }
        let cause = Self.cause(of: reason)
        if dismissStranger(strangers.oldest, cause) { return note(turnedAway: 1, cause) }
        reserve = nil
        let isTurnedAway = dismissNext(listening, cause)
        // In the place of what was closed; another thread may have been quicker at either moment.
        reserve = Self.makeReserve()
        note(turnedAway: isTurnedAway ? 1 : 0, cause)
        if !isTurnedAway { pauseListening() }
    }

    /// Accepts a connection, says why it is not wanted and closes it.
    /// - Returns: `false` where it cannot be accepted.
    private func dismissNext(_ listening: Int32, _ cause: String) -> Bool {
        let (result, peer) = Self.acceptNext(of: listening)
        guard case .success(let raw) = result else { return false }
        let socket = Socket(owning: Int32(raw))
        if let peer {
            Connection(loop: loop, peer: peer, isServer: true, options: options, handler: nil)
                .dismissAccepted(socket, .resourceExhausted, cause)
        }
        return true
    }

    private func pauseListening() {
        guard let token, let socket else { return }
        try? loop.update(socket.rawValue, interest: [], token: token)
        loop.schedule(after: Self.pause) { [weak self] in
            guard let self, let token = self.token, let socket = self.socket else { return }
            try? loop.update(socket.rawValue, interest: .readable, token: token)
        }
    }

    private static func cause(of reason: Int32) -> String {
        switch reason {
        // As it stands now: somebody may have lowered it since the start.
        case EMFILE: fewDescriptors(limit: DescriptorRoom.current.limit)
        case ENFILE: "no process of the machine gets another descriptor; raise its limit (sysctl fs.file-max), or try again later"
        default: "the machine has no memory left for another connection; try again later"
        }
    }

    private static func fewDescriptors(limit: Int) -> String {
        "the process has no descriptor left for another connection (its limit is \(limit)); raise it "
            + "(\(SystemError.whereLimitIsSet)), or try again later"
    }

    // MARK: For the log

    private func note(turnedAway count: Int, _ cause: String) {
        let shortage = Shortage(turnedAway: (untold?.turnedAway ?? 0) + count, cause: cause)
        if isShortageTold { untold = shortage } else { tell(shortage) }
    }

    private func tell(_ shortage: Shortage) {
        onShortage?(shortage)
        isShortageTold = true
        loop.schedule(after: shortageInterval) { [weak self] in
            guard let self else { return }
            isShortageTold = false
            guard let rest = untold else { return }
            untold = nil
            tell(rest)
        }
    }
}

/// Tells a connection over the limit that there is no room.
private final class RefusingHandler: ConnectionHandler {
    private let why: String

    init(_ why: String) { self.why = why }

    func connectionOpened(_ connection: Connection) { connection.refuse(.resourceExhausted, why) }

    func connection(_ connection: Connection, willReceive message: Message, payloadByteCount: Int) -> PayloadDisposition {
        .discard
    }
    func connection(_ connection: Connection, didReceive message: Message, payload: TensorStorage?) {}
    func connectionClosed(_ connection: Connection, reason: CloseReason) {}
}
