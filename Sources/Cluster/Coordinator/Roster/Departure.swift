internal import Base
internal import Planning
internal import Wire

/// Why a node goes, and how far it has come.
struct Departure: Sendable {
    enum Cause: Sendable, Hashable {
        /// `amp4ec drain`: the process stays, and comes back by `--undo`.
        case asked
        /// The worker was told to end, and waits for our word.
        case leaving
        /// It is not in the topology any more.
        case unlisted
    }

    struct Waiter: Sendable, Hashable {
        var connection: ConnectionID
        var number: UInt64
    }

    /// A worker that left the topology stays this long at most while no plan without it serves: its successors start in that time.
    static let unlistedPatience: Duration = .seconds(30)

    var cause: Cause
    /// The mark ends with the process: one that was started anew takes part.
    var incarnation: IncarnationID?
    var startedAt: Instant
    /// Also where no plan is possible without it.
    var isForced = false
    /// It takes what the plan that serves still sends it.
    var takesWork = true
    var isDone = false
    /// Commands that wait for it.
    var waiters: [Waiter] = []

    /// When it goes whatever serves; `nil` where it is waited for.
    var givesUpAt: Instant? { cause == .unlisted && !isDone ? startedAt + Self.unlistedPatience : nil }
}

/// Processes that an operator drained and whose names have left the topology since: each stays out under whatever name it comes back.
struct DrainedProcesses: Sendable {
    /// At once: the oldest go. Renamed ones are back within seconds, others may never be.
    static let limit = 256

    private struct Entry: Sendable, Hashable {
        /// As it was called, and as an operator may still call it.
        var node: NodeID
        var incarnation: IncarnationID
    }

    /// The oldest first.
    private var entries: [Entry] = []

    /// The process's name goes, and it may come back under another one.
    mutating func remember(_ node: NodeID, _ incarnation: IncarnationID?) {
        guard let incarnation, !entries.contains(where: { $0.incarnation == incarnation }) else { return }
        entries.append(Entry(node: node, incarnation: incarnation))
        if entries.count > Self.limit { entries.removeFirst() }
    }

    /// Whether the process was drained when its name went; said once, for from then on its node is marked.
    mutating func recall(_ incarnation: IncarnationID) -> Bool {
        guard let index = entries.firstIndex(where: { $0.incarnation == incarnation }) else { return false }
        entries.remove(at: index)
        return true
    }

    /// It is not to stay out.
    mutating func forget(_ node: NodeID) { entries.removeAll { $0.node == node } }
}

/// A target that leads to the process of another node.
struct Alias: Sendable {
    var node: NodeID
    var addresses: [String]
    var pinnedStage: Int?
}
