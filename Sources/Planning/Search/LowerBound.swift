/// A bottleneck that no plan of the shape can undercut, in ms for each micro-batch: what a search that is not exact is held against.
///
/// All work on all nodes that can take part, perfectly shared; the heaviest segment where it must be whole on one node; the
/// input and the output over the links of those that may take them. Complexity: O(nodes + segments).
struct LowerBound {
    let milliseconds: Double

    /// - Parameter model: of all nodes that may take part, strongest first.
    init(model: PipelineModel, shape: PlanShape) {
        let last = model.segmentCount
        let whole = model.block(from: 0, to: last)
        let arriving = model.nodes.indices.map { model.occupancyMs(at: 0, from: PipelineModel.coordinator, to: $0) }
        let leaving = model.nodes.indices.map { model.occupancyMs(at: last, from: $0, to: PipelineModel.coordinator) }
        switch shape {
        case .auto:
            milliseconds = max(
                model.work(whole) / model.capabilities.reduce(0, +), Self.shared(arriving, model.capabilities),
                Self.shared(leaving, model.capabilities))
        case .pipeline:
            // One node for each stage, so no more nodes than segments, and a segment is never shared.
            let taken = model.capabilities.sorted(by: >).prefix(last)
            let heaviest = model.segmentMilliseconds.max() ?? 0
            milliseconds = max(
                model.work(whole) / taken.reduce(0, +), heaviest / (taken.first ?? 0), arriving.min() ?? 0, leaving.min() ?? 0)
        }
    }

    /// The busiest link of the best group that may take a stream whose shares go by capability: `max C_p · t_p / Σ C`.
    ///
    /// With a given busiest member every other that does not surpass it only helps, so the best group is a prefix by `C_p · t_p`.
    private static func shared(_ occupanciesMs: [Double], _ capabilities: [Double]) -> Double {
        var sum = 0.0
        return zip(occupanciesMs, capabilities).map { (product: $0 * $1, capability: $1) }.sorted { $0.product < $1.product }
            .reduce(.infinity) { best, member in
                sum += member.capability
                return min(best, member.product / sum)
            }
    }

    func exactness(of bottleneckMs: Double) -> Plan.Exactness {
        .bounded(lowerBoundMilliseconds: milliseconds, gap: milliseconds > 0 ? max(0, bottleneckMs / milliseconds - 1) : 0)
    }
}
