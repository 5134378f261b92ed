import Base
import Cluster
import Planning
import Testing
import Wire

/// Who would wait too long is told so at once; and where the time of answered requests went.
@Suite struct CoordinatorQueueTests {
    @Test(arguments: cases) func queues(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    /// One worker that runs one micro-batch of two items at a time, for 100 ms, while others wait: 20 items a second, measured.
    private static func busy(
        configure: (inout CoordinatorMachine.Configuration) -> Void = { _ in }
    ) throws -> (driver: CoordinatorDriver, running: Work) {
        var driver = D.serving([["a"]], slots: 1, configure: configure)
        var running = driver.submit(1, items: 40, deadline: 3_600_000).dispatched.leading
        for _ in 0..<12 {
            driver.wait(.milliseconds(100))
            running = driver.finish(running).dispatched.leading
        }
        return (driver, running)
    }

    static let cases: [Case] = [
        Case("the wait is what is before it, by the pace that was measured while others waited") {
            let (driver, _) = try busy()
            let status = driver.machine.status()
            #expect(status.waitingItems == 16)
            #expect(abs((status.expectedWaitMs ?? 0) - 800) < 1)
        },
        Case("above the limit: refused with a hint; whose deadline comes before its turn is taken, since the pace may change") {
            var (driver, _) = try busy { $0.queueLimit = .milliseconds(700) }
            let error = try #require(driver.announce(2).errors.first)
            #expect(error.code == .resourceExhausted && error.retryAfterMilliseconds == 100, "\(error)")
            #expect(error.message.contains("16 items are before it") && error.message.contains("--queue-limit"), "\(error.message)")
            #expect(driver.machine.counters.requestsRejected == 1)
            var other = try busy().driver
            #expect(other.announce(2, deadline: 1).errors.isEmpty)
        },
        Case("the coordinator's limit holds for all, whatever their deadlines") {
            var (driver, _) = try busy { $0.queueLimit = .milliseconds(820) }
            #expect(driver.announce(2).errors.isEmpty)
            let error = try #require(driver.announce(3).errors.first)
            #expect(error.code == .resourceExhausted && error.message.contains("820 ms"), "\(error.message)")
        },
        Case("an idle cluster takes everybody") {
            var driver = D.serving([["a"]], slots: 1) { $0.queueLimit = .nanoseconds(1) }
            #expect(driver.announce(1, items: 10).errors.isEmpty)
            // By the plan's prediction, which the limit goes by until more is known.
            #expect(driver.announce(2).errors.map(\.code) == [.resourceExhausted])
        },
        Case("a prediction that is too low lets few in, but not for long: what they reach is measured while others are refused") {
            var driver = D.serving([["a"]]) { $0.queueLimit = .milliseconds(5) }
            // By the prediction six items or so take five milliseconds; in truth ten thousand would.
            func admitted() -> Int { (driver.machine.status().waitingItems ?? 0) / 2 }
            var under: [(work: Work, id: RequestID)] = []
            var number: UInt64 = 1
            func fill() {
                for _ in 0..<64 {
                    let out = driver.submit(number, items: 2)
                    under += zip(out.dispatched, out.accepted).map { ($0, $1) }
                    number += 1
                }
            }
            fill()
            let first = admitted()
            #expect((1...16).contains(first))
            for _ in 0..<1_000 {
                driver.now += .milliseconds(1)
                let done = under
                under = []
                for (work, id) in done {
                    driver.finish(work)
                    driver.step(.replySent(id))
                }
                fill()
            }
            #expect(admitted() > first, "\(admitted()) after \(first)")
        },
        Case("before anything was measured a quarter of the prediction counts; after that no more than was seen") {
            var driver = D.serving([["a"]]) { $0.queueLimit = .milliseconds(100) }
            let predicted = D.plan.itemsPerSecond
            driver.submit(1, items: 10)
            #expect(abs((driver.machine.status().expectedWaitMs ?? 0) - 40_000 / predicted) < 0.1)
            // Three items at once, each time for 300 ms: ten a second.
            driver = D.serving([["a"]], microBatch: 3) { $0.queueLimit = .milliseconds(100) }
            for number in 1...3 as ClosedRange<UInt64> {
                let work = driver.submit(number, items: 3).dispatched.leading
                driver.now += .milliseconds(300)
                driver.finish(work)
                driver.step(.replySent(RequestID(number)))
                driver.now += .seconds(5)
            }
            driver.submit(10, items: 3)
            #expect(abs((driver.machine.status().expectedWaitMs ?? 0) - 300) < 1)
            #expect(driver.announce(11).errors.map(\.code) == [.resourceExhausted])
        },
        Case("requests that end in any way are before nobody any more") {
            var (driver, running) = try busy()
            driver.submit(2)
            driver.step(.received(D.client, .cancelRequest(CancelRequest(id: 2))))
            #expect(driver.machine.status().waitingItems == 16)
            driver.submit(3, deadline: 2_000)
            driver.wait(.seconds(3))
            #expect(driver.machine.status().waitingItems == 16)
            running = driver.finish(running).dispatched.leading
            driver.step(.connectionClosed(D.client, cause: "gone"))
            #expect(driver.machine.status().waitingItems == 0 && driver.machine.status().expectedWaitMs == 0)
        },
        Case("another plan is measured anew") {
            var (driver, _) = try busy()
            driver.close("a")
            driver.join("a", incarnation: 99)
            driver.wait(.seconds(1))
            #expect(driver.deploy([["a"]]).isServing)
            let status = driver.machine.status()
            let waiting = Double(status.waitingItems ?? 0)
            #expect(waiting == 16 && abs((status.expectedWaitMs ?? 0) - waiting * 4_000 / D.plan.itemsPerSecond) < 0.1)
        },
        Case("the times of a request add up: input, queue, compute, output") {
            var driver = D.serving([["a"]], slots: 1)
            let first = driver.submit(1).dispatched.leading
            let id = try #require(driver.announce(2, items: 3).accepted.first)
            driver.wait(.milliseconds(300))
            driver.step(.requestArrived(id))
            driver.wait(.milliseconds(50))
            var sent = driver.finish(first).dispatched.leading
            driver.wait(.milliseconds(20))
            sent = driver.finish(sent).dispatched.leading
            driver.wait(.milliseconds(30))
            driver.finish(sent)
            driver.wait(.milliseconds(7))
            driver.step(.replySent(id))
            let times = try #require(driver.machine.status().times)
            #expect(times.input.nanoseconds == 300_000_000 && times.queue.nanoseconds == 50_000_000)
            #expect(times.compute.nanoseconds == 50_000_000 && times.output.nanoseconds == 7_000_000)
            #expect(
                times.success.nanoseconds == 407_000_000 && times.success.count == 1 && times.items == 3 && times.microBatches == 2)
        },
        Case("a failed request and a cached one have sums of their own") {
            var driver = D.serving([["a"]])
            driver.submit(1, deadline: 100)
            driver.wait(.milliseconds(200))
            let id = try #require(driver.announce(2).accepted.first)
            driver.now += .milliseconds(3)
            driver.step(.requestCached(id))
            driver.step(.replySent(id))
            let times = try #require(driver.machine.status().times)
            #expect(times.failure.count == 1 && times.failure.nanoseconds >= 100_000_000)
            #expect(times.cached.count == 1 && times.cached.nanoseconds == 3_000_000 && times.success.count == 1)
            #expect(times.compute.count == 0 && times.items == 0)
        },
    ]
}
