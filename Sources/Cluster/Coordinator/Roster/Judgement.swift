internal import Base
internal import Planning
internal import Wire

/// Nodes that are lost again and again: each loss is a plan, a deployment and replays, and costs more than such a node brings.
struct Flapping: Sendable {
    /// A node that is lost this often …
    static let lossLimit = 4
    /// … within this time is left out of plans.
    static let window: Duration = .seconds(30)
    /// This long at first, twice as long at each further loss, up to the longest.
    static let pauseFirst: Duration = .seconds(10)
    static let pauseLongest: Duration = .seconds(300)
    /// After this long without a loss, while plans could use it, what was before is forgotten.
    static let forgottenAfter: Duration = .seconds(60)

    /// Losses within the window, oldest first; as many as count.
    private(set) var losses: [Instant] = []
    var readySince: Instant = .zero
    private var pause: Duration?
    private(set) var leftOutUntil: Instant?
    private(set) var cause = ""

    func isLeftOut(_ now: Instant) -> Bool { (leftOutUntil ?? .zero) > now }

    /// - Returns: for how long it is left out from now on, when there were too many.
    mutating func noteLoss(_ now: Instant) -> Duration? {
        let usableSince = max(readySince, leftOutUntil ?? .zero)
        if usableSince + Self.forgottenAfter <= now {
            losses = []
            pause = nil
        }
        losses = (losses.filter { $0 + Self.window > now } + [now]).suffix(Self.lossLimit)
        guard pause != nil || losses.count >= Self.lossLimit else { return nil }
        let longer = pause.map { min($0 * 2, Self.pauseLongest) } ?? Self.pauseFirst
        pause = longer
        leftOutUntil = now + longer
        cause = "lost again and again: left out of plans for \(longer.readable) since the last time"
        return longer
    }

    /// Its time is over.
    mutating func takesPart() { cause = "" }
}

/// A node that lost work (see ``Search``). It ends with the process.
struct Distrust: Sendable {
    /// It is left out of plans this long at first, twice as long at each further time, up to the longest.
    static let pauseFirst: Duration = .seconds(30)
    static let pauseLongest: Duration = .seconds(300)
    /// After this long without a loss, while plans could use it, what was before is forgotten.
    static let forgottenAfter: Duration = .seconds(60)

    private(set) var leftOutUntil: Instant = .zero
    private var pause: Duration?
    private(set) var cause = ""
    /// Who passed to it what it lost, if it was not the coordinator: one of the two lies.
    private(set) var accuser: NodeID?
    /// It takes no work of the plans that were made before.
    private(set) var isShunned = false
    /// The latest order to the planner by then.
    private(set) var planOrders: UInt64 = 0

    func isLeftOut(_ now: Instant) -> Bool { leftOutUntil > now }
    func isForgotten(_ now: Instant) -> Bool { pause == nil || leftOutUntil + Self.forgottenAfter <= now }

    /// - Returns: for how long it is left out from now on.
    mutating func noteLoss(of work: String, by accuser: NodeID?, planOrders: UInt64, _ now: Instant) -> Duration {
        let longer = isForgotten(now) ? Self.pauseFirst : min((pause ?? .zero) * 2, Self.pauseLongest)
        pause = longer
        leftOutUntil = now + longer
        cause = work
        self.accuser = accuser
        isShunned = true
        self.planOrders = planOrders
        return longer
    }

    /// Who accused it is accused by others.
    mutating func dropAccuser() { accuser = nil }

    /// A plan serves that was made with what is known now.
    mutating func takesWork() { isShunned = false }

    /// Its time is over.
    mutating func takesPart() {
        cause = ""
        isShunned = false
    }
}

/// What is known of the pace of a node's executors since its control connection opened.
struct Progress: Sendable {
    /// An executor that ends nothing for this long stalls, however short its micro-batches are: far above what a throttled cgroup (0.1 of
    /// each 100 ms) or a page fault storm can cause.
    static let floor: Duration = .seconds(5)
    /// … and it must be this many times as long as the longest run that was measured or predicted.
    static let factor = 20
    /// CPU time of its executors that counts as progress, if it takes them no longer than the times above: far below what a run gets that a
    /// quota throttles or that waits for its pages, far above what waiting for a lock takes.
    static let leastCPUNanoseconds: UInt64 = 1_000_000
    /// The first run on a node has no measurement yet, and may set up what later runs find ready.
    static let firstRunFloor: Duration = .seconds(30)

    /// When it last ended a micro-batch, had none, or changed what it has loaded.
    var lastAt: Instant
    private var longestRun: Duration?
    /// What the plan expects of it.
    private var predictedRun: Duration = .zero
    var loadOrderedAt: Instant?
    /// It stalled, having completed so many.
    var stalledAt: UInt64?
    /// What its executors had used when their CPU time last counted as progress.
    private var cpuNanoseconds: UInt64 = 0

    init(lastAt: Instant) { self.lastAt = lastAt }

    /// A new plan: its partition may take longer than what was measured so far.
    mutating func predict(_ milliseconds: Double) {
        predictedRun = .nanoseconds(Int64(max(0, min(1e15, milliseconds * 1e6))))
    }

    /// Slow is not dead: a run that computes goes on, until its deadline and what the worker itself allows after it.
    mutating func used(_ total: UInt64, _ now: Instant) -> Bool {
        guard total > cpuNanoseconds, total - cpuNanoseconds >= Self.leastCPUNanoseconds else { return false }
        cpuNanoseconds = total
        lastAt = now
        return true
    }

    mutating func ran(_ nanoseconds: UInt64, _ now: Instant) {
        lastAt = now
        longestRun = max(longestRun ?? .zero, .nanoseconds(Int64(clamping: nanoseconds)))
    }

    var limit: Duration {
        max(longestRun == nil ? Self.firstRunFloor : Self.floor, max(longestRun ?? .zero, predictedRun) * Self.factor)
    }
}
