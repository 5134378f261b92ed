public import Base

/// Which layers run where, and what that is predicted to give. It carries no generation: who deploys it numbers it.
public struct Plan: Sendable, Hashable, Codable {
    /// Consecutive layers, served by any one of its replicas for each micro-batch.
    public struct Stage: Sendable, Hashable, Codable {
        public var layers: LayerRange
        public var replicas: [NodeID]
        /// The part of all micro-batches that each replica takes, in the order of ``replicas``: its rate among theirs.
        public var shares: [Double]
        /// Compute time of one micro-batch with the quotas fully used: of a group 1 / Σ rates, what each micro-batch costs the stream.
        public var predictedMilliseconds: Double
        /// The larger of compute and the two links: how often the stage can take a micro-batch.
        public var intervalMilliseconds: Double
        public var parameterBytes: ByteCount
        /// Runtime, weights, activations and buffers of a worker that serves this stage.
        public var residentBytes: ByteCount
        /// What arrives and leaves with one micro-batch.
        public var inputBytes: ByteCount
        public var outputBytes: ByteCount
    }

    /// How close to the best possible plan this one is known to be.
    public enum Exactness: Sendable, Hashable, Codable {
        case exact
        /// No plan has a bottleneck below `lowerBoundMilliseconds`; `gap` is how far above it this one is, relative.
        case bounded(lowerBoundMilliseconds: Double, gap: Double)
        /// The strategy does not aim at the best.
        case heuristic
    }

    /// The whole model on the one node that does it best.
    public struct SingleNode: Sendable, Hashable, Codable {
        public var node: NodeID
        public var intervalMilliseconds: Double
        public var itemsPerSecond: Double
        public var latencyMilliseconds: Double
    }

    /// A node that no plan of this model may use as things are.
    public struct LeftOut: Sendable, Hashable, Codable, CustomStringConvertible {
        public var node: NodeID
        public var cause: String

        public var description: String { "\(node) is left out: \(cause)" }
    }

    public var strategy: PlanStrategy
    public var shape: PlanShape
    public var costModel: CostModel
    public var stages: [Stage]
    /// Nodes that the plan uses.
    public var usedNodes: [NodeID] { stages.flatMap(\.replicas) }
    /// Items in a micro-batch.
    public var microBatch: Int
    /// The slowest stage's or link's time for one micro-batch.
    public var bottleneckMilliseconds: Double
    public var itemsPerSecond: Double
    /// One micro-batch alone, from the coordinator and back.
    public var latencyMilliseconds: Double
    /// Absent where the whole model fits no single node's memory.
    public var singleBestNode: SingleNode?
    /// The paper's B = 1 − (max − min) / Σ over the stages' times; 1 is perfect.
    public var balance: Double
    public var exactness: Exactness
    /// Nodes that take no part.
    public var unusedNodes: [NodeID]
    /// Those of them that cannot, each with why.
    public var leftOut: [LeftOut] = []
    /// Why the plan is as it is, for a reader.
    public var reasons: [String]

    /// The time of a request of so many items alone: its micro-batches follow one another at the bottleneck's pace.
    public func requestMilliseconds(items: Int) -> Double {
        let microBatches = max(1, (items + microBatch - 1) / microBatch)
        return latencyMilliseconds + Double(microBatches - 1) * bottleneckMilliseconds
    }

    /// Whether both put the same layers on the same nodes, whatever they predict.
    public func hasSameAssignment(as other: Plan) -> Bool {
        microBatch == other.microBatch && stages.count == other.stages.count
            && zip(stages, other.stages).allSatisfy { $0.layers == $1.layers && $0.replicas == $1.replicas }
    }

    /// The paper's balance of the partitions' times, each already divided by its node's capability.
    ///
    /// No partition, or partitions that take no time, are in balance.
    public static func balance(ofTimes times: [Double]) -> Double {
        let sum = times.reduce(0, +)
        guard let slowest = times.max(), let fastest = times.min(), sum > 0 else { return 1 }
        return 1 - (slowest - fastest) / sum
    }
}
