public import Base
internal import HeapModule

/// A call that a loop makes later; see ``EventLoop/schedule(after:_:)`` and ``EventLoop/every(_:_:)``.
public final class Timer {
    /// When it is due next.
    public internal(set) var deadline: Instant
    /// `nil` once it was cancelled or, where it does not repeat, has fired.
    var body: (() -> Void)?
    var isRepeating = false

    init(deadline: Instant, body: (() -> Void)?) {
        self.deadline = deadline
        self.body = body
    }

    /// Whether it will fire (again).
    public var isPending: Bool { body != nil }

    /// Never fires again, and lets go of what its closure holds. Harmless at any time.
    public func cancel() { body = nil }

    func fire() {
        let call = body
        if !isRepeating { body = nil }
        call?()
    }
}

/// Timers by deadline, those of one deadline in the order in which they were scheduled. O(log n) to insert and to take.
///
/// Cancelled timers stay until they are due or until they are the larger part of the heap, when one sweep removes them: so the heap
/// is at most twice the living timers and ``sweepThreshold``.
struct TimerQueue {
    /// Below this a sweep is not worth its while.
    private static let sweepThreshold = 256

    private struct Entry: Comparable {
        let deadline: Instant
        let sequence: UInt64
        let timer: Timer
        static func == (left: Entry, right: Entry) -> Bool { left.sequence == right.sequence }
        static func < (left: Entry, right: Entry) -> Bool {
            left.deadline != right.deadline ? left.deadline < right.deadline : left.sequence < right.sequence
        }
    }

    private var heap = Heap<Entry>()
    private var lastSequence: UInt64 = 0
    private var sizeAfterSweep = 0

    var count: Int { heap.count }

    mutating func insert(_ timer: Timer) {
        if heap.count >= max(Self.sweepThreshold, sizeAfterSweep * 2) {
            heap = Heap(heap.unordered.filter { $0.timer.isPending })
            sizeAfterSweep = heap.count
        }
        lastSequence += 1
        heap.insert(Entry(deadline: timer.deadline, sequence: lastSequence, timer: timer))
    }

    /// When the next living timer is due.
    var nextDeadline: Instant? {
        mutating get {
            while let first = heap.min {
                if first.timer.isPending { return first.deadline }
                heap.removeMin()
            }
            return nil
        }
    }

    /// Takes the next living timer if it is due.
    mutating func popDue(at now: Instant) -> Timer? {
        guard let deadline = nextDeadline, deadline <= now else { return nil }
        return heap.popMin()?.timer
    }
}
