import Base
import Cluster
import Testing
import Wire

/// Runs that go on though nobody waits for them.
@Suite struct WorkerOverrunTests {
    @Test(arguments: cases) func overruns(_ row: Case) throws { try row.run() }

    typealias D = WorkerDriver
    static let limit = WorkerMachine.overrunLimit

    static func drops(_ out: [WorkerMachine.Directive]) -> [WorkDropped] {
        out.compactMap { if case .send(D.control, .workDropped(let dropped)) = $0 { dropped } else { nil } }
    }

    static func isLeaving(_ out: [WorkerMachine.Directive]) -> Bool {
        out.contains { if case .send(D.control, .leaving) = $0 { true } else { false } }
    }

    /// Ticks as the shell does.
    @discardableResult
    static func wait(_ driver: inout WorkerDriver, _ duration: Duration) -> [WorkerMachine.Directive] {
        var out: [WorkerMachine.Directive] = []
        let end = driver.now + duration
        while driver.now < end {
            driver.wait(min(.milliseconds(250), end - driver.now))
            out += driver.step(.received(D.control, .ping(Ping(sequence: 1, sentAtNanoseconds: 1)))).filter { _ in false }
            out += driver.step(.tick)
        }
        return out
    }

    /// One micro-batch executes and has been cancelled.
    static func cancelled(executors: Int = 1) -> WorkerDriver {
        var driver = D.serving(executors: executors)
        driver.bring(D.key(1), to: .executing, via: [])
        driver.step(.received(D.control, .cancelWork(CancelWork(keys: [D.key(1)]))))
        return driver
    }

    static let cases: [Case] = [
        Case("ten seconds after its cancellation a run is written off, and the worker leaves to start again") {
            var driver = cancelled()
            #expect(wait(&driver, limit).isEmpty)
            let out = wait(&driver, .milliseconds(500))
            #expect(drops(out) == [WorkDropped(key: D.key(1), node: "w", hasOverrun: true)])
            #expect(isLeaving(out) && out.releases(D.key(1)) == 1 && !out.contains(.restart))
            #expect(driver.machine.hasWrittenOff(D.key(1)) && driver.machine.heldCount == 0)
            #expect(driver.step(.received(D.control, .released(Released()))).contains(.restart))
        },
        Case("… or after its deadline") {
            var driver = D.serving()
            driver.step(.workArrived(D.data, D.work(D.key(1), deadline: 2_000), bytes: 10))
            driver.step(.prepared(D.key(1)))
            #expect(wait(&driver, .seconds(2) + limit - .milliseconds(250)).isEmpty)
            #expect(drops(wait(&driver, .milliseconds(500))).map(\.hasOverrun) == [true])
        },
        Case("a healthy run is left alone, however long") {
            var driver = D.serving()
            driver.step(.workArrived(D.data, D.work(D.key(1), deadline: 3_600_000), bytes: 10))
            driver.step(.prepared(D.key(1)))
            #expect(wait(&driver, .seconds(600)).isEmpty)
            #expect(driver.step(.executed(D.key(1))) == [.giveResult(D.key(1), D.data)])
        },
        Case("one that ends in time costs nothing") {
            var driver = cancelled()
            wait(&driver, limit - .milliseconds(500))
            #expect(driver.step(.executed(D.key(1))) == [D.dropped(D.key(1)), .release(D.key(1))])
            #expect(wait(&driver, .seconds(20)).isEmpty)
        },
        Case("the end of the control connection is a cancellation") {
            var driver = D.serving()
            driver.bring(D.key(1), to: .executing, via: [])
            driver.step(.closed(D.control))
            // Nobody is there to wait for.
            #expect(wait(&driver, limit + .milliseconds(500)).contains(.restart))
        },
        Case("with its only executor gone a worker gives back what waits for it, and takes nothing new") {
            var driver = cancelled()
            driver.step(.workArrived(D.data, D.work(D.key(2)), bytes: 10))
            driver.step(.prepared(D.key(2)))
            driver.step(.workArrived(D.data, D.work(D.key(3)), bytes: 10))
            let out = wait(&driver, limit + .milliseconds(500))
            #expect(drops(out).map(\.key) == [D.key(1), D.key(2)] && drops(out).map(\.hasOverrun) == [true, false])
            #expect(driver.step(.prepared(D.key(3))).contains(D.dropped(D.key(3))))
            let late = driver.step(.workArrived(D.data, D.work(D.key(4)), bytes: 10))
            #expect(late.rejections.map(\.code) == [.unavailable])
        },
        Case("with another executor it works on until the coordinator lets it go, and ends what it has") {
            var driver = cancelled(executors: 2)
            driver.step(.workArrived(D.data, D.work(D.key(2)), bytes: 10))
            driver.step(.prepared(D.key(2)))
            wait(&driver, limit + .milliseconds(500))
            #expect(driver.step(.workArrived(D.data, D.work(D.key(3)), bytes: 10)) == [.prepare(D.key(3))])
            #expect(driver.step(.prepared(D.key(3))).isEmpty)
            driver.step(.executed(D.key(2)))
            #expect(!driver.step(.received(D.control, .released(Released()))).contains(.restart))
            driver.step(.forwarded(D.key(2)))
            driver.step(.executed(D.key(3)))
            #expect(driver.step(.forwarded(D.key(3))).contains(.restart))
        },
        Case("it waits for the coordinator's word for as long as a worker that is told to end, and no longer") {
            var driver = cancelled()
            wait(&driver, limit + .milliseconds(500))
            #expect(!wait(&driver, WorkerMachine.leavePatience - .seconds(1)).contains(.restart))
            #expect(wait(&driver, .seconds(1)).contains(.restart))
        },
        Case("told to end meanwhile, it ends") {
            var driver = cancelled()
            wait(&driver, limit + .milliseconds(500))
            #expect(driver.step(.leave).contains(.drained))
        },
        Case("a run that ends after all frees its executor, and the process still starts again") {
            var driver = cancelled(executors: 2)
            wait(&driver, limit + .milliseconds(500))
            driver.step(.executed(D.key(1)))
            #expect(driver.machine.executingCount == 0 && !driver.machine.hasWrittenOff(D.key(1)))
            #expect(driver.step(.received(D.control, .released(Released()))).contains(.restart))
        },
    ]
}
