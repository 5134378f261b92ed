internal import Base
internal import DequeModule
internal import Planning
internal import Wire

/// A client's request, from its admission until its reply is out.
struct Request: Sendable {
    enum Phase: Sendable { case receiving, running, replying }

    struct Piece: Sendable {
        var items: Range<Int>
        var attempt: UInt32 = 0
        var isDone = false
        /// What its result takes, once one was announced.
        var outputBytes = 0
        /// The nodes that ended while it was under way on them.
        var lossNodes: [NodeID] = []
        /// Where attempts were that it was sent again after.
        var tried: [NodeID] = []
    }

    let id: RequestID
    let client: ConnectionID
    let clientNumber: UInt64
    let items: Int
    /// What it is charged with: its inputs as they came and decoded, and its outputs as the plan expects them or as they are.
    var bytes: Int
    let inputBytes: Int
    /// Of `bytes`, what was set aside for outputs at the admission; it grows with results that are larger.
    var outputBytes: Int
    /// What the results that were announced so far take.
    var resultBytes = 0
    let deadline: Instant
    let admittedAt: Instant
    /// When its inputs were complete.
    var arrivedAt: Instant?
    var firstDispatchAt: Instant?
    /// When its result was there.
    var answeredAt: Instant?
    var phase: Phase = .receiving
    /// Cut at the first dispatch, when the micro-batch size is known; the cut stays when pieces are sent again, so that their numbers do.
    var pieces: [Piece] = []
    var waiting: Deque<Int> = []
    var remaining = 0
    /// Items whose results are here.
    var doneItems = 0
    var replays: UInt32 = 0
    var isInRotation = false
    /// The reply has not been taken by the client in time; the next look ends its connection.
    var isReplyOverdue = false
    /// The last reason why a piece came back, for the message at the deadline.
    var lastSetback: String?
}
