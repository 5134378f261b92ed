public import Base

/// A plan from what the nodes hold already: nothing has to be sent or loaded for it, so it may be a little slower than the best and is
/// still the better choice, after a restart of the coordinator above all.
public enum PlanReuse {
    /// A plan that serves at once is taken up to this factor of the best one's bottleneck: what drift would let pass, too.
    public static let tolerance = 1.15
    /// … and up to this one while requests wait: nothing was measured for the best plan then, so that its figures are rough.
    public static let urgentTolerance = 2.0
    /// Milliseconds for each micro-batch that are never worth sending partitions for: the coordinator's own work on one may take as long.
    public static let slackMilliseconds = 0.5
    /// Steps of the search: each node holds a handful of partitions, of which one or two begin where another ends.
    public static let maximumSteps = 10_000
    /// Ways to cover the model that are compared: those of the plan that served, and of its standbys.
    public static let maximumAssignments = 32

    public typealias Assignment = [(layers: LayerRange, node: NodeID)]

    /// Stages that cover all layers with partitions that are held, as many as `stageCount`, each on a node of its own. Equal inputs give
    /// equal answers.
    /// - Parameter held: for each node its partitions of this model.
    public static func assignments(of held: [NodeID: [LayerRange]], layerCount: Int, stageCount: Int) -> [Assignment] {
        var byFirst: [Int: Assignment] = [:]
        for (node, ranges) in held.sorted(by: { $0.key < $1.key }) {
            for range in Set(ranges).sorted() where range.count > 0 { byFirst[range.first, default: []].append((range, node)) }
        }
        var steps = 0
        var chosen: Assignment = []
        var found: [Assignment] = []
        func search(from layer: Int) {
            guard chosen.count < stageCount else {
                if layer == layerCount { found.append(chosen) }
                return
            }
            for candidate in byFirst[layer] ?? [] where !chosen.contains(where: { $0.node == candidate.node }) {
                steps += 1
                guard steps <= maximumSteps, found.count < maximumAssignments else { return }
                chosen.append(candidate)
                search(from: candidate.layers.end)
                chosen.removeLast()
            }
        }
        search(from: 0)
        return found
    }

    /// The best plan of what is held, judged by the same profile as `best`, where it is nearly as good; else `best`.
    /// - Parameter tolerance: `nil` takes it however much slower it looks: by a coordinator that has just started, whose predecessor chose
    ///   it from measurements as good as its own.
    public static func choose(over best: Plan, held: [Assignment], _ request: PlanRequest, tolerance: Double?) -> Plan {
        let plans = held.compactMap { try? Planner.evaluate($0, request) }.filter { $0.bottleneckMilliseconds.isFinite }
        guard var reused = plans.min(by: { $0.bottleneckMilliseconds < $1.bottleneckMilliseconds }),
            !reused.hasSameAssignment(as: best),
            tolerance.map({ reused.bottleneckMilliseconds <= best.bottleneckMilliseconds * $0 + slackMilliseconds }) ?? true
        else { return best }
        reused.reasons.append("its partitions are held already, so that nothing has to be sent")
        return reused
    }
}
