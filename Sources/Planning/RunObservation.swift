/// What one micro-batch of a partition took on a node, as that node measured it.
public struct RunObservation: Sendable, Hashable {
    public var node: NodeID
    public var range: LayerRange
    /// CPU time of the thread that ran it, at the plan's micro-batch: what a quota or a neighbour took away is not in it.
    public var milliseconds: Double

    public init(node: NodeID, range: LayerRange, milliseconds: Double) {
        self.node = node
        self.range = range
        self.milliseconds = milliseconds
    }

    var isUsable: Bool { milliseconds > 0 && milliseconds.isFinite }
}

extension PlanRequest {
    /// The request with what the nodes themselves measured in it.
    ///
    /// A node's speed is `Σ reference / Σ observed` over its partitions whose time on the reference node was measured too: this very
    /// model's layers, not a benchmark's. A partition that was never measured on the reference node says nothing about the node's
    /// speed, because its reference time is only a sum of layers; the node's speed then says what the partition costs, and its layers
    /// are corrected (``ModelProfile/corrected(by:)``). Observations that are no positive number are left out. O(observations · layers).
    ///
    /// - Parameter measured: milliseconds of ranges that were timed as partitions on the reference node.
    public func calibrated(by observations: [RunObservation], measured: [LayerRange: Double]) -> PlanRequest {
        var request = self
        let byNode = Dictionary(grouping: observations.filter(\.isUsable), by: \.node)
        var corrections: [LayerRange: (milliseconds: Double, count: Int)] = [:]
        for index in request.nodes.indices {
            let own = byNode[request.nodes[index].id] ?? []
            let known = own.compactMap { observation in
                measured[observation.range].map { (reference: $0, observation.milliseconds) }
            }
            if !known.isEmpty {
                request.nodes[index].speed = known.reduce(0) { $0 + $1.reference } / known.reduce(0) { $0 + $1.1 }
            }
            for observation in own where measured[observation.range] == nil {
                let milliseconds = observation.milliseconds * request.nodes[index].speed
                guard milliseconds > 0, milliseconds.isFinite else { continue }
                let sofar = corrections[observation.range] ?? (0, 0)
                corrections[observation.range] = (sofar.milliseconds + milliseconds, sofar.count + 1)
            }
        }
        // In a fixed order, the longest first, so that the shortest, which say most about their layers, are met exactly.
        let measurements = corrections.map {
            RangeMeasurement(range: $0.key, milliseconds: $0.value.milliseconds / Double($0.value.count))
        }.sorted { ($1.range.count, $1.range.first) < ($0.range.count, $0.range.first) }
        request.profile = request.profile.corrected(by: measurements)
        return request
    }
}
