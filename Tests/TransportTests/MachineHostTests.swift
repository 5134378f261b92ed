import Base
import Cluster
import Hosting
import Loops
import Testing

/// Writes down what it is told, asks to be woken, and answers with what it is told to do.
private struct Script: Machine {
    enum Event: Sendable, Equatable {
        /// Carry these out.
        case order([Directive])
        case tick
    }

    indirect enum Directive: Sendable, Equatable {
        case say(String)
        /// Make this happen while it is carried out.
        case cause(Event)
    }

    static var wake: Event { .tick }
    var nextWake: Instant?
    var ticks = 0

    mutating func step(_ event: Event, now: Instant) -> [Directive] {
        switch event {
        case .order(let directives): return directives
        case .tick:
            ticks += 1
            nextWake = nil
            return [.say("woken")]
        }
    }
}

private final class Reader: MachineShell {
    let host: MachineHost<Script>
    var said: [String] = []

    init(_ loop: EventLoop) { host = MachineHost(loop: loop, machine: Script()) }

    func carryOut(_ directive: Script.Directive) {
        switch directive {
        case .say(let word): said.append(word)
        case .cause(let event): step(event)
        }
    }
}

@Suite struct MachineHostTests {
    @Test func whatArisesMeanwhileComesAfterTheStepsDirectivesInItsOrder() throws {
        let loop = try EventLoop()
        defer { loop.shutDown() }
        let reader = Reader(loop)
        reader.step(
            .order([
                .say("1"), .cause(.order([.say("4"), .cause(.order([.say("6")])), .say("5")])), .say("2"),
                .cause(.order([.say("7")])), .say("3"),
            ]))
        // The third event arose while the first's directives were carried out, the one of "6" later.
        #expect(reader.said == ["1", "2", "3", "4", "5", "7", "6"])
        reader.step(.order([.say("8")]))
        #expect(reader.said.last == "8" && reader.said.count == 8)
    }

    @Test func theMachineIsWokenWhenItAskedForIt() throws {
        let loop = try EventLoop()
        defer { loop.shutDown() }
        let reader = Reader(loop)
        let now = Instant.current()
        let soon = now + .milliseconds(20)
        // Never by its own clock, then late, then early: the early time counts.
        reader.host.machine.nextWake = .distantFuture
        reader.step(.order([]))
        #expect(loop.timerCount == 0)
        reader.host.machine.nextWake = soon + .seconds(3_600)
        reader.step(.order([]))
        reader.host.machine.nextWake = soon
        reader.step(.order([]))
        try run(loop, "waking") { reader.host.machine.ticks == 1 }
        #expect(reader.said == ["woken"] && Instant.current() - now >= .milliseconds(20))
    }

    @Test func aShellThatIsGoneIsNotWoken() throws {
        let loop = try EventLoop()
        defer { loop.shutDown() }
        var reader: Reader? = Reader(loop)
        weak let gone = reader
        reader?.host.machine.nextWake = Instant.current() + .milliseconds(1)
        reader?.step(.order([]))
        reader = nil
        #expect(gone == nil)
        var isLater = false
        loop.schedule(after: .milliseconds(10)) { isLater = true }
        try run(loop, "the time after") { isLater }
    }
}
