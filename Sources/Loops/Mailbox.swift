internal import Base
internal import CLinux
internal import DequeModule
internal import Glibc
internal import Synchronization

/// Brings messages from any thread to a loop's thread. Made by ``EventLoop/mailbox(capacity:_:)``.
///
/// ## Concurrency model
/// The queue is under a mutex, held for an append or a swap. The wake-up is an eventfd that is written only when the loop has not been woken
/// already, so that a thousand posts cost one system call. The handler stays with the loop and runs on its thread only.
public final class Mailbox<Message: Sendable>: Sendable {
    private struct State {
        var messages = Deque<Message>()
        var isClosed = false
    }

    /// Messages that may wait; the bound is what keeps a flood from taking all memory.
    public let capacity: Int
    private let state = Mutex(State())
    private let waker: Waker

    init(capacity: Int, waker: Waker) {
        precondition(capacity > 0, "a mailbox holds at least one message")
        self.capacity = capacity
        self.waker = waker
    }

    /// Hands a message to the loop, from any thread.
    /// - Returns: `false` when the mailbox is full or closed: the message was not taken.
    @discardableResult
    public func post(_ message: Message) -> Bool {
        let isTaken = state.withLock { state in
            guard !state.isClosed, state.messages.count < capacity else { return false }
            state.messages.append(message)
            return true
        }
        if isTaken { waker.wake() }
        return isTaken
    }

    /// Takes no more messages and drops those that wait.
    public func close() {
        let dropped = state.withLock { state in
            state.isClosed = true
            return exchange(&state.messages, with: [])
        }
        // Freed here, outside the lock: a message's deinit may do anything.
        _ = dropped
    }

    /// - Returns: `true` when messages are left over.
    func take(atMost limit: Int, into target: inout [Message]) -> Bool {
        let (taken, isLeftOver) = state.withLock { state in
            let count = min(limit, state.messages.count)
            let taken = Array(state.messages.prefix(count))
            state.messages.removeFirst(count)
            return (taken, !state.messages.isEmpty)
        }
        target = taken
        return isLeftOver
    }
}

/// A mailbox as the loop sees it.
protocol MailboxSource: AnyObject {
    /// - Returns: `true` when messages are left over.
    func drain() -> Bool
    func close()
}

final class MailboxReceiver<Message: Sendable>: MailboxSource {
    /// Messages taken under one lock.
    private static var messagesPerTake: Int { 64 }
    /// A message may stand for some work (a reply to join): the clock is looked at this often.
    private static var messagesPerLook: Int { 4 }

    private let mailbox: Mailbox<Message>
    private let handler: (Message) -> Void
    private var taken: [Message] = []
    /// The first of `taken` that has not been handled.
    private var position = 0

    init(mailbox: Mailbox<Message>, handler: @escaping (Message) -> Void) {
        self.mailbox = mailbox
        self.handler = handler
    }

    /// Until nothing is left or the time is used up, so that a busy mailbox does not keep sockets waiting.
    func drain() -> Bool {
        var end: Instant?
        while true {
            if position == taken.count {
                position = 0
                _ = mailbox.take(atMost: Self.messagesPerTake, into: &taken)
                if taken.isEmpty { return false }
            }
            let message = taken[position]
            position += 1
            handler(message)
            if position.isMultiple(of: Self.messagesPerLook), EventLoop.isOver(&end) { return true }
        }
    }

    func close() {
        taken = []
        position = 0
        mailbox.close()
    }
}

extension EventLoop {
    /// Makes a mailbox whose messages `handler` gets on this loop's thread, in the order of each poster.
    ///
    /// It lives until ``Mailbox/close()`` and ``removeMailbox(_:)`` or the loop's end.
    public func mailbox<Message: Sendable>(capacity: Int, _ handler: @escaping (Message) -> Void) -> Mailbox<Message> {
        let mailbox = Mailbox<Message>(capacity: capacity, waker: waker)
        mailboxes[ObjectIdentifier(mailbox)] = MailboxReceiver(mailbox: mailbox, handler: handler)
        return mailbox
    }

    /// Closes a mailbox and lets go of its handler.
    public func removeMailbox<Message: Sendable>(_ mailbox: Mailbox<Message>) {
        mailboxes.removeValue(forKey: ObjectIdentifier(mailbox))?.close()
    }

    fileprivate func drainMailboxes() {
        var isLeftOver = false
        for mailbox in Array(mailboxes.values) where mailbox.drain() { isLeftOver = true }
        if isLeftOver { waker.wake() }
    }
}

/// Wakes a loop from another thread.
final class Waker: Sendable {
    private let descriptor: Descriptor
    private let isSignalled = Atomic(false)

    init() throws(SystemError) {
        let raw = try Syscall.check("creating the loop's wake-up (eventfd)") {
            eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        }
        descriptor = Descriptor(owning: Int32(raw))
    }

    var rawDescriptor: Int32 { descriptor.rawValue }

    func wake() {
        guard !isSignalled.exchange(true, ordering: .acquiringAndReleasing) else { return }
        var one: UInt64 = 1
        // It fails only when the counter is full, and then the loop is woken anyway.
        _ = Syscall.retry { write(descriptor.rawValue, &one, MemoryLayout<UInt64>.size) }
    }

    /// Before the queues are looked at: a post after this wakes again.
    func reset() {
        var count: UInt64 = 0
        _ = Syscall.retry { read(descriptor.rawValue, &count, MemoryLayout<UInt64>.size) }
        _ = isSignalled.exchange(false, ordering: .acquiringAndReleasing)
    }
}

final class WakerSource: EventSource {
    private let waker: Waker
    weak var loop: EventLoop?

    init(waker: Waker) { self.waker = waker }

    func ready(_ readiness: IOReadiness) {
        waker.reset()
        loop?.drainMailboxes()
    }

    func loopWillEnd() {}
}
