internal import DequeModule

/// A few threads that run what they are given, in order: executors, the codec, the loader.
///
/// ## Concurrency model
/// `submit` may be called from any thread. The queue is a ``Monitor``; each task is run by exactly one thread of the queue, and what
/// was written before `submit` is seen by it.
public final class TaskQueue: Sendable {
    private struct State: Sendable {
        var tasks = Deque<@Sendable () -> Void>()
        var isShutDown = false
        var running = 0
    }

    /// Tasks that may wait. Whoever submits knows what to do about a full queue; the queue must not grow without end.
    public let capacity: Int
    private let state: Monitor<State>
    private let threads: [PosixThread]

    /// Starts the threads.
    /// - Parameters:
    ///   - name: shown by `top -H`, cut after 15 bytes.
    ///   - nice: for all threads of the queue; 10 keeps a loader out of the way of the executors.
    ///   - prepare: what each thread does first, before any task.
    /// - Throws: ``SystemError/Code/resourceExhausted`` when the system gives no more threads.
    public init(
        name: String, threadCount: Int, capacity: Int, nice: Int32 = 0, prepare: (@Sendable () -> Void)? = nil
    ) throws(SystemError) {
        precondition(threadCount > 0 && capacity > 0, "a queue has threads and room")
        self.capacity = capacity
        let state = Monitor(State())
        self.state = state
        var threads: [PosixThread] = []
        for index in 0..<threadCount {
            do {
                let label = threadCount == 1 ? name : "\(name)-\(index)"
                threads.append(
                    try PosixThread(name: label, nice: nice) {
                        prepare?()
                        Self.work(state)
                    })
            } catch {
                state.withLock { $0.isShutDown = true }
                state.broadcast()
                for thread in threads { thread.join() }
                throw error
            }
        }
        self.threads = threads
    }

    deinit {
        state.withLock { $0.isShutDown = true }
        state.broadcast()
    }

    /// Queues a task.
    /// - Returns: `false` when the queue is full or shut down: the task will not run.
    @discardableResult
    public func submit(_ task: @escaping @Sendable () -> Void) -> Bool {
        let isTaken = state.withLock { state in
            guard !state.isShutDown, state.tasks.count < capacity else { return false }
            state.tasks.append(task)
            return true
        }
        if isTaken { state.signal() }
        return isTaken
    }

    /// Tasks that wait, and tasks that run now.
    public var load: (waiting: Int, running: Int) { state.withLock { ($0.tasks.count, $0.running) } }

    /// CPU time of all threads since their start, with what the tasks that run now have used so far.
    public var cpuNanoseconds: UInt64 { threads.reduce(0) { $0 &+ $1.cpuNanoseconds } }

    /// Takes no more tasks, runs (or, with `discardingQueued`, forgets) those that wait, and returns when all threads have ended.
    ///
    /// Not from one of the queue's own tasks: it would wait for itself.
    public func shutDown(discardingQueued: Bool = false) {
        let discarded = state.withLock { state in
            state.isShutDown = true
            return discardingQueued ? exchange(&state.tasks, with: []) : []
        }
        // Freed outside the lock: what a task holds may do anything when it goes.
        _ = discarded
        state.broadcast()
        for thread in threads { thread.join() }
    }

    private static func work(_ state: Monitor<State>) {
        while true {
            let task: (@Sendable () -> Void)? = state.wait { state in
                if let task = state.tasks.popFirst() {
                    state.running += 1
                    return .some(task)
                }
                return state.isShutDown ? .some(nil) : nil
            }
            guard let task else { return }
            task()
            state.withLock { $0.running -= 1 }
        }
    }
}
