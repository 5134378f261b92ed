internal import Base
internal import Planning

/// Comparisons of the plan that serves with the best one under the newest measurements: when the next one is made, and what the last said.
struct Drift: Sendable {
    static let interval: Duration = .seconds(1)
    /// A comparison may be a whole search: the planner is kept busy with them for this part of the time at most.
    static let restFactor = 20
    /// A comparison that was not answered in this time will not be: the next one is made.
    static let patience: Duration = .seconds(60)

    private var judge = DriftJudge()
    private var dueAt: Instant?
    /// The order to the planner that is under way.
    private(set) var order: (number: UInt64, at: Instant)?
    /// What the plan that serves is predicted to give under the newest measurements, in milliseconds for each micro-batch.
    private(set) var servingMs: Double?

    var nextWake: Instant? { order.map { $0.at + Self.patience } ?? dueAt }

    /// Another plan serves.
    mutating func renew(_ now: Instant) {
        judge.planServes(now: now.nanoseconds)
        order = nil
        servingMs = nil
        dueAt = now + Self.interval
    }

    /// A node's quota is another one: what was judged before says nothing.
    mutating func quotaChanged() { judge.quotaChanged() }

    /// Gives up an order that is not answered.
    mutating func giveUpOverdue(_ now: Instant) { if let order, order.at + Self.patience <= now { self.order = nil } }

    func isDue(_ now: Instant) -> Bool { order == nil && dueAt.map { $0 <= now } ?? false }
    mutating func putOff(_ now: Instant) { dueAt = now + Self.interval }
    mutating func ordered(_ number: UInt64, _ now: Instant) { order = (number, now) }

    /// The answer to the order is here.
    /// - Returns: the order, `nil` where none is under way.
    mutating func takeAnswer(_ now: Instant) -> UInt64? {
        guard let answered = order else { return nil }
        order = nil
        dueAt = now + Self.interval
        return answered.number
    }

    /// The planner rests after a long search.
    mutating func rest(after searchTime: Duration, _ now: Instant) {
        dueAt = now + max(Self.interval, searchTime * Self.restFactor)
    }

    /// Whether the difference is worth a new plan.
    mutating func isWorthAPlan(_ comparison: ServingComparison, _ now: Instant) -> Bool {
        servingMs = comparison.servingMs
        return judge.judge(servingMs: comparison.servingMs, bestMs: comparison.bestMs, now: now.nanoseconds)
    }
}
