public import Base

/// The planner: a pure function from a model's profile, nodes and links to a ``Plan``.
public enum Planner {
    /// The plan for a request, or why there is none. Equal requests give equal plans, whatever the order of the nodes.
    ///
    /// With several profiles the size of the micro-batch is decided too: the most items/s, then, within the tolerance of it, the
    /// shortest request; for the objective `latency` the shortest request.
    public static func plan(_ request: PlanRequest) throws(PlanningError) -> Plan {
        guard !request.otherProfiles.isEmpty else { return try planOneSize(request) }
        var plans: [Plan] = []
        var failure: PlanningError?
        for profile in [request.profile] + request.otherProfiles {
            var single = request
            single.profile = profile
            single.otherProfiles = []
            do { plans.append(try planOneSize(single)) } catch { failure = failure.map { $0.nearer(of: error) } ?? error }
        }
        guard var best = fastest(plans, request) else { throw failure ?? .noNodes(reasons: []) }
        let others = plans.filter { $0.microBatch != best.microBatch }.map {
            "\($0.microBatch) \($0.microBatch == 1 ? "gives" : "give") \($0.itemsPerSecond.text(digits: 1)) items/s"
        }
        if !others.isEmpty {
            best.reasons.append(
                "micro-batches of \(best.microBatch) give \(best.itemsPerSecond.text(digits: 1)) items/s; \(others.joined(separator: ", "))"
            )
        }
        return best
    }

    /// The plan that takes over when a node is lost: the same request without it.
    public static func plan(_ request: PlanRequest, without node: NodeID) throws(PlanningError) -> Plan {
        var rest = request
        rest.nodes.removeAll { $0.id == node }
        return try plan(rest)
    }

    private static func fastest(_ plans: [Plan], _ request: PlanRequest) -> Plan? {
        func requestMs(_ plan: Plan) -> Double { plan.requestMilliseconds(items: request.settings.itemsPerRequest) }
        let most = plans.map(\.itemsPerSecond).max() ?? 0
        let near = plans.filter { $0.itemsPerSecond * request.settings.bottleneckTolerance >= most }
        return (request.objective == .latency ? plans : near).min { requestMs($0) < requestMs($1) }
    }

    private static func planOneSize(_ original: PlanRequest) throws(PlanningError) -> Plan {
        let (request, selection) = try prepared(original)
        let outcome: PlanOutcome
        switch request.strategy {
        case .optimal: outcome = try OptimalStrategy(request: request, nodes: selection.nodes).solve()
        case .ralos: outcome = try RalosStrategy(request: request, nodes: selection.nodes).solve()
        }
        return finish(outcome, request: request, selection: selection)
    }

    /// The same figures for an assignment that is given, not searched for: a deployed plan under newer measurements.
    public static func evaluate(_ assignment: [(layers: LayerRange, node: NodeID)], _ request: PlanRequest) throws(PlanningError)
        -> Plan
    { try evaluate(stages: assignment.map { ($0.layers, [$0.node]) }, request) }

    /// The same for stages of several replicas.
    public static func evaluate(stages: [(layers: LayerRange, replicas: [NodeID])], _ original: PlanRequest) throws(PlanningError)
        -> Plan
    {
        let (request, selection) = try prepared(original)
        let model = PipelineModel(request: request, nodes: selection.nodes)
        let indexOf = Dictionary(selection.nodes.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
        var steps: [PlanOutcome.Step] = []
        var boundary = 0
        for (layers, replicas) in stages {
            if let stranger = replicas.first(where: { indexOf[$0] == nil }) {
                throw .invalidAssignment("\(stranger) cannot take part; plan again with the nodes that can")
            }
            let nodes = replicas.compactMap { indexOf[$0] }
            guard !nodes.isEmpty, Set(nodes).count == nodes.count else {
                throw .invalidAssignment("layers \(layers) have no node, or the same one twice; plan again")
            }
            guard layers.first == model.boundaryLayers[boundary],
                let end = model.boundaryLayers.firstIndex(of: layers.end), end > boundary
            else {
                throw .invalidAssignment(
                    "layers \(layers) do not run from layer \(model.boundaryLayers[boundary]) to a legal cut; plan again for this model"
                )
            }
            steps.append(PlanOutcome.Step(block: model.block(from: boundary, to: end), nodes: nodes))
            boundary = end
        }
        guard boundary == model.segmentCount else {
            throw .invalidAssignment("the stages end at layer \(model.boundaryLayers[boundary]) of \(request.profile.layers.count)")
        }
        for (index, node) in selection.nodes.enumerated() {
            guard let pin = node.pinnedStage, !(steps.indices.contains(pin) && steps[pin].nodes.contains(index)) else { continue }
            throw .invalidPins("\(node.id) is pinned to stage \(pin), where this assignment does not have it; plan again")
        }
        return finish(PlanOutcome(model: model, steps: steps, isExact: false), request: request, selection: selection)
    }

    /// An assignment that serves, and the best plan, both under the same newest measurements; the best is never worse than what serves.
    public static func compare(
        _ serving: [(layers: LayerRange, replicas: [NodeID])], _ request: PlanRequest
    ) throws(PlanningError) -> (serving: Plan, best: Plan) {
        let current = try evaluate(stages: serving, request)
        let best = try plan(request)
        return (current, best.bottleneckMilliseconds < current.bottleneckMilliseconds ? best : current)
    }

    private static func prepared(_ original: PlanRequest) throws(PlanningError) -> (PlanRequest, ParticipantSelection) {
        var request = original
        let (links, warnings) = original.links.sanitized()
        request.links = links
        try request.profile.validate()
        try validateCosts(request)
        var selection = try ParticipantSelection(request)
        selection.reasons = warnings + selection.reasons
        return (request, selection)
    }

    private static func validateCosts(_ request: PlanRequest) throws(PlanningError) {
        let layers = request.profile.layers
        if request.costModel == .profiled, let missing = layers.firstIndex(where: { $0.milliseconds == nil }) {
            throw .invalidProfile("layer \(missing) (\(layers[missing].name)) was never measured; measure it, or use --cost macs")
        }
        guard request.costModel.costs(of: layers).contains(where: { $0 > 0 }) else {
            throw .invalidProfile("no layer has a cost under the model '\(request.costModel.rawValue)'; use another --cost")
        }
    }

    private static func finish(_ outcome: PlanOutcome, request: PlanRequest, selection: ParticipantSelection) -> Plan {
        let used = Set(outcome.steps.flatMap { $0.nodes.map { outcome.model.nodes[$0].id } })
        let unused = request.nodes.map(\.id).filter { !used.contains($0) }.sorted()
        let model = PipelineModel(request: request, nodes: selection.nodes)
        let exactness: Plan.Exactness =
            outcome.isExact
            ? .exact
            : request.strategy == .ralos
                ? .heuristic : LowerBound(model: model, shape: request.shape).exactness(of: outcome.bottleneckMs)
        var plan = outcome.plan(
            request: request, singleBestNode: singleBestNode(request: request, model: model), unused: unused, exactness: exactness)
        let tooSmall = model.nodes.indices.filter { !used.contains(model.nodes[$0].id) }.compactMap(
            model.smallestPieceTooLarge(for:))
        plan.leftOut = selection.leftOut + tooSmall.map(\.leftOut)
        plan.reasons = PlanReasons(plan: plan, request: request, selection: selection).lines
        return plan
    }

    /// The whole model on one node: the lowest interval (or latency, where that is the objective) that fits.
    private static func singleBestNode(request: PlanRequest, model: PipelineModel) -> Plan.SingleNode? {
        let block = model.block(from: 0, to: model.segmentCount)
        let candidates = model.nodes.indices.compactMap { index -> Plan.SingleNode? in
            guard model.fits(block, on: index) else { return nil }
            let alone = PlanOutcome(model: model, steps: [PlanOutcome.Step(block: block, nodes: [index])], isExact: false)
            let interval = alone.bottleneckMs
            guard interval.isFinite else { return nil }
            return Plan.SingleNode(
                node: model.nodes[index].id, intervalMilliseconds: interval,
                itemsPerSecond: Double(request.profile.batch) * 1000 / interval, latencyMilliseconds: alone.latencyMs)
        }
        return candidates.min { left, right in
            request.objective == .latency
                ? (left.latencyMilliseconds, left.intervalMilliseconds) < (right.latencyMilliseconds, right.intervalMilliseconds)
                : (left.intervalMilliseconds, left.latencyMilliseconds) < (right.intervalMilliseconds, right.latencyMilliseconds)
        }
    }
}
