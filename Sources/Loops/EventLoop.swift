public import Base
internal import CLinux
internal import Glibc

/// One epoll loop: sockets, timers, signals and messages from other threads, all handled on the thread that runs it.
///
/// ## Concurrency model
/// Not `Sendable`: a loop, its connections, listeners and timers live on the thread that made them (``LoopThread`` makes one inside a
/// fresh thread). The only ways in from elsewhere are ``Mailbox`` and what is built on it (``Resolver``, ``LoopThread``).
///
/// Work per wake is bounded in number and in time: events, timers, deferred calls, mailbox messages and what is read and written each have a
/// limit, after which the others have their turn. What is left over keeps its place at the front, so that nobody is passed over twice.
public final class EventLoop {
    /// Events taken from the kernel per wake; the rest come with the next call.
    private static let eventsPerWake = 256
    /// Timers that fire per wake, so that a burst of deadlines cannot keep sockets waiting.
    private static let timersPerWake = 1_024
    /// Time for each kind of work in one wake. Together they keep a wake below what heartbeats (250 ms) and probes (2 s) notice by far; and a
    /// kind that uses its time up is the exception, so that the system calls between two wakes cost nothing measurable.
    static let slice: Duration = .milliseconds(5)
    /// Calls between two looks at the clock, where a call is short.
    static let callsPerLook = 16
    /// Staging memory for headers and small messages: shared by all connections, as each uses it within one call only.
    static let stagingByteCount = 64 << 10

    /// The time at the start of the current wake. Cached: reading it costs nothing, and one wake sees one time.
    public private(set) var now: Instant
    /// The longest time between two waits for events so far: what a peer may have had to wait for others.
    public private(set) var longestTurn: Duration = .zero

    /// What it waits for, for who looks whether something is kept: descriptors, and timers with the cancelled ones that have not been swept.
    public var sourceCount: Int { sources.count }
    public var timerCount: Int { timers.count }

    private let poller: Descriptor
    private let events: UnsafeMutablePointer<epoll_event>
    package let staging: UnsafeMutableRawBufferPointer
    let waker: Waker
    private var sources: [UInt64: any EventSource] = [:]
    private var lastToken: UInt64 = 0
    private var timers = TimerQueue()
    private var deferred: [() -> Void] = []
    private var unflushed: [any Flushable] = []
    var mailboxes: [ObjectIdentifier: any MailboxSource] = [:]
    /// What a `Resolver` keeps with the loop: who waits for which answer.
    package var resolver: AnyObject?
    /// Events of the last look at the kernel that have not been handled yet.
    private var pendingEvents = 0..<0
    private var isFirstTurn = true
    private var isStopped = false
    private var lastID: UInt64 = 0

    /// - Throws: ``SystemError`` when the process has no descriptors left.
    public init() throws(SystemError) {
        let poller = try Syscall.check("creating the event loop (epoll_create1)") { epoll_create1(Int32(EPOLL_CLOEXEC)) }
        self.poller = Descriptor(owning: Int32(poller))
        waker = try Waker()
        events = .allocate(capacity: Self.eventsPerWake)
        staging = .allocate(byteCount: Self.stagingByteCount, alignment: 64)
        now = .current()
        let source = WakerSource(waker: waker)
        source.loop = self
        _ = try register(waker.rawDescriptor, interest: .readable, source: source)
    }

    deinit {
        events.deallocate()
        staging.deallocate()
    }

    // MARK: Running

    /// Handles events until ``stop()``.
    public func run() throws(SystemError) {
        while !isStopped { try runOnce() }
        isStopped = false
    }

    /// Makes ``run()`` return after the current wake.
    public func stop() { isStopped = true }

    /// One wake: waits for the next event or timer, at most `maximumWait`, and handles what is there.
    public func runOnce(maximumWait: Duration? = nil) throws(SystemError) {
        try takeEvents(maximumWait)
        dispatch()
        runTimers()
        runDeferred()
        flushConnections()
    }

    /// Closes every connection, listener and mailbox of the loop, and calls their last callbacks.
    ///
    /// Connections and the loop hold each other; this is what lets go.
    public func shutDown() {
        pendingEvents = 0..<0
        for source in Array(sources.values) { source.loopWillEnd() }
        // Closing is reported from deferred calls, which may close more.
        while !deferred.isEmpty { runDeferred() }
        for mailbox in Array(mailboxes.values) { mailbox.close() }
        mailboxes.removeAll()
        timers = TimerQueue()
        resolver = nil
    }

    /// Asks the kernel once everything that it said before is handled.
    private func takeEvents(_ maximumWait: Duration?) throws(SystemError) {
        let turnEnd = Instant.current()
        if !isFirstTurn { longestTurn = max(longestTurn, turnEnd - now) }
        isFirstTurn = false
        guard pendingEvents.isEmpty else { return now = turnEnd }
        var wait: Int32 = -1
        if !deferred.isEmpty || !unflushed.isEmpty || isStopped {
            wait = 0
        } else {
            // In whole milliseconds, rounded up: a timer comes up to 1 ms late, never early.
            let limits = [maximumWait, timers.nextDeadline.map { $0 - turnEnd }]
            for limit in limits.compactMap({ $0 }) {
                let (whole, rest) = max(limit.nanoseconds, 0).quotientAndRemainder(dividingBy: 1_000_000)
                let milliseconds = Int32(clamping: whole + (rest > 0 ? 1 : 0))
                wait = wait < 0 ? milliseconds : min(wait, milliseconds)
            }
        }
        // Not retried on EINTR: the next round computes the time left anew.
        let count = epoll_wait(poller.rawValue, events, Int32(Self.eventsPerWake), wait)
        let reason = errno
        now = .current()
        if count >= 0 { return pendingEvents = 0..<Int(count) }
        guard reason == EINTR else { throw SystemError("waiting for events (epoll_wait)", systemError: reason) }
    }

    private func dispatch() {
        let end = now + Self.slice
        while let index = pendingEvents.first {
            pendingEvents = index + 1..<pendingEvents.upperBound
            let event = events[index]
            // A source that was closed by an earlier event of this wake is not there any more.
            guard let source = sources[event.data.u64] else { continue }
            source.ready(IOReadiness(rawValue: event.events))
            // One event is a batch of messages; the last needs no look.
            if !pendingEvents.isEmpty, Instant.current() >= end { return }
        }
    }

    private func runTimers() {
        var end: Instant?
        for number in 1...Self.timersPerWake {
            guard let timer = timers.popDue(at: now) else { return }
            timer.fire()
            if number.isMultiple(of: Self.callsPerLook), Self.isOver(&end) { return }
        }
    }

    /// Whether a slice that began at the first look is over.
    package static func isOver(_ end: inout Instant?) -> Bool {
        let time = Instant.current()
        if let end { return time >= end }
        end = time + slice
        return false
    }

    private func runDeferred() {
        guard !deferred.isEmpty else { return }
        let bodies = deferred
        deferred = []
        var end: Instant?
        for (index, body) in bodies.enumerated() {
            body()
            // A deferred call may read a connection's share: each is looked at, as there are few.
            guard index + 1 < bodies.count, Self.isOver(&end) else { continue }
            deferred = bodies[(index + 1)...] + deferred
            return
        }
    }

    private func flushConnections() {
        guard !unflushed.isEmpty else { return }
        let connections = unflushed
        unflushed = []
        var end: Instant?
        for (index, connection) in connections.enumerated() {
            connection.flush()
            guard index + 1 < connections.count, Self.isOver(&end) else { continue }
            unflushed = connections[(index + 1)...] + unflushed
            return
        }
    }

    // MARK: Timers and deferred work

    /// Calls `body` once, not before `delay` has passed.
    @discardableResult
    public func schedule(after delay: Duration, _ body: @escaping () -> Void) -> Timer {
        schedule(at: Instant.current() + delay, body)
    }

    /// Calls `body` once, not before `deadline`.
    @discardableResult
    public func schedule(at deadline: Instant, _ body: @escaping () -> Void) -> Timer {
        let timer = Timer(deadline: deadline, body: body)
        timers.insert(timer)
        return timer
    }

    /// Calls `body` every `interval`, the first time after one. A late call shortens the next wait, and whole missed rounds are left out.
    @discardableResult
    public func every(_ interval: Duration, _ body: @escaping () -> Void) -> Timer {
        precondition(interval > .zero, "a repeating timer needs an interval above zero")
        let timer = Timer(deadline: Instant.current() + interval, body: nil)
        timer.body = { [unowned self, unowned timer] in
            let next = timer.deadline + interval
            timer.deadline = next > now ? next : now + interval
            timers.insert(timer)
            body()
        }
        timer.isRepeating = true
        timers.insert(timer)
        return timer
    }

    /// Calls `body` later in this wake or early in the next, from a fresh stack.
    public func `defer`(_ body: @escaping () -> Void) { deferred.append(body) }

    /// Has `connection` write what it has queued once this wake's events are handled: many small messages become one write.
    package func flushLater(_ connection: any Flushable) { unflushed.append(connection) }

    // MARK: Descriptors

    /// Watches a descriptor and keeps `source` alive until ``unregister(_:token:)``.
    package func register(_ descriptor: Int32, interest: IOReadiness, source: any EventSource) throws(SystemError) -> UInt64 {
        lastToken += 1
        try control(EPOLL_CTL_ADD, descriptor, interest: interest, token: lastToken)
        sources[lastToken] = source
        return lastToken
    }

    package func update(_ descriptor: Int32, interest: IOReadiness, token: UInt64) throws(SystemError) {
        try control(EPOLL_CTL_MOD, descriptor, interest: interest, token: token)
    }

    /// Before the descriptor is closed.
    package func unregister(_ descriptor: Int32, token: UInt64) {
        guard sources.removeValue(forKey: token) != nil else { return }
        // It can fail only where the descriptor is not watched, which is what is wanted.
        try? control(EPOLL_CTL_DEL, descriptor, interest: [], token: token)
    }

    private func control(_ operation: Int32, _ descriptor: Int32, interest: IOReadiness, token: UInt64) throws(SystemError) {
        var event = epoll_event()
        event.events = interest.rawValue
        event.data.u64 = token
        try Syscall.check("watching a descriptor (epoll_ctl)") { epoll_ctl(poller.rawValue, operation, descriptor, &event) }
    }

    /// A number that nothing else of this loop has.
    package func nextID() -> UInt64 {
        lastID += 1
        return lastID
    }
}

/// Something with a descriptor that the loop watches.
package protocol EventSource: AnyObject {
    func ready(_ readiness: IOReadiness)
    /// The loop lets go of everything: close.
    func loopWillEnd()
}

/// Something that has bytes to write at the end of a wake.
package protocol Flushable: AnyObject {
    func flush()
}

/// What epoll reports, and what is asked of it.
package struct IOReadiness: OptionSet {
    package let rawValue: UInt32
    package init(rawValue: UInt32) { self.rawValue = rawValue }
    package static let readable = IOReadiness(rawValue: EPOLLIN.rawValue)
    package static let writable = IOReadiness(rawValue: EPOLLOUT.rawValue)
    /// Errors and hang-ups come unasked.
    package static let failed = IOReadiness(rawValue: EPOLLERR.rawValue | EPOLLHUP.rawValue)
}
