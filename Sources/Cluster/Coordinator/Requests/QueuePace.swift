internal import Base

/// How fast items get done, so that a request can be told at once that its turn would come too late.
///
/// What is certain is measured while somebody waits, or is refused for what waits: then the cluster is as fast as it can be, or as it is let.
/// Until then there is what was done while anything was under way, which is less than the cluster could do, and the plan's prediction, which may be
/// too high by a factor: workers that share a machine are each promised all of it. Who is let in by too low a pace is served in time, and
/// soon it is measured; so the lower of the two counts.
struct QueuePace: Sendable {
    /// A window this long is a measurement: a few micro-batches at least.
    static let window: Duration = .milliseconds(500)
    /// The newest window's part in the rate.
    static let weight = 0.5
    /// Until so much was seen under way nothing is concluded from it …
    static let leastBusy: Duration = .milliseconds(250)
    /// … and of more the older half counts less and less.
    static let mostBusy: Duration = .seconds(2)
    /// A prediction alone counts for so much less than it says.
    static let predictionDivisor = 4.0

    private var windowStart: Instant?
    private var windowItems = 0
    private var lastRefusal: Instant?
    /// Since when something is under way that was not counted yet.
    private var busySince: Instant?
    private var busy: Duration = .zero
    private var busyItems = 0.0
    /// Items a second, measured; `nil` until they were.
    private(set) var measured: Double?

    /// Items a second that may be counted on: measured, else from what was seen and what the plan predicts; `nil` where nothing is known.
    func itemsPerSecond(predicted: Double?) -> Double? {
        if let measured { return measured }
        let seen = busy >= Self.leastBusy ? busyItems / (busy.milliseconds / 1e3) : nil
        guard let predicted, predicted > 0, predicted.isFinite else { return seen }
        return seen.map { min($0, predicted) } ?? predicted / Self.predictionDivisor
    }

    /// A micro-batch is under way.
    mutating func began(_ now: Instant) { if busySince == nil { busySince = now } }

    /// Items got done.
    /// - Parameters:
    ///   - isSomebodyWaiting: for room on the workers.
    ///   - isIdle: nothing else is under way.
    mutating func done(_ items: Int, isSomebodyWaiting: Bool, isIdle: Bool, _ now: Instant) {
        see(items, isIdle: isIdle, now)
        let isSomebodyRefused = lastRefusal.map { now - $0 < Self.window } ?? false
        guard isSomebodyWaiting || isSomebodyRefused else { return windowStart = nil }
        guard let start = windowStart else {
            windowStart = now
            windowItems = 0
            return
        }
        windowItems = windowItems.addedSaturating(to: items)
        guard now - start >= Self.window else { return }
        let rate = Double(windowItems) / ((now - start).milliseconds / 1e3)
        measured = measured.map { $0 + (rate - $0) * Self.weight } ?? rate
        windowStart = now
        windowItems = 0
    }

    private mutating func see(_ items: Int, isIdle: Bool, _ now: Instant) {
        if let busySince { busy += now - busySince }
        busyItems += Double(items)
        busySince = isIdle ? nil : now
        guard busy > Self.mostBusy else { return }
        busy = busy / 2
        busyItems /= 2
    }

    /// Somebody was refused for what waits. Without this too low a pace would let in so few that nothing is ever measured.
    mutating func refused(_ now: Instant) { lastRefusal = now }

    /// Another plan serves: what was measured is another's.
    mutating func forget() { self = QueuePace() }
}
