import Base
import Cluster
import Testing
import Wire

/// The client library's decisions.
@Suite struct ClientTests {
    @Test(arguments: cases) func client(_ row: Case) throws { try row.run() }

    struct Driver {
        var machine: ClientMachine
        var now = Instant.zero

        init(maximumConnectFailures: Int? = nil) {
            var configuration = ClientMachine.Configuration()
            configuration.maximumConnectFailures = maximumConnectFailures
            machine = ClientMachine(configuration: configuration)
        }

        static func connected() -> Driver {
            var driver = Driver()
            driver.step(.submit(0, deadline: .seconds(600)))
            driver.step(.connected)
            driver.step(.replied(0))
            return driver
        }

        @discardableResult
        mutating func step(_ event: ClientMachine.Event) -> [ClientMachine.Directive] { machine.step(event, now: now) }

        /// Lets time pass to the machine's own wake.
        mutating func wake() -> [ClientMachine.Directive] {
            guard let wake = machine.nextWake else { return [] }
            now = max(now, wake)
            return step(.tick)
        }
    }

    static let cases: [Case] = [
        Case("the first request connects, and is sent once connected with the time that is left") {
            var driver = Driver()
            #expect(driver.step(.submit(1, deadline: .seconds(10))) == [.connect])
            driver.now += .seconds(4)
            #expect(driver.step(.connected) == [.send(1, deadline: .seconds(6))])
            #expect(driver.step(.replied(1)) == [.succeed(1)])
            #expect(driver.machine.retries == 0 && driver.machine.outstandingCount == 0)
        },
        Case("requests are sent in the order of their submission") {
            var driver = Driver()
            for id in [3, 1, 2] as [UInt64] { driver.step(.submit(id, deadline: .seconds(10))) }
            let sent = driver.step(.connected)
            #expect(sent == [3, 1, 2].map { .send($0, deadline: .seconds(10)) })
        },
        Case("replies come in any order, a second one is ignored") {
            var driver = Driver.connected()
            driver.step(.submit(1, deadline: .seconds(10)))
            driver.step(.submit(2, deadline: .seconds(10)))
            #expect(driver.step(.replied(2)) == [.succeed(2)])
            #expect(driver.step(.replied(2)).isEmpty)
            #expect(driver.step(.replied(1)) == [.succeed(1)])
        },
        Case("what was not answered is sent again after a reconnect, in order, and counted") {
            var driver = Driver.connected()
            for id in [1, 2, 3] as [UInt64] { driver.step(.submit(id, deadline: .seconds(10))) }
            driver.step(.replied(2))
            #expect(driver.step(.disconnected("reset")).isEmpty)
            #expect(driver.wake() == [.connect])
            #expect(driver.now == .zero + .milliseconds(50))
            let left = Duration.seconds(10) - .milliseconds(50)
            #expect(driver.step(.connected) == [.send(1, deadline: left), .send(3, deadline: left)])
            #expect(driver.machine.retries == 2)
        },
        Case("reconnecting backs off, up to two seconds, and begins again after a success") {
            var driver = Driver.connected()
            driver.step(.submit(1, deadline: .seconds(600)))
            var waits: [Int] = []
            for _ in 0..<8 {
                let from = driver.now
                driver.step(.disconnected("refused"))
                #expect(driver.wake() == [.connect])
                waits.append(Int((driver.now - from).milliseconds))
            }
            #expect(waits == [50, 100, 200, 400, 800, 1_600, 2_000, 2_000])
            driver.step(.connected)
            let from = driver.now
            driver.step(.disconnected("reset"))
            _ = driver.wake()
            #expect(driver.now - from == .milliseconds(50))
        },
        Case("with nothing outstanding it does not reconnect and asks for no wake") {
            var driver = Driver.connected()
            #expect(driver.step(.disconnected("reset")).isEmpty)
            #expect(driver.machine.nextWake == nil)
            driver.now += .seconds(9)
            #expect(driver.step(.submit(1, deadline: .seconds(1))) == [.connect])
        },
        Case("a hint is followed: the request is sent again after it, not before") {
            var driver = Driver.connected()
            driver.step(.submit(1, deadline: .seconds(10)))
            #expect(driver.step(.refused(1, .resourceExhausted, "full", retryAfter: .milliseconds(100))).isEmpty)
            driver.now += .milliseconds(99)
            #expect(driver.step(.tick).isEmpty)
            #expect(driver.wake() == [.send(1, deadline: .seconds(10) - .milliseconds(100))])
            #expect(driver.machine.retries == 1)
        },
        Case("a hint outlives a reconnect") {
            var driver = Driver.connected()
            driver.step(.submit(1, deadline: .seconds(10)))
            driver.step(.refused(1, .unavailable, "analysing", retryAfter: .seconds(1)))
            driver.step(.disconnected("reset"))
            driver.now += .milliseconds(60)
            #expect(driver.step(.tick) == [.connect])
            #expect(driver.step(.connected).isEmpty)
            driver.now += .seconds(1)
            #expect(driver.step(.tick).count == 1)
        },
        Case("a hint beyond the deadline fails the request with what the coordinator said") {
            var driver = Driver.connected()
            driver.step(.submit(1, deadline: .milliseconds(80)))
            let out = driver.step(.refused(1, .resourceExhausted, "full", retryAfter: .milliseconds(100)))
            #expect(out == [.fail(1, .resourceExhausted, "full")])
        },
        Case("an error without a hint, or of the input, is final") {
            for (code, hint) in [
                (StatusCode.resourceExhausted, Duration.zero), (.invalidArgument, .seconds(1)), (.internalError, .zero),
            ] {
                var driver = Driver.connected()
                driver.step(.submit(1, deadline: .seconds(10)))
                #expect(driver.step(.refused(1, code, "no", retryAfter: hint)) == [.fail(1, code, "no")])
            }
        },
        Case("a sent request is given up a moment after its deadline, and cancelled at the coordinator") {
            var driver = Driver.connected()
            driver.step(.submit(1, deadline: .seconds(10)))
            driver.now += .milliseconds(10_249)
            #expect(driver.step(.tick).isEmpty)
            #expect(driver.wake() == [.sendCancel(1), .fail(1, .deadlineExceeded, "no answer came in time")])
            #expect(driver.now == .zero + .milliseconds(10_250))
            #expect(driver.step(.replied(1)).isEmpty)
        },
        Case("what the coordinator says in that moment is what the caller learns") {
            var driver = Driver.connected()
            driver.step(.submit(1, deadline: .seconds(10)))
            driver.now += .milliseconds(10_100)
            #expect(driver.step(.tick).isEmpty)
            let out = driver.step(.refused(1, .deadlineExceeded, "no plan serves", retryAfter: .zero))
            #expect(out == [.fail(1, .deadlineExceeded, "no plan serves")])
        },
        Case("a connection that ends in that moment ends the request, which is not sent again") {
            var driver = Driver.connected()
            driver.step(.submit(1, deadline: .seconds(10)))
            driver.now += .milliseconds(10_100)
            let out = driver.step(.disconnected("reset"))
            #expect(out.contains { if case .fail(1, .deadlineExceeded, _) = $0 { true } else { false } })
            #expect(driver.step(.connected).isEmpty && driver.machine.outstandingCount == 0)
        },
        Case("the deadline without a connection says why there was none") {
            var driver = Driver()
            driver.step(.submit(1, deadline: .milliseconds(40)))
            driver.step(.disconnected("no coordinator at x:1: refused"))
            let out = driver.wake()
            #expect(
                out.contains { if case .fail(1, .unavailable, let why) = $0 { why.contains("x:1: refused") } else { false } })
        },
        Case("where nobody is there, the error ends with what to do; where the reason says it, with that") {
            func failure(_ event: ClientMachine.Event?) -> String? {
                var configuration = ClientMachine.Configuration()
                configuration.remedy = "look elsewhere"
                configuration.maximumConnectFailures = event == nil ? nil : 1
                var driver = Driver()
                driver.machine = ClientMachine(configuration: configuration)
                var out = driver.step(.submit(1, deadline: .milliseconds(40)))
                if let event { out += driver.step(event) } else { out += driver.wake() }
                let reasons: [String] = out.compactMap { if case .fail(1, .unavailable, let why) = $0 { why } else { nil } }
                return reasons.first
            }
            #expect(
                failure(.nobodyThere("no coordinator at x:1: nobody listens"))
                    == "no coordinator at x:1: nobody listens; look elsewhere")
            #expect(
                failure(.disconnected("no coordinator at x:1: it is a worker; ask another"))
                    == "no coordinator at x:1: it is a worker; ask another")
            let nothingYet = "it has not answered yet; give it a longer deadline, or look elsewhere"
            #expect(failure(nil) == "the coordinator could not be reached in time: \(nothingYet)")
        },
        Case("each request has its own deadline") {
            var driver = Driver.connected()
            driver.step(.submit(1, deadline: .seconds(3)))
            driver.step(.submit(2, deadline: .seconds(1)))
            driver.step(.submit(3, deadline: .seconds(2)))
            var failed: [UInt64] = []
            while driver.machine.outstandingCount > 0 {
                for case .fail(let id, _, _) in driver.wake() { failed.append(id) }
            }
            #expect(failed == [2, 3, 1])
        },
        Case("cancelling tells the coordinator only what it has") {
            var driver = Driver()
            driver.step(.submit(1, deadline: .seconds(10)))
            #expect(driver.step(.cancel(1)) == [.fail(1, .cancelled, "the request was cancelled")])
            driver = .connected()
            driver.step(.submit(2, deadline: .seconds(10)))
            #expect(driver.step(.cancel(2)) == [.sendCancel(2), .fail(2, .cancelled, "the request was cancelled")])
            #expect(driver.step(.cancel(2)).isEmpty && driver.step(.replied(2)).isEmpty)
        },
        Case("closing fails what is outstanding, disconnects, and takes nothing more") {
            var driver = Driver.connected()
            driver.step(.submit(2, deadline: .seconds(10)))
            driver.step(.submit(1, deadline: .seconds(10)))
            let failures = [1, 2].map { ClientMachine.Directive.fail($0, .cancelled, "the client was closed") }
            #expect(driver.step(.close) == failures + [.disconnect])
            #expect(driver.step(.submit(3, deadline: .seconds(1))) == [.fail(3, .cancelled, "the client was closed")])
            #expect(driver.step(.disconnected("closed")).isEmpty && driver.machine.nextWake == nil)
        },
        Case("a connection that opens after the close is closed again") {
            var driver = Driver()
            driver.step(.submit(1, deadline: .seconds(10)))
            driver.step(.close)
            #expect(driver.step(.connected) == [.disconnect])
        },
        Case("with a limit, that many failed connections in a row fail what waits") {
            var driver = Driver(maximumConnectFailures: 2)
            driver.step(.submit(1, deadline: .seconds(10)))
            #expect(driver.step(.disconnected("refused")).isEmpty)
            #expect(driver.wake() == [.connect])
            #expect(driver.step(.disconnected("refused")) == [.fail(1, .unavailable, "refused")])
        },
        Case("the end of a connection that worked is no failed one") {
            var driver = Driver(maximumConnectFailures: 1)
            driver.step(.submit(1, deadline: .seconds(10)))
            driver.step(.connected)
            #expect(driver.step(.disconnected("reset")).isEmpty)
            #expect(driver.step(.disconnected("refused")) == [.fail(1, .unavailable, "refused")])
        },
        Case("the wake is the earliest of deadline, hint and reconnect") {
            var driver = Driver.connected()
            #expect(driver.machine.nextWake == nil)
            driver.step(.submit(1, deadline: .seconds(10)))
            #expect(driver.machine.nextWake == .zero + .seconds(10))
            driver.step(.refused(1, .unavailable, "", retryAfter: .seconds(1)))
            #expect(driver.machine.nextWake == .zero + .seconds(1))
            driver.step(.disconnected("reset"))
            #expect(driver.machine.nextWake == .zero + .milliseconds(50))
        },
    ]

    /// A step must not look at all that is outstanding: with 100,000 requests a scan for each would take minutes.
    @Test(.timeLimit(.minutes(1))) func manyOutstandingRequestsCostNoMoreEach() {
        var driver = Driver.connected()
        let count: UInt64 = 100_000
        for id in 1...count { driver.step(.submit(id, deadline: .seconds(60))) }
        for id in 1...count { driver.step(.replied(id)) }
        #expect(driver.machine.outstandingCount == 0 && driver.machine.nextWake == nil)
    }
}
