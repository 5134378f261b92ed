/// The planner: a pure function from a model's profile, nodes and links to a ``Plan``.
public enum Planner {
    /// The plan for a request, or why there is none. Equal requests give equal plans, whatever the order of the nodes.
    public static func plan(_ request: PlanRequest) throws(PlanningError) -> Plan {
        try request.profile.validate()
        try validateCosts(request)
        let selection = try ParticipantSelection(request)
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
    {
        try request.profile.validate()
        try validateCosts(request)
        let selection = try ParticipantSelection(request)
        let model = PipelineModel(request: request, nodes: selection.nodes)
        var steps: [(block: PipelineModel.Block, node: Int)] = []
        var boundary = 0
        for (layers, id) in assignment {
            guard let node = selection.nodes.firstIndex(where: { $0.id == id }) else {
                throw .invalidAssignment("\(id) cannot take part; plan again with the nodes that can")
            }
            guard layers.first == model.boundaryLayers[boundary],
                let end = model.boundaryLayers.firstIndex(of: layers.end), end > boundary
            else {
                throw .invalidAssignment(
                    "layers \(layers) do not run from layer \(model.boundaryLayers[boundary]) to a legal cut; plan again for this model"
                )
            }
            steps.append((model.block(from: boundary, to: end), node))
            boundary = end
        }
        guard boundary == model.segmentCount else {
            throw .invalidAssignment("the stages end at layer \(model.boundaryLayers[boundary]) of \(request.profile.layers.count)")
        }
        return finish(PlanOutcome(model: model, steps: steps, isExact: false), request: request, selection: selection)
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
        let used = Set(outcome.steps.map { outcome.model.nodes[$0.node].id })
        let unused = request.nodes.map(\.id).filter { !used.contains($0) }.sorted()
        let single = singleBestNode(request: request, nodes: selection.nodes)
        var plan = outcome.plan(request: request, singleBestNode: single, unused: unused, reasons: [])
        plan.reasons = reasons(for: plan, request: request, selection: selection)
        return plan
    }

    /// The whole model on one node: the lowest interval (or latency, where that is the objective) that fits.
    private static func singleBestNode(request: PlanRequest, nodes: [PlanningNode]) -> Plan.SingleNode? {
        let model = PipelineModel(request: request, nodes: nodes)
        let block = model.block(from: 0, to: model.segmentCount)
        let candidates = nodes.indices.compactMap { index -> Plan.SingleNode? in
            guard model.fits(block, on: index) else { return nil }
            let alone = PlanOutcome(model: model, steps: [(block, index)], isExact: false)
            let interval = alone.bottleneckMs
            guard interval.isFinite else { return nil }
            return Plan.SingleNode(
                node: nodes[index].id, intervalMilliseconds: interval,
                itemsPerSecond: Double(request.profile.batch) * 1000 / interval, latencyMilliseconds: alone.latencyMs)
        }
        return candidates.min { left, right in
            request.objective == .latency
                ? (left.latencyMilliseconds, left.intervalMilliseconds) < (right.latencyMilliseconds, right.intervalMilliseconds)
                : (left.intervalMilliseconds, left.latencyMilliseconds) < (right.intervalMilliseconds, right.latencyMilliseconds)
        }
    }

    private static func reasons(for plan: Plan, request: PlanRequest, selection: ParticipantSelection) -> [String] {
        var reasons = selection.reasons
        let candidates = selection.nodes.count
        let mostStages = request.profile.cuts.count + 1
        if mostStages == 1, candidates > 1 || !selection.reasons.isEmpty {
            reasons.append("the model has no legal cut: it runs whole, on the node that does it best")
        } else if mostStages < candidates, request.shape == .pipeline {
            reasons.append(
                "\(mostStages - 1) legal \(mostStages == 2 ? "cut makes" : "cuts make") at most \(mostStages) stages, "
                    + "fewer than the \(candidates) nodes")
        } else if plan.stages.count < candidates, request.shape == .pipeline {
            reasons.append("no plan with more than \(plan.stages.count) stages fits the nodes' memory and links")
        } else if plan.stages.count < candidates {
            reasons.append(
                "\(plan.stages.count) of \(candidates) nodes are used: more would not lower the bottleneck or would add latency")
        }
        if plan.stages.count > 1 {
            if let single = plan.singleBestNode {
                reasons.append(
                    "\(single.node) alone would do \(single.itemsPerSecond.text(digits: 1)) items/s, "
                        + "the plan \(plan.itemsPerSecond.text(digits: 1)) items/s")
            } else {
                reasons.append("the whole model fits no single node's memory")
            }
        }
        switch plan.exactness {
        case .exact: reasons.append("no plan of this shape has a lower bottleneck (exact search)")
        case .bounded(let bound, let gap):
            reasons.append(
                "not exact: the bottleneck is at most \((gap * 100).text(digits: 1)) % above the lower bound of \(bound.text(digits: 3)) ms"
            )
        case .heuristic: reasons.append("the paper's greedy boundaries with refinement: not the best possible")
        }
        return reasons
    }
}
