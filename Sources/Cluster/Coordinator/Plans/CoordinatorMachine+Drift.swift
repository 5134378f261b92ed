internal import Base
internal import Planning
internal import Wire

/// A plan that has become worse than another would be: nodes that got slower or faster, links that did. The planner compares what serves
/// with the best plan under the newest measurements, and ``DriftJudge`` says when a difference is worth a new plan.
extension CoordinatorMachine {
    mutating func watchDrift(_ step: inout Step) {
        guard plans.isSettled, !isDraining, let active = plans.active else { return }
        plans.drift.giveUpOverdue(step.now)
        guard plans.standbys.order == nil, plans.drift.isDue(step.now) else { return }
        let members = planMembers(step.now).members
        guard !members.isEmpty else { return plans.drift.putOff(step.now) }
        let serving = active.deployment.plan.stages.map { StageAssignment(layers: $0.layers, replicas: $0.replicas) }
        let number = order(.drift(from: serving), over: members, isUrgent: true, &step)
        plans.drift.ordered(number, step.now)
    }

    mutating func compared(_ outcome: PlanOutcome, _ step: inout Step) {
        guard let order = plans.drift.takeAnswer(step.now), case .comparison(let comparison) = outcome else { return }
        plans.drift.rest(after: comparison.searchTime, step.now)
        guard plans.isSettled, !isDraining, plans.drift.isWorthAPlan(comparison, step.now),
            let best = comparison.best, best.nodes.allSatisfy({ roster[$0]?.state == .ready }),
            !bringsBack(best, orderedAs: order)
        else { return }
        step.log(
            .info, "the plan that serves has become worse than another",
            ["serving_ms": Self.text(comparison.servingMs), "best_ms": Self.text(comparison.bestMs)])
        count { $0.driftPlans += 1 }
        deploy(best, from: "drift", &step)
    }

    /// Two decimals.
    private static func text(_ milliseconds: Double) -> String {
        milliseconds.isFinite && milliseconds < 1e9 ? "\((milliseconds * 100).rounded() / 100)" : "\(milliseconds)"
    }
}
