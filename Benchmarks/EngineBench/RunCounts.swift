internal import Synchronization

/// Runs of all threads together.
///
/// ## Concurrency model
/// An atomic.
final class RunCounts: Sendable {
    private let count = Atomic<Int>(0)
    func add(_ runs: Int) { count.add(runs, ordering: .relaxed) }
    var total: Int { count.load(ordering: .relaxed) }
}
