import Glibc
import Loops
import Synchronization
import Testing

@Suite struct ThreadsTests {
    @Test func oneThreadRunsTasksInOrderAndShutDownRunsWhatWaits() throws {
        let order = Mutex<[Int]>([])
        let queue = try TaskQueue(name: "one", threadCount: 1, capacity: 100)
        for number in 0..<100 {
            let isTaken = queue.submit { order.withLock { $0.append(number) } }
            #expect(isTaken)
        }
        queue.shutDown()
        #expect(order.withLock { $0 } == Array(0..<100))
        #expect(!queue.submit {})
    }

    @Test func aFullQueueRefusesAndShutDownCanDiscard() throws {
        let loop = try EventLoop()
        let queue = try TaskQueue(name: "full", threadCount: 1, capacity: 2)
        let gate = Gate()
        var isRunning = false
        let started = loop.mailbox(capacity: 1) { (_: Bool) in isRunning = true }
        let ran = Atomic(0)
        queue.submit {
            started.post(true)
            gate.wait()
        }
        try run(loop, "the first task") { isRunning }
        #expect(queue.submit { ran.add(1, ordering: .relaxed) })
        #expect(queue.submit { ran.add(1, ordering: .relaxed) })
        #expect(!queue.submit { ran.add(1, ordering: .relaxed) })
        #expect(queue.load.waiting == 2)
        #expect(queue.load.running == 1)
        gate.open()
        queue.shutDown()
        #expect(ran.load(ordering: .relaxed) == 2)

        let discarded = try TaskQueue(name: "discarded", threadCount: 1, capacity: 2)
        let secondGate = Gate()
        isRunning = false
        let secondStarted = loop.mailbox(capacity: 1) { (_: Bool) in isRunning = true }
        discarded.submit {
            secondStarted.post(true)
            secondGate.wait()
        }
        try run(loop, "the second queue's task") { isRunning }
        discarded.submit { ran.add(100, ordering: .relaxed) }
        let ender = try TaskQueue(name: "ender", threadCount: 1, capacity: 1)
        ender.submit { discarded.shutDown(discardingQueued: true) }
        try run(loop, "the discarding") { discarded.load.waiting == 0 }
        secondGate.open()
        ender.shutDown()
        #expect(ran.load(ordering: .relaxed) == 2)
    }

    @Test func niceHoldsForTheQueuesThreadsOnly() throws {
        let loop = try EventLoop()
        var nice: Int32?
        let mailbox = loop.mailbox(capacity: 1) { nice = $0 }
        let before = getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)
        let queue = try TaskQueue(name: "nice", threadCount: 1, capacity: 1, nice: 10)
        queue.submit { mailbox.post(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0)) }
        try run(loop, "the answer") { nice != nil }
        #expect(nice == min(19, before + 10) || nice == 10)
        #expect(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) == before)
        queue.shutDown()
    }

    @Test func threadsBlockTheProcessesSignals() throws {
        let loop = try EventLoop()
        var isBlocked: Bool?
        let mailbox = loop.mailbox(capacity: 1) { isBlocked = $0 }
        let queue = try TaskQueue(name: "masked", threadCount: 1, capacity: 1)
        queue.submit {
            var mask = sigset_t()
            pthread_sigmask(SIG_BLOCK, nil, &mask)
            mailbox.post(sigismember(&mask, SIGTERM) == 1)
        }
        try run(loop, "the answer") { isBlocked != nil }
        #expect(isBlocked == true)
        queue.shutDown()
    }

    @Test func aLoopThreadRunsCallsAndEnds() throws {
        let loop = try EventLoop()
        var answers: [Int] = []
        let mailbox = loop.mailbox(capacity: 10) { answers.append($0) }
        let thread = try LoopThread(name: "test") { inner in
            inner.schedule(after: .milliseconds(1)) { mailbox.post(1) }
        }
        try run(loop, "the timer") { answers == [1] }
        #expect(thread.execute { _ in mailbox.post(2) })
        try run(loop, "the call") { answers == [1, 2] }
        thread.stop()
        thread.join()
        #expect(!thread.execute { _ in mailbox.post(3) })
    }
}

/// Opens once, from any thread.
final class Gate: Sendable {
    private let descriptors: (read: Int32, write: Int32)

    init() {
        var both: [Int32] = [0, 0]
        pipe(&both)
        descriptors = (both[0], both[1])
    }

    deinit { close(descriptors.read) }

    func wait() {
        var byte: UInt8 = 0
        _ = read(descriptors.read, &byte, 1)
    }

    func open() { close(descriptors.write) }
}
