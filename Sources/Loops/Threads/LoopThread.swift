internal import Synchronization

/// A thread with an ``EventLoop`` in it: what a library that must not own the main thread runs its sockets on.
///
/// ## Concurrency model
/// The loop is made inside the thread and never leaves it; `execute` and `stop` go through a ``Mailbox``.
public final class LoopThread: Sendable {
    /// Calls that may wait for the loop at once.
    private static let mailboxCapacity = 65_536

    private typealias Call = @Sendable (EventLoop) -> Void
    private enum Start: Sendable {
        case pending
        case running(Mailbox<Call>)
        case failed(SystemError)
    }

    private let thread: PosixThread
    private let calls: Mailbox<Call>

    /// Starts the thread, makes its loop, runs `setUp` in it, and returns once that is done.
    /// - Throws: ``SystemError`` when there is no thread or no descriptor to be had.
    public init(name: String = "loop", setUp: @escaping @Sendable (EventLoop) -> Void = { _ in }) throws(SystemError) {
        let start = Monitor(Start.pending)
        let thread = try PosixThread(name: name) {
            Self.run(start, setUp)
        }
        let outcome: Result<Mailbox<Call>, SystemError> = start.wait { start in
            switch start {
            case .pending: nil
            case .running(let mailbox): .success(mailbox)
            case .failed(let error): .failure(error)
            }
        }
        self.thread = thread
        calls = try outcome.get()
    }

    private static func run(_ start: Monitor<Start>, _ setUp: Call) {
        do throws(SystemError) {
            let loop = try EventLoop()
            let calls: Mailbox<Call> = loop.mailbox(capacity: mailboxCapacity) { [unowned loop] call in call(loop) }
            setUp(loop)
            start.withLock { $0 = .running(calls) }
            start.broadcast()
            // epoll_wait fails only for arguments that are our own bug; the thread then ends like after `stop`.
            try? loop.run()
            loop.shutDown()
        } catch {
            start.withLock { $0 = .failed(error) }
            start.broadcast()
        }
    }

    /// Runs `body` on the loop.
    /// - Returns: `false` when the loop has ended or far too many calls wait.
    @discardableResult
    public func execute(_ body: @escaping @Sendable (EventLoop) -> Void) -> Bool { calls.post(body) }

    /// Ends the loop after what it is doing; its connections are closed. Does not wait: see ``join()``.
    public func stop() { calls.post { $0.stop() } }

    /// Waits for the thread's end.
    public func join() { thread.join() }
}
