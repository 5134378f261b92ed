public import Cluster
internal import Synchronization

/// The last things that happened, numbered, for pages that show them as they happen. The history keeps them for good.
///
/// ## Concurrency model
/// Any thread may add and ask; the list is under a mutex, held for an append or a copy of some hundred entries.
public final class RecentEvents: Sendable {
    /// As many as a person scrolls through; the history has the older ones.
    public static let limit = 200

    private struct State {
        var events: [ClusterHistory.Event] = []
        /// Of the newest; the numbers of the others count down from it.
        var lastNumber: UInt64 = 0
    }

    private let state = Mutex(State())

    public init() {}

    public func add(_ event: ClusterHistory.Event) {
        state.withLock { state in
            state.events.append(event)
            state.lastNumber += 1
            // Several at once: an append must not move all others each time.
            if state.events.count >= 2 * Self.limit { state.events.removeFirst(Self.limit) }
        }
    }

    /// What an earlier coordinator left in the history: older than all that is here.
    /// - Parameter earlier: oldest first.
    public func precede(with earlier: [ClusterHistory.Event]) {
        state.withLock { state in
            let free = max(0, Self.limit - state.events.count)
            state.events.insert(contentsOf: earlier.suffix(free), at: 0)
        }
    }

    /// The number of the newest; 0 before the first.
    var lastNumber: UInt64 { state.withLock { $0.lastNumber } }

    /// The newest, oldest first, and the newest one's number.
    func newest() -> (events: [ClusterHistory.Event], lastNumber: UInt64) {
        state.withLock { ($0.events.suffix(Self.limit), $0.lastNumber) }
    }

    /// Those after a number, as far as they are still here, and the newest one's number.
    func after(_ number: UInt64) -> (events: [ClusterHistory.Event], lastNumber: UInt64) {
        state.withLock { state in
            let count = min(Int(clamping: state.lastNumber - min(number, state.lastNumber)), state.events.count, Self.limit)
            return (state.events.suffix(count), state.lastNumber)
        }
    }
}
