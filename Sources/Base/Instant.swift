/// A moment on a monotonic clock, in nanoseconds since an arbitrary start: the system's boot for a loop, the simulation's for a machine in it.
///
/// Never jumps when somebody sets the wall clock, so that deadlines and durations hold. Machines are told the time; they never ask for it.
public struct Instant: Sendable, Hashable, Comparable {
    public var nanoseconds: Int64

    public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

    public static let zero = Instant(nanoseconds: 0)
    /// Later than anything that will happen.
    public static let distantFuture = Instant(nanoseconds: .max)

    public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Stops at the ends of the clock instead of wrapping around.
    public static func + (instant: Instant, duration: Duration) -> Instant {
        let span = duration.nanoseconds
        let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(span)
        return Instant(nanoseconds: overflow ? (span < 0 ? .min : .max) : sum)
    }

    public static func - (instant: Instant, duration: Duration) -> Instant { instant + (.zero - duration) }

    /// From `earlier` to `later`; negative where they are the other way round.
    public static func - (later: Instant, earlier: Instant) -> Duration {
        let (difference, overflow) = later.nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
        return .nanoseconds(overflow ? (later < earlier ? .min : .max) : difference)
    }

    public static func += (instant: inout Instant, duration: Duration) { instant = instant + duration }
}
