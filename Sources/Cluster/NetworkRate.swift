public import Base

/// Bytes a second in and out of a node, from the totals that its heartbeats carry.
///
/// A worker reads its interfaces once a second and beats four times as often, so most heartbeats repeat the totals of the one before. The
/// rate is over the time between two heartbeats whose totals differ, at least ``shortest`` apart, so that one of them that came late does
/// not count double.
public struct NetworkRate: Sendable, Hashable {
    /// Less than the workers' interval between two readings, more than the jitter of a heartbeat.
    static let shortest: Duration = .milliseconds(700)
    /// Totals that stay the same for this long, with heartbeats coming, are those of a network at rest; over a gap as long as this the mean
    /// says nothing of now.
    static let longest: Duration = .seconds(5)

    private struct Reading: Sendable, Hashable {
        var at: Instant
        var received: UInt64
        var sent: UInt64
    }

    private var reference: Reading?
    /// 0 until two readings are there.
    public private(set) var receivedBytesPerSecond = 0.0
    public private(set) var sentBytesPerSecond = 0.0

    public init() {}

    /// Takes the totals of a heartbeat.
    public mutating func note(received: UInt64, sent: UInt64, at now: Instant) {
        guard let reference, received >= reference.received, sent >= reference.sent, now - reference.at < Self.longest else {
            // The first one, an interface that began again, or a node that has been away.
            receivedBytesPerSecond = 0
            sentBytesPerSecond = 0
            self.reference = Reading(at: now, received: received, sent: sent)
            return
        }
        let elapsed = now - reference.at
        guard elapsed >= Self.shortest, received != reference.received || sent != reference.sent else { return }
        let seconds = elapsed.milliseconds / 1_000
        receivedBytesPerSecond = Double(received - reference.received) / seconds
        sentBytesPerSecond = Double(sent - reference.sent) / seconds
        self.reference = Reading(at: now, received: received, sent: sent)
    }
}
