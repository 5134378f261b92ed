internal import Base
internal import CLinux
internal import Glibc
public import Loops
internal import Tensors
internal import Wire

/// Accepts connections on one address. The loop keeps it until ``close()``.
public final class Listener {
    /// Connections accepted per wake, so that a storm of them does not keep the others waiting, and that those accepted before can say hello.
    private static let acceptsPerWake = 32
    /// A round trip and a slow start of whoever has connected.
    private static let freshness: Duration = .seconds(1)
    /// Connections over the limit that are told so and waited for; more get the word and are closed at once.
    private static let mostRefusals = 64
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
    /// Told for the log that there was no room: at once, then at most once in each ``shortageInterval`` while it goes on.
    public var onShortage: ((Shortage) -> Void)?
    /// Nobody's log is to grow with how many are turned away.
    package var shortageInterval: Duration = .seconds(10)

    var socket: Socket?
    var token: UInt64?
    /// Given up for a moment when the process has no descriptors left, to accept and say so: a connection that is left in the queue
    /// would be reported again and again, and the loop would spin.
    var reserve: Descriptor?
    var refusalCount = 0
    /// Half at most of what is reserved: peers that stay to read why they are refused leave the rest to dialling, HTTP and files.
    let maximumRefusalCount: Int
    /// An interval of ``shortageInterval`` runs; what happens meanwhile is told at its end.
    var isShortageTold = false
    var untold: Shortage?
    let maximumConnectionCount: Int
    let options: ConnectionOptions
    private let accept: (Connection) -> any ConnectionHandler
    let room: DescriptorRoom
    private(set) var strangers: StrangerTable
    private var silent: [UInt64: Connection] = [:]

    /// Listens from now on.
    /// - Parameters:
    ///   - room: of the process' descriptors; read once, after the limit was raised.
    ///   - accept: gets each new connection before anything is read from it and gives its handler.
    /// - Throws: ``SystemError/Code/addressInUse`` with the port and what to do, ``SystemError/Code/notPermitted`` for a port below 1024,
    ///   or another one.
    public init(
        loop: EventLoop, address: SocketAddress, backlog: Int32 = defaultBacklog,
        maximumConnectionCount: Int = defaultMaximumConnectionCount, options: ConnectionOptions = ConnectionOptions(),
        room: DescriptorRoom = .current, accept: @escaping (Connection) -> any ConnectionHandler
    ) throws(SystemError) {
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
        maximumRefusalCount = min(Self.mostRefusals, (room.limit - room.firstReserved) / 2)
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

    private static func bindError(_ address: SocketAddress, _ reason: Int32) -> SystemError {
        switch reason {
        case EADDRINUSE:
            SystemError(
                .addressInUse,
                "cannot listen on \(address): port \(address.port) is in use; stop the process that listens there "
                    + "(ss -ltnp 'sport = :\(address.port)' shows it), or choose another port, or 0 for any free one",
                systemError: reason)
        case EACCES, EPERM:
            SystemError(
                .notPermitted, "cannot listen on \(address): port \(address.port) needs a privilege; choose one from 1024 on",
                systemError: reason)
        case EADDRNOTAVAIL:
            SystemError(
                .unreachable, "cannot listen on \(address): this machine has no such address; use :\(address.port) for all it has",
                systemError: reason)
        default: SystemError("listening on \(address)", systemError: reason)
        }
    }

    static func makeReserve() -> Descriptor? {
        guard case .success(let raw) = Syscall.retry({ open("/dev/null", O_RDONLY | O_CLOEXEC) }) else { return nil }
        return Descriptor(owning: Int32(raw))
    }
}

extension Listener: EventSource {
    package func ready(_ readiness: IOReadiness) {
        var end: Instant?
        // Another thread was quicker when it was given up.
        if reserve == nil { reserve = Self.makeReserve() }
        for number in 1...Self.acceptsPerWake {
            if number.isMultiple(of: 8), EventLoop.isOver(&end) { return }
            guard let listening = socket?.rawValue else { return }
            let (result, peer) = Self.acceptNext(of: listening)
            switch result {
            case .success(let raw): take(Socket(owning: Int32(raw)), peer: peer)
            case .failure(let reason) where [EMFILE, ENFILE, ENOBUFS, ENOMEM].contains(reason):
                return turnOneAway(listening, reason)
            // The peer went away while it waited, or the network said something about it: the next one may be well.
            case .failure(ECONNABORTED), .failure(EPROTO), .failure(ENETDOWN), .failure(EHOSTUNREACH), .failure(ENETUNREACH),
                .failure(EPERM):
                continue
            case .failure: return
            }
        }
    }

    package func loopWillEnd() { close() }

    static func acceptNext(of listening: Int32) -> (result: Syscall.Outcome, address: SocketAddress?) {
        SocketAddress.read { accept4(listening, $0, $1, Int32(SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)) }
    }

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
    func dismissLongSilent() -> Bool {
        guard let oldest = strangers.oldest, let connection = silent[oldest],
            Instant.current() - connection.openedAt >= Self.freshness
        else { return false }
        return dismissStranger(oldest, "silent connections make room for others")
    }

    @discardableResult
    func dismissStranger(_ id: UInt64?, _ why: String) -> Bool {
        guard let id, let connection = silent[id] else { return false }
        spoke(id)
        connection.dismiss(.resourceExhausted, why)
        return true
    }
}
