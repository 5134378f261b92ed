/// The values that the numbers of a message may have. A decoder refuses what lies outside; an encoder takes a figure of our own to the
/// nearest value inside, so that no peer refuses our heartbeat for a meter that ran wild.
///
/// So a number of a peer takes part in arithmetic without a second look: of ``counts`` and ``bytes`` as many as one message can carry
/// (4,096) add up to less than `Int.max`; of the totals and clocks any two have a difference, and sums of them are made in floating point.
/// Numbers that are only compared (identifiers of requests, sessions and processes) have no range: every value is as good as any other.
public enum WireRanges {
    // MARK: Whole numbers

    /// A coordinator's term grows by one with each that takes over from another: far above what a cluster will see, far below what
    /// overflows.
    public static let terms: ClosedRange<UInt64> = 0...(1 << 48)
    /// Runs, items, messages, heartbeats: 35 years of a million a second.
    public static let counts: ClosedRange<UInt64> = 0...(1 << 50)
    /// What is held or needed at once, in memory or on disk: a pebibyte is beyond any one machine.
    public static let bytes: ClosedRange<UInt64> = 0...(1 << 50)
    /// What went over an interface or a link since a machine's start: a year of 1 Tbit/s is 2⁶².
    public static let totalBytes: ClosedRange<UInt64> = 0...(1 << 62)
    /// Time summed over runs: 146 years of one executor.
    public static let totalNanoseconds: ClosedRange<UInt64> = 0...(1 << 62)
    /// What one step of one micro-batch or request takes: 104 days are longer than any deadline.
    public static let spanNanoseconds: ClosedRange<UInt64> = 0...(1 << 53)
    /// A monotonic clock, as the type that holds it here.
    public static let clockNanoseconds: ClosedRange<UInt64> = 0...UInt64(Int64.max)
    /// Deadlines, time left, hints when to try again: as many milliseconds as the field holds are 49 days, which no clock overflows by.
    public static let milliseconds: ClosedRange<UInt32> = 0...UInt32.max
    /// How far back a question about the history looks: 35,000 years, far above what an option takes.
    public static let historyMilliseconds: ClosedRange<UInt64> = 0...(1 << 50)
    /// Micro-batches on a worker at one moment; not above its ``slots``.
    public static let queued: ClosedRange<UInt32> = 0...(1 << 20)
    /// Entries of one table of a worker; the largest of them is bounded by ``WireLimits/peers``.
    public static let entries: ClosedRange<UInt32> = 0...(1 << 24)
    /// Micro-batches that run at the same time; the largest machines have fewer cores, and none of them runs nothing.
    public static let executors: ClosedRange<UInt32> = 1...4_096
    /// Micro-batches that a worker takes at once.
    public static let slots: ClosedRange<UInt32> = 1...(1 << 20)
    /// Activation bytes that a worker takes at once.
    public static let slotBytes: ClosedRange<UInt64> = 1...(1 << 50)
    /// Items of one micro-batch; a coordinator takes 65,536 in one request.
    public static let items: ClosedRange<UInt32> = 1...(1 << 24)
    /// How often the micro-batches of one request were sent again: each of 65,536 at most 32 times.
    public static let replays: ClosedRange<UInt32> = 0...(1 << 24)

    // MARK: Measured quantities

    // 0 says that nothing was measured and is always allowed; the lower bounds are the finest that is told from it, so that a quotient
    // of two quantities is a number too.

    /// Cores of a quota, or in use.
    public static let cores = 1e-6...65_536
    /// A part of a whole.
    public static let shares = 1e-9...1
    /// Speed of one core beside the reference's.
    public static let speeds = 1e-3...1e3
    /// Bytes a second: from a link that is as good as none to a thousand times what machines have.
    public static let bandwidths = 1.0...1e15
    /// A load, a run, a round trip: from a nanosecond to eleven days.
    public static let spanMilliseconds = 1e-6...1e9

    /// The term that comes after another one. At the end of the range it stays: then a worker goes by who is silent alone
    /// (`WorkerMachine`), and one peer's absurd term locks nobody out.
    public static func term(after term: UInt64) -> UInt64 { min(term, terms.upperBound - 1) + 1 }
}
