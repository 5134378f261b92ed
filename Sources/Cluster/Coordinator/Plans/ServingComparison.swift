public import Base
public import Planning

/// Layers on nodes, as a plan that serves has them.
public struct StageAssignment: Sendable, Hashable {
    public var layers: LayerRange
    public var replicas: [NodeID]
    public init(layers: LayerRange, replicas: [NodeID]) {
        self.layers = layers
        self.replicas = replicas
    }
}

/// One direction of a link as its sender measured it; `nil` is the coordinator.
public struct MeasuredLink: Sendable, Hashable {
    public var from: NodeID?
    public var to: NodeID?
    /// Of raw activation bytes: compression that pays is in it.
    public var bandwidthBytesPerSecond: Double
    public var roundTripMs: Double
    public init(from: NodeID?, to: NodeID?, bandwidthBytesPerSecond: Double, roundTripMs: Double) {
        self.from = from
        self.to = to
        self.bandwidthBytesPerSecond = bandwidthBytesPerSecond
        self.roundTripMs = roundTripMs
    }

    /// From what went over it. What the codec saves counts as bandwidth: activations are planned with by their raw size.
    public init(
        from: NodeID?, to: NodeID?, wireBytesPerSecond: Double, rawBytes: UInt64, wireBytes: UInt64, roundTripMs: Double
    ) {
        let gain = wireBytes > 0 ? max(1, Double(rawBytes) / Double(wireBytes)) : 1
        self.init(from: from, to: to, bandwidthBytesPerSecond: wireBytesPerSecond * gain, roundTripMs: roundTripMs)
    }
}

/// What serves beside the best plan, both under the newest measurements. Bottlenecks in milliseconds for each micro-batch.
public struct ServingComparison: Sendable {
    public var servingMs: Double
    public var bestMs: Double
    /// `nil` where it is the plan that serves.
    public var best: PlannedDeployment?
    /// What the planner was busy with it, without the time that it had other things to do first.
    public var searchTime: Duration
    public init(servingMs: Double, bestMs: Double, best: PlannedDeployment?, searchTime: Duration = .zero) {
        self.servingMs = servingMs
        self.bestMs = bestMs
        self.best = best
        self.searchTime = searchTime
    }
}
