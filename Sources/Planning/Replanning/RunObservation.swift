public import Base

/// What one micro-batch of a partition took on a node, as that node measured it.
public struct RunObservation: Sendable, Hashable {
    public var node: NodeID
    public var range: LayerRange
    /// CPU time of the thread that ran it, at the plan's micro-batch: what a quota or a neighbour took away is not in it.
    public var milliseconds: Double
    /// The mean of many runs, not the few that were timed when the node loaded it.
    public var isAtWork: Bool

    public init(node: NodeID, range: LayerRange, milliseconds: Double, isAtWork: Bool = true) {
        self.node = node
        self.range = range
        self.milliseconds = milliseconds
        self.isAtWork = isAtWork
    }

    var isUsable: Bool { milliseconds > 0 && milliseconds.isFinite }
}

extension PlanRequest {
    /// The request with what the nodes themselves measured in it.
    ///
    /// A node's speed is `Σ reference / Σ observed` over its partitions whose time on the reference node was measured too: this very
    /// model's layers, not a benchmark's. A partition that was never measured on the reference node says nothing about the node's
    /// speed, because its reference time is only a sum of layers; the node's speed then says what the partition costs, and its layers
    /// are corrected (``ModelProfile/corrected(by:)``). A node that has not been at work yet takes its speed from all nodes of its machine,
    /// from those at work where there are any: a few runs beside others' may take twice as long as they do at work. Where nothing of the
    /// machine is known its nodes' benchmarks count alike. Observations that are no positive number are left out. O(observations · layers).
    ///
    /// - Parameter measured: milliseconds of ranges that were timed as partitions on the reference node.
    public func calibrated(by observations: [RunObservation], measured: [LayerRange: Double]) -> PlanRequest {
        var request = self
        let byNode = Dictionary(grouping: observations.filter(\.isUsable), by: \.node)
        var corrections: [LayerRange: (milliseconds: Double, count: Int)] = [:]
        let evidence = byNode.mapValues { SpeedEvidence($0, measured) }
        let machines = Dictionary(grouping: nodes.filter { !$0.machine.isEmpty }, by: \.machine).mapValues { members in
            (
                evidence: members.reduce(into: SpeedEvidence()) { $0.add(evidence[$1.id]) },
                meanSpeed: members.reduce(0) { $0 + $1.speed } / Double(members.count)
            )
        }
        for index in request.nodes.indices {
            let node = request.nodes[index]
            let own = byNode[node.id] ?? []
            let machine = machines[node.machine]
            request.nodes[index].speed =
                evidence[node.id]?.speedAtWork ?? machine?.evidence.speed ?? evidence[node.id]?.speed ?? machine?.meanSpeed
                ?? node.speed
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

/// Times of partitions on some node beside those on the reference node.
private struct SpeedEvidence {
    private var atWork = (reference: 0.0, observed: 0.0)
    private var atLoading = (reference: 0.0, observed: 0.0)

    init() {}

    init(_ observations: [RunObservation], _ measured: [LayerRange: Double]) {
        for observation in observations {
            guard let reference = measured[observation.range] else { continue }
            if observation.isAtWork {
                atWork = (atWork.reference + reference, atWork.observed + observation.milliseconds)
            } else {
                atLoading = (atLoading.reference + reference, atLoading.observed + observation.milliseconds)
            }
        }
    }

    mutating func add(_ other: SpeedEvidence?) {
        guard let other else { return }
        atWork = (atWork.reference + other.atWork.reference, atWork.observed + other.atWork.observed)
        atLoading = (atLoading.reference + other.atLoading.reference, atLoading.observed + other.atLoading.observed)
    }

    var speedAtWork: Double? { atWork.observed > 0 ? atWork.reference / atWork.observed : nil }
    /// By work where there was any.
    var speed: Double? { speedAtWork ?? (atLoading.observed > 0 ? atLoading.reference / atLoading.observed : nil) }
}
