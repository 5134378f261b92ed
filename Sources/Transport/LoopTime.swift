internal import Glibc

/// A moment on the machine's monotonic clock, in nanoseconds since an arbitrary start (its boot).
///
/// Never jumps when somebody sets the wall clock, so that deadlines and durations hold.
public struct LoopTime: Sendable, Hashable, Comparable {
    public let nanoseconds: UInt64

    public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }

    /// Reads the clock (a vDSO call, about 20 ns). Inside a loop prefer ``EventLoop/now``, which costs nothing.
    public static func current() -> LoopTime {
        var reading = timespec()
        clock_gettime(CLOCK_MONOTONIC, &reading)
        return LoopTime(nanoseconds: UInt64(reading.tv_sec) * 1_000_000_000 + UInt64(reading.tv_nsec))
    }

    public static func < (left: LoopTime, right: LoopTime) -> Bool { left.nanoseconds < right.nanoseconds }

    /// Stops at the ends of the clock instead of wrapping around.
    public static func + (time: LoopTime, span: Duration) -> LoopTime {
        let offset = span.wholeNanoseconds
        guard offset < 0 else {
            let (sum, overflow) = time.nanoseconds.addingReportingOverflow(UInt64(offset))
            return LoopTime(nanoseconds: overflow ? .max : sum)
        }
        let magnitude = offset.magnitude
        return LoopTime(nanoseconds: time.nanoseconds > magnitude ? time.nanoseconds - magnitude : 0)
    }

    public static func - (time: LoopTime, span: Duration) -> LoopTime { time + (.zero - span) }

    /// From `right` to `left`; negative where `left` is the earlier one.
    public static func - (left: LoopTime, right: LoopTime) -> Duration {
        left >= right
            ? .nanoseconds(Int64(clamping: left.nanoseconds - right.nanoseconds))
            : .zero - .nanoseconds(Int64(clamping: right.nanoseconds - left.nanoseconds))
    }
}

extension Duration {
    /// Nanoseconds, rounded towards zero and clamped to what 64 bits hold (292 years).
    public var wholeNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, carry) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return carry ? (seconds < 0 ? .min : .max) : sum
    }
}
