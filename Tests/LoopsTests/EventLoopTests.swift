import Base
import Glibc
import Loops
import Synchronization
import Testing

@Suite struct EventLoopTests {
    @Test func timersFireByDeadlineThenByAge() throws {
        let loop = try EventLoop()
        var fired: [String] = []
        loop.schedule(after: .milliseconds(30)) { fired.append("30") }
        loop.schedule(after: .milliseconds(10)) { fired.append("10") }
        let start = Instant.current() + .milliseconds(20)
        loop.schedule(at: start) { fired.append("20 first") }
        loop.schedule(at: start) { fired.append("20 second") }
        let cancelled = loop.schedule(after: .milliseconds(15)) { fired.append("cancelled") }
        cancelled.cancel()
        try run(loop, "the last timer") { fired.count >= 4 }
        #expect(fired == ["10", "20 first", "20 second", "30"])
        #expect(!cancelled.isPending)
    }

    @Test func aTimerIsNeverEarly() throws {
        let loop = try EventLoop()
        for wanted in [Duration.microseconds(100), .milliseconds(1), .milliseconds(7)] {
            let start = Instant.current()
            var end: Instant?
            loop.schedule(after: wanted) { end = .current() }
            try run(loop, "the timer") { end != nil }
            #expect(try #require(end) - start >= wanted)
        }
    }

    @Test func repeatingTimersRepeatUntilCancelledFromInside() throws {
        let loop = try EventLoop()
        var count = 0
        let timer = Box<Timer>()
        timer.value = loop.every(.milliseconds(2)) {
            count += 1
            if count == 3 { timer.value?.cancel() }
        }
        var isOver = false
        try run(loop, "three rounds") { count == 3 }
        loop.schedule(after: .milliseconds(20)) { isOver = true }
        try run(loop, "the time after") { isOver }
        #expect(count == 3)
    }

    @Test func manyCancelledTimersLeaveTheOthers() throws {
        let loop = try EventLoop()
        var fired = 0
        for index in 0..<20_000 {
            let timer = loop.schedule(after: .milliseconds(index % 50)) { fired += 1 }
            if index % 100 != 0 { timer.cancel() }
        }
        try run(loop, "the living timers") { fired >= 200 }
        #expect(fired == 200)
    }

    @Test func stopEndsRunAndItCanRunAgain() throws {
        let loop = try EventLoop()
        var rounds = 0
        for _ in 0..<2 {
            loop.schedule(after: .milliseconds(1)) {
                rounds += 1
                loop.stop()
            }
            try loop.run()
        }
        #expect(rounds == 2)
    }

    @Test func deferredWorkRunsInOrderAndMayDeferMore() throws {
        let loop = try EventLoop()
        var order: [Int] = []
        loop.defer {
            order.append(1)
            loop.defer { order.append(3) }
        }
        loop.defer { order.append(2) }
        try run(loop, "the deferred work") { order.count == 3 }
        #expect(order == [1, 2, 3])
    }

    @Test func aMailboxBringsAllMessagesOfManyThreadsInEachOnesOrder() throws {
        struct Note: Sendable {
            let thread: Int
            let number: Int
        }
        let loop = try EventLoop()
        let threadCount = 4
        let perThread = 5_000
        var next = [Int](repeating: 0, count: threadCount)
        var total = 0
        let mailbox = loop.mailbox(capacity: threadCount * perThread) { (note: Note) in
            #expect(next[note.thread] == note.number)
            next[note.thread] = note.number + 1
            total += 1
        }
        let posters = try TaskQueue(name: "posters", threadCount: threadCount, capacity: threadCount)
        for thread in 0..<threadCount {
            posters.submit { for number in 0..<perThread { mailbox.post(Note(thread: thread, number: number)) } }
        }
        try run(loop, "all messages") { total == threadCount * perThread }
        posters.shutDown()
    }

    @Test func aFullOrClosedMailboxSaysSo() throws {
        let loop = try EventLoop()
        var got: [Int] = []
        let mailbox = loop.mailbox(capacity: 2) { got.append($0) }
        #expect(mailbox.post(1))
        #expect(mailbox.post(2))
        #expect(!mailbox.post(3))
        try run(loop, "two messages") { got.count == 2 }
        #expect(mailbox.post(4))
        try run(loop, "the next message") { got == [1, 2, 4] }
        loop.removeMailbox(mailbox)
        #expect(!mailbox.post(5))
    }

    @Test func aSignalReachesItsHandler() throws {
        let loop = try EventLoop()
        var signals: [Int32] = []
        try loop.onSignals([SIGUSR1, SIGUSR2]) { signals.append($0) }
        // To this thread alone: other threads of the test process do not block it.
        pthread_kill(pthread_self(), SIGUSR2)
        pthread_kill(pthread_self(), SIGUSR1)
        try run(loop, "two signals") { signals.count == 2 }
        #expect(Set(signals) == [SIGUSR1, SIGUSR2])
        loop.shutDown()
    }

    /// Spins, so that time passes on the loop's own thread.
    private func work(for span: Duration) {
        let end = Instant.current() + span
        while Instant.current() < end {}
    }

    @Test func aFloodOfSlowWorkOfAnyKindDoesNotHoldUpTimers() throws {
        let loop = try EventLoop()
        var done = 0
        let mailbox = loop.mailbox(capacity: 1_000) { [self] (_: Int) in
            work(for: .milliseconds(1))
            done += 1
        }
        for number in 0..<300 { mailbox.post(number) }
        for _ in 0..<800 {
            loop.defer { [self] in
                work(for: .milliseconds(1))
                done += 1
            }
        }
        let start = Instant.current()
        for _ in 0..<300 {
            loop.schedule(at: start) { [self] in
                work(for: .milliseconds(1))
                done += 1
            }
        }
        // A wake has some 5 ms for each kind, and a timer's batch; the limit leaves room for a slow machine, and none for all deferred calls
        // in one turn.
        try LoopsTests.run(loop, "everything") { done == 1_400 }
        // A turn is measured when the next one begins: if all were done in the first, there was none yet.
        try loop.runOnce(maximumWait: .zero)
        #expect(loop.longestTurn < .milliseconds(500), "\(loop.longestTurn)")
    }

    @Test func deferredCallsKeepTheirOrderOverManyTurns() throws {
        let loop = try EventLoop()
        var order: [Int] = []
        for number in 0..<200 {
            loop.defer { [self] in
                if number.isMultiple(of: 10) { work(for: .milliseconds(2)) }
                order.append(number)
                if number < 10 { loop.defer { order.append(1_000 + number) } }
            }
        }
        try LoopsTests.run(loop, "all calls") { order.count == 210 }
        #expect(order.filter { $0 < 1_000 } == Array(0..<200))
        #expect(order.filter { $0 >= 1_000 } == Array(1_000..<1_010))
    }
}
