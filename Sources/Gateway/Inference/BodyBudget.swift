internal import Synchronization

/// Bytes of bodies that are held as they came, before they are tensors: JSON, pictures, what is sent without a word of its shape.
///
/// Tensors that come in binary are counted by the coordinator from their announcement on, and go straight into their own memory; this is for the
/// rest, and grows with what has arrived.
///
/// ## Concurrency model
/// Counters for all requests, changed atomically.
final class BodyBudget: Sendable {
    /// A heap that has held so much of bodies keeps it, unless it is told to give it back.
    static let crowdByteCount = 32 << 20

    let limit: Int
    private let held = Atomic<Int>(0)
    private let peak = Atomic<Int>(0)
    private let onRelief: @Sendable () -> Void

    /// - Parameter onRelief: called when nothing is held any more, after much was.
    init(limit: Int, onRelief: @escaping @Sendable () -> Void = {}) {
        self.limit = limit
        self.onRelief = onRelief
    }

    var heldByteCount: Int { held.load(ordering: .relaxed) }

    private func add(_ difference: Int) -> Int {
        let total = held.add(difference, ordering: .relaxed).newValue
        if total > peak.load(ordering: .relaxed) { peak.store(total, ordering: .relaxed) }
        if total == 0, peak.exchange(0, ordering: .relaxed) >= Self.crowdByteCount { onRelief() }
        return total
    }

    /// One request's part; what it holds is given back with it.
    final class Share: Sendable {
        private let budget: BodyBudget
        private let own = Atomic<Int>(0)

        init(of budget: BodyBudget) { self.budget = budget }

        /// - Returns: `false` where the budget has no room for it: nothing is held of the difference then.
        func hold(_ byteCount: Int) -> Bool {
            let difference = byteCount - own.load(ordering: .relaxed)
            guard difference <= 0 || budget.add(difference) <= budget.limit else {
                _ = budget.add(-difference)
                return false
            }
            if difference < 0 { _ = budget.add(difference) }
            own.store(byteCount, ordering: .relaxed)
            return true
        }

        deinit {
            let count = own.load(ordering: .relaxed)
            if count > 0 { _ = budget.add(-count) }
        }
    }
}
