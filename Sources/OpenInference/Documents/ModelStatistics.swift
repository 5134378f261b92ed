/// `GET /v2/models/M/stats`.
public struct ModelStatistics: Sendable, Hashable, Encodable {
    /// So many of something, and how long they took together.
    public struct Total: Sendable, Hashable, Encodable {
        public var count: UInt64
        public var nanoseconds: UInt64

        public init(count: UInt64 = 0, nanoseconds: UInt64 = 0) {
            self.count = count
            self.nanoseconds = nanoseconds
        }

        private enum CodingKeys: String, CodingKey { case count, nanoseconds = "ns" }
    }

    /// Where requests spent their time. Readers compare the counts of the three compute parts.
    public struct Parts: Sendable, Hashable, Encodable {
        public var success = Total()
        public var fail = Total()
        public var queue = Total()
        public var computeInput = Total()
        public var computeInfer = Total()
        public var computeOutput = Total()
        public var cacheHit = Total()
        public var cacheMiss = Total()

        public init() {}

        private enum CodingKeys: String, CodingKey {
            case success, fail, queue
            case computeInput = "compute_input"
            case computeInfer = "compute_infer"
            case computeOutput = "compute_output"
            case cacheHit = "cache_hit"
            case cacheMiss = "cache_miss"
        }
    }

    public struct Model: Sendable, Hashable, Encodable {
        public var name: String
        public var version: String
        /// Milliseconds since 1970 of the last request; 0: none yet.
        public var lastInferenceMs: UInt64
        /// Items.
        public var inferenceCount: UInt64
        /// Runs of the model.
        public var executionCount: UInt64
        public var parts: Parts

        public init(
            name: String, version: String, lastInferenceMs: UInt64, inferenceCount: UInt64, executionCount: UInt64, parts: Parts
        ) {
            self.name = name
            self.version = version
            self.lastInferenceMs = lastInferenceMs
            self.inferenceCount = inferenceCount
            self.executionCount = executionCount
            self.parts = parts
        }

        private enum CodingKeys: String, CodingKey {
            case name, version
            case lastInferenceMs = "last_inference"
            case inferenceCount = "inference_count"
            case executionCount = "execution_count"
            case parts = "inference_stats"
            case batches = "batch_stats"
        }

        public func encode(to encoder: any Encoder) throws {
            var container = encoder.container(keyedBy: CodingKeys.self)
            try container.encode(name, forKey: .name)
            try container.encode(version, forKey: .version)
            try container.encode(lastInferenceMs, forKey: .lastInferenceMs)
            try container.encode(inferenceCount, forKey: .inferenceCount)
            try container.encode(executionCount, forKey: .executionCount)
            try container.encode(parts, forKey: .parts)
            // Readers want the list; which batch sizes ran is not counted.
            try container.encode([String](), forKey: .batches)
        }
    }

    public var models: [Model]

    public init(models: [Model]) { self.models = models }

    private enum CodingKeys: String, CodingKey { case models = "model_stats" }
}
