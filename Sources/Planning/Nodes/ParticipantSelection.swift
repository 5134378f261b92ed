internal import Base

/// Which nodes may take part, strongest first (equals by name), and why the others may not.
///
/// The eligibility of Algorithm 1: health, usable figures, load and latency. If nobody is left, load and latency are dropped
/// with a reason; health and figures never are. Memory is the strategies' constraint.
struct ParticipantSelection {
    let nodes: [PlanningNode]
    let leftOut: [Plan.LeftOut]
    var reasons: [String]

    init(_ request: PlanRequest) throws(PlanningError) {
        var leftOut: [Plan.LeftOut] = []
        var reasons: [String] = []
        var usable: [PlanningNode] = []
        var names: Set<NodeID> = []
        for node in request.nodes.sorted(by: { $0.id < $1.id }) {
            if let cause = Self.unusable(node) {
                leftOut.append(Plan.LeftOut(node: node.id, cause: cause))
                reasons.append(leftOut[leftOut.count - 1].description)
            } else if !names.insert(node.id).inserted {
                reasons.append("a second node named \(node.id) is left out: names must differ")
            } else {
                usable.append(node)
            }
        }
        guard !usable.isEmpty else { throw .noNodes(reasons: reasons) }
        let settings = request.settings
        let quiet = usable.filter { $0.load <= settings.maximumLoad && $0.latencyMs <= settings.maximumLatencyMs }
        if quiet.isEmpty {
            reasons.append(
                "every node is above the load of \(settings.maximumLoad) or the latency of \(settings.maximumLatencyMs.text(digits: 0)) ms: "
                    + "both limits are dropped")
        } else {
            let kept = Set(quiet.map(\.id))
            for node in usable where !kept.contains(node.id) {
                let cause =
                    node.load > settings.maximumLoad
                    ? "its load \(node.load.text(digits: 2)) is over \(settings.maximumLoad)"
                    : "its latency \(node.latencyMs.text(digits: 1)) ms is over \(settings.maximumLatencyMs.text(digits: 0)) ms"
                leftOut.append(Plan.LeftOut(node: node.id, cause: cause))
                reasons.append(leftOut[leftOut.count - 1].description)
            }
            usable = quiet
        }
        self.nodes = usable.sorted { ($1.capability, $0.id) < ($0.capability, $1.id) }
        self.leftOut = leftOut
        self.reasons = reasons
    }

    private static func unusable(_ node: PlanningNode) -> String? {
        if node.isExcluded { return "the topology excludes it" }
        if !node.isEligible { return "it is not ready for work" }
        if !(node.effectiveCores > 0 && node.effectiveCores.isFinite) {
            return "its cores are \(node.effectiveCores), must be above 0"
        }
        if !(node.speed > 0 && node.speed.isFinite) { return "its measured speed is \(node.speed), must be above 0" }
        if !(node.load >= 0 && node.load <= 1) { return "its load is \(node.load), must be 0…1" }
        if !(node.latencyMs >= 0) { return "its latency is \(node.latencyMs) ms, must be 0 or more" }
        if let stage = node.pinnedStage, stage < 0 { return "it is pinned to stage \(stage), stages begin at 0" }
        if node.freeMemory <= .zero { return "it has no free memory" }
        if node.capability <= 0 { return "others use all of its cores" }
        return nil
    }
}
