internal import DequeModule
internal import Planning
internal import Wire

/// Where a node stands (DESIGN section 6).
public enum NodeState: Sendable, Hashable {
    /// Listed; not yet answering, or answering and not yet with both connections.
    case joining
    case ready
    /// Silent for a while: no new work, its work is replayed elsewhere; it comes back by answering.
    case suspect
    case lost
    case draining

    public var name: String { "\(self)" }
}

extension CoordinatorMachine {
    struct Node: Sendable {
        var id: NodeID
        var addresses: [String]
        var state: NodeState = .joining
        /// Why it is in that state, for `status` and for the message that names who is missing.
        var cause = "not reached yet"
        var incarnation: IncarnationID?
        var profile: WorkerProfile?
        var control: ConnectionID?
        var data: ConnectionID?
        var isDialing = false
        var redialAt: Instant?
        var backoff: Duration
        var lastHeard: Instant = .zero
        var lastPing: Instant = .zero
        var pingSequence: UInt64 = 0
        var roundTrip: Duration?
        var heartbeat: Heartbeat?
        var partitions: [PartitionKey: HeldState] = [:]
        /// Reservations.
        var flights: Set<WorkKey> = []
        var flightBytes = 0
        /// Left out of plans until then, after a partition could not be loaded.
        var excludedUntil: Instant?

        var isConnected: Bool { control != nil && data != nil }
    }

    enum HeldState: Sendable, Hashable {
        case ordered
        case sendingArchive
        case ready(archiveBytes: UInt64, weightBytes: UInt64)
    }

    struct ActivePlan: Sendable {
        var generation: UInt64
        var deployment: PlannedDeployment
        /// Micro-batches under way at once on its routes.
        var window: Int
    }

    struct CandidatePlan: Sendable {
        var generation: UInt64
        var deployment: PlannedDeployment
        var startedAt: Instant
    }

    struct Request: Sendable {
        enum Phase: Sendable { case receiving, running, replying }
        struct Piece: Sendable {
            var items: Range<Int>
            var attempt: UInt32 = 0
            var isDone = false
        }
        var id: RequestID
        var client: ConnectionID
        var clientNumber: UInt64
        var items: Int
        var bytes: Int
        var inputBytes: Int
        var deadline: Instant
        var admittedAt: Instant
        var firstDispatchAt: Instant?
        var phase: Phase = .receiving
        /// Cut at the first dispatch, when the micro-batch size is known.
        var pieces: [Piece] = []
        var waiting: Deque<Int> = []
        var remaining = 0
        var replays: UInt32 = 0
        var isInRotation = false
        /// The last reason why a piece came back, for the message at the deadline.
        var lastSetback: String?
    }

    struct Flight: Sendable {
        var request: RequestID
        var piece: Int
        var route: [NodeID]
        /// Reserved at each hop, in route order.
        var bytes: [Int]
        var deadline: Instant
        /// Nobody wants its result any more; the reservation waits for the node's word.
        var isAbandoned = false
    }

    struct Abandonment: Sendable {
        var at: Instant
        var key: WorkKey
    }

    struct ClientRequest: Sendable, Hashable {
        var connection: ConnectionID
        var number: UInt64
    }

    struct Deadline: Sendable, Comparable {
        var at: Instant
        var request: RequestID
        static func < (left: Deadline, right: Deadline) -> Bool { (left.at, left.request) < (right.at, right.request) }
    }
}
