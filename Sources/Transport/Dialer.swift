internal import Base
internal import Glibc
public import Loops
public import Tensors
public import Wire

/// Opens a connection to the first of several addresses that answers a hello as it should.
///
/// A connection counts only once the peer has said ``Welcome``: a stopped process still accepts, and a port may belong to somebody else.
public final class Dialer: ConnectionHandler {
    /// Why nobody was reached.
    public struct Failure: Error, Sendable {
        /// One clause for each address that was tried.
        public var message: String
        /// What the peer said where it answered and refused.
        public var refusal: Refused?
        /// At no address was anybody there; where somebody or something else was in the way, the message says what to do.
        public var isNobodyThere = false
    }

    public struct Settings: Sendable {
        /// For the TCP connect of one address.
        public var connectTimeout: Duration = .seconds(2)
        /// From the TCP connect to the peer's answer.
        public var welcomeTimeout: Duration = .seconds(2)
        public var connection = ConnectionOptions()
        /// Answers why an address must not be dialled, or `nil` (plain text to a public address, say).
        public var objection: @Sendable (SocketAddress) -> String? = { _ in nil }
        /// For the time of a change to encryption: how a peer is dialled that turns out to talk plain text, and why one must not be.
        package var plainFallback: (connection: ConnectionOptions, objection: @Sendable (SocketAddress) -> String?)?
        public init() {}
    }

    private let loop: EventLoop
    private let hello: Hello
    private let settings: Settings
    private let isRight: (Welcome) -> String?
    private var completion: ((Result<(Connection, Welcome), Failure>) -> Void)?
    private var places: [HostPort]
    private var addresses: [SocketAddress] = []
    /// What came of each address, and which it was where the words do not say it.
    private var failures: [(place: String?, why: String, isNobody: Bool)] = []
    private let given: [String]
    private var refusal: Refused?
    private var welcomeTimer: Timer?
    private var current: Connection?

    /// Starts dialling.
    /// - Parameters:
    ///   - addresses: `host:port`, tried in this order; all addresses behind a name count.
    ///   - isRight: answers why a peer that said welcome is not the one that was meant, or `nil` where it is.
    ///   - completion: called once on the loop. The connection's handler is to be set there and then.
    @discardableResult
    public init(
        loop: EventLoop, addresses: [String], hello: Hello, settings: Settings = Settings(),
        isRight: @escaping (Welcome) -> String? = { _ in nil },
        completion: @escaping (Result<(Connection, Welcome), Failure>) -> Void
    ) {
        self.loop = loop
        self.hello = hello
        self.settings = settings
        self.isRight = isRight
        self.completion = completion
        given = addresses
        places = []
        for text in addresses {
            do { places.append(try HostPort(parsing: text)) } catch { failures.append((nil, error.message, false)) }
        }
        // From a fresh stack, so that `completion` never runs inside the call.
        loop.defer { self.next() }
    }

    private func next() {
        guard completion != nil else { return }
        if !addresses.isEmpty {
            connect(to: addresses.removeFirst())
        } else if !places.isEmpty {
            let place = places.removeFirst()
            Resolver.resolve(place, on: loop) { result in
                switch result {
                case .success(let found): self.addresses = found
                case .failure(let error): self.failures.append((nil, error.message, false))
                }
                self.next()
            }
        } else {
            let isNobodyThere = !failures.isEmpty && failures.allSatisfy { $0.isNobody }
            finish(.failure(Failure(message: summary, refusal: refusal, isNobodyThere: isNobodyThere)))
        }
    }

    /// One clause for each address; who dialled only one names it already.
    private var summary: String {
        if failures.isEmpty { return "there is no address" }
        if failures.count == 1, given.count == 1, failures[0].place ?? given[0] == given[0] { return failures[0].why }
        return failures.map { failure in failure.place.map { "\($0): \(failure.why)" } ?? failure.why }.joined(separator: "; ")
    }

    /// Somebody else's port, a proxy with nobody behind it, or a process that is out of everything and cannot even say so.
    private static let endsAtOnce =
        "the peer ends the connection at once; check the port, and the log of the process there: it may have no room for connections"

    /// Why one address did not do, in words that need no address.
    private static func words(for reason: CloseReason) -> String {
        switch reason {
        case .connectFailed(let error) where error.code == .connectionRefused:
            "nobody listens there (\(Syscall.describe(error.systemError)))"
        case .connectFailed(let error) where error.code == .timedOut:
            "no answer in time; check the address and the network between"
        case .connectFailed(let error) where error.systemError != 0: error.reason
        case .peerClosed, .peerClosedInMessage: endsAtOnce
        case .failed(let error) where error.code == .connectionLost: endsAtOnce
        default: "\(reason)"
        }
    }

    /// Whether the system itself says that nobody is to be had there.
    private static func isNobody(_ reason: CloseReason) -> Bool {
        if case .connectFailed(let error) = reason {
            [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN].contains(error.systemError)
        } else {
            false
        }
    }

    private func connect(to address: SocketAddress) {
        if let objection = settings.objection(address) {
            failures.append(("\(address)", objection, false))
            next()
            return
        }
        connect(to: address, settings.connection)
    }

    private func connect(to address: SocketAddress, _ options: ConnectionOptions) {
        let connection = Connection.connect(
            loop: loop, to: address, timeout: settings.connectTimeout, options: options, handler: self)
        current = connection
        connection.send(.hello(hello))
    }

    private func finish(_ result: Result<(Connection, Welcome), Failure>) {
        welcomeTimer?.cancel()
        current = nil
        let call = completion
        completion = nil
        call?(result)
    }

    // MARK: ConnectionHandler

    public func connectionOpened(_ connection: Connection) {
        welcomeTimer = loop.schedule(after: settings.welcomeTimeout) { [settings] in
            connection.close(
                .requested(
                    "no answer within \(settings.welcomeTimeout.optionText), though connections are taken; check the port, and that the process there is not stopped"
                ))
        }
    }

    public func connection(_ connection: Connection, willReceive message: Message, payloadByteCount: Int) -> PayloadDisposition {
        .close(.requested("a payload before the welcome"))
    }

    public func connection(_ connection: Connection, didReceive message: Message, payload: TensorStorage?) {
        guard connection === current else { return }
        switch message {
        case .welcome(let welcome):
            if let problem = isRight(welcome) {
                connection.close(.requested(problem))
            } else {
                finish(.success((connection, welcome)))
            }
        case .refused(let refused):
            refusal = refused
            connection.close(.requested(refused.message))
        default: connection.close(.requested("it said something else than welcome"))
        }
    }

    public func connectionClosed(_ connection: Connection, reason: CloseReason) {
        guard connection === current else { return }
        welcomeTimer?.cancel()
        current = nil
        if let plain = settings.plainFallback, connection.mayTalkPlain, plain.objection(connection.peerAddress) == nil {
            return connect(to: connection.peerAddress, plain.connection)
        }
        failures.append(("\(connection.peerAddress)", Self.words(for: reason), Self.isNobody(reason)))
        next()
    }
}
