/// Decides when a plan that has become worse than another is changed: not at the first bad measurement, and never to and fro.
///
/// Fed with comparisons of what serves and the best plan, both under the newest measurements. Time is the caller's, in nanoseconds that
/// never go back.
public struct DriftJudge: Sendable, Hashable {
    /// A plan that serves may be this much slower than the best one: loading another costs more than 15 % bring in a short time.
    public static let threshold = 1.15
    /// … and for this long, without a better moment between: bursts of neighbours are over sooner.
    public static let patienceNanoseconds: Int64 = 5_000_000_000
    /// After a plan this long nothing changes; twice as long each time that the last change for drift was a short while ago.
    public static let pauseFirstNanoseconds: Int64 = 10_000_000_000
    public static let pauseLongestNanoseconds: Int64 = 600_000_000_000
    /// What a short while is, at least: twice the pause before.
    public static let recentNanoseconds: Int64 = 60_000_000_000

    private var worseSince: Int64?
    private var quietUntil: Int64 = .min
    private var lastChange: Int64?
    private var pause = Self.pauseFirstNanoseconds

    public init() {}

    /// - Returns: whether the best plan shall be deployed now.
    /// - Parameters: bottlenecks in milliseconds; one that is no number says nothing.
    public mutating func judge(servingMs: Double, bestMs: Double, now: Int64) -> Bool {
        guard servingMs > 0, bestMs > 0, bestMs.isFinite, !servingMs.isNaN else {
            worseSince = nil
            return false
        }
        guard servingMs > bestMs * Self.threshold else {
            worseSince = nil
            return false
        }
        let since = worseSince ?? now
        worseSince = since
        guard now - since >= Self.patienceNanoseconds, now >= quietUntil else { return false }
        if let lastChange, now - lastChange < max(Self.recentNanoseconds, 2 * pause) {
            pause = min(pause * 2, Self.pauseLongestNanoseconds)
        } else {
            pause = Self.pauseFirstNanoseconds
        }
        lastChange = now
        worseSince = nil
        return true
    }

    /// A node may use more or less of its machine than before: plans were changed for what was so, and this is no flapping. What is worse
    /// now need not wait for more than the first pause.
    public mutating func quotaChanged() {
        pause = Self.pauseFirstNanoseconds
        quietUntil = min(quietUntil, (lastChange ?? .min) + pause)
    }

    /// A plan serves, for whatever reason: its measurements must come in first.
    public mutating func planServes(now: Int64) {
        worseSince = nil
        quietUntil = now + pause
    }
}
