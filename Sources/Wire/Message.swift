public import Base

/// Everything that one process says to another. The payload, where a kind has one, travels beside it as raw bytes.
public enum Message: Sendable, Hashable {
    // Opening of a connection, both directions.
    case hello(Hello)
    case welcome(Welcome)
    case refused(Refused)

    // Control: coordinator ↔ worker.
    case heartbeat(Heartbeat)
    case ping(Ping)
    case pong(Ping)
    case peerTable(PeerTable)
    case loadPartition(LoadPartition)
    case partitionReport(PartitionReport)
    case releasePartition(ReleasePartition)
    case cancelWork(CancelWork)
    case workDropped(WorkDropped)
    case workRejected(WorkRejected)
    case workFailed(WorkFailed)
    case peerLost(PeerLost)
    case register(Register)
    case registered(Registered)
    case leaving(Leaving)
    case released(Released)

    // Data: coordinator → worker → … → coordinator.
    /// Payload: the archive.
    case partitionData(PartitionData)
    case linkProbe(LinkProbe)
    /// Payload: the tensors.
    case work(Work)
    /// Payload: the tensors.
    case workResult(WorkResult)

    // Client ↔ coordinator.
    /// Payload: the tensors.
    case inferRequest(InferRequest)
    /// Payload: the tensors.
    case inferReply(InferReply)
    case inferError(InferError)
    case cancelRequest(CancelRequest)
    case statusRequest(StatusRequest)
    /// Payload: a JSON document.
    case statusReply(StatusReply)
    case modelRequest(ModelRequest)
    /// Payload: the manifest as JSON.
    case modelReply(ModelReply)
    case drainRequest(DrainRequest)
    case drainReply(DrainReply)
}

// MARK: - Opening

public enum Role: UInt32, Sendable, Hashable { case coordinator = 1, worker = 2, client = 3 }

/// Two connections for each pair that needs both, so that a heartbeat never waits behind an activation.
public enum Channel: UInt32, Sendable, Hashable { case control = 1, data = 2 }

public enum CompressionMode: String, Sendable, Hashable, CaseIterable { case auto, always, never }

/// The first message of whoever opened the connection.
public struct Hello: Sendable, Hashable {
    public var role: Role
    public var channel: Channel
    /// The sender's name; a coordinator's or client's is for logs.
    public var name: String
    /// The product's version.
    public var software: String
    public var incarnation: IncarnationID
    /// From a coordinator: its claim on the worker.
    public var claim: CoordinatorClaim?
    /// From a coordinator: the name that the worker has in the topology, used where the worker was given none.
    public var assignedName: NodeID?

    public init(
        role: Role, channel: Channel, name: String, software: String, incarnation: IncarnationID, claim: CoordinatorClaim? = nil,
        assignedName: NodeID? = nil
    ) {
        self.role = role
        self.channel = channel
        self.name = name
        self.software = software
        self.incarnation = incarnation
        self.claim = claim
        self.assignedName = assignedName
    }
}

/// A coordinator's right to give orders: the highest (term, session) wins.
public struct CoordinatorClaim: Sendable, Hashable {
    public var term: UInt64
    public var session: SessionID
    public var compression: CompressionMode
    /// By which the worker knows its holder's next connection: the session is known to every worker, this to one.
    public var holder: HolderToken

    public init(term: UInt64, session: SessionID, compression: CompressionMode, holder: HolderToken = .none) {
        self.term = term
        self.session = session
        self.compression = compression
        self.holder = holder
    }
}

/// The listener's answer to a ``Hello`` that it accepts.
public struct Welcome: Sendable, Hashable {
    public var role: Role
    public var name: String
    public var software: String
    public var incarnation: IncarnationID
    /// The highest term that the sender has obeyed; a coordinator's own where it answers.
    public var term: UInt64
    /// From a worker, on the control channel.
    public var worker: WorkerProfile?

    public init(
        role: Role, name: String, software: String, incarnation: IncarnationID, term: UInt64, worker: WorkerProfile? = nil
    ) {
        self.role = role
        self.name = name
        self.software = software
        self.incarnation = incarnation
        self.term = term
        self.worker = worker
    }
}

/// What a worker is and holds.
public struct WorkerProfile: Sendable, Hashable {
    /// Cores that its quota allows.
    public var cores: Double
    /// Measured speed of one core relative to the reference (1.0), by a short fixed benchmark in thread CPU time.
    public var speed: Double
    public var memoryLimitBytes: UInt64
    public var memoryAvailableBytes: UInt64
    public var executors: UInt32
    /// Micro-batches it accepts at once (queued, executing or waiting to be sent).
    public var slots: UInt32
    /// Bytes of activations it accepts at once.
    public var slotBytes: UInt64
    /// libtorch's version; partitions are cut for one.
    public var toolchain: String
    public var inventory: [HeldPartition]
    /// Workers with the same one share their processors, so that each one's CPU time is no stranger's load to the others; empty: unknown.
    public var processorGroup: String

    /// The boot of the machine, from ``processorGroup``; empty where it is not known.
    public var machine: String { String(processorGroup.prefix { $0 != "/" }) }

    public init(
        cores: Double, speed: Double, memoryLimitBytes: UInt64, memoryAvailableBytes: UInt64, executors: UInt32, slots: UInt32,
        slotBytes: UInt64, toolchain: String, inventory: [HeldPartition], processorGroup: String = ""
    ) {
        self.processorGroup = processorGroup
        self.cores = cores
        self.speed = speed
        self.memoryLimitBytes = memoryLimitBytes
        self.memoryAvailableBytes = memoryAvailableBytes
        self.executors = executors
        self.slots = slots
        self.slotBytes = slotBytes
        self.toolchain = toolchain
        self.inventory = inventory
    }
}

public struct HeldPartition: Sendable, Hashable {
    public var key: PartitionKey
    /// Size of the archive.
    public var archiveBytes: UInt64
    /// Whether it is loaded and can run now (otherwise: on disk or in memory as an archive).
    public var isLoaded: Bool

    public init(key: PartitionKey, archiveBytes: UInt64, isLoaded: Bool) {
        self.key = key
        self.archiveBytes = archiveBytes
        self.isLoaded = isLoaded
    }
}

/// The last message before a listener closes a connection that it does not accept.
public struct Refused: Sendable, Hashable {
    public var code: StatusCode
    public var message: String
    /// With ``StatusCode/superseded``: the highest term that the worker has obeyed.
    public var term: UInt64
    /// With ``StatusCode/superseded``: whether a living coordinator holds the worker now.
    public var isHeld: Bool
    /// From a worker that the same coordinator holds already, by another of its addresses: which process it is.
    public var incarnation: IncarnationID?
    public init(code: StatusCode, message: String, term: UInt64 = 0, isHeld: Bool = false, incarnation: IncarnationID? = nil) {
        self.code = code
        self.message = message
        self.term = term
        self.isHeld = isHeld
        self.incarnation = incarnation
    }
}
