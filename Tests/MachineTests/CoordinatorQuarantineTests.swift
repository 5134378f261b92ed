import Base
import Cluster
import Planning
import Testing
import Wire

/// Inputs that may be what ends the nodes.
@Suite struct CoordinatorQuarantineTests {
    @Test(arguments: cases) func quarantine(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    /// Ends the process of the node and brings it back; the plan that follows is the same.
    static func crash(_ driver: inout CoordinatorDriver, _ node: String, stages: [[String]]) -> [CoordinatorMachine.Directive] {
        var out = driver.close(NodeID(node))
        driver.wait(.milliseconds(300))
        out += driver.join(node, incarnation: UInt128(driver.now.nanoseconds))
        let rest = driver.wait(.milliseconds(300))
        if !rest.orders.isEmpty || driver.machine.isServing == false { out += rest + driver.deploy(stages) } else { out += rest }
        return out
    }

    /// Two pieces were under way at two losses of the only worker.
    static func twice(slots: UInt32 = 16) -> (CoordinatorDriver, [Work]) {
        var driver = D.serving([["a"]], slots: slots)
        driver.submit(1, items: 4)
        let again = crash(&driver, "a", stages: [["a"]]).dispatched
        #expect(again.map(\.key.attempt) == [2, 2])
        let alone = crash(&driver, "a", stages: [["a"]]).dispatched
        return (driver, alone)
    }

    static let cases: [Case] = [
        Case("what was under way at two losses is run alone: one at a time, in order") {
            var (driver, alone) = twice()
            #expect(alone.map(\.key.microBatch) == [0] && alone.map(\.key.attempt) == [3])
            #expect(driver.wait(.seconds(3)).dispatched.isEmpty)
            let next = driver.finish(alone.leading).dispatched
            #expect(next.map(\.key.microBatch) == [1])
            #expect(driver.finish(next.leading).replies == [1])
        },
        Case("others wait while it runs, and have their turn before the next that runs alone") {
            var (driver, alone) = twice()
            #expect(driver.submit(2, items: 4).dispatched.isEmpty)
            let between = driver.finish(alone.leading).dispatched
            #expect(between.map(\.key.request) == [2, 2])
            // The node is kept free for the next: it finishes what it has.
            #expect(driver.submit(3, items: 2).dispatched.isEmpty)
            #expect(driver.finish(between.leading).dispatched.isEmpty)
            let last = driver.finish(between.following).dispatched
            #expect(last.map(\.key.request) == [1] && last.map(\.key.microBatch) == [1])
            let out = driver.finish(last.leading)
            #expect(out.replies == [1] && out.dispatched.map(\.key.request) == [3])
        },
        Case("a third loss, alone: the request fails for good, naming the nodes; the others of it are let go of") {
            var (driver, alone) = twice()
            #expect(alone.count == 1)
            let out = driver.close("a")
            let error = try #require(out.errors.first)
            #expect(error.code == .internalError && error.retryAfterMilliseconds == 0)
            #expect(error.message.contains("was being executed at 3 losses of nodes (a, a, a)"), "\(error.message)")
            #expect(driver.machine.requestCount == 0 && driver.machine.flightCount == 0)
            driver.wait(.milliseconds(300))
            driver.join("a", incarnation: 99)
            driver.wait(.milliseconds(300))
            driver.deploy([["a"]])
            #expect(driver.submit(2, items: 4).dispatched.count == 2)
        },
        Case("different nodes count together") {
            var driver = D.serving([["a", "b", "c"]])
            var work = driver.submit(1, items: 2).dispatched
            #expect(work.leading.route[0].node == "a")
            work = driver.close("a").dispatched
            #expect(work.leading.route[0].node == "b")
            work = driver.close("b").dispatched
            #expect(work.map(\.route[0].node) == ["c"])
            #expect(driver.submit(2).dispatched.isEmpty)
            #expect(driver.close("c").errors.first?.message.contains("(a, b, c)") == true)
        },
        Case("replicas that it does not need serve the others meanwhile") {
            var driver = D.serving([["a", "b", "c", "d"]])
            driver.submit(1, items: 2)
            driver.close("a")
            let alone = driver.close("b").dispatched
            #expect(alone.map(\.route[0].node) == ["c"])
            #expect(Set(driver.submit(2, items: 8).dispatched.map(\.route[0].node)) == ["d"])
        },
        Case("what the nodes of its route have is finished first") {
            var driver = D.serving([["a", "b", "c"]])
            let first = driver.submit(1, items: 2).dispatched
            #expect(first.map(\.route[0].node) == ["a"])
            driver.close("a")
            // b has the suspicious one, c one of another request.
            let other = driver.submit(2, items: 2).dispatched
            #expect(other.map(\.route[0].node) == ["c"])
            #expect(driver.close("b").dispatched.isEmpty)
            #expect(driver.finish(other.leading).dispatched.map(\.key.request) == [1])
        },
        Case("silence, a lost link, a drain and a rejection are no losses of a process") {
            let setbacks: [@Sendable (inout CoordinatorDriver, Work) -> [CoordinatorMachine.Directive]] = [
                { driver, work in driver.wait(.milliseconds(1_100), silent: [work.route[0].node]) },
                { driver, work in
                    driver.says(
                        work.route[0].node,
                        .workRejected(
                            WorkRejected(key: work.key, node: work.route[0].node, code: .resourceExhausted, message: "full")))
                },
                { driver, work in
                    driver.says(work.route[0].node, .workDropped(WorkDropped(key: work.key, node: work.route[0].node)))
                },
            ]
            for setback in setbacks {
                var driver = D.serving([["a", "b", "c", "d"]])
                var work = driver.submit(1, items: 2).dispatched
                for _ in 0..<3 { work = setback(&driver, work.leading).dispatched }
                let beside = driver.submit(2, items: 8).dispatched
                #expect(work.count == 1 && beside.contains { $0.route == work.leading.route } || beside.count >= 3)
                #expect(!driver.finish(work.leading).replies.isEmpty)
            }
        },
        Case("a drained node that ends with work on it ends no input's trust") {
            var driver = D.serving([["a"]])
            var work = driver.submit(1, items: 4).dispatched
            for round in 0..<3 {
                let bye = WorkRejected(key: work.leading.key, node: "a", code: .unavailable, message: "bye")
                driver.says("a", .workRejected(bye))
                driver.close("a")
                driver.wait(.milliseconds(300))
                driver.join("a", incarnation: UInt128(round + 7))
                driver.wait(.milliseconds(300))
                work = driver.deploy([["a"]]).dispatched
                #expect(work.count == 2, "both at once")
            }
        },
        Case("a stalled executor counts as a loss of its node") {
            var driver = D.serving([["a", "b"]])
            driver.submit(1, items: 2)
            driver.close("a")
            driver.beat("b", executing: 1, completed: 3)
            driver.wait(.seconds(31))
            #expect(driver.machine.state(of: "b") == .suspect)
            driver.join("a", incarnation: 5)
            driver.wait(.milliseconds(300))
            #expect(driver.deploy([["a"]]).dispatched.map(\.key.attempt) == [3])
            #expect(driver.submit(2).dispatched.isEmpty)
        },
        Case("a setback while it runs alone: it is run alone again") {
            var (driver, alone) = twice()
            let full = WorkRejected(key: alone.leading.key, node: "a", code: .resourceExhausted, message: "full")
            driver.says("a", .workRejected(full))
            // The second in line has its turn meanwhile; never both.
            let second = driver.wait(.milliseconds(30)).dispatched
            #expect(second.map(\.key.microBatch) == [1])
            let first = driver.finish(second.leading).dispatched
            #expect(first.map(\.key.microBatch) == [0] && first.map(\.key.attempt) == [4])
            #expect(driver.finish(first.leading).replies == [1])
        },
        Case("cancelled, late or left: the nodes are free for the others") {
            let ends: [@Sendable (inout CoordinatorDriver, Work) -> Void] = [
                { driver, work in
                    driver.step(.received(D.client, .cancelRequest(CancelRequest(id: 1))))
                    driver.says("a", .workDropped(WorkDropped(key: work.key, node: "a")))
                },
                { driver, _ in driver.step(.connectionClosed(D.client, cause: "left")) },
                { driver, _ in driver.wait(.seconds(61)) },
            ]
            for end in ends {
                var (driver, alone) = twice()
                end(&driver, alone.leading)
                let other = ConnectionID(1_001)
                let out = driver.submit(2, items: 4, from: other).dispatched + driver.wait(.seconds(6)).dispatched
                #expect(out.count == 2)
            }
        },
        Case("with no plan that serves it waits, and is the first of all to be run when one does") {
            var driver = D.serving([["a"]])
            driver.submit(1, items: 2)
            _ = crash(&driver, "a", stages: [["a"]])
            driver.close("a")
            driver.submit(2, items: 2)
            driver.wait(.seconds(5))
            driver.join("a", incarnation: 50)
            driver.wait(.milliseconds(300))
            let first = driver.deploy([["a"]]).dispatched
            // Others first, once: then the one that needs the node for itself.
            #expect(first.map(\.key.request) == [2])
            #expect(driver.finish(first.leading).dispatched.map(\.key.request) == [1])
        },
    ]
}
