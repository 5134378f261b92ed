import Base
import Cluster
import Planning
import Testing
import Wire

/// Requests that the cache answers, beside those that workers compute; and whether the cluster says truly that it serves.
@Suite struct CoordinatorCacheTests {
    @Test(arguments: cachedCases) func cached(_ row: Case) throws { try row.run() }
    @Test(arguments: readinessCases) func readiness(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    static func timing(_ out: [CoordinatorMachine.Directive]) -> RequestTiming? {
        out.compactMap { if case .reply(_, _, _, let timing) = $0 { timing } else { nil } }.first
    }

    static let cachedCases: [Case] = [
        Case("a hit is replied to at once: no micro-batch, its own counter, and the reply says so") {
            var driver = D.serving()
            let id = try #require(driver.announce(7).accepted.first)
            driver.now += .milliseconds(3)
            let out = driver.step(.requestCached(id))
            #expect(out.replies == [7] && out.dispatched.isEmpty)
            let timing = try #require(Self.timing(out))
            #expect(timing.isCached && timing.queue == 0 && timing.total == 3_000_000 && timing.replays == 0)
            let counters = driver.machine.counters
            #expect(counters.requestsCached == 1 && counters.requestsCompleted == 0 && counters.microBatchesDispatched == 0)
            #expect(driver.machine.status().latencies.count == 0)
            #expect(driver.step(.replySent(id)).forgotten == [id])
            #expect(driver.machine.requestCount == 0 && driver.machine.heldByteCount == 0 && driver.machine.flightCount == 0)
        },
        Case("a computed reply says that it is none, and only it is in the latencies") {
            var driver = D.serving([["a"]])
            let out = driver.finish(driver.submit(1).dispatched.leading)
            #expect(Self.timing(out)?.isCached == false && driver.machine.status().latencies.count == 1)
            #expect(driver.machine.counters.requestsCompleted == 1 && driver.machine.counters.requestsCached == 0)
        },
        Case("without any plan a hit is still answered") {
            var driver = D.serving()
            driver.close("a")
            driver.close("b")
            #expect(!driver.machine.isServing)
            let id = try #require(driver.announce(1).accepted.first)
            #expect(driver.step(.requestCached(id)).replies == [1])
        },
        Case("exactly one reply: a hit for a request that runs, was answered, cancelled, or is unknown changes nothing") {
            var running = D.serving([["a"]])
            let work = running.submit(1).dispatched.leading
            let id = RequestID(work.key.request)
            #expect(running.step(.requestCached(id)).isEmpty)
            #expect(running.finish(work).replies == [1] && running.step(.requestCached(id)).replies.isEmpty)

            var twice = D.serving()
            let second = try #require(twice.announce(1).accepted.first)
            #expect(twice.step(.requestCached(second)).replies == [1])
            #expect(twice.step(.requestCached(second)).replies.isEmpty && twice.step(.requestArrived(second)).dispatched.isEmpty)

            var cancelled = D.serving()
            let third = try #require(cancelled.announce(1).accepted.first)
            cancelled.step(.received(D.client, .cancelRequest(CancelRequest(id: 1))))
            #expect(cancelled.step(.requestCached(third)).replies.isEmpty && cancelled.machine.counters.requestsCached == 0)

            var unknown = D.serving()
            #expect(unknown.step(.requestCached(RequestID(99))).replies.isEmpty)
        },
        Case("the deadline passes while the inputs are hashed: the error is the one reply") {
            var driver = D.serving()
            let id = try #require(driver.announce(1, deadline: 50).accepted.first)
            #expect(driver.wait(.milliseconds(60)).errors.map(\.code) == [.deadlineExceeded])
            #expect(driver.step(.requestCached(id)).replies.isEmpty)
        },
        Case("the client leaves before the hit: nobody is told, nothing is kept") {
            var driver = D.serving()
            let id = try #require(driver.announce(1).accepted.first)
            driver.step(.connectionClosed(D.client, cause: "gone"))
            #expect(driver.step(.requestCached(id)).replies.isEmpty && driver.machine.requestCount == 0)
        },
        Case("while draining, what was admitted is answered from the cache too, and then all is drained") {
            var driver = D.serving()
            let id = try #require(driver.announce(1).accepted.first)
            driver.step(.drain)
            #expect(driver.step(.requestCached(id)).replies == [1])
            #expect(driver.step(.replySent(id)).contains(.drained))
        },
    ]

    static let readinessCases: [Case] = [
        Case("before the model, before the workers, before the plan, before its partitions: not ready, each with its cause") {
            var driver = D(["a", "b"])
            #expect(!driver.machine.isServing && driver.machine.readiness.cause == "the model is being analysed")
            driver.step(.modelReady(D.model()))
            let missing = driver.machine.readiness
            #expect(missing.missing.map(\.name) == ["a", "b"] && missing.missing.map(\.state) == ["joining", "joining"])
            #expect(missing.missing.allSatisfy { !$0.cause.isEmpty } && !missing.isReady)
            driver.join("a")
            #expect(driver.machine.readiness.missing.map(\.name) == ["b"])
            driver.join("b")
            #expect(!driver.machine.isServing && driver.machine.readiness.cause == "a plan is being made")
            let loads = driver.answerPlan([["a"], ["b"]]).loads
            #expect(!driver.machine.isServing && driver.machine.readiness.cause == "partitions are being deployed")
            driver.report(loads[0].0, loads[0].1, .ready)
            #expect(!driver.machine.isServing && !driver.machine.readiness.isReady)
            driver.report(loads[1].0, loads[1].1, .ready)
            #expect(driver.machine.isServing)
            #expect(driver.machine.readiness == Readiness(isReady: true, cause: nil, planFailure: nil, missing: []))
        },
        Case("no plan is possible: the failure is told") {
            var driver = D(["a"])
            driver.step(.modelReady(D.model()))
            driver.join("a")
            driver.wait(.milliseconds(300))
            driver.step(.planned(driver.lastOrder?.generation ?? 0, .failure("no node has the memory")))
            #expect(driver.machine.readiness.planFailure == "no node has the memory" && !driver.machine.isServing)
            #expect(driver.machine.readiness.cause == "no node has the memory")
        },
        Case("no plan is possible, again and again: said once for each cause, whatever its figures") {
            var driver = D(["a"])
            driver.step(.modelReady(D.model()))
            driver.join("a")
            driver.wait(.milliseconds(300))
            func said() -> Int { driver.logs.count { $0.message == "no plan is possible" } }
            let causes = [
                ("12 MiB more are needed", 1), ("13 MiB more are needed", 1), ("9.5 MiB more are needed", 1), ("a link is out", 2),
                ("9 MiB more are needed", 3),
            ]
            for (cause, count) in causes {
                let order = try #require(driver.lastOrder?.generation)
                driver.step(.planned(order, .failure(cause)))
                #expect(said() == count && driver.machine.readiness.planFailure == cause)
                driver.wait(.seconds(6))
                #expect(driver.lastOrder?.generation != order)
            }
        },
        Case("the only node of a stage falls silent: not ready though nothing is lost yet, ready again when it answers") {
            var driver = D.serving()
            driver.wait(.milliseconds(1_200), silent: ["b"])
            #expect(driver.machine.state(of: "b") == .suspect && !driver.machine.isServing)
            #expect(driver.machine.readiness.missing.map(\.name) == ["b"])
        },
        Case("a node of a stage that has another: ready") {
            var driver = D.serving([["a", "b"]])
            driver.close("b")
            #expect(driver.machine.isServing && driver.machine.readiness.isReady)
        },
        Case("all workers are lost: not ready, and each is named with why") {
            var driver = D.serving()
            driver.close("a")
            driver.close("b")
            let readiness = driver.machine.readiness
            #expect(!readiness.isReady && readiness.missing.map(\.name) == ["a", "b"])
            #expect(readiness.missing.allSatisfy { $0.state == "lost" && $0.cause.contains("reset") }, "\(readiness)")
        },
        Case("shutting down: not ready at once, whatever still serves") {
            var driver = D.serving()
            driver.submit(1)
            driver.step(.drain)
            #expect(!driver.machine.isServing && driver.machine.readiness.cause == "the coordinator is shutting down")
        },
    ]
}
