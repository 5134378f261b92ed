package import Cluster
internal import Foundation
internal import Glibc
package import Loops
internal import Synchronization
package import Wire

/// Takes samples and events from the loop, keeps them with a thread of its own, and answers questions about them.
///
/// The loop never waits for a disk: it puts what it has into a queue of bounded length. A disk that takes no more, or a file that is no
/// history any more, costs one warning, and the recording goes on in memory, or in a new file beside the damaged one.
///
/// ## Concurrency model
/// Any thread may call it. What waits is under one mutex, held for an append or a swap; the store is under another, which the thread of
/// the queue alone takes.
package final class HistoryRecorder: Sendable {
    /// Questions and writes that may wait: a question comes from a person.
    private static let taskLimit = 256

    private struct Waiting {
        var samples: [(node: String, sample: ClusterHistory.Sample)] = []
        var events: [ClusterHistory.Event] = []
        var isWriteDue = false
        var hasWarnedOfLoss = false
    }

    /// The answer to a question.
    package enum Answer: Sendable {
        /// One JSON object.
        case document([UInt8])
        /// The question names what is not there.
        case unknown(String)
        case failure(String)
    }

    private let queue: TaskQueue
    private let waiting = Mutex(Waiting())
    private let store = Mutex<HistoryStore?>(nil)
    private let path: String?
    private let limits: HistoryLimits
    /// Told once for each thing that goes wrong.
    private let warn: @Sendable (String) -> Void

    /// - Parameter path: the file; `nil` records in memory.
    /// - Throws: ``SystemError`` where the system gives no thread.
    package init(path: String?, limits: HistoryLimits = HistoryLimits(), warn: @escaping @Sendable (String) -> Void)
        throws(SystemError)
    {
        self.path = path
        self.limits = limits
        self.warn = warn
        queue = try TaskQueue(name: "history", threadCount: 1, capacity: Self.taskLimit, nice: 10)
        _ = queue.submit { [self] in store.withLock { $0 = open() } }
    }

    // MARK: - From the loop

    /// What has been sampled and what has happened. Never waits.
    package func record(_ samples: [(node: String, sample: ClusterHistory.Sample)], _ events: [ClusterHistory.Event] = []) {
        let (isFirst, isLossNew) = waiting.withLock { waiting in
            waiting.samples += samples
            waiting.events += events
            let isOver = waiting.samples.count > HistoryLimits.waitingRows || waiting.events.count > HistoryLimits.waitingRows
            waiting.samples.removeFirst(max(0, waiting.samples.count - HistoryLimits.waitingRows))
            waiting.events.removeFirst(max(0, waiting.events.count - HistoryLimits.waitingRows))
            defer {
                waiting.isWriteDue = true
                if isOver { waiting.hasWarnedOfLoss = true }
            }
            return (!waiting.isWriteDue, isOver && !waiting.hasWarnedOfLoss)
        }
        if isLossNew { warn("the disk is too slow for the history: samples are left out") }
        // What comes until the thread gets there is written with it.
        guard isFirst else { return }
        if !queue.submit({ [self] in write() }) { waiting.withLock { $0.isWriteDue = false } }
    }

    /// Answers on the recorder's thread.
    /// - Returns: `false` when too many questions wait; `completion` is not called then.
    package func answer(_ range: HistoryRange, completion: @escaping @Sendable (Answer) -> Void) -> Bool {
        queue.submit { [self] in
            write()
            completion(
                store.withLock { store in
                    guard let store else { return .failure("the history cannot be opened") }
                    return Self.answer(range, from: store)
                })
        }
    }

    /// The newest events, oldest first, on the recorder's thread; none where they cannot be read.
    package func recall(_ limit: Int, completion: @escaping @Sendable ([ClusterHistory.Event]) -> Void) {
        _ = queue.submit { [self] in completion(store.withLock { (try? $0?.newestEvents(limit)) ?? [] }) }
    }

    /// Writes what is there, and ends the thread.
    package func close() {
        _ = queue.submit { [self] in write() }
        queue.shutDown()
        store.withLock { $0 = nil }
    }

    /// Milliseconds since 1970.
    package static func wallClockMs() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Int64(now.tv_sec) * 1_000 + Int64(now.tv_nsec) / 1_000_000
    }

    // MARK: - On the thread

    private func write() {
        let (samples, events) = waiting.withLock { waiting in
            defer {
                waiting.samples = []
                waiting.events = []
                waiting.isWriteDue = false
            }
            return (waiting.samples, waiting.events)
        }
        guard !samples.isEmpty || !events.isEmpty else { return }
        store.withLock { store in
            guard let current = store else { return }
            do throws(HistoryFailure) { try current.append(samples, events) } catch {
                store = replacement(of: current, after: error)
                // What a fresh store does not take is lost: these are seconds.
                try? store?.append(samples, events)
            }
        }
    }

    private static func answer(_ range: HistoryRange, from store: HistoryStore) -> Answer {
        do {
            switch try store.document(range, timeMs: wallClockMs()) {
            case .failure(let unknown): return .unknown(unknown.description)
            case .success(let history):
                let encoder = JSONEncoder()
                encoder.outputFormatting = [.sortedKeys]
                return .document(Array(try encoder.encode(history)))
            }
        } catch {
            return .failure("the history cannot be read: \(error)")
        }
    }

    private func open() -> HistoryStore? {
        guard let path else { return memory() }
        do { return try HistoryStore(path: path, limits: limits) } catch {
            return error.isDamaged ? afresh(path, error) : memory(insteadOf: path, error)
        }
    }

    private func replacement(of store: HistoryStore, after failure: HistoryFailure) -> HistoryStore? {
        guard let path = store.path else {
            // Memory that is full: what was recorded is given up, the recording is not.
            warn("the history in memory begins again: \(failure)")
            return memory()
        }
        guard failure.isDamaged else { return memory(insteadOf: path, failure, copying: store) }
        // Closing removes files by their names, which the new one will have.
        store.close()
        return afresh(path, failure)
    }

    /// A new file; the damaged one stays beside it for whoever wants to look.
    private func afresh(_ path: String, _ failure: HistoryFailure) -> HistoryStore? {
        let aside = path + ".damaged"
        guard rename(path, aside) == 0 else { return memory(insteadOf: path, failure) }
        // They belong to the file that has gone.
        for ending in ["-wal", "-shm"] { unlink(path + ending) }
        do {
            let fresh = try HistoryStore(path: path, limits: limits)
            warn("\(path) is set aside as \(aside), and a new one begun: \(failure)")
            return fresh
        } catch {
            return memory(insteadOf: path, error)
        }
    }

    private func memory(insteadOf path: String, _ failure: HistoryFailure, copying store: HistoryStore? = nil) -> HistoryStore? {
        warn("the history is kept in memory until the next start, because \(path) cannot be written: \(failure)")
        if let store, let copy = try? HistoryStore(copying: store) { return copy }
        return memory()
    }

    private func memory() -> HistoryStore? {
        do { return try HistoryStore(path: nil, limits: limits) } catch {
            warn("no history is kept: \(error)")
            return nil
        }
    }
}
