internal import Base

/// The first plan waits for the workers that are listed, for a while.
struct StartGate: Sendable {
    private(set) var startedAt: Instant?
    private(set) var isOpen = false
    /// Where that is later than the join timeout.
    private var dueAt: Instant?

    /// The first step.
    mutating func start(_ now: Instant) { if startedAt == nil { startedAt = now } }
    mutating func open() { isOpen = true }
    mutating func wait(until due: Instant) { dueAt = due }

    func nextWake(_ joinTimeout: Duration) -> Instant? {
        guard !isOpen, let startedAt else { return nil }
        return dueAt ?? startedAt + joinTimeout
    }
}
