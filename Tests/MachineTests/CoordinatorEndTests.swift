import Base
import Cluster
import Planning
import Tensors
import Testing
import Wire

/// SIGTERM to a coordinator: what runs is answered, and nobody's deadline holds the process up.
@Suite struct CoordinatorEndTests {
    @Test(arguments: cases) func ending(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    /// An hour, the longest that a client may ask for.
    static let hour: UInt32 = 3_600_000

    static let cases: [Case] = [
        Case("nothing outstanding: drained at once, and once only") {
            var driver = D.serving()
            #expect(driver.step(.drain).isDrained)
            #expect(!driver.wait(.seconds(60)).isDrained && !driver.step(.drain).isDrained)
        },
        Case("a request whose inputs do not come is given up after a short patience, with an error that can be tried again") {
            var driver = D.serving()
            #expect(driver.announce(1, deadline: hour).accepted.count == 1)
            #expect(driver.step(.drain).errors.isEmpty)
            #expect(driver.wait(.milliseconds(1_900)).errors.isEmpty)
            let out = driver.wait(.milliseconds(200))
            let error = try #require(out.errors.first)
            #expect(error.code == .unavailable && error.retryAfterMilliseconds > 0 && error.message.contains("shutting down"))
            #expect(out.isDrained && driver.machine.requestCount == 0)
        },
        Case("inputs that come within the patience run, and their reply ends the drain") {
            var driver = D.serving()
            let id = try #require(driver.announce(1, deadline: hour).accepted.first)
            driver.step(.drain)
            driver.wait(.seconds(1))
            let work = driver.step(.requestArrived(id)).dispatched.leading
            #expect(driver.wait(.seconds(5)).errors.isEmpty)
            #expect(driver.finish(work).replies == [1])
            #expect(driver.step(.replySent(id)).isDrained)
        },
        Case("where no plan serves, what waits for one is given up after the same patience") {
            var driver = D.serving()
            driver.submit(1, deadline: hour)
            driver.close("a")
            driver.close("b")
            driver.step(.drain)
            let out = driver.wait(.milliseconds(2_200))
            #expect(out.errors.map(\.code) == [.unavailable] && out.isDrained)
        },
        Case("what runs has its limit: then it is given up, in the order of admission, and the coordinator ends") {
            var driver = D.serving { $0.drainTimeout = .seconds(10) }
            for number in 1...3 { driver.submit(UInt64(number), deadline: hour) }
            driver.step(.drain)
            #expect(driver.wait(.milliseconds(9_900)).errors.isEmpty)
            let out = driver.wait(.milliseconds(200))
            #expect(out.errors.map(\.id) == [1, 2, 3] && out.isDrained)
            #expect(out.errors.allSatisfy { $0.code == .unavailable && $0.message.contains("--drain-timeout") })
            #expect(!out.cancels.isEmpty)
        },
        Case("a client that does not take its reply holds nothing up either") {
            var driver = D.serving()
            let work = driver.submit(1, deadline: hour).dispatched.leading
            driver.step(.drain)
            #expect(driver.finish(work).replies == [1])
            #expect(!driver.wait(.milliseconds(29_900)).isDrained)
            #expect(driver.wait(.milliseconds(200)).isDrained)
        },
    ]
}

extension [CoordinatorMachine.Directive] {
    fileprivate var isDrained: Bool { contains { if case .drained = $0 { true } else { false } } }
}
