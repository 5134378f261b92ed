internal import Base
internal import Wire

/// What belongs to one connection to a worker's process: it begins with the control connection and ends with it.
struct Session: Sendable {
    let control: ConnectionID
    var data: ConnectionID?
    var lastHeard: Instant
    var lastPing: Instant
    var heartbeat: Heartbeat?
    var heartbeatAt: Instant?
    /// The history has not had it yet.
    var hasNewHeartbeat = false
    var partitions: [PartitionKey: HeldState]
    var progress: Progress
    /// What was loaded so lately that the heartbeats' memory does not show it yet.
    var recentLoads: [(at: Instant, bytes: UInt64)] = []
    /// Why it takes no partition of this model, which its next process may: plans are made without it.
    var refusal: String?
    /// It said that it has no room: nothing is sent to it until then.
    var pausedUntil: Instant?

    init(control: ConnectionID, profile: WorkerProfile, _ now: Instant) {
        self.control = control
        lastHeard = now
        lastPing = now
        progress = Progress(lastAt: now)
        partitions = Dictionary(
            profile.inventory.filter(\.isLoaded).map { ($0.key, .unowned(weightBytes: 0)) }, uniquingKeysWith: { first, _ in first }
        )
    }
}

/// What is known of a partition at a node.
enum HeldState: Sendable, Hashable {
    case ordered
    case sendingArchive
    case ready(archiveBytes: UInt64, weightBytes: UInt64)
    /// Loaded, but not on our order, or no longer: the worker may evict it until it is ordered again.
    case unowned(weightBytes: UInt64)

    /// Ordered by us and not released: the worker keeps it.
    var isOwned: Bool { if case .unowned = self { false } else { true } }

    /// Ordered, and the worker has not answered yet.
    var isUnderWay: Bool {
        switch self {
        case .ordered, .sendingArchive: true
        case .ready, .unowned: false
        }
    }

    var weightBytes: UInt64 {
        switch self {
        case .ordered, .sendingArchive: 0
        case .ready(_, let bytes), .unowned(let bytes): bytes
        }
    }
}

/// How a node is reached: the dial that is under way, when the next one is due, and what the last ones met.
struct Dial: Sendable {
    var isUnderWay = false
    /// A dial of the data connection is under way: for which control connection. It may outlive that one.
    var dataFor: ConnectionID?
    var redialAt: Instant?
    var backoff: Duration
    /// The process that answered a dial which came to nothing: once it is connected as another node, this one leads to it.
    var met: IncarnationID?
    /// Since when its worker says that another coordinator holds it.
    var heldSince: Instant?
    var isHoldSaid = false

    init(at due: Instant, backoff: Duration) {
        redialAt = due
        self.backoff = backoff
    }

    /// When it is to be dialled; `nil` while a dial is under way.
    var dueAt: Instant? { isUnderWay ? nil : redialAt }

    mutating func begin() {
        isUnderWay = true
        redialAt = nil
    }

    mutating func succeeded() {
        isUnderWay = false
        redialAt = nil
        met = nil
    }

    /// The next one later, and the one after that later still.
    mutating func backOff(_ now: Instant, atMost longest: Duration) {
        redialAt = now + backoff
        backoff = min(backoff * 2, longest)
    }
}

extension Node {
    var control: ConnectionID? { session?.control }
    var data: ConnectionID? { session?.data }
    var heartbeat: Heartbeat? { session?.heartbeat }
    var partitions: [PartitionKey: HeldState] { session?.partitions ?? [:] }
    /// Why it takes no part in plans; `nil` where it may.
    var absence: String? {
        state != .ready ? cause : session?.refusal ?? excludedUntil.map { _ in exclusionCause }
    }
    var isConnected: Bool { session?.data != nil }

    /// Whether routes of the plan that serves may lead over it.
    var takesWork: Bool { !distrust.isShunned && (state == .ready || (state == .draining && departure?.takesWork == true)) }

    /// Plans are made without it for a while, where others are left.
    func isLeftOut(_ now: Instant) -> Bool { flapping.isLeftOut(now) || distrust.isLeftOut(now) }

    /// Until when its holder may be one that has ended, or it is on its way from that one to us.
    var mayBeHeldUntil: Instant? { state == .ready ? nil : dial.heldSince.map { $0 + CoordinatorMachine.holdPatience } }

    /// When the node counts as stalled, if it goes on like this. `nil` while it owes nothing or is loading.
    func stallDeadline(_ deploymentTimeout: Duration) -> Instant? {
        guard state == .ready, let session, let beat = session.heartbeat, beat.queued > 0 || beat.executing > 0 else { return nil }
        if let ordered = session.progress.loadOrderedAt, session.partitions.values.contains(where: \.isUnderWay) {
            // A load that never ends must not hide a stall for ever: after this time nobody waits for it.
            return max(ordered + deploymentTimeout, session.progress.lastAt + session.progress.limit)
        }
        return session.progress.lastAt + session.progress.limit
    }
}
