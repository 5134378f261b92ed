internal import CLinux
internal import Glibc
internal import Wire
internal import Tensors

/// Accepts connections on one address. The loop keeps it until ``close()``.
public final class Listener {
    /// Connections accepted per wake, so that a storm of them does not keep the others waiting, and that those accepted before can say hello.
    private static let acceptsPerWake = 32
    /// How long nobody is accepted once not even a refusal finds a descriptor: the kernel would report the same peer again and again.
    private static let pause: Duration = .milliseconds(100)
    /// A round trip and a slow start of whoever has connected.
    private static let freshness: Duration = .seconds(1)
    /// Connections over the limit that are being told so; more are closed without a word.
    private static let maximumRefusalCount = 64
    /// Enough for a restart of everything at once; the kernel cuts it to `net.core.somaxconn`.
    public static let defaultBacklog: Int32 = 1_024
    /// Two connections for each of a thousand workers, and clients.
    public static let defaultMaximumConnectionCount = 4_096

    public let loop: EventLoop
    /// The actual address, with the actual port where 0 was asked for.
    public let address: SocketAddress
    /// Connections accepted here that have not ended.
    public private(set) var connectionCount = 0
    /// Those of them that have not said hello.
    public var silentCount: Int { silent.count }
    /// Asked where a connection over the limits has come: closes one that nobody needs (see ``Connection/dismiss(_:_:)``).
    /// - Returns: `false` where each is needed: then the new one is refused.
    public var makeRoom: (() -> Bool)?

    private var socket: Socket?
    private var token: UInt64?
    /// Given up for a moment when the process has no descriptors left, to accept and close: a connection that is left in the queue
    /// would be reported again and again, and the loop would spin.
    private var reserve: Descriptor?
    private var refusalCount = 0
    private let maximumConnectionCount: Int
    private let options: ConnectionOptions
    private let accept: (Connection) -> any ConnectionHandler
    private let room: DescriptorRoom
    private var strangers: StrangerTable
    private var silent: [UInt64: Connection] = [:]

    /// Listens from now on.
    /// - Parameters:
    ///   - room: of the process' descriptors; read once, after the limit was raised.
    ///   - accept: gets each new connection before anything is read from it and gives its handler.
    /// - Throws: ``TransportError/Code/addressInUse`` with the port and what to do, ``TransportError/Code/notPermitted`` for a port below 1024,
    ///   or another one.
    public init(
        loop: EventLoop, address: SocketAddress, backlog: Int32 = defaultBacklog,
        maximumConnectionCount: Int = defaultMaximumConnectionCount, options: ConnectionOptions = ConnectionOptions(),
        room: DescriptorRoom = .current, accept: @escaping (Connection) -> any ConnectionHandler
    ) throws(TransportError) {
        let socket = try Socket(for: address)
        // A restarted process gets its port back at once, whatever the old one's connections are waiting for.
        try socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
        let bound = address.withSystemAddress { system, length in Syscall.retry { bind(socket.rawValue, system, length) } }
        if case .failure(let reason) = bound { throw Self.bindError(address, reason) }
        // Two listeners on one port can both bind (with SO_REUSEADDR); it is `listen` that tells.
        if case .failure(let reason) = Syscall.retry({ listen(socket.rawValue, backlog) }) { throw Self.bindError(address, reason) }
        self.loop = loop
        self.address = socket.localAddress ?? address
        self.maximumConnectionCount = maximumConnectionCount
        self.options = options
        self.accept = accept
        self.room = room
        strangers = StrangerTable(room: min(maximumConnectionCount, room.firstReserved))
        reserve = Self.makeReserve()
        let raw = socket.rawValue
        self.socket = socket
        token = try loop.register(raw, interest: .readable, source: self)
    }

    /// Accepts no more. Connections that are there go on.
    public func close() {
        if let token, let socket { loop.unregister(socket.rawValue, token: token) }
        token = nil
        socket = nil
        reserve = nil
    }

    private static func bindError(_ address: SocketAddress, _ reason: Int32) -> TransportError {
        switch reason {
        case EADDRINUSE:
            TransportError(
                .addressInUse,
                "cannot listen on \(address): port \(address.port) is in use; stop the process that listens there "
                    + "(ss -ltnp 'sport = :\(address.port)' shows it), or choose another port, or 0 for any free one",
                systemError: reason)
        case EACCES, EPERM:
            TransportError(
                .notPermitted, "cannot listen on \(address): port \(address.port) needs a privilege; choose one from 1024 on",
                systemError: reason)
        case EADDRNOTAVAIL:
            TransportError(
                .unreachable, "cannot listen on \(address): this machine has no such address; use :\(address.port) for all it has",
                systemError: reason)
        default: TransportError("listening on \(address)", systemError: reason)
        }
    }

    private static func makeReserve() -> Descriptor? {
        guard case .success(let raw) = Syscall.retry({ open("/dev/null", O_RDONLY | O_CLOEXEC) }) else { return nil }
        return Descriptor(owning: Int32(raw))
    }
}

extension Listener: EventSource {
    func ready(_ readiness: IOReadiness) {
        var end: LoopTime?
        for number in 1...Self.acceptsPerWake {
            if number.isMultiple(of: 8), EventLoop.isOver(&end) { return }
            guard let listening = socket?.rawValue else { return }
            let (result, peer) = SocketAddress.read { address, length in
                accept4(listening, address, length, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue))
            }
            switch result {
            case .success(let raw): take(Socket(owning: Int32(raw)), peer: peer)
            case .failure(EMFILE), .failure(ENFILE), .failure(ENOBUFS), .failure(ENOMEM):
                return turnOneAway(listening)
            // The peer went away while it waited, or the network said something about it: the next one may be well.
            case .failure(ECONNABORTED), .failure(EPROTO), .failure(ENETDOWN), .failure(EHOSTUNREACH), .failure(ENETUNREACH),
                .failure(EPERM):
                continue
            case .failure: return
            }
        }
    }

    func loopWillEnd() { close() }

    private func take(_ socket: Socket, peer: SocketAddress?) {
        // Without an address it is no TCP connection of ours.
        guard let peer else { return }
        let isFull = connectionCount >= maximumConnectionCount || socket.rawValue >= room.firstReserved
        guard !isFull || dismissLongSilent() || makeRoom?() == true else { return refuse(socket, peer: peer) }
        connectionCount += 1
        let connection = Connection(loop: loop, peer: peer, isServer: true, options: options, handler: nil)
        let id = connection.id
        let victim = strangers.add(id, from: peer.countingKey)
        silent[id] = connection
        if let victim { dismissStranger(victim, "too many connections of \(peer.hostDescription), or in all, have not said hello") }
        connection.onFirstMessage = { [weak self] in self?.spoke(id) }
        connection.onEnd = { [weak self] in
            self?.connectionCount -= 1
            self?.spoke(id)
        }
        connection.handler = accept(connection)
        connection.startAccepted(socket)
    }

    /// It has said hello, or is gone.
    private func spoke(_ id: UInt64) {
        strangers.remove(id)
        silent[id] = nil
    }

    /// A connection that could have said hello by now goes before one that has; a fresh one stays, which may do so with its next packet.
    private func dismissLongSilent() -> Bool {
        guard let oldest = strangers.oldest, let connection = silent[oldest],
            LoopTime.current() - connection.openedAt >= Self.freshness
        else { return false }
        return dismissStranger(oldest, "silent connections make room for others")
    }

    @discardableResult
    private func dismissStranger(_ id: UInt64?, _ why: String) -> Bool {
        guard let id, let connection = silent[id] else { return false }
        spoke(id)
        connection.dismiss(.resourceExhausted, why)
        return true
    }

    private func refuse(_ socket: Socket, peer: SocketAddress) {
        guard refusalCount < Self.maximumRefusalCount else { return }
        refusalCount += 1
        let connection = Connection(loop: loop, peer: peer, isServer: true, options: options, handler: nil)
        connection.onEnd = { [weak self] in self?.refusalCount -= 1 }
        let refusal = RefusingHandler(
            connectionCount >= maximumConnectionCount
                ? "\(maximumConnectionCount) connections are open, which is the limit; try again later"
                : "the process has no descriptor left for another connection (its limit is \(room.limit)); raise it (ulimit -n; "
                    + "LimitNOFILE= in systemd; ulimits: in compose), or try again later")
        connection.handler = refusal
        connection.startAccepted(socket)
    }

    private func turnOneAway(_ listening: Int32) {
        // Whoever is let go frees a descriptor for the one that waits, which is reported again.
        if dismissLongSilent() || makeRoom?() == true { return }
        if dismissStranger(strangers.oldest, "this process has no descriptors left") { return }
        reserve = nil
        if case .success(let raw) = Syscall.retry({ accept4(listening, nil, nil, Int32(SOCK_CLOEXEC.rawValue)) }) {
            _ = Descriptor(owning: Int32(raw))
        } else {
            pauseListening()
        }
        reserve = Self.makeReserve()
    }

    private func pauseListening() {
        guard let token, let socket else { return }
        try? loop.update(socket.rawValue, interest: [], token: token)
        loop.schedule(after: Self.pause) { [weak self] in
            guard let self, let token = self.token, let socket = self.socket else { return }
            try? loop.update(socket.rawValue, interest: .readable, token: token)
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
