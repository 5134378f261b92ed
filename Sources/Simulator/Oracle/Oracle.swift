internal import Base
internal import Cluster
internal import Wire

/// What the processes have promised each other and the clients, and whether it holds.
///
/// The shells tell it what they do, and it compares that with what it knows of everybody; it changes nothing in the world. What it counts on the
/// way is the run's report.
struct Oracle {
    typealias Violation = Simulation.Violation

    /// Each request has its outcome within this time after the last fault is over: silence is noticed (2 s), a plan is made and loaded, and
    /// whoever was left out for a short while is tried again (5 s).
    static let recoveryLimit: Duration = .seconds(10)
    /// … and within this time where memory was short: a node that could not load its partition is left out for 10 s, twice in a row.
    static let shortageRecoveryLimit: Duration = .seconds(30)
    /// How long a settled cluster is watched: longer than any pause after which it might change its mind.
    static let observedTime: Duration = .seconds(15)
    /// A settled cluster answers within this time.
    static let probeLimit: Duration = .seconds(5)
    /// Workers that one input may end: twice among others, once alone.
    static let killsOfOneInput = 3
    /// Rounding of deadlines to milliseconds on the wire, and of the client's timer.
    static let deadlineSlack: Duration = .milliseconds(50)
    /// A client that is asked to come back after its deadline gives up at once. No coordinator asks for a longer pause than this.
    static let longestRetryHint: Duration = .seconds(1)

    /// Whom a worker obeys, as its connections show.
    struct Holder {
        var session: SessionID
        var term: UInt64
        var name: String
        var control: ConnectionID
        var token: HolderToken
        var heardAt: Instant
        /// Whether its control connection stood when another coordinator's hello came.
        var isConnected = true
    }

    let seed: UInt64
    let layerCount: Int
    /// Executions and loads may fail for lack of memory at any time.
    let isShortOfMemory: Bool
    var report = Simulation.Report()
    /// By client and number.
    var requests: [[PromisedRequest]]
    /// Clients that have left wait for nothing.
    var left: Set<Int> = []
    /// Requests of clients that have not left, planned or submitted, without an outcome.
    var openRequests = 0
    /// Faults so far for which a node may have been given up with what it ran.
    var endingFaults = 0
    /// By worker.
    var holders: [Holder?]
    /// The last attempt that was sent of each piece, by coordinator and request.
    var attempts: [[RequestID: [Int: UInt32]]]
    /// Plans of the coordinator when everything had settled.
    var plansWhenSettled: UInt64 = 0
    /// What was found where nothing can be thrown; the first of a step counts.
    private(set) var pending: Violation?

    init(seed: UInt64, layerCount: Int, isShortOfMemory: Bool, clients: Int, workers: Int, coordinators: Int) {
        self.seed = seed
        self.layerCount = layerCount
        self.isShortOfMemory = isShortOfMemory
        requests = Array(repeating: [], count: clients)
        holders = Array(repeating: nil, count: workers)
        attempts = Array(repeating: [:], count: coordinators)
    }

    func violation(_ message: String, at time: Instant) -> Violation { Violation(seed: seed, at: time, message: message) }

    /// For what is found where nothing can be thrown.
    mutating func complain(_ message: String, at time: Instant) { if pending == nil { pending = violation(message, at: time) } }

    /// How long after the last fault a request may wait in this run.
    var longestRecovery: Duration {
        isShortOfMemory || report.faults["memory shortage"] != nil ? Self.shortageRecoveryLimit : Self.recoveryLimit
    }

    mutating func happened(_ fault: Fault) {
        if fault.endsNodes { endingFaults += 1 }
        if let kind = fault.kind { report.faults[kind, default: 0] += 1 }
    }
}
