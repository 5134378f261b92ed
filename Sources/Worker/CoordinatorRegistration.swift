internal import Base
internal import Cluster
internal import Logging
internal import Loops
internal import Shell
internal import Tensors
internal import Transport
internal import Wire

/// Keeps this worker known to a coordinator that does not list it (`--coordinator`): dials, says who it is and where it is reached, and
/// stays connected, so that either side learns at once when the other goes. The coordinator dials back as it dials listed workers.
///
/// ## Concurrency model
/// Lives on the loop's thread.
final class CoordinatorRegistration: ConnectionHandler {
    static let addressLimit = WireLimits.addresses
    /// A coordinator that was restarted is found again within this time once it listens.
    static let firstPause: Duration = .milliseconds(250)
    static let longestPause: Duration = .seconds(2)

    private let loop: EventLoop
    private let logger: Logger
    private let coordinator: String
    private let name: String
    private let listening: SocketAddress
    private let advertised: [String]
    private let hello: Hello
    private let dialing: Dialer.Settings
    private var connection: Connection?
    private var pause = firstPause
    private var lastProblem = ""
    private var isStopped = false

    init(
        loop: EventLoop, logger: Logger, coordinator: HostPort, name: String, listening: SocketAddress, advertised: [HostPort],
        incarnation: IncarnationID, dialing: Dialer.Settings
    ) {
        self.loop = loop
        self.logger = logger
        self.coordinator = coordinator.description
        self.name = name
        self.listening = listening
        self.advertised = advertised.map(\.description)
        self.dialing = dialing
        hello = Hello(role: .worker, channel: .control, name: name, software: ProductVersion.current, incarnation: incarnation)
    }

    func start() {
        guard !isStopped, connection == nil else { return }
        Dialer(loop: loop, addresses: [coordinator], hello: hello, settings: dialing) { welcome in
            welcome.role == .coordinator ? nil : "a \(welcome.role) answers here, not a coordinator"
        } completion: { [weak self] result in
            guard let self else { return }
            switch result {
            case .success((let opened, _)): register(on: opened)
            case .failure(let failure): tryAgain(failure.message)
            }
        }
    }

    /// Before the process ends.
    func stop() {
        isStopped = true
        connection?.close(.requested("the worker ends"))
        connection = nil
    }

    private func register(on opened: Connection) {
        guard !isStopped else { return opened.close(.requested("the worker ends")) }
        connection = opened
        opened.handler = self
        opened.send(.register(Register(name: NodeID(name), addresses: addresses(from: opened))))
    }

    /// What was said, else the address that the coordinator sees this process at, with the port that it listens on.
    private func addresses(from opened: Connection) -> [String] {
        if !advertised.isEmpty { return advertised }
        if !listening.isUnspecified { return [listening.description] }
        return [(opened.localAddress ?? listening).with(port: listening.port).description]
    }

    private func tryAgain(_ problem: String) {
        guard !isStopped else { return }
        // Said once, not at each try.
        if problem != lastProblem {
            logger.warning("not registered; trying again", metadata: ["coordinator": "\(coordinator)", "cause": "\(problem)"])
        }
        lastProblem = problem
        loop.schedule(after: pause) { [weak self] in self?.start() }
        pause = min(pause * 2, Self.longestPause)
    }

    // MARK: ConnectionHandler

    func connection(_ connection: Connection, willReceive message: Message, payloadByteCount: Int) -> PayloadDisposition {
        .discard
    }

    func connection(_ connection: Connection, didReceive message: Message, payload: TensorStorage?) {
        guard connection === self.connection else { return }
        switch message {
        case .registered(let registered):
            pause = Self.firstPause
            lastProblem = ""
            logger.info("registered", metadata: ["coordinator": "\(coordinator)", "name": "\(registered.name)"])
        case .refused(let refused):
            self.connection = nil
            connection.close(.requested(refused.message))
            tryAgain(refused.message)
        default: break
        }
    }

    func connectionClosed(_ connection: Connection, reason: CloseReason) {
        guard connection === self.connection else { return }
        self.connection = nil
        tryAgain("the connection closed: \(reason)")
    }
}
