internal import Base
internal import Cluster
internal import Glibc
internal import Hosting
internal import Inference
internal import Logging
internal import Loops
internal import Resources
internal import Shell
internal import Tensors
internal import Transport
internal import Wire

/// The worker's shell: sockets, threads and memory around a ``WorkerMachine``, whose directives it carries out.
///
/// ## Concurrency model
/// Lives on the loop's thread. Executors, the codec thread and the loader get `Sendable` values and answer through a mailbox.
final class WorkerProcess: MachineShell {
    /// Micro-batches held at once for each executor: enough that a window over several stages never finds it full.
    static let slotsPerExecutor = 32
    /// Share of the memory limit that activations in the queue may take.
    static let activationShare = 0.25
    static let heartbeatInterval: Duration = .milliseconds(250)
    static let probeInterval: Duration = .seconds(1)
    /// Answers of the threads that may wait: each micro-batch and each load has at most one under way.
    static let mailboxCapacity = 65_536

    let options: WorkerOptions
    let access: ClusterAccess
    let logger: Logger
    let loop: EventLoop
    let incarnation = IncarnationID(bits: RandomBits.next128())
    let engine = TorchEngine()
    let host: MachineHost<WorkerMachine>
    var connections: [ConnectionID: WorkerPeer] = [:]
    var payloads: WorkPayloads<Payload>
    var unsendable = UnsendableKinds()
    var notices = PeerNotices()
    var probe: ResourceProbe
    var sample: ResourceSample
    let memoryLimit: UInt64
    /// Resident before any partition: the runtime itself.
    let runtimeResidentBytes: UInt64
    let executorCount: Int
    let slotBytes: Int
    let coreSpeed: Double
    let processorGroup: String
    let store: PartitionArchiveStore
    var loaded: [PartitionKey: Loaded] = [:]
    var loading: Set<PartitionKey> = []
    /// Loads that wait for a released partition to be used no more.
    var deferredLoads: [LoadPartition] = []
    let executors: TaskQueue
    let activations: ActivationPort<WorkKey>
    /// Loads what a plan waits for.
    let loader: TaskQueue
    /// Loads standbys, which give way to the executors.
    let standbyLoader: TaskQueue
    var answers: Mailbox<Answer>?
    var listener: Listener?
    var heartbeatSequence: UInt64 = 0
    var isStopping = false
    var registration: CoordinatorRegistration?

    init(options: WorkerOptions, access: ClusterAccess, logger: Logger) throws {
        self.options = options
        self.access = access
        self.logger = logger
        loop = try EventLoop()
        var probe = try ResourceProbe()
        let first = probe.sample(at: .current())
        self.probe = probe
        sample = first
        memoryLimit = min(first.memoryForProcessBytes, options.memoryLimit.map { UInt64($0.bytes) } ?? .max)
        runtimeResidentBytes = first.processResidentBytes
        // A quota may be any number; more executors than the option takes are no use to anybody.
        executorCount = options.executors ?? Int(min(max(first.quotaCores, 1), Double(WorkerOptions.maximumExecutors)))
        slotBytes = max(16 << 20, Int(Double(memoryLimit) * Self.activationShare))
        payloads = WorkPayloads(byteLimit: slotBytes)
        try TorchEngine.configure(threads: options.threads)
        coreSpeed = SpeedProbe.measure().relativeSpeed
        processorGroup = ProcessorGroup.identifier(isQuotaBound: first.isQuotaBound)
        store = try PartitionArchiveStore(limitByteCount: options.cacheLimit.bytes, folder: options.cacheDir) { text in
            logger.warning("partition store", metadata: ["cause": "\(text)"])
        }
        let confine = try Self.confinement(options, logger)
        executors = try TaskQueue(
            name: "executor", threadCount: executorCount, capacity: Self.mailboxCapacity, prepare: confine)
        activations = try ActivationPort(loop: loop, capacity: Self.mailboxCapacity)
        loader = try TaskQueue(name: "loader", threadCount: 1, capacity: 1_024, prepare: confine)
        standbyLoader = try TaskQueue(name: "standbys", threadCount: 1, capacity: 1_024, nice: 10, prepare: confine)
        host = MachineHost(
            loop: loop,
            machine: WorkerMachine(
                configuration: .init(
                    name: options.name.map { NodeID($0) }, fallbackName: "unnamed", software: ProductVersion.current,
                    incarnation: incarnation,
                    executors: executorCount, slots: Self.slotsPerExecutor * executorCount, slotBytes: slotBytes,
                    allowedModels: Set(options.allowModel.map(\.hexDigits)))))
    }

    /// Serves until SIGTERM or SIGINT; running work is finished first.
    func run() throws {
        answers = loop.mailbox(capacity: Self.mailboxCapacity) { [unowned self] in receive($0) }
        activations.start(for: self)
        try loop.onSignals([SIGTERM, SIGINT]) { [unowned self] signal in stop(signal) }
        let listener = try Listener(
            loop: loop, address: try options.listen.listeningAddress(option: "--listen"),
            options: access.security.applied(to: connectionOptions)
        ) {
            [unowned self] connection in
            accept(connection)
        }
        listener.makeRoom = { [unowned self] in makeRoom() }
        listener.logShortages(logger)
        self.listener = listener
        StandardStream.output.writeLine("listening on \(listener.address)")
        logger.info(
            "worker started",
            metadata: [
                "address": "\(listener.address)", "cores": "\(sample.quotaCores)", "speed": "\(coreSpeed)",
                "memory_limit": "\(ByteCount(Int(clamping: memoryLimit)))", "executors": "\(executorCount)",
                "torch": "\(TorchEngine.libtorchVersion)", "instructions": "\(TorchEngine.instructionSet)",
            ])
        access.log(to: logger)
        startRegistering(listening: listener.address)
        loop.every(Self.heartbeatInterval) { [unowned self] in sendHeartbeat() }
        loop.every(Self.probeInterval) { [unowned self] in sample = probe.sample(at: .current()) }
        try loop.run()
        // Its thread would be waited for as long as it likes.
        if host.machine.executingCount > 0 { leaveRunsBehind() }
        ProcessSurroundings.limitEnd(status: .success)
        executors.shutDown(discardingQueued: true)
        activations.shutDown()
        loader.shutDown(discardingQueued: true)
        standbyLoader.shutDown(discardingQueued: true)
        loop.shutDown()
    }

    var connectionOptions: ConnectionOptions {
        var settings = ConnectionOptions()
        settings.outgoingByteLimit = max(64 << 20, 2 * slotBytes)
        settings.unacknowledgedTimeout = ConnectionOptions.clusterLossLimit
        return settings
    }

    private func stop(_ signal: Int32) {
        guard !isStopping else {
            logger.warning("second signal: stopping at once")
            loop.stop()
            return
        }
        isStopping = true
        logger.info("stopping", metadata: ["signal": "\(signal)", "in_flight": "\(host.machine.heldCount)"])
        registration?.stop()
        // It listens on: until it is let go, it is a worker like any other.
        step(.leave)
        loop.schedule(after: WorkerMachine.leavePatience) { [weak self] in self?.step(.drain) }
    }

    private func startRegistering(listening: SocketAddress) {
        guard let coordinator = options.coordinator else { return }
        let registration = CoordinatorRegistration(
            loop: loop, logger: logger, coordinator: coordinator,
            name: options.name ?? NodeName.legal(from: "\(HostName.current):\(listening.port)", otherwise: "unnamed"),
            listening: listening, advertised: options.advertise, incarnation: incarnation, dialing: dialSettings)
        self.registration = registration
        registration.start()
    }

    // MARK: Directives

    func carryOut(_ directive: WorkerMachine.Directive) {
        switch directive {
        case .send(let id, let message): send(message, on: id)
        case .sayPlaces(let id, let pong, let questions): sayPlaces(pong, questions, on: id)
        case .refuse(let id, let refused):
            connections[id]?.connection.send(.refused(refused))
            connections[id]?.connection.closeAfterFlush(.requested(refused.message))
        case .close(let id, let why): connections[id]?.connection.close(.requested(why))
        case .hangUp(let id): connections[id]?.connection.close(.requested("the peer left the cluster"))
        case .prepare(let key): prepare(key)
        case .execute(let key, let partition): execute(key, partition)
        case .forward(let key, let peer, let id, let route): forward(key, to: peer, on: id, route: route)
        case .giveResult(let key, let id): forward(key, to: .coordinator, on: id, route: [])
        case .release(let key):
            payloads.release(key)
            retryLoads()
        case .dial(let peer): dial(peer)
        case .load(let order): load(order)
        case .forgetWaitingLoads: deferredLoads = []
        case .releasePartition(let key): releasePartition(key)
        case .drained: loop.stop()
        case .restart: startAnew()
        case .log(let line): logger.log(line)
        }
    }

    private func send(_ message: Message, on id: ConnectionID) {
        guard let peer = connections[id] else { return }
        if case .welcome(var welcome) = message, peer.hello?.role == .coordinator {
            welcome.worker = profile.fitted
            peer.connection.send(.welcome(welcome))
        } else {
            peer.connection.send(message)
        }
    }

    var profile: WorkerProfile {
        let archives = store.inventory()
        return WorkerProfile(
            cores: sample.quotaCores, speed: coreSpeed, memoryLimitBytes: memoryLimit,
            memoryAvailableBytes: memoryForProcessBytes, executors: UInt32(executorCount),
            slots: UInt32(Self.slotsPerExecutor * executorCount), slotBytes: UInt64(slotBytes), toolchain: engine.toolchain,
            // The others stay in the store: a coordinator sends what it does not know of, and then they are here already.
            inventory: archives.prefix(WireLimits.inventory).map {
                HeldPartition(key: $0.key, archiveBytes: UInt64($0.byteCount), isLoaded: loaded[$0.key] != nil)
            }.sorted { $0.isLoaded && !$1.isLoaded }, processorGroup: processorGroup)
    }
}
