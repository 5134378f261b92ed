public import Base
internal import Planning

/// What `amp4ec status --json` and `/status` print, and what `/metrics` is made of. Field names are the contract; they only grow.
public struct ClusterStatus: Sendable, Hashable, Codable {
    public struct Partition: Sendable, Hashable, Codable {
        public var layers: String
        public var archiveBytes: UInt64
        public var weightBytes: UInt64
        public var isLoaded: Bool
        public var runs: UInt64
        public var items: UInt64
        public var meanMilliseconds: Double

        enum CodingKeys: String, CodingKey {
            case layers
            case archiveBytes = "archive_bytes"
            case weightBytes = "weight_bytes"
            case isLoaded = "loaded"
            case runs, items
            case meanMilliseconds = "mean_ms"
        }
    }

    public struct Link: Sendable, Hashable, Codable {
        /// The coordinator is called `NodeID.coordinator` here.
        public var from: NodeID
        public var to: NodeID
        public var connected: Bool
        public var messages: UInt64
        public var rawBytes: UInt64
        public var wireBytes: UInt64
        public var bandwidthBytesPerSecond: Double
        public var compressedShare: Double

        enum CodingKeys: String, CodingKey {
            case from, to, connected, messages
            case rawBytes = "raw_bytes"
            case wireBytes = "wire_bytes"
            case bandwidthBytesPerSecond = "bandwidth_bytes_per_second"
            case compressedShare = "compressed_share"
        }

        public init(
            from: NodeID, to: NodeID, connected: Bool, messages: UInt64, rawBytes: UInt64, wireBytes: UInt64,
            bandwidthBytesPerSecond: Double, compressedShare: Double
        ) {
            self.from = from
            self.to = to
            self.connected = connected
            self.messages = messages
            self.rawBytes = rawBytes
            self.wireBytes = wireBytes
            self.bandwidthBytesPerSecond = bandwidthBytesPerSecond
            self.compressedShare = compressedShare
        }
    }

    public struct CPU: Sendable, Hashable, Codable {
        public var usedCores: Double
        public var quotaCores: Double
        public var throttledShare: Double
        /// Of the worker's process alone.
        public var processCores: Double

        enum CodingKeys: String, CodingKey {
            case usedCores = "used_cores"
            case quotaCores = "quota_cores"
            case throttledShare = "throttled_share"
            case processCores = "process_cores"
        }
    }

    public struct Memory: Sendable, Hashable, Codable {
        public var usedBytes: UInt64
        public var limitBytes: UInt64
        public var processBytes: UInt64

        enum CodingKeys: String, CodingKey {
            case usedBytes = "used_bytes"
            case limitBytes = "limit_bytes"
            case processBytes = "process_bytes"
        }
    }

    /// Of the node's interfaces (of its network namespace), loopback left out where there is another.
    public struct Network: Sendable, Hashable, Codable {
        public var receivedBytes: UInt64
        public var sentBytes: UInt64
        public var receivedBytesPerSecond: Double
        public var sentBytesPerSecond: Double

        enum CodingKeys: String, CodingKey {
            case receivedBytes = "received_bytes"
            case sentBytes = "sent_bytes"
            case receivedBytesPerSecond = "received_bytes_per_second"
            case sentBytesPerSecond = "sent_bytes_per_second"
        }
    }

    public struct Node: Sendable, Hashable, Codable {
        public var name: NodeID
        public var address: String
        public var state: String
        public var cause: String
        /// Why the plan that serves does not use it, though it is ready.
        public var unused: String?
        public var capability: Double
        public var cpu: CPU
        public var memory: Memory
        /// `nil` while no heartbeat comes.
        public var network: Network?
        /// Micro-batches reserved on the node now.
        public var load: Int
        public var queued: UInt32
        public var executing: UInt32
        public var completed: UInt64
        public var roundTripMs: Double?
        /// How long ago its last heartbeat came; absent while none has come on this connection.
        public var heartbeatAgeMs: Double?
        public var timing: NodeTiming
        public var partitions: [Partition]
        /// From the topology (`x-amp4ec: {stage: N}`).
        public var pinnedStage: Int?
        /// Where else the same process is listed, or says that it is.
        public var aliases: [String]?
        /// Entries of the worker's tables by its last heartbeat.
        public var tables: [String: Int]?

        enum CodingKeys: String, CodingKey {
            case name, address, state, cause, unused, capability, cpu, memory, network, load, queued, executing, completed, aliases,
                tables
            case roundTripMs = "round_trip_ms"
            case heartbeatAgeMs = "heartbeat_age_ms"
            case timing, partitions
            case pinnedStage = "pinned_stage"
        }
    }

    public struct Stage: Sendable, Hashable, Codable {
        public var firstLayer: Int
        public var lastLayer: Int
        public var replicas: [NodeID]
        /// Predicted milliseconds of one micro-batch.
        public var cost: Double
        /// CPU milliseconds of one micro-batch as each replica measured it, in their order; 0 where it has not yet.
        public var measuredMs: [Double]
        public var parameterBytes: Int
        /// Bytes of one micro-batch that come in.
        public var inputBytes: Int

        enum CodingKeys: String, CodingKey {
            case firstLayer = "first_layer"
            case lastLayer = "last_layer"
            case replicas, cost
            case measuredMs = "measured_ms"
            case parameterBytes = "parameter_bytes"
            case inputBytes = "input_bytes"
        }
    }

    public struct PlanStatus: Sendable, Hashable, Codable {
        public var generation: UInt64
        public var stages: [Stage]
        public var microBatch: Int
        public var predictedItemsPerSecond: Double
        public var predictedLatencyMs: Double
        /// The same prediction under what the nodes have measured since; absent until they have.
        public var correctedItemsPerSecond: Double?
        public var strategy: String
        public var reasons: [String]

        enum CodingKeys: String, CodingKey {
            case generation, stages, strategy, reasons
            case microBatch = "micro_batch"
            case predictedItemsPerSecond = "predicted_items_per_second"
            case predictedLatencyMs = "predicted_latency_ms"
            case correctedItemsPerSecond = "corrected_items_per_second"
        }
    }

    public struct Model: Sendable, Hashable, Codable {
        public var name: String
        public var digest: String
        public var weightBytes: UInt64
        public var inputs: [String]
        public var outputs: [String]
        /// `splittable`, or why a request is never cut.
        public var batching: String

        enum CodingKeys: String, CodingKey {
            case name, digest, inputs, outputs, batching
            case weightBytes = "weight_bytes"
        }
    }

    /// What takes over when a node that serves is lost.
    public struct Standby: Sendable, Hashable, Codable {
        /// The node whose loss it is for.
        public var without: NodeID
        /// Empty where no plan is possible without the node.
        public var stages: [Stage]
        /// Everything is loaded already: it can serve at once.
        public var isStaged: Bool
        /// Why there is no plan, or what is not loaded and why.
        public var cause: String

        enum CodingKeys: String, CodingKey {
            case without, stages, cause
            case isStaged = "staged"
        }
    }

    public var state: String
    public var cause: String?
    public var model: Model?
    public var nodes: [Node]
    public var plan: PlanStatus?
    public var links: [Link]
    public var requestsInFlight: Int
    /// Of those in flight, the ones whose answer is not on its way out.
    public var requestsUnanswered: Int?
    /// Admitted, and neither answered, failed, cancelled nor unanswered: a difference of counters, and 0 unless the coordinator forgot some.
    public var requestsLost: Int?
    public var microBatchesInFlight: Int
    public var heldBytes: Int
    public var counters: Counters
    public var latencies: LatencyHistogram
    /// Items that are admitted and not computed.
    public var waitingItems: Int?
    /// How long those take, as far as anybody knows.
    public var expectedWaitMs: Double?
    /// Absent where an earlier version answers.
    public var times: RequestTimes?
    public var standby: [Standby]
    /// Entries of the coordinator's tables: what grows where something is kept of those that have gone.
    public var tables: [String: Int]?

    enum CodingKeys: String, CodingKey {
        case state, cause, model, nodes, plan, links, counters, standby, tables
        case latencies = "request_latency"
        case times = "request_times"
        case waitingItems = "waiting_items"
        case expectedWaitMs = "expected_wait_ms"
        case requestsInFlight = "requests_in_flight"
        case requestsUnanswered = "requests_unanswered"
        case requestsLost = "requests_lost"
        case microBatchesInFlight = "micro_batches_in_flight"
        case heldBytes = "held_bytes"
    }
}
