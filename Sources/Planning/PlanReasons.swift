internal import Base

/// Why a plan is as it is, for a reader: who was left out, what decided the number of stages, what one node would do, how good it is.
struct PlanReasons {
    let plan: Plan
    let request: PlanRequest
    let selection: ParticipantSelection

    var lines: [String] {
        let tooSmall = plan.leftOut.dropFirst(selection.leftOut.count).map(\.description)
        return selection.reasons + tooSmall + shape + single + [exactness]
    }

    private var shape: [String] {
        let candidates = selection.nodes.count
        let used = plan.usedNodes.count
        let mostStages = request.profile.cuts.count + 1
        var lines: [String] = []
        if mostStages == 1, candidates > 1 || !selection.reasons.isEmpty {
            lines.append(
                used == 1
                    ? "the model has no legal cut: it runs whole, on the node that does it best"
                    : "the model has no legal cut: it runs whole, on \(used) nodes as replicas")
        } else if mostStages < candidates, request.shape == .pipeline {
            lines.append(
                "\(mostStages - 1) legal \(mostStages == 2 ? "cut makes" : "cuts make") at most \(mostStages) stages, "
                    + "fewer than the \(candidates) nodes")
        } else if plan.stages.count < candidates, request.shape == .pipeline {
            lines.append(
                plan.exactness == .exact
                    ? "no plan with more than \(plan.stages.count) stages fits the nodes' memory and links"
                    : "no plan with more than \(plan.stages.count) stages was found that fits the nodes' memory and links")
        }
        if request.shape == .auto, used < candidates {
            lines.append("\(used) of \(candidates) nodes are used: more would not lower the bottleneck or would add latency")
        }
        if used < candidates { lines += request.profile.obstacles ?? [] }
        return lines
    }

    private var single: [String] {
        guard plan.usedNodes.count > 1 else { return [] }
        guard let single = plan.singleBestNode else { return ["the whole model fits no single node's memory"] }
        return [
            "\(single.node) alone would do \(single.itemsPerSecond.text(digits: 1)) items/s, "
                + "the plan \(plan.itemsPerSecond.text(digits: 1)) items/s"
        ]
    }

    private var exactness: String {
        switch plan.exactness {
        case .exact:
            request.objective == .latency
                ? "no plan of this shape has a lower latency (exact search)"
                : "no plan of this shape has a lower bottleneck (exact search)"
        case .bounded(let bound, let gap):
            "not exact: the bottleneck is at most \((gap * 100).text(digits: 1)) % above the lower bound of \(bound.text(digits: 3)) ms"
        case .heuristic: "the paper's greedy boundaries with refinement: not the best possible"
        }
    }
}
