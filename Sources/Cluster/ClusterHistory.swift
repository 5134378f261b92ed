/// What `amp4ec status --history` prints: the nodes' samples, oldest first, and what happened. Field names are the contract; they only
/// grow.
public struct ClusterHistory: Sendable, Hashable, Codable {
    /// A node's state at one moment, from its heartbeat.
    public struct Sample: Sendable, Hashable, Codable {
        /// Milliseconds since 1970, on the coordinator's clock.
        public var timeMs: Int64
        public var state: String
        /// Cores in use by the whole cgroup (or host).
        public var cpuUsedCores: Double
        public var cpuQuotaCores: Double
        /// Share of CFS periods in which the cgroup was throttled, 0…1.
        public var cpuThrottledShare: Double
        /// Cores in use by the worker's process alone.
        public var processCPUCores: Double
        public var memoryUsedBytes: UInt64
        public var memoryLimitBytes: UInt64
        public var processBytes: UInt64
        /// Totals of the interfaces.
        public var networkReceivedBytes: UInt64
        public var networkSentBytes: UInt64
        public var queued: UInt32
        public var executing: UInt32
        /// Micro-batches since the worker's start.
        public var completed: UInt64
        public var roundTripMs: Double?

        enum CodingKeys: String, CodingKey {
            case timeMs = "time_ms"
            case state, queued, executing, completed
            case cpuUsedCores = "cpu_used_cores"
            case cpuQuotaCores = "cpu_quota_cores"
            case cpuThrottledShare = "cpu_throttled_share"
            case processCPUCores = "process_cpu_cores"
            case memoryUsedBytes = "memory_used_bytes"
            case memoryLimitBytes = "memory_limit_bytes"
            case processBytes = "process_bytes"
            case networkReceivedBytes = "network_received_bytes"
            case networkSentBytes = "network_sent_bytes"
            case roundTripMs = "round_trip_ms"
        }

        public init(
            timeMs: Int64, state: String, cpuUsedCores: Double, cpuQuotaCores: Double, cpuThrottledShare: Double,
            processCPUCores: Double, memoryUsedBytes: UInt64, memoryLimitBytes: UInt64, processBytes: UInt64,
            networkReceivedBytes: UInt64, networkSentBytes: UInt64, queued: UInt32, executing: UInt32, completed: UInt64,
            roundTripMs: Double?
        ) {
            self.timeMs = timeMs
            self.state = state
            self.cpuUsedCores = cpuUsedCores
            self.cpuQuotaCores = cpuQuotaCores
            self.cpuThrottledShare = cpuThrottledShare
            self.processCPUCores = processCPUCores
            self.memoryUsedBytes = memoryUsedBytes
            self.memoryLimitBytes = memoryLimitBytes
            self.processBytes = processBytes
            self.networkReceivedBytes = networkReceivedBytes
            self.networkSentBytes = networkSentBytes
            self.queued = queued
            self.executing = executing
            self.completed = completed
            self.roundTripMs = roundTripMs
        }
    }

    public struct Node: Sendable, Hashable, Codable {
        public var name: String
        public var samples: [Sample]

        public init(name: String, samples: [Sample]) {
            self.name = name
            self.samples = samples
        }
    }

    /// Something that the coordinator decided or noticed.
    public struct Event: Sendable, Hashable, Codable {
        public var timeMs: Int64
        /// `info`, `warning` or `error`.
        public var level: String
        /// A constant text: "node is lost", "plan serves".
        public var event: String
        /// The node that it is about, where it is about one.
        public var node: String?
        /// The particulars: state, cause, generation, stages, duration.
        public var details: [String: String]

        enum CodingKeys: String, CodingKey {
            case timeMs = "time_ms"
            case level, event, node, details
        }

        public init(timeMs: Int64, level: String, event: String, node: String?, details: [String: String]) {
            self.timeMs = timeMs
            self.level = level
            self.event = event
            self.node = node
            self.details = details
        }

        /// What a machine logs for an operator is what its history holds; what it logs for debugging is not.
        public init?(_ line: LogLine, timeMs: Int64) {
            switch line.level {
            case .debug: return nil
            case .info: level = "info"
            case .warning: level = "warning"
            case .error: level = "error"
            }
            self.timeMs = timeMs
            event = line.message
            node = line.metadata["node"]
            details = line.metadata
            details["node"] = nil
        }
    }

    /// Where it is kept: a file's name, or `memory`: then it ends with the coordinator.
    public var storage: String
    /// The newest samples of each node that this answer holds at most.
    public var limit: Int
    public var nodes: [Node]
    public var events: [Event]

    public init(storage: String, limit: Int, nodes: [Node], events: [Event]) {
        self.storage = storage
        self.limit = limit
        self.nodes = nodes
        self.events = events
    }
}
