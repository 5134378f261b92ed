import Coordinator
import Dispatch
import Loops
import Synchronization
import Testing

/// Questions to a loop's thread: answered, or given up in time.
@Suite struct LoopQuestionsTests {
    /// What lives on the loop.
    final class Subject: Sendable {
        let asked = Atomic(0)
    }

    /// A mailbox of a loop that turns on a thread of its own.
    static func turning(_ subject: Subject) throws -> (LoopThread, Mailbox<LoopQuestions<Subject>.Question>) {
        let found = Mutex<Mailbox<LoopQuestions<Subject>.Question>?>(nil)
        let thread = try LoopThread { loop in
            let mailbox: Mailbox<LoopQuestions<Subject>.Question> = loop.mailbox(capacity: 8) { $0(subject) }
            found.withLock { $0 = mailbox }
        }
        return (thread, try #require(found.withLock { $0 }))
    }

    @Test("a loop that turns answers each question once")
    func answers() async throws {
        let subject = Subject()
        let (thread, mailbox) = try Self.turning(subject)
        let questions = LoopQuestions(mailbox: mailbox, limit: .seconds(10))
        for number in 1...100 {
            #expect(await questions.ask { $0.asked.add(1, ordering: .relaxed).newValue } == number)
        }
        thread.stop()
        thread.join()
        // The loop has ended: nobody takes the question, and nobody waits for the limit.
        let start = ContinuousClock.now
        #expect(await questions.ask { _ in 1 } == nil)
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test("a loop that hangs gives nil after the limit, and at once when too many wait; what it answers later is for nobody")
    func hangs() async throws {
        let subject = Subject()
        let (thread, mailbox) = try Self.turning(subject)
        let release = DispatchSemaphore(value: 0)
        let isHanging = Mutex(false)
        thread.execute { _ in
            isHanging.withLock { $0 = true }
            release.wait()
        }
        while !isHanging.withLock({ $0 }) { await Task.yield() }
        let patient = LoopQuestions(mailbox: mailbox, limit: .milliseconds(20))
        // Eight fit the mailbox.
        for _ in 0..<8 { #expect(await patient.ask { $0.asked.add(1, ordering: .relaxed).newValue } == nil) }
        let start = ContinuousClock.now
        #expect(await LoopQuestions(mailbox: mailbox, limit: .seconds(60)).ask { _ in 1 } == nil)
        #expect(ContinuousClock.now - start < .seconds(60))
        release.signal()
        // The first ones are still refused, until the loop has taken what waits.
        var count: Int?
        let end = ContinuousClock.now + .seconds(30)
        while count == nil, ContinuousClock.now < end {
            count = await LoopQuestions(mailbox: mailbox, limit: .seconds(10)).ask { $0.asked.load(ordering: .relaxed) }
        }
        #expect(count == 8)
        thread.stop()
        thread.join()
    }
}
