import Cluster
import Testing
import Wire

/// SIGTERM on a worker: the coordinator plans without it first.
@Suite struct WorkerLeavingTests {
    @Test(arguments: cases) func leaving(_ row: Case) throws { try row.run() }

    typealias D = WorkerDriver

    static func saysLeaving(_ out: [WorkerMachine.Directive]) -> Bool {
        out.contains { if case .send(D.control, .leaving) = $0 { true } else { false } }
    }

    static let cases: [Case] = [
        Case("it works on until it is let go, and then what it has ends") {
            var driver = D.serving()
            #expect(saysLeaving(driver.step(.leave)))
            driver.bring(D.key(1), to: .executing, via: [])
            let out = driver.step(.received(D.control, .released(Released())))
            #expect(!out.contains(.drained))
            driver.step(.executed(D.key(1)))
            #expect(driver.step(.forwarded(D.key(1))).contains(.drained))
        },
        Case("without a coordinator it ends at once") {
            var driver = WorkerDriver()
            #expect(driver.step(.leave) == [.drained])
        },
        Case("when the coordinator goes meanwhile, it ends") {
            var driver = D.serving()
            driver.step(.leave)
            #expect(driver.step(.closed(D.control)).contains(.drained))
        },
        Case("after its patience it refuses work, let go or not") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .executing, via: [])
            driver.step(.leave)
            driver.step(.drain)
            #expect(driver.step(.workArrived(D.data, D.work(D.key(2)), bytes: 10)).rejections.map(\.code) == [.unavailable])
        },
        Case("a release that nobody asked for changes nothing") {
            var driver = D.serving()
            #expect(driver.step(.received(D.control, .released(Released()))).isEmpty)
            #expect(driver.step(.workArrived(D.data, D.work(D.key(1)), bytes: 10)) == [.prepare(D.key(1))])
        },
        Case("a coordinator that connects again is told again") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .executing, via: [])
            driver.step(.leave)
            let again = ConnectionID(50)
            let out = driver.step(.opened(again, driver.hello(.control)))
            #expect(out.contains { if case .send(again, .leaving) = $0 { true } else { false } })
        },
    ]
}
