public import Base
internal import Planning

/// Whether requests are answered now, and if not, what is missing.
public struct Readiness: Sendable, Hashable, Codable {
    public struct MissingNode: Sendable, Hashable, Codable {
        public var name: NodeID
        public var state: String
        public var cause: String

        public init(name: NodeID, state: String, cause: String) {
            self.name = name
            self.state = state
            self.cause = cause
        }
    }

    public var isReady: Bool
    /// Why not, in one sentence; `nil` when ready.
    public var cause: String?
    /// Why the last plan was not possible.
    public var planFailure: String?
    /// The nodes that could serve and do not; empty when ready, because then none is missed.
    public var missing: [MissingNode]

    enum CodingKeys: String, CodingKey {
        case isReady = "ready"
        case cause
        case planFailure = "plan_failure"
        case missing
    }

    public init(isReady: Bool, cause: String?, planFailure: String?, missing: [MissingNode]) {
        self.isReady = isReady
        self.cause = cause
        self.planFailure = planFailure
        self.missing = missing
    }
}

extension CoordinatorMachine {
    /// Whether a plan serves now: nothing is being shut down, and every stage has a living node with its partition loaded.
    ///
    /// A plan alone is not enough: between the silence of a stage's only node and its loss the plan is still there, and no request would be
    /// answered.
    public var isServing: Bool {
        guard let active = plans.active, !isDraining else { return false }
        return hasLivingReplicas(active.deployment)
    }

    /// Whether each stage has a node that takes work and holds the stage's partition.
    func hasLivingReplicas(_ deployment: PlannedDeployment) -> Bool { deployment.stages.allSatisfy(hasLivingReplica) }

    private func hasLivingReplica(_ stage: PlannedDeployment.Stage) -> Bool {
        stage.replicas.contains { roster[$0]?.takesWork == true && isLoaded(stage.partition, on: $0) }
    }

    /// A plan with replicas left in every stage goes on serving until the next one is loaded.
    mutating func retireActiveIfBroken() {
        if let active = plans.active, !hasLivingReplicas(active.deployment) { plans.retire() }
    }

    public var readiness: Readiness {
        guard !isServing else { return Readiness(isReady: true, cause: nil, planFailure: nil, missing: []) }
        return Readiness(
            isReady: false, cause: unreadyCause, planFailure: plans.failure,
            missing: roster.all.sorted { $0.id < $1.id }.compactMap { node in
                node.absence.map { .init(name: node.id, state: node.state.name, cause: $0) }
            })
    }

    private var unreadyCause: String {
        if isDraining { return "the coordinator is shutting down" }
        guard let active = plans.active else { return waitingCause }
        let stages = active.deployment.stages
        let dead = stages.indices.filter { !hasLivingReplica(stages[$0]) }
        return "no living node for stage \(dead.map(String.init).joined(separator: ", ")) of plan \(active.generation)"
    }

    /// The first plan waits for all listed workers, at most the join timeout, and for those that the coordinator before may still hold until
    /// they must have let go of it.
    mutating func openStartGate(_ step: inout Step) {
        guard !roster.gate.isOpen, let startedAt = roster.gate.startedAt, !roster.isEmpty else { return }
        guard roster.all.contains(where: { $0.state != .ready }) else {
            roster.gate.open()
            plans.hurry(step.now)
            return
        }
        var due = startedAt + configuration.joinTimeout
        // Once: a worker that says so again and again puts nothing off.
        if step.now >= due { due = min(roster.all.lazy.compactMap(\.mayBeHeldUntil).reduce(due, max), due + Self.holdPatience) }
        roster.gate.wait(until: due)
        guard step.now >= due else { return }
        roster.gate.open()
        let missing = roster.all.filter { $0.state != .ready }.sorted { $0.id < $1.id }
        let reasons = missing.map { "\($0.id): \($0.cause)" }.joined(separator: "; ")
        step.log(.warning, "waiting for \(missing.count) of \(roster.count) workers no longer", ["missing": reasons])
    }
}
