public import Base
internal import Planning
internal import Tensors
public import Wire

/// A coordinator's decisions: who is alive, what is deployed where, which micro-batch goes which way, and what each client is told.
///
/// Contract. Feed every event in the order in which it happened, with a time that never goes back, and carry out the returned
/// directives in order; call ``step(_:now:)`` with ``Event/tick`` no later than ``nextWake``. The machine holds no tensor and no socket:
/// a request's input stays with the shell under its ``RequestID`` from ``Directive/accept(_:_:_:)`` until ``Directive/forget(_:)``, so
/// that any micro-batch of it can be sent again. Exactly one reply (or error) reaches the client for each accepted request, unless the
/// client has left or cancelled.
///
/// Parts. Each of ``roster``, ``links``, ``plans``, ``requests`` and ``flights`` changes its own state alone and answers with facts; what
/// follows from them for another part is said here. The time and the directives of a step travel as one value (``Step``).
///
/// Invariants. A micro-batch has at most one attempt that counts; results of other attempts are dropped. A reservation (slot and bytes
/// at each hop) lives from dispatch until the result, a `Dropped`, a rejection, a failure, or the node's loss. A process has one
/// connection of each kind, however many addresses lead to it. Each table's bound is in docs/ARCHITECTURE.md ("Bounds").
public struct CoordinatorMachine: Sendable {
    let configuration: Configuration
    public let session: SessionID
    /// Gives each target the secret that its worker will know this coordinator by: always the same one for the same target.
    let holderToken: @Sendable (NodeID) -> HolderToken
    /// Gives each attempt at a request's piece the token of its ``WorkKey``: always the same for the same numbers.
    let workToken: @Sendable (RequestID, _ piece: Int, _ attempt: UInt32) -> UInt64
    public internal(set) var term: UInt64 = 1

    /// Who is there.
    var roster: Roster
    /// Who can reach whom.
    var links = Links()
    /// What serves, and what will.
    var plans = Plans()
    /// What was admitted.
    var requests = Requests()
    /// What is under way.
    var flights = Flights()

    var lastStep: Instant?
    /// When this machine asked to be woken at the latest: being later than that is its own pause, not the nodes'.
    var promisedWake: Instant?
    var drain: Drain?

    public private(set) var counters = Counters()
    /// Of the completed requests, from admission to the reply.
    var latencies = LatencyHistogram()
    /// How fast what waits gets done.
    var pace = QueuePace()
    /// Of all that were answered.
    var times = RequestTimes()

    public init(
        configuration: Configuration, session: SessionID,
        holderToken: @escaping @Sendable (NodeID) -> HolderToken,
        workToken: @escaping @Sendable (RequestID, _ piece: Int, _ attempt: UInt32) -> UInt64
    ) {
        self.configuration = configuration
        roster = Roster(configuration)
        self.session = session
        self.holderToken = holderToken
        self.workToken = workToken
    }

    /// Advances by one event.
    public mutating func step(_ event: Event, now: Instant) -> [Directive] {
        var step = Step(now: now)
        roster.gate.start(now)
        forgiveOwnPause(now)
        switch event {
        case .targets(let targets): adopt(targets, &step)
        case .registered(let connection, let register, let incarnation, let source):
            registered(connection, register, incarnation, from: source, &step)
        case .modelReady(let served):
            plans.serve(served)
            requestPlan(now, after: .zero)
        case .connected(let node, let channel, let connection, let welcome):
            connected(node, channel, connection, welcome, &step)
        case .dialFailed(let node, let failure): dialFailed(node, failure, &step)
        case .connectionClosed(let connection, let cause): connectionClosed(connection, cause, &step)
        case .heard(let connection): heard(connection, &step)
        case .received(let connection, let message, let by): received(connection, message, by: by, &step)
        case .planned(let generation, let outcome): planned(generation, outcome, &step)
        case .archiveUnavailable(let key, let message): archiveUnavailable(key, message, &step)
        case .requestAnnounced(let connection, let request): announced(connection, request, &step)
        case .requestProgressed(let id, let byteCount): requests.progressed(id, byteCount: byteCount, now)
        case .requestArrived(let id): requests.inputsCame(id, now)
        case .requestCached(let id): requestCached(id, &step)
        case .requestBroken(let id, let message): finish(id, with: .invalidArgument, message, &step)
        case .requestGivenUp(let id): drop(id, &step)
        case .resultAnnounced(let connection, let result): resultAnnounced(connection, result, &step)
        case .resultArrived(let connection, let key, let traces): resultArrived(connection, key, traces, &step)
        case .resultBroken(let connection, let key, let message): resultBroken(connection, key, message, &step)
        // Notes of each micro-batch that nothing follows from by itself.
        case .resultComplete(let connection, let key):
            resultComplete(connection, key)
            return step.directives
        case .dispatched(let key, let sentBytes):
            flights.written(key, sentBytes, now)
            return step.directives
        case .placed(let connection, let places, let receivedBytes): placed(connection, places, receivedBytes, &step)
        case .dispatchFailed(let key, let message): dispatchFailed(key, message, &step)
        case .replySent(let id): replySent(id, &step)
        case .drain: startDraining(&step)
        case .tick: break
        }
        advance(&step)
        promisedWake = nextWake
        return step.directives
    }

    /// Everything that happens because time has passed or state has changed, whatever the event was.
    private mutating func advance(_ step: inout Step) {
        watchNodes(&step)
        mendLinks(&step)
        openStartGate(&step)
        reclaimAbandoned(step.now)
        expireRequests(&step)
        endSlowUploads(&step)
        watchDeployment(&step)
        startPlanning(&step)
        prepareStandbys(&step)
        watchDrift(&step)
        if links.isTableDue(step.now) { publishPeers(&step) }
        dispatch(&step)
        watchRegistrations(&step)
        settleDepartures(&step)
        settleDrain(&step)
    }

    mutating func count(_ change: (inout Counters) -> Void) { change(&counters) }
}

/// Totals since the start, for `status` and metrics.
public struct Counters: Sendable, Hashable, Codable {
    /// Absent where an earlier version answers.
    public var requestsAdmitted: UInt64? = 0
    /// Computed by the workers; a request that the cache answers counts as cached alone.
    public var requestsCompleted: UInt64 = 0
    public var requestsCached: UInt64 = 0
    public var requestsFailed: UInt64 = 0
    public var requestsRejected: UInt64 = 0
    public var requestsCancelled: UInt64 = 0
    public var microBatchesDispatched: UInt64 = 0
    public var microBatchesReplayed: UInt64 = 0
    public var resultsDropped: UInt64 = 0
    public var plans: UInt64 = 0
    /// Plans because what served had become worse than another.
    public var driftPlans: UInt64 = 0
    public var nodesLost: UInt64 = 0
    /// Partitions that were sent to workers which did not hold them.
    public var archivesSent: UInt64 = 0
    /// The result cache, which the shell holds: look-ups, and what is in it now.
    public var cacheHits: UInt64 = 0
    public var cacheMisses: UInt64 = 0
    public var cacheBytes: UInt64 = 0
    public var cacheEntries: UInt64 = 0
    /// The longest time for which the loop, which the shell holds, was busy without a look at the others.
    public var longestLoopTurnMs: Double?

    public init() {}

    enum CodingKeys: String, CodingKey {
        case requestsAdmitted = "requests_admitted"
        case requestsCompleted = "requests_completed"
        case requestsCached = "requests_cached"
        case requestsFailed = "requests_failed"
        case requestsRejected = "requests_rejected"
        case requestsCancelled = "requests_cancelled"
        case microBatchesDispatched = "micro_batches_dispatched"
        case microBatchesReplayed = "micro_batches_replayed"
        case resultsDropped = "results_dropped"
        case plans
        case driftPlans = "drift_plans"
        case nodesLost = "nodes_lost"
        case archivesSent = "archives_sent"
        case cacheHits = "cache_hits"
        case cacheMisses = "cache_misses"
        case cacheBytes = "cache_bytes"
        case cacheEntries = "cache_entries"
        case longestLoopTurnMs = "longest_loop_turn_ms"
    }
}
