/// A plan from what the nodes hold already: nothing has to be sent or loaded for it, so it may be a little slower than the best and is
/// still the better choice, after a restart of the coordinator above all.
public enum PlanReuse {
    /// A plan that serves at once is taken up to this factor of the best one's bottleneck: what drift would let pass, too.
    public static let tolerance = 1.15
    /// … and up to this one while requests wait: nothing was measured for the best plan then, so that its figures are rough.
    public static let urgentTolerance = 2.0
    /// … and up to this one by a coordinator that has just started: what it finds was chosen from measurements as good as its own, and those
    /// of a busy moment may be off by this much.
    public static let restartTolerance = 3.0
    /// Milliseconds for each micro-batch that are never worth sending partitions for: the coordinator's own work on one may take as long.
    public static let slackMilliseconds = 0.5
    /// Steps of the search: each node holds a handful of partitions, of which one or two begin where another ends.
    public static let maximumSteps = 10_000

    /// Stages that cover all layers with partitions that are held, as many as `stageCount`, each on a node of its own; `nil` where there
    /// are none. Equal inputs give equal answers.
    /// - Parameter held: for each node its partitions of this model.
    public static func assignment(of held: [NodeID: [LayerRange]], layerCount: Int, stageCount: Int) -> [(
        layers: LayerRange, node: NodeID
    )]? {
        var byFirst: [Int: [(layers: LayerRange, node: NodeID)]] = [:]
        for (node, ranges) in held.sorted(by: { $0.key < $1.key }) {
            for range in Set(ranges).sorted() where range.count > 0 { byFirst[range.first, default: []].append((range, node)) }
        }
        var steps = 0
        var chosen: [(layers: LayerRange, node: NodeID)] = []
        func search(from layer: Int) -> Bool {
            if chosen.count == stageCount { return layer == layerCount }
            for candidate in byFirst[layer] ?? [] where !chosen.contains(where: { $0.node == candidate.node }) {
                steps += 1
                guard steps <= maximumSteps else { return false }
                chosen.append(candidate)
                if search(from: candidate.layers.end) { return true }
                chosen.removeLast()
            }
            return false
        }
        return search(from: 0) ? chosen : nil
    }

    /// The plan of what is held, judged by the same profile as `best`, where it is nearly as good; else `best`.
    public static func choose(
        over best: Plan, held assignment: [(layers: LayerRange, node: NodeID)], _ request: PlanRequest, tolerance: Double
    ) -> Plan {
        guard var reused = try? Planner.evaluate(assignment, request), !reused.hasSameAssignment(as: best),
            reused.bottleneckMilliseconds <= best.bottleneckMilliseconds * tolerance + slackMilliseconds
        else { return best }
        reused.reasons.append("its partitions are held already, so that nothing has to be sent")
        return reused
    }
}
