public import Base

/// A worker's state, four times a second. Counters are totals since its start.
public struct Heartbeat: Sendable, Hashable {
    public var sequence: UInt64
    /// Cores in use by the whole cgroup (or host) over the last sample.
    public var cpuUsedCores: Double
    public var cpuQuotaCores: Double
    /// Share of CFS periods in which the cgroup was throttled, 0…1.
    public var cpuThrottledShare: Double
    /// Cores in use by this process alone.
    public var processCPUCores: Double
    public var memoryUsedBytes: UInt64
    public var memoryLimitBytes: UInt64
    public var processResidentBytes: UInt64
    public var networkReceivedBytes: UInt64
    public var networkSentBytes: UInt64
    public var queued: UInt32
    public var executing: UInt32
    public var completed: UInt64
    public var partitions: [PartitionStatistics]
    public var links: [LinkStatistics]
    /// CPU time of the executors' threads since the start, with that of the runs under way; 0 from a worker that does not say it.
    public var executorCPUNanoseconds: UInt64
    /// `nil` from a worker that does not say it.
    public var tables: WorkerTables?

    public init(
        sequence: UInt64 = 0, cpuUsedCores: Double = 0, cpuQuotaCores: Double = 0, cpuThrottledShare: Double = 0,
        processCPUCores: Double = 0, memoryUsedBytes: UInt64 = 0, memoryLimitBytes: UInt64 = 0, processResidentBytes: UInt64 = 0,
        networkReceivedBytes: UInt64 = 0, networkSentBytes: UInt64 = 0, queued: UInt32 = 0, executing: UInt32 = 0,
        completed: UInt64 = 0, partitions: [PartitionStatistics] = [], links: [LinkStatistics] = [],
        executorCPUNanoseconds: UInt64 = 0, tables: WorkerTables? = nil
    ) {
        self.tables = tables
        self.executorCPUNanoseconds = executorCPUNanoseconds
        self.sequence = sequence
        self.cpuUsedCores = cpuUsedCores
        self.cpuQuotaCores = cpuQuotaCores
        self.cpuThrottledShare = cpuThrottledShare
        self.processCPUCores = processCPUCores
        self.memoryUsedBytes = memoryUsedBytes
        self.memoryLimitBytes = memoryLimitBytes
        self.processResidentBytes = processResidentBytes
        self.networkReceivedBytes = networkReceivedBytes
        self.networkSentBytes = networkSentBytes
        self.queued = queued
        self.executing = executing
        self.completed = completed
        self.partitions = partitions
        self.links = links
    }
}

/// Entries of a worker's tables: what would grow if something were kept of those that have gone.
public struct WorkerTables: Sendable, Hashable {
    /// Open in either direction, whatever has been said on them.
    public var connections: UInt32
    /// Those that others opened and have said hello on.
    public var greeted: UInt32
    public var peers: UInt32
    /// Links whose figures are kept.
    public var links: UInt32
    /// Held in any phase.
    public var microBatches: UInt32
    public var payloads: UInt32
    /// Remembered, so that what comes after its cancellation is dropped.
    public var cancelledKeys: UInt32
    /// In any phase.
    public var partitions: UInt32
    public var archives: UInt32

    public init(
        connections: UInt32, greeted: UInt32, peers: UInt32, links: UInt32, microBatches: UInt32, payloads: UInt32,
        cancelledKeys: UInt32, partitions: UInt32, archives: UInt32
    ) {
        self.connections = connections
        self.greeted = greeted
        self.peers = peers
        self.links = links
        self.microBatches = microBatches
        self.payloads = payloads
        self.cancelledKeys = cancelledKeys
        self.partitions = partitions
        self.archives = archives
    }
}

public struct PartitionStatistics: Sendable, Hashable {
    public var key: PartitionKey
    public var archiveBytes: UInt64
    /// Bytes of parameters and buffers, once.
    public var weightBytes: UInt64
    public var isLoaded: Bool
    public var runs: UInt64
    public var items: UInt64
    /// Wall time of the runs, summed.
    public var computeNanoseconds: UInt64
    /// CPU time of the executors' threads in them: what a quota or a neighbour took away is not in it.
    public var cpuNanoseconds: UInt64

    public init(
        key: PartitionKey, archiveBytes: UInt64, weightBytes: UInt64, isLoaded: Bool, runs: UInt64, items: UInt64,
        computeNanoseconds: UInt64, cpuNanoseconds: UInt64 = 0
    ) {
        self.key = key
        self.archiveBytes = archiveBytes
        self.weightBytes = weightBytes
        self.isLoaded = isLoaded
        self.runs = runs
        self.items = items
        self.computeNanoseconds = computeNanoseconds
        self.cpuNanoseconds = cpuNanoseconds
    }
}

/// What was sent to one peer.
public struct LinkStatistics: Sendable, Hashable {
    public var peer: NodeID
    public var isConnected: Bool
    public var messages: UInt64
    /// Activation bytes before and after the codec.
    public var rawBytes: UInt64
    public var wireBytes: UInt64
    /// Estimate; 0 where nothing has been measured.
    public var bandwidthBytesPerSecond: Double
    /// Share of the messages that went compressed, 0…1.
    public var compressedShare: Double
    /// The kernel's smoothed round trip; 0 where nothing has been measured.
    public var roundTripMilliseconds: Double

    public init(
        peer: NodeID, isConnected: Bool, messages: UInt64, rawBytes: UInt64, wireBytes: UInt64, bandwidthBytesPerSecond: Double,
        compressedShare: Double, roundTripMilliseconds: Double = 0
    ) {
        self.peer = peer
        self.isConnected = isConnected
        self.messages = messages
        self.rawBytes = rawBytes
        self.wireBytes = wireBytes
        self.bandwidthBytesPerSecond = bandwidthBytesPerSecond
        self.compressedShare = compressedShare
        self.roundTripMilliseconds = roundTripMilliseconds
    }
}

/// Measures a round trip; the pong repeats what the ping said. A coordinator's ping may ask where micro-batches are, and the pong says it.
public struct Ping: Sendable, Hashable {
    public var sequence: UInt64
    /// The sender's own clock, meaningful to the sender alone.
    public var sentAtNanoseconds: UInt64
    /// In a ping.
    public var questions: [WorkQuestion]
    /// In a pong; none from a worker that does not know the questions.
    public var places: [WorkPlace]
    public init(sequence: UInt64, sentAtNanoseconds: UInt64, questions: [WorkQuestion] = [], places: [WorkPlace] = []) {
        self.sequence = sequence
        self.sentAtNanoseconds = sentAtNanoseconds
        self.questions = questions
        self.places = places
    }
}

/// Where each node can be reached. Workers dial nothing else.
public struct PeerTable: Sendable, Hashable {
    public var version: UInt64
    public var peers: [Peer]
    /// A table that does not fit into one message comes in several of one version, from 0.
    public var page: UInt32
    /// Another page of the version follows.
    public var hasMore: Bool
    public init(version: UInt64, peers: [Peer], page: UInt32 = 0, hasMore: Bool = false) {
        self.version = version
        self.peers = peers
        self.page = page
        self.hasMore = hasMore
    }

    public struct Peer: Sendable, Hashable {
        public var name: NodeID
        public var incarnation: IncarnationID
        /// `host:port`, most likely first.
        public var addresses: [String]
        public init(name: NodeID, incarnation: IncarnationID, addresses: [String]) {
            self.name = name
            self.incarnation = incarnation
            self.addresses = addresses
        }
    }
}

/// Order to have a partition ready to run. A worker that has no archive of it reports ``PartitionReport/State/missing``.
public struct LoadPartition: Sendable, Hashable {
    public var key: PartitionKey
    /// Predicted resident bytes (weights, activations, workspace), checked against free memory before loading.
    public var residentBytes: UInt64
    /// Shapes and types to run once before it counts as ready (micro-batch sizes that may come, the planned one last).
    public var warmups: [[TensorHeader]]
    /// Loaded ahead, for a plan that may never serve: what runs goes first.
    public var isStandby: Bool
    public init(key: PartitionKey, residentBytes: UInt64, warmups: [[TensorHeader]], isStandby: Bool = false) {
        self.key = key
        self.residentBytes = residentBytes
        self.warmups = warmups
        self.isStandby = isStandby
    }
}

public struct PartitionReport: Sendable, Hashable {
    public enum State: UInt32, Sendable, Hashable { case missing = 1, ready = 2, failed = 3, evicted = 4 }
    public var key: PartitionKey
    public var state: State
    public var archiveBytes: UInt64
    public var weightBytes: UInt64
    public var loadMilliseconds: Double
    public var code: StatusCode?
    public var message: String
    /// CPU time of one run at the last of the order's warm-ups, the planned micro-batch; 0 where none ran.
    public var runMilliseconds: Double

    public init(
        key: PartitionKey, state: State, archiveBytes: UInt64 = 0, weightBytes: UInt64 = 0, loadMilliseconds: Double = 0,
        code: StatusCode? = nil, message: String = "", runMilliseconds: Double = 0
    ) {
        self.runMilliseconds = runMilliseconds
        self.key = key
        self.state = state
        self.archiveBytes = archiveBytes
        self.weightBytes = weightBytes
        self.loadMilliseconds = loadMilliseconds
        self.code = code
        self.message = message
    }
}

/// The partition is part of no live plan any more: the worker may evict it when it needs the room.
public struct ReleasePartition: Sendable, Hashable {
    public var key: PartitionKey
    public init(key: PartitionKey) { self.key = key }
}

public struct CancelWork: Sendable, Hashable {
    public var keys: [WorkKey]
    public init(keys: [WorkKey]) { self.keys = keys }
}

/// The worker let go of a cancelled micro-batch: its reservation is free.
public struct WorkDropped: Sendable, Hashable {
    public var key: WorkKey
    public var node: NodeID
    /// It was still running long after its deadline or cancellation, and was written off.
    public var hasOverrun: Bool
    public init(key: WorkKey, node: NodeID, hasOverrun: Bool = false) {
        self.key = key
        self.node = node
        self.hasOverrun = hasOverrun
    }
}

/// Not done for lack of room or of the partition: may be tried elsewhere.
public struct WorkRejected: Sendable, Hashable {
    public var key: WorkKey
    public var node: NodeID
    public var code: StatusCode
    public var message: String
    public init(key: WorkKey, node: NodeID, code: StatusCode, message: String) {
        self.key = key
        self.node = node
        self.code = code
        self.message = message
    }
}

/// The model rejected the input, or running it failed: not tried again.
public struct WorkFailed: Sendable, Hashable {
    public var key: WorkKey
    public var node: NodeID
    public var code: StatusCode
    public var message: String
    public init(key: WorkKey, node: NodeID, code: StatusCode, message: String) {
        self.key = key
        self.node = node
        self.code = code
        self.message = message
    }
}

/// `from` cannot reach `to`: evidence against the link, not against the node.
public struct PeerLost: Sendable, Hashable {
    public var from: NodeID
    public var to: NodeID
    public var message: String
    /// Micro-batches that could not be forwarded.
    public var keys: [WorkKey]
    public init(from: NodeID, to: NodeID, message: String, keys: [WorkKey]) {
        self.from = from
        self.to = to
        self.message = message
        self.keys = keys
    }
}
