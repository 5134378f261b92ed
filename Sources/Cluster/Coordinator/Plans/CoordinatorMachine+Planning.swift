internal import Base
internal import Planning
internal import Wire

/// From a change in membership to a plan: who takes part in it, and what the planner says.
extension CoordinatorMachine {
    mutating func requestPlan(_ now: Instant, after delay: Duration) {
        plans.request(at: now + delay)
    }

    mutating func startPlanning(_ step: inout Step) {
        // A node that could not load a partition, or that was lost too often, may take part again.
        if plans.isRejoinDue(step.now), readmit(step.now) { requestPlan(step.now, after: .zero) }
        guard roster.gate.isOpen, plans.takeDue(step.now) else { return }
        let (members, leavesOut) = planMembers(step.now)
        guard !members.isEmpty else {
            let isAnyReady = roster.all.contains { $0.state == .ready }
            // Nodes that are ready but could not load their partition: the reason stays, with what was missing. Where none is ready,
            // each node's own cause says more, and stays current.
            if !isAnyReady { plans.forgetFailure() }
            if plans.active == nil, isAnyReady { requestPlan(step.now, after: Self.planRetryInterval) }
            let why = plans.failure ?? "no worker is ready (\(missingNodes))"
            plans.nobodyIsAble(why)
            sayImpossible(.warning, why, &step)
            return
        }
        if links.isTableAwaited { publishPeers(&step) }
        let number = order(.serve, over: members, isUrgent: !requests.isEmpty, &step)
        plans.ordered(number, leavingOut: leavesOut)
    }

    /// Asks the planner.
    /// - Returns: the number under which it answers.
    mutating func order(
        _ purpose: PlanPurpose, over members: [Node], isUrgent: Bool, _ step: inout Step
    ) -> UInt64 {
        let number = plans.nextOrder()
        let capacity = Capacity(of: roster.all, referenceSpeed: configuration.referenceSpeed, step.now)
        step.emit(
            .plan(
                PlanOrder(
                    generation: number, purpose: purpose, nodes: members.map(capacity.planningNode), brokenLinks: links.broken,
                    isUrgent: isUrgent, held: Capacity.held(by: members), observations: Capacity.observations(of: members),
                    links: Capacity.measuredLinks(of: members))))
        return number
    }

    /// Who may take part in a plan: who is ready and takes partitions of the model, without those that could not load theirs lately, and those
    /// that flap or lose work; these are taken all the same where nobody else is left.
    /// - Returns: also whether anybody was left out for flapping or losing work.
    func planMembers(_ now: Instant) -> (members: [Node], leavesOut: Bool) {
        let ready = roster.all.filter { $0.state == .ready && $0.session?.refusal == nil }.sorted { $0.id < $1.id }
        let able = ready.filter { ($0.excludedUntil ?? .zero) <= now }
        let steady = able.filter { !$0.isLeftOut(now) }
        if !steady.isEmpty, !plans.takesLeftOut { return (steady, steady.count < able.count) }
        if !able.isEmpty { return (able, false) }
        // Nobody else is left: those that were left out get another chance, though not at once.
        let earlier = Self.exclusionAfterLoadFailure - Self.planRetryInterval
        return (ready.filter { ($0.excludedUntil ?? .zero) <= now + earlier }, false)
    }

    /// With no plan that serves, another look after this long: memory may have been freed.
    static let planRetryInterval: Duration = .seconds(5)

    /// Names each node that is not ready and why.
    var missingNodes: String {
        if roster.isEmpty { return "no worker is listed or registered; start one with amp4ec-worker --coordinator ADDR" }
        let missing = roster.all.sorted { $0.id < $1.id }.compactMap { node in node.absence.map { "\(node.id): \($0)" } }
        return missing.isEmpty ? "all workers are ready" : missing.joined(separator: "; ")
    }

    mutating func planned(_ generation: UInt64, _ outcome: PlanOutcome, _ step: inout Step) {
        guard plans.takeAnswer(generation) else {
            if plans.drift.order?.number == generation {
                compared(outcome, &step)
            } else {
                plans.standbys.answered(generation, outcome, step.now)
            }
            return
        }
        switch outcome {
        case .comparison: break
        case .failure(let message):
            // Without the nodes that flap there is no plan: a shaky one is better than none.
            if plans.impossible(message) { return requestPlan(step.now, after: .zero) }
            sayImpossible(.error, message, &step)
            if plans.active == nil { requestPlan(step.now, after: Self.planRetryInterval) }
        case .plan(let deployment):
            // Membership may have changed while the plan was computed.
            guard deployment.nodes.allSatisfy({ roster[$0]?.state == .ready && roster[$0]?.session?.refusal == nil }),
                !bringsBack(deployment, orderedAs: generation)
            else {
                return requestPlan(step.now, after: .zero)
            }
            deploy(deployment, from: "the planner", &step)
        }
    }
}
