internal import Base
internal import Cluster
internal import Wire

/// A request as its client meant it, and what has come of it.
struct PromisedRequest {
    enum Outcome: Hashable {
        case reply
        case failed(StatusCode)
    }
    enum Input { case good, rejected, poison }

    let values: [UInt64]
    let input: Input
    let deadline: Duration
    /// Sent long after the last fault: it must succeed.
    let isProbe: Bool
    var outcome: Outcome?
    var submittedAt: Instant = .zero
    var isCancelled = false
    /// Faults before its submission that may have ended nodes, the last one left out: it may show only now.
    var endingFaultsBefore = 0
    /// How often its client sent it: again after a reconnect, or when it was asked to.
    var sends = 0
    /// How often a fault sent an old message with it again: a worker that was started again cannot know that it is old.
    var repeats = 0
    /// Workers that ended while they executed it.
    var kills = 0
    /// Where its reply came: a second one on the same connection is one too many.
    var repliedOn: ConnectionID?

    init(values: [UInt64], input: Input, deadline: Duration, isProbe: Bool) {
        self.values = values
        self.input = input
        self.deadline = deadline
        self.isProbe = isProbe
    }
}
