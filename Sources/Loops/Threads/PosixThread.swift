internal import CLinux
internal import Glibc
internal import Synchronization

/// A thread that is joined once (or, when nobody does, cleans up after itself).
///
/// It blocks all signals that can be blocked, so that the process's go to the loop that asked for them.
final class PosixThread: Sendable {
    /// The main thread's usual size: libtorch's interpreter and sorting recurse.
    private static let stackByteCount = 8 << 20

    private struct Start: Sendable {
        let name: String
        let nice: Int32
        let body: @Sendable () -> Void
    }

    private final class StartBox: Sendable {
        let start: Start
        init(_ start: Start) { self.start = start }
    }

    private let handle: pthread_t
    private let isDetachable = Mutex(true)

    /// - Parameter nice: added to the thread's priority number; 10 means "when nobody else wants the core".
    /// - Throws: ``SystemError/Code/resourceExhausted`` when the system gives no thread.
    init(name: String, nice: Int32 = 0, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setstacksize(&attributes, Self.stackByteCount)
        let box = Unmanaged.passRetained(StartBox(Start(name: name, nice: nice, body: body)))
        // The mask is inherited: set around the creation, a new thread never runs a moment without it.
        var all = sigset_t()
        var before = sigset_t()
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        var thread = pthread_t()
        let status = pthread_create(
            &thread, &attributes,
            { argument in
                guard let argument else { return nil }
                let start = Unmanaged<StartBox>.fromOpaque(argument).takeRetainedValue().start
                amp_thread_set_name(start.name)
                // For Linux a thread is a process here: 0 means this thread only. Raising the number is always allowed.
                if start.nice != 0 { setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, start.nice) }
                start.body()
                return nil
            }, box.toOpaque())
        pthread_sigmask(SIG_SETMASK, &before, nil)
        guard status == 0 else {
            box.release()
            throw SystemError("starting the thread \(name) (pthread_create)", systemError: status)
        }
        handle = thread
    }

    deinit {
        if isDetachable.withLock({ $0 }) { pthread_detach(handle) }
    }

    /// CPU time that the thread has used; 0 once somebody waits for its end.
    var cpuNanoseconds: UInt64 {
        isDetachable.withLock { isRunning in
            var clock = clockid_t()
            var time = timespec()
            guard isRunning, pthread_getcpuclockid(handle, &clock) == 0, clock_gettime(clock, &time) == 0 else { return 0 }
            return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
        }
    }

    /// Waits for the thread's end. The first caller only; others return at once.
    func join() {
        let isFirst = isDetachable.withLock { isDetachable in
            defer { isDetachable = false }
            return isDetachable
        }
        if isFirst { pthread_join(handle, nil) }
    }
}
