import Base
import Cluster
import Testing
import Wire

/// What the status says of requests and heartbeats: the figures that people look at.
@Suite struct CoordinatorFigureTests {
    typealias D = CoordinatorDriver

    @Test("every admitted request is in one column: answered, failed, cancelled, or open; none is lost") func balance() throws {
        var driver = D.serving()
        func columns() -> String {
            let status = driver.machine.status()
            let counters = status.counters
            return "\(counters.requestsAdmitted ?? 0) = \(counters.requestsCompleted) + \(counters.requestsFailed) + "
                + "\(counters.requestsCancelled) + \(status.requestsUnanswered ?? -1), lost \(status.requestsLost ?? -1)"
        }
        #expect(columns() == "0 = 0 + 0 + 0 + 0, lost 0")
        let first = driver.submit(1).dispatched
        driver.submit(2)
        _ = driver.announce(3, deadline: 1_000)
        #expect(columns() == "3 = 0 + 0 + 0 + 3, lost 0")
        // Refused ones are not among them.
        #expect(!driver.announce(1).errors.isEmpty && driver.machine.counters.requestsRejected == 1)
        _ = driver.finish(first[0])
        // Its reply is on its way: it is answered, though it is in flight still.
        #expect(columns() == "3 = 1 + 0 + 0 + 2, lost 0" && driver.machine.status().requestsInFlight == 3)
        driver.wait(.seconds(2))
        #expect(columns() == "3 = 1 + 1 + 0 + 1, lost 0")
        driver.step(.connectionClosed(D.client, cause: "reset"))
        #expect(columns() == "3 = 1 + 1 + 1 + 0, lost 0")
        driver.step(.replySent(RequestID(1)))
        #expect(columns() == "3 = 1 + 1 + 1 + 0, lost 0" && driver.machine.status().requestsInFlight == 0)
    }

    @Test("the line of a plan that serves has the totals that a change of plans is measured by") func planTotals() throws {
        var driver = D.serving([["a"], ["b"]])
        let work = driver.submit(1).dispatched
        #expect(!work.isEmpty)
        driver.close("b")
        driver.deploy([["a"]])
        let serving = driver.logs.filter { $0.message == "plan serves" }.map { line in
            ["generation", "requests_lost", "requests_failed"].map { line.metadata[$0] ?? "none" }
        }
        #expect(serving.first == ["1", "0", "0"] && serving.count >= 2, "\(serving)")
        #expect(serving.allSatisfy { Array($0.dropFirst()) == ["0", "0"] })
        let again = driver.logs.last { $0.message == "plan serves" }?.metadata["micro_batches_replayed"]
        #expect(again.flatMap { UInt64($0) } != nil && driver.machine.counters.microBatchesReplayed > 0)
    }

    @Test("a heartbeat's age grows until the next one, and a lost node has none") func heartbeatAge() throws {
        var driver = D.serving()
        func age(_ node: String, after: Duration = .zero) -> Double? {
            driver.machine.status(now: driver.now + after).nodes.first { $0.name == NodeID(node) }?.heartbeatAgeMs
        }
        #expect(age("a") == nil)
        driver.beat("a")
        #expect(age("a") == 0 && age("b") == nil && age("a", after: .milliseconds(1_500)) == 1_500)
        driver.wait(.milliseconds(500))
        #expect(age("a") == 500)
        driver.beat("a")
        #expect(age("a") == 0)
        driver.close("a")
        #expect(age("a") == nil)
    }
}
