internal import Base
internal import Planning
internal import Wire

/// The plan that serves.
struct ActivePlan: Sendable {
    let generation: UInt64
    let deployment: PlannedDeployment
    /// Micro-batches under way at once on its routes.
    let window: Int
}

/// A plan that is being loaded.
struct CandidatePlan: Sendable {
    let generation: UInt64
    let deployment: PlannedDeployment
    let startedAt: Instant
}

/// From "a plan is due" to one that serves: what is ordered from the planner, what is being loaded, what serves, and what is ready for a loss.
///
/// Invariants. One order to serve is under way at most; each order has a number of its own, by which its answer is known. The plan that is
/// being loaded is the latest.
struct Plans: Sendable {
    private(set) var model: ServedModel?
    private(set) var active: ActivePlan?
    private(set) var candidate: CandidatePlan?
    /// Of the plan that serves, or that served last.
    private(set) var selectors = ReplicaSelectors()
    var standbys = Standbys()
    var drift = Drift()

    private var generation: UInt64 = 0
    /// The number of the latest order to the planner.
    private(set) var orders: UInt64 = 0
    private(set) var inProgress: UInt64?
    private var dueAt: Instant?
    /// Why the last plan was not possible, or could not be loaded.
    private(set) var failure: String?
    /// Why the last plan without the nodes that go was not possible.
    private(set) var departureObstacle: String?
    /// Why there was nobody to make one of: who is left could not load its partition, and may try again later.
    private(set) var passingObstacle: String?
    /// The kind of failure that the log was told last.
    private var saidImpossible: String?
    /// Whether nodes that flap or lose work were left out of the plan that is being made, and whether the next one takes them.
    private var hasLeftOut = false
    private(set) var takesLeftOut = false
    /// When a node that was left out of plans may take part again.
    private var rejoinAt: Instant?

    /// A plan that shall serve is due, being made or being loaded.
    var isReplanning: Bool { inProgress != nil || dueAt != nil || candidate != nil }
    /// A plan serves, and none that shall is due, being made or being loaded: there is time for others.
    var isSettled: Bool { active != nil && !isReplanning }

    func activeUses(_ node: NodeID) -> Bool { active?.deployment.uses(node) == true }

    /// - Parameter isOpen: the first plan may be made.
    func nextWake(isOpen: Bool, isDraining: Bool, deploymentTimeout: Duration) -> Instant? {
        var wake = rejoinAt ?? .distantFuture
        if let candidate { wake = min(wake, candidate.startedAt + deploymentTimeout) }
        if inProgress == nil, isOpen, model != nil, let dueAt { wake = min(wake, dueAt) }
        if isSettled, !isDraining {
            if standbys.order == nil, let due = standbys.dueAt { wake = min(wake, due) }
            if standbys.order == nil || drift.order != nil, let due = drift.nextWake { wake = min(wake, due) }
        }
        return wake < .distantFuture ? wake : nil
    }

    // MARK: Orders

    mutating func serve(_ model: ServedModel) { self.model = model }

    /// The earliest counts.
    mutating func request(at due: Instant) { dueAt = min(dueAt ?? due, due) }

    /// What is due waits no longer.
    mutating func hurry(_ now: Instant) { if dueAt != nil { dueAt = now } }

    /// What was due is not needed.
    mutating func cancelRequest() { dueAt = nil }

    /// Whether a plan is to be made now. It is not due any more then.
    mutating func takeDue(_ now: Instant) -> Bool {
        guard let due = dueAt, due <= now, inProgress == nil, model != nil else { return false }
        dueAt = nil
        return true
    }

    mutating func nextOrder() -> UInt64 {
        orders += 1
        return orders
    }

    mutating func ordered(_ number: UInt64, leavingOut hasLeftOut: Bool) {
        inProgress = number
        self.hasLeftOut = hasLeftOut
        takesLeftOut = false
    }

    /// What was ordered is not needed: its answer counts no more.
    mutating func cancelOrder() { inProgress = nil }

    /// Whether an answer is that to the order to serve. It is not under way any more then.
    mutating func takeAnswer(_ number: UInt64) -> Bool {
        guard inProgress == number else { return false }
        inProgress = nil
        return true
    }

    /// The planner found none.
    /// - Returns: whether the next one takes those that were left out: a shaky plan is better than none.
    mutating func impossible(_ message: String) -> Bool {
        guard !hasLeftOut else {
            takesLeftOut = true
            return true
        }
        failure = message
        departureObstacle = message
        return false
    }

    /// Nobody may take part in a plan now.
    mutating func nobodyIsAble(_ why: String) { passingObstacle = why }

    /// Nobody is ready: each node's own cause says more.
    mutating func forgetFailure() { failure = nil }
    mutating func forgetDepartureObstacle() { (departureObstacle, passingObstacle) = (nil, nil) }

    /// Whether the log has not been told of this kind of failure. Figures in it (free memory) change each time; the cause does not.
    mutating func isNews(_ cause: String) -> Bool {
        let kind = cause.filter { !$0.isNumber && $0 != "." }
        guard kind != saidImpossible else { return false }
        saidImpossible = kind
        return true
    }

    // MARK: Nodes that were left out

    mutating func mayRejoin(at due: Instant) { rejoinAt = min(rejoinAt ?? .distantFuture, due) }
    func isRejoinDue(_ now: Instant) -> Bool { rejoinAt.map { $0 <= now } ?? false }
    mutating func nextRejoin(at due: Instant?) { rejoinAt = due }

    // MARK: From deployment to service

    /// - Returns: the plan's number. A deployment that is under way is given up for it.
    mutating func deploy(_ deployment: PlannedDeployment, _ now: Instant) -> UInt64 {
        (failure, saidImpossible) = (nil, nil)
        forgetDepartureObstacle()
        generation += 1
        candidate = CandidatePlan(generation: generation, deployment: deployment, startedAt: now)
        return generation
    }

    mutating func giveUpCandidate() { candidate = nil }

    mutating func candidateFailed(_ cause: String) {
        failure = cause
        candidate = nil
    }

    /// What was being loaded serves.
    mutating func activate(window: Int, selectors: ReplicaSelectors) {
        guard let candidate else { return }
        active = ActivePlan(generation: candidate.generation, deployment: candidate.deployment, window: window)
        self.selectors = selectors
        self.candidate = nil
    }

    /// Nothing serves.
    mutating func retire() { active = nil }

    /// What each node keeps: what serves, what is being loaded, and what is ready for a loss.
    var partitionsInUse: [NodeID: Set<PartitionKey>] {
        var used = active?.deployment.partitions ?? [:]
        used.merge(candidate?.deployment.partitions ?? [:]) { $0.union($1) }
        used.merge(standbys.wanted) { $0.union($1) }
        return used
    }

    // MARK: Replicas

    mutating func began(on node: NodeID) { selectors.began(on: node) }
    mutating func ended(on node: NodeID, milliseconds: Double?) { selectors.ended(on: node, milliseconds: milliseconds) }
    mutating func update(_ node: NodeID, _ reading: NodeReading?) { selectors.update(node, reading) }

    // MARK: Beside what serves

    mutating func renewStandbys(_ now: Instant) { standbys.renew(for: active?.deployment.nodes.sorted() ?? [], now) }
}

// MARK: Invariants

extension Plans {
    /// What does not hold, for tests and simulations. O(stages).
    func checkInvariants() -> String? {
        if let candidate, candidate.generation != generation { return "the plan that is being loaded is not the latest" }
        if let active, active.generation > generation || active.generation == candidate?.generation {
            return "the plan that serves has the number of another"
        }
        if let active, active.window < 1 { return "nothing can be sent while plan \(active.generation) serves" }
        let underWay = [inProgress, standbys.order?.number, drift.order?.number].compactMap { $0 }
        guard Set(underWay).count == underWay.count, underWay.allSatisfy({ $0 <= orders }) else {
            return "two orders to the planner have the same number, or one has none"
        }
        return standbys.checkInvariants()
    }
}
