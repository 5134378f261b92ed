internal import Base
internal import Cluster
internal import Foundation
internal import Gateway
internal import Glibc
internal import History
internal import Hosting
internal import Inference
internal import Logging
internal import Loops
internal import Planning
internal import Profiling
internal import Resources
internal import Shell
internal import Tensors
internal import Topology
internal import Transport
internal import Wire

/// The coordinator's shell: sockets, tensors and the planner thread around a ``CoordinatorMachine``, whose directives it carries out.
///
/// ## Concurrency model
/// Lives on the loop's thread. The planner thread (analysis, plans, cutting) and the codec thread get `Sendable` values and answer
/// through a mailbox.
final class CoordinatorProcess: MachineShell {
    /// Heartbeats and results come far more often; this only bounds how late silence is noticed.
    static let lifeCheckInterval: Duration = .milliseconds(100)
    /// A quarter of the time after which an upload that stands still gives way.
    static let uploadCheckInterval: Duration = .milliseconds(250)
    /// Answers of the threads that may wait: a few for each micro-batch under way.
    static let mailboxCapacity = 65_536
    /// Share of the memory limit that requests in flight may take.
    static let requestMemoryShare = 0.25

    let settings: CoordinatorSettings
    let access: ClusterAccess
    let options: CoordinatorOptions
    let logger: Logger
    let loop: EventLoop
    let service: ModelService
    /// `--state-dir`, held until the end.
    let stateFolder: StateFolder?
    let history: HistoryRecorder
    let incarnation = IncarnationID(bits: RandomBits.next128())
    let host: MachineHost<CoordinatorMachine>
    var peers: [ConnectionID: CoordinatorPeer] = [:]
    var lastAnswerMs: UInt64 = 0
    var httpCalls: [ConnectionID: HTTPCall] = [:]
    var httpDrains = HTTPDrains()
    let recentEvents = RecentEvents()
    var payloads = RequestPayloads<[Tensor]>()
    /// Of requests that look for their result in the cache.
    var cacheEntries: [RequestID: CacheEntry] = [:]
    /// What the machine admitted in the step that is being carried out.
    var admittedRequest: RequestID?
    var admittedResult: WorkKey?
    let planner: TaskQueue
    let activations: ActivationPort<Arrival>
    /// Writes status documents.
    let documents: TaskQueue
    var questions = QuestionDesk()
    var statuses = DocumentSchedule<StatusAsker>()
    /// Those for whom a status is being written, and what of the loop's time it took.
    var statusAskers: [StatusAsker] = []
    var statusLoopCost: Duration = .zero
    var statusNumber: UInt64 = 0
    var statusTimer: Loops.Timer?
    var answers: Mailbox<Answer>?
    var listener: Listener?
    var served: ServedModel?
    var manifestDocument: TensorStorage?
    var hasServed = false
    var isStopping = false
    var isFinishing = false
    var topology = TopologyState()
    /// Reads the topology again.
    var reader: TaskQueue?
    var gateway: GatewayServer?
    var caching: ResultCaching?
    var unsendable = UnsendableKinds()
    var notices = PeerNotices()
    /// Connections that have ended since memory was given back.
    var endedConnections = 0
    /// With their queues, some 10 MB at least.
    static let crowd = 64

    /// What a thread has done.
    enum Answer: Sendable {
        case prepared(Result<ModelService.Prepared, Failure>)
        case planned(UInt64, CoordinatorMachine.PlanOutcome)
        case archive(PartitionKey, ConnectionID, Result<ReadyArchive, Failure>)
        case inputsHashed(RequestID, ResultCacheKey)
        /// For whom, under which number.
        case status(StatusDocument)
        case history(ConnectionID, UInt64, HistoryRecorder.Answer)
        /// What the project's files looked like, and what stands in them; `nil` where they are as they were.
        case topology(FileStamps, ComposeProject.Reading?)
    }

    struct Failure: Error, Sendable { let message: String }

    struct ReadyArchive: Sendable {
        let storage: TensorStorage
        let digest: String
    }

    init(settings: CoordinatorSettings, access: ClusterAccess, logger: Logger) throws {
        self.settings = settings
        self.access = access
        options = settings.options
        self.logger = logger
        stateFolder = try options.stateDir.map { path throws(CommandFailure) in try StateFolder(path: path) }
        loop = try EventLoop()
        // The reference node of the cost model is one core of this machine, as one executor of a worker is.
        try TorchEngine.configure(threads: 1)
        var microBatch: Int?
        if case .items(let count) = options.microBatch { microBatch = count }
        service = try ModelService(
            path: settings.modelPath, inputs: settings.inputs, example: options.example, level: settings.level,
            choices: .init(
                strategy: options.strategy, shape: options.shape, objective: options.objective, cost: options.cost,
                maximumLoad: options.maximumLoad, microBatch: microBatch, batch: options.batch),
            profiles: Self.profiles(in: stateFolder, logger), checking: .ownProgram)
        history = try Self.history(in: stateFolder, logger)
        planner = try TaskQueue(name: "planner", threadCount: 1, capacity: 4_096)
        activations = try ActivationPort(loop: loop, capacity: Self.mailboxCapacity)
        documents = try TaskQueue(name: "documents", threadCount: 1, capacity: Self.documentCapacity)
        caching = try Self.makeCaching(byteLimit: options.resultCache?.bytes ?? 0)
        var configuration = CoordinatorMachine.Configuration(
            name: "coordinator@\(HostName.current)", software: ProductVersion.current, incarnation: incarnation,
            compression: options.compress)
        configuration.lostAfter = options.heartbeatTimeout
        configuration.suspectAfter = options.heartbeatTimeout / 2
        configuration.joinTimeout = options.joinTimeout
        configuration.maximumLoad = options.maximumLoad
        configuration.referenceSpeed = SpeedProbe.measure().relativeSpeed
        configuration.defaultDeadline = options.deadline
        configuration.queueLimit = options.queueLimit
        configuration.drainTimeout = options.drainTimeout
        configuration.maximumRequestBytes = Int(Double(try Self.memoryLimitBytes()) * Self.requestMemoryShare)
        host = MachineHost(
            loop: loop,
            machine: CoordinatorMachine(
                configuration: configuration, session: SessionID(bits: RandomBits.next128()), holderToken: Self.holderTokens(),
                workToken: Self.workTokens()))
    }

    /// A secret for each target, which nobody who knows another one can compute.
    private static func holderTokens() -> @Sendable (NodeID) -> HolderToken {
        let bits = secretBits()
        return { HolderToken(bits: bits("\($0)")) }
    }

    /// One for each attempt, likewise.
    private static func workTokens() -> @Sendable (RequestID, Int, UInt32) -> UInt64 {
        let bits = secretBits()
        return { UInt64(truncatingIfNeeded: bits("\($0.number)/\($1)/\($2)")) }
    }

    /// Bits that depend on a text and on a fresh secret that nothing else uses.
    private static func secretBits() -> @Sendable (String) -> UInt128 {
        let secret = String(RandomBits.next128(), radix: 16)
        return { UInt128(SHA256.hexDigest(of: "\(secret)/\($0)").prefix(32), radix: 16) ?? 0 }
    }

    private static func memoryLimitBytes() throws -> UInt64 {
        var probe = try ResourceProbe()
        return probe.sample(at: .current()).memoryForProcessBytes
    }

    /// Serves until SIGTERM or SIGINT; outstanding requests are finished first, as far as `--drain-timeout` allows.
    func run() throws {
        answers = loop.mailbox(capacity: Self.mailboxCapacity) { [unowned self] in receive($0) }
        activations.start(for: self)
        try loop.onSignals([SIGTERM, SIGINT]) { [unowned self] in stop($0) }
        let listener = try Listener(
            loop: loop, address: try options.listen.listeningAddress(option: "--listen"), options: listeningOptions
        ) {
            [unowned self] in accept($0)
        }
        listener.makeRoom = { [unowned self] in makeRoom() }
        listener.logShortages(logger)
        self.listener = listener
        try startGateway()
        StandardStream.output.writeLine("listening on \(listener.address)")
        announceGateway()
        logger.info(
            "coordinator started",
            metadata: [
                "address": "\(listener.address)", "model": "\(settings.modelPath)", "digest": "\(service.digest.prefix(12))",
            ])
        access.log(to: logger)
        logInputBinding()
        logModelNotes()
        startAnalysis()
        try startTopology()
        loop.every(Self.sampleInterval) { [unowned self] in takeSamples() }
        loop.every(Self.lifeCheckInterval) { [unowned self] in reportLife() }
        loop.every(Self.uploadCheckInterval) { [unowned self] in reportUploads() }
        try loop.run()
        service.stopChecking()
        ProcessSurroundings.limitEnd(status: analysisFailure == nil ? .success : .badData)
        planner.shutDown(discardingQueued: true)
        activations.shutDown()
        documents.shutDown(discardingQueued: true)
        caching?.hasher.shutDown(discardingQueued: true)
        gateway?.stop()
        reader?.shutDown(discardingQueued: true)
        history.close()
        loop.shutDown()
        if let analysisFailure { throw CommandFailure(.badData, "\(settings.modelPath): \(analysisFailure)") }
    }

    private func startAnalysis() {
        let service = service
        let answers = answers
        _ = planner.submit {
            let result = Result { () throws(Failure) in
                do { return try service.prepare() } catch { throw Failure(message: "\(error)") }
            }
            _ = answers?.post(.prepared(result))
        }
    }

    private func stop(_ signal: Int32) {
        guard !isStopping else {
            logger.warning("second signal: stopping at once")
            return loop.stop()
        }
        isStopping = true
        logger.info("stopping", metadata: ["signal": "\(signal)"])
        listener?.close()
        step(.drain)
    }

    /// Everything is answered: the last replies are on their way, and a connection that ends in order does not lose them.
    private func finish() {
        guard !isFinishing else { return }
        isFinishing = true
        for peer in peers.values { peer.connection.closeAfterFlush(.requested("the coordinator ends")) }
        loop.schedule(after: connectionOptions.closingTimeout) { [weak self] in self?.loop.stop() }
        stopOnceAlone()
    }

    func stopOnceAlone() { if isFinishing, peers.isEmpty { loop.stop() } }

    // MARK: Directives

    func carryOut(_ directive: CoordinatorMachine.Directive) {
        switch directive {
        case .dial(let node, let addresses, let hello): dial(node, addresses, hello)
        case .send(let id, let message) where answerDrain(id, message): break
        case .send(let id, .inferError(let error)) where tell(id, error): break
        case .send(let id, .refused(let refused)):
            peers[id]?.connection.refuse(refused.code, refused.message)
        case .send(let id, .peerTable(let page)): peers[id]?.send(page)
        case .send(let id, let message): peers[id]?.connection.send(message)
        case .close(let id, let why): if !giveUp(id) { peers[id]?.connection.close(.requested(why)) }
        case .plan(let order): plan(order)
        case .sendArchive(let id, let key): sendArchive(key, on: id)
        case .accept(let id, _, _):
            payloads.admit(id)
            admittedRequest = id
        case .stopReceiving(let id, let connection): peers[connection]?.connection.stopReceiving(ticket: id.number)
        case .acceptResult(let key): admittedResult = key
        case .dispatch(let work, let id, let request, let range): dispatch(work, on: id, request, range)
        case .abandonDispatch(let key, let id):
            peers[id]?.connection.cancelSend(tag: key.token)
        case .takeResult(let key, let request, let piece): payloads.take(key, into: request, piece: piece)
        case .dropResult(let key): payloads.drop(key)
        case .reply(let id, let connection, let number, let timing): reply(id, on: connection, number, timing)
        case .forget(let id):
            payloads.forget(id)
            cacheEntries[id] = nil
        case .serving(let stages, let nodes):
            if !hasServed { StandardStream.output.writeLine("ready: \(stages) stages on \(nodes) nodes") }
            hasServed = true
        case .drained: finish()
        case .log(let line):
            logger.log(line)
            note(line)
        }
    }

    private func receive(_ answer: Answer) {
        switch answer {
        case .prepared(.success(let prepared)):
            served = prepared.served
            manifestDocument = manifestText()
            logOrigin(of: prepared)
            logBatching(of: prepared)
            step(.modelReady(prepared.served))
        case .prepared(.failure(let failure)):
            // The last line that the process writes says it.
            analysisFailure = failure.message
            // The connections end with the process: no worker is lost.
            isFinishing = true
            loop.stop()
        case .planned(let generation, let outcome): step(.planned(generation, outcome))
        case .archive(let key, let connection, .success(let archive)):
            logger.info(
                "partition is sent",
                metadata: [
                    "node": "\(peers[connection]?.node?.description ?? "?")", "partition": "\(key)",
                    "bytes": "\(archive.storage.byteCount)",
                ])
            peers[connection]?.connection.send(
                .partitionData(PartitionData(key: key, contentDigest: archive.digest)), payload: OutgoingPayload(archive.storage))
        case .archive(let key, _, .failure(let failure)): step(.archiveUnavailable(key, failure.message))
        case .inputsHashed(let id, let key): inputsHashed(id, key)
        case .status(let document): statusIsWritten(document)
        case .history(let connection, let number, let answer): historyAnswered(answer, number, on: connection)
        case .topology(let stamps, let reading): projectRead(stamps, reading)
        }
    }

    /// Set when the process must end with an error.
    var analysisFailure: String?

    private func manifestText() -> TensorStorage? {
        guard case .known(let manifest) = modelAnswer else { return nil }
        return (try? JSONEncoder().encode(manifest)).map { TensorStorage(copying: Array($0)) }
    }

    /// Bytes count as life even in the middle of a long message.
    private func reportLife() {
        for peer in peers.values where peer.node != nil && peer.connection.lastReceived > peer.reportedLife {
            peer.reportedLife = peer.connection.lastReceived
            step(.heard(peer.id))
        }
    }

    var status: ClusterStatus {
        let own = activations.links.sorted { $0.key < $1.key }.map { node, link in
            ClusterStatus.Link(
                from: .coordinator, to: node, connected: host.machine.state(of: node) == .ready,
                messages: link.messages,
                rawBytes: link.rawBytes, wireBytes: link.wireBytes, bandwidthBytesPerSecond: link.bandwidthBytesPerSecond,
                compressedShare: link.compressedShare)
        }
        var status = host.machine.status(ownLinks: own, now: .current())
        fillCacheCounters(&status.counters)
        status.counters.longestLoopTurnMs = Double(loop.longestTurn.nanoseconds) / 1e6
        status.tables?.merge(tables) { $1 }
        return status
    }
}
