internal import DequeModule
internal import Planning
internal import Wire

/// Where a node stands.
public enum NodeState: Sendable, Hashable, CaseIterable {
    /// Listed; not yet answering, or answering and not yet with both connections.
    case joining
    case ready
    /// Silent for a while: no new work, its work is replayed elsewhere; it comes back by answering.
    case suspect
    case lost
    /// It goes, or is taken out, and what it has ends first.
    case draining
    /// Nothing runs on it and no plan uses it; it stays connected.
    case drained

    public var name: String { "\(self)" }

    /// What the log says when a node comes to be in it.
    var logMessage: String {
        switch self {
        case .joining: "node is joining"
        case .ready: "node is ready"
        case .suspect: "node is suspect"
        case .lost: "node is lost"
        case .draining: "node is draining"
        case .drained: "node is drained"
        }
    }
}

extension CoordinatorMachine {
    struct Node: Sendable {
        var id: NodeID
        /// The topology's name for it.
        var target: NodeID
        var addresses: [String]
        var state: NodeState = .joining
        /// Why it is in that state, for `status` and for the message that names who is missing.
        var cause = "not reached yet"
        var incarnation: IncarnationID?
        /// By which the worker knows our next connection.
        var holder: HolderToken
        /// The process that answered a dial which came to nothing: once it is connected as another node, this one leads to it.
        var met: IncarnationID?
        /// Since when its worker says that another coordinator holds it.
        var heldSince: Instant?
        var isHoldSaid = false
        /// The node that it was an alias of.
        var aliasOf: NodeID?
        var profile: WorkerProfile?
        var control: ConnectionID?
        var data: ConnectionID?
        var isDialing = false
        /// A dial of the data connection is under way: for which control connection.
        var dataDialFor: ConnectionID?
        var redialAt: Instant?
        var backoff: Duration
        var lastHeard: Instant = .zero
        var lastPing: Instant = .zero
        var pingSequence: UInt64 = 0
        var roundTrip: Duration?
        var heartbeat: Heartbeat?
        var network = NetworkRate()
        /// The history has not had it yet.
        var hasNewHeartbeat = false
        var partitions: [PartitionKey: HeldState] = [:]
        /// Where the time of the micro-batches that came back went on this node.
        var timing = NodeTiming()
        /// Left out of plans until then, after a partition could not be loaded.
        var excludedUntil: Instant?
        var exclusionCause = ""
        var flapping = Flapping()
        var distrust = Distrust()
        var progress = Progress()
        var pace = NodePace()
        var pinnedStage: Int?
        /// Partitions of standby plans that it would not load, until the next plan serves.
        var refusedStandbys: [PartitionKey: String] = [:]
        /// What was loaded so lately that the heartbeats' memory does not show it yet.
        var recentLoads: [(at: Instant, bytes: UInt64)] = []
        /// It said that it has no room: nothing is sent to it until then.
        var pausedUntil: Instant?
        /// The entry of `watches` that counts.
        var watchAt: Instant = .distantFuture

        /// It is being taken out, or is out.
        var departure: Departure?

        var isConnected: Bool { control != nil && data != nil }
    }

    enum HeldState: Sendable, Hashable {
        case ordered
        case sendingArchive
        case ready(archiveBytes: UInt64, weightBytes: UInt64)
        /// Loaded, but not on our order, or no longer: the worker may evict it until it is ordered again.
        case unowned(weightBytes: UInt64)

        /// Ordered by us and not released: the worker keeps it.
        var isOwned: Bool { if case .unowned = self { false } else { true } }

        var weightBytes: UInt64 {
            switch self {
            case .ordered, .sendingArchive: 0
            case .ready(_, let bytes), .unowned(let bytes): bytes
            }
        }
    }

    /// When something about a node is due at the earliest. The heap holds one entry for each node that counts (`Node.watchAt`); hearing
    /// from a node moves its due time away without touching the heap, so that a heartbeat costs O(1).
    struct Watch: Sendable, Comparable {
        var at: Instant
        var node: NodeID
        static func < (left: Watch, right: Watch) -> Bool { (left.at, left.node) < (right.at, right.node) }
    }
}
