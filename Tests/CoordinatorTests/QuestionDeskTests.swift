import Base
import Cluster
import Coordinator
import Testing

/// What clients may ask at once, and when a shared answer is made.
@Suite struct QuestionDeskTests {
    let first = ConnectionID(1)
    let second = ConnectionID(2)

    /// The whole share of the first, and one more that is refused.
    private func takeAll(_ desk: inout QuestionDesk) {
        for number in 0...QuestionDesk.perConnection {
            let isTaken = desk.take(from: first)
            #expect(isTaken == (number < QuestionDesk.perConnection))
        }
    }

    @Test("a connection has its share, and gets a place back with each answer; others have theirs")
    func share() {
        var desk = QuestionDesk()
        takeAll(&desk)
        let others = desk.take(from: second)
        #expect(others)
        desk.answered(first)
        let again = (desk.take(from: first), desk.take(from: first))
        #expect(again == (true, false))
        desk.closed(first)
        // What is still written for a connection that has ended changes nothing.
        desk.answered(first)
        #expect(!desk.hasQuestions(of: first) && desk.hasQuestions(of: second))
        takeAll(&desk)
    }

    @Test("a document is held until its last reader has it, and a new one is made only where there is room")
    func documents() throws {
        var desk = QuestionDesk()
        let half = QuestionDesk.heldByteLimit / 2
        let first = desk.hold(byteCount: half, readers: 2)
        let one = try #require(first)
        let second = desk.hold(byteCount: half, readers: 1)
        let two = try #require(second)
        var more = desk.hold(byteCount: 1, readers: 1)
        #expect(more == nil && desk.heldBytes == 2 * half)
        desk.wasRead(one)
        more = desk.hold(byteCount: 1, readers: 1)
        #expect(more == nil)
        desk.wasRead(one)
        desk.wasRead(one)
        #expect(desk.heldBytes == half)
        desk.wasRead(two)
        #expect(desk.heldBytes == 0)
        // One alone is never too large.
        let large = desk.hold(byteCount: 3 * half, readers: 1)
        #expect(large != nil)
    }

    private func at(_ milliseconds: Int) -> Instant { Instant(nanoseconds: Int64(milliseconds) * 1_000_000) }

    @Test("those who ask while a document is made, or soon after, share the next; each is made after its question")
    func schedule() {
        var schedule = DocumentSchedule<Int>()
        #expect(schedule.dueAt == nil)
        schedule.ask(1)
        #expect(schedule.dueAt == at(0))
        var askers = schedule.begin()
        #expect(askers == [1])
        schedule.ask(2)
        schedule.ask(3)
        #expect(schedule.dueAt == nil)
        schedule.made(at: at(100), loopCost: .milliseconds(4), threadCost: .milliseconds(10))
        // Twenty times the loop's share, and twice the thread's.
        #expect(schedule.dueAt == at(200))
        askers = schedule.begin()
        #expect(askers == [2, 3])
        schedule.made(at: at(210), loopCost: .zero, threadCost: .zero)
        #expect(schedule.dueAt == nil)
        schedule.ask(4)
        #expect(schedule.dueAt == at(230))
        askers = schedule.begin()
        #expect(askers == [4])
        schedule.made(at: at(300), loopCost: .seconds(9), threadCost: .seconds(9))
        schedule.ask(5)
        #expect(schedule.dueAt == at(1_300))
    }
}
