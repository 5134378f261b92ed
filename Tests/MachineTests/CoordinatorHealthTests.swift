import Base
import Cluster
import Planning
import Testing
import Wire

/// The judgement of nodes: stalled executors, nodes that are lost again and again, one log line for each change.
@Suite struct CoordinatorHealthTests {
    @Test(arguments: stallCases) func stalls(_ row: Case) throws { try row.run() }
    @Test(arguments: flappingCases) func flapping(_ row: Case) throws { try row.run() }
    @Test(arguments: lineCases) func lines(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    static func trace(_ node: String, milliseconds: UInt64) -> HopTrace {
        HopTrace(node: NodeID(node), compute: milliseconds * 1_000_000)
    }

    /// a and b serve, each has run something for 10 ms, and both have work.
    static func busy(_ stages: [[String]] = [["a", "b"]], milliseconds: UInt64 = 10) -> CoordinatorDriver {
        var driver = D.serving(stages)
        for name in Set(stages.flatMap { $0 }).sorted() {
            let work = driver.submit(100, items: 2).dispatched.leading
            // Nothing takes longer than its journey.
            driver.now += .milliseconds(Int64(milliseconds))
            driver.finish(work, [trace(name, milliseconds: milliseconds)])
            driver.step(.replySent(RequestID(work.key.request)))
        }
        return driver
    }

    /// Heartbeats come each 250 ms; `working` nodes complete something with each, the others complete nothing of what they execute.
    @discardableResult
    static func beats(_ driver: inout CoordinatorDriver, _ duration: Duration, stuck: Set<NodeID>, working: Set<NodeID> = ["b"])
        -> [CoordinatorMachine.Directive]
    {
        var out: [CoordinatorMachine.Directive] = []
        let end = driver.now + duration
        while driver.now < end {
            out += driver.wait(min(.milliseconds(250), end - driver.now))
            for id in stuck.sorted() { out += driver.beat(id, executing: 1, completed: 7) }
            for id in working.sorted() { out += driver.beat(id, executing: 1, completed: UInt64(driver.now.nanoseconds)) }
        }
        return out
    }

    static let stallCases: [Case] = [
        Case("heartbeats without progress: suspect, its work is replayed elsewhere, and a plan is made without it") {
            var driver = busy()
            let sent = driver.submit(1, items: 4).dispatched
            driver.beat("a", executing: 1, completed: 7)
            #expect(beats(&driver, .milliseconds(4_750), stuck: ["a"]).orders.isEmpty)
            #expect(driver.machine.state(of: "a") == .ready)
            let out = beats(&driver, .milliseconds(500), stuck: ["a"])
            #expect(driver.machine.state(of: "a") == .suspect && driver.machine.state(of: "b") == .ready)
            #expect(driver.machine.status().nodes[0].cause.contains("no progress"))
            #expect(
                out.dispatched.map(\.route[0].node) == ["b"]
                    && out.dispatched.map(\.key.microBatch) == [sent.leading.key.microBatch])
            #expect(out.orders.map { $0.nodes.map(\.id) } == [["b"]])
        },
        Case("a stalled node is not taken back for its heartbeats, but for what it completes") {
            var driver = busy()
            driver.submit(1, items: 4)
            beats(&driver, .seconds(6), stuck: ["a"])
            driver.answerPlan([["b"]])
            driver.report(driver.control["b"]!, D.partition(0, of: 1), .ready)
            beats(&driver, .seconds(20), stuck: ["a"])
            #expect(driver.machine.state(of: "a") == .suspect)
            driver.beat("a", executing: 1, completed: 8)
            #expect(driver.machine.state(of: "a") == .ready)
            #expect(driver.wait(.milliseconds(300)).orders.map { $0.nodes.map(\.id) } == [["a", "b"]])
        },
        Case("a stalled node that is reached again is ready") {
            var driver = busy()
            beats(&driver, .seconds(6), stuck: ["a"])
            driver.close("a")
            driver.join("a", incarnation: 2)
            #expect(driver.machine.state(of: "a") == .ready)
        },
        Case("a stalled node that falls silent is lost") {
            var driver = busy()
            beats(&driver, .seconds(6), stuck: ["a"])
            driver.wait(.milliseconds(2_100), silent: ["a"])
            #expect(driver.machine.state(of: "a") == .lost)
        },
        Case("twenty times the longest run is waited for") {
            var driver = busy(milliseconds: 1_000)
            driver.beat("a", executing: 1, completed: 7)
            beats(&driver, .milliseconds(19_500), stuck: ["a"])
            #expect(driver.machine.state(of: "a") == .ready)
            beats(&driver, .seconds(1), stuck: ["a"])
            #expect(driver.machine.state(of: "a") == .suspect)
        },
        Case("the first run on a node is given thirty seconds") {
            var driver = D.serving([["a", "b"]])
            driver.beat("a", executing: 1)
            driver.wait(.seconds(29))
            #expect(driver.machine.state(of: "a") == .ready)
            driver.wait(.seconds(2))
            #expect(driver.machine.state(of: "a") == .suspect)
        },
        Case("nothing to do is no stall, however long") {
            var driver = busy()
            for _ in 0..<60 {
                driver.wait(.seconds(1))
                driver.beat("a", executing: 0, completed: 7)
            }
            #expect(driver.machine.state(of: "a") == .ready)
            // Work that comes after a long rest has its whole time.
            driver.beat("a", executing: 1, completed: 7)
            driver.wait(.milliseconds(4_500))
            #expect(driver.machine.state(of: "a") == .ready)
        },
        Case("while it loads, and for a while after, it is not judged") {
            var driver = busy([["a"], ["b"]])
            driver.step(.targets(D.targets(["a", "b", "c"])))
            driver.join("c")
            driver.wait(.milliseconds(300))
            let loads = driver.answerPlan([["c"], ["a"]]).loads
            #expect(loads.count == 2)
            driver.beat("a", executing: 1, completed: 7)
            beats(&driver, .seconds(40), stuck: ["a"], working: ["b", "c"])
            #expect(driver.machine.state(of: "a") == .ready)
            driver.report(driver.control["a"]!, loads[1].1, .ready)
            beats(&driver, .milliseconds(4_500), stuck: ["a"], working: ["b", "c"])
            #expect(driver.machine.state(of: "a") == .ready)
            beats(&driver, .milliseconds(1_000), stuck: ["a"], working: ["b", "c"])
            #expect(driver.machine.state(of: "a") == .suspect)
        },
        Case("this process's own pause is no stall of the nodes'") {
            var driver = busy()
            driver.beat("a", executing: 1, completed: 7)
            driver.now += .seconds(30)
            driver.step(.tick)
            #expect(driver.machine.state(of: "a") == .ready)
        },
        Case("full load under a quota that stretches each run tenfold is no stall") {
            var driver = busy()
            // Runs of 10 ms take 100 ms and more when the cgroup is throttled; one is completed each second.
            for second in 0..<120 {
                for quarter in 0..<4 {
                    driver.wait(.milliseconds(250))
                    driver.beat("a", executing: 1, completed: UInt64(7 + second))
                    driver.beat("b", executing: 1, completed: UInt64(4 * second + quarter))
                }
            }
            #expect(driver.machine.counters.nodesLost == 0 && driver.logs.allSatisfy { $0.message != "node is suspect" })
        },
        Case("the machine asks to be woken for it") {
            var driver = busy()
            driver.beat("a", executing: 1, completed: 7)
            let start = driver.now
            while driver.machine.state(of: "a") == .ready, driver.now < start + .seconds(60) {
                driver.now = max(driver.machine.nextWake ?? .distantFuture, driver.now + .nanoseconds(1))
                for id in ["a", "b"] as [NodeID] { driver.step(.heard(driver.control[id]!)) }
                driver.step(.tick)
            }
            #expect(driver.now - start <= .milliseconds(5_001))
        },
    ]

    /// Loses the node and lets it come back, with the plan that follows each.
    static func flap(_ driver: inout CoordinatorDriver, _ node: String = "a", answering: Bool = true) {
        driver.close(NodeID(node))
        if answering { driver.deploy([["b"]]) }
        driver.wait(.milliseconds(300))
        driver.join(node, incarnation: UInt128(driver.now.nanoseconds))
    }

    static func lastMembers(_ driver: CoordinatorDriver) -> [NodeID]? { driver.lastOrder?.nodes.map(\.id) }

    static func afterLosses(_ count: Int, every gap: Duration = .seconds(2)) -> CoordinatorDriver {
        var driver = D.serving([["a", "b"]])
        for _ in 0..<count {
            flap(&driver)
            driver.wait(gap)
            if driver.lastOrder?.nodes.count == 2 { driver.deploy([["a", "b"]]) }
        }
        return driver
    }

    static let flappingCases: [Case] = [
        Case("three losses in a row are forgiven, the fourth leaves the node out; it is named once") {
            var driver = afterLosses(3)
            #expect(lastMembers(driver) == ["a", "b"])
            flap(&driver)
            driver.wait(.seconds(2))
            #expect(lastMembers(driver) == ["b"] && driver.machine.state(of: "a") == .ready)
            #expect(driver.machine.status().nodes[0].cause.contains("left out of plans for 10 s"))
            let lines = driver.logs.filter { $0.message.contains("flaps") }
            #expect(lines.count == 1 && lines[0].metadata["node"] == "a")
        },
        Case("its time over, it is planned in, and its cause says so no more") {
            var driver = afterLosses(4)
            #expect(driver.wait(.seconds(7)).orders.isEmpty)
            #expect(driver.wait(.seconds(2)).orders.map { $0.nodes.map(\.id) } == [["a", "b"]])
            #expect(driver.machine.status().nodes[0].cause == "answering")
        },
        Case("each further loss doubles the time, up to five minutes") {
            var driver = afterLosses(4)
            var pauses: [String] = []
            for _ in 0..<7 {
                driver.close("a")
                driver.wait(.milliseconds(300))
                driver.join("a", incarnation: UInt128(driver.now.nanoseconds))
                pauses.append(driver.logs.last { $0.message.contains("flaps") }?.metadata["for"] ?? "")
            }
            #expect(pauses == ["20 s", "40 s", "80 s", "160 s", "300 s", "300 s", "300 s"])
        },
        Case("losses that are far apart are no flapping") {
            var driver = afterLosses(8, every: .seconds(12))
            #expect(driver.logs.allSatisfy { !$0.message.contains("flaps") })
            flap(&driver)
            driver.wait(.seconds(1))
            #expect(lastMembers(driver) == ["a", "b"])
        },
        Case("a minute of use without a loss, and all is forgotten") {
            var driver = afterLosses(4)
            driver.wait(.seconds(9))
            driver.deploy([["a", "b"]])
            driver.wait(.seconds(61))
            flap(&driver)
            driver.wait(.seconds(1))
            #expect(lastMembers(driver) == ["a", "b"])
        },
        Case("nobody else is left: it is still used, at once") {
            var driver = afterLosses(4)
            driver.close("b")
            #expect(lastMembers(driver) == ["a"])
            #expect(driver.deploy([["a"]]).isServing)
        },
        Case("no plan without it: a plan is made with it") {
            var driver = afterLosses(4)
            driver.close("b")
            driver.wait(.milliseconds(300))
            driver.join("b", incarnation: 9)
            driver.step(.planned(driver.lastOrder!.generation, .failure("the plan of a alone")))
            driver.wait(.milliseconds(400))
            #expect(lastMembers(driver) == ["b"])
            let out = driver.step(.planned(driver.lastOrder!.generation, .failure("b lacks 5 MiB")))
            #expect(out.orders.map { $0.nodes.map(\.id) } == [["a", "b"]])
            #expect(driver.deploy([["a"], ["b"]]).isServing)
        },
        Case("a node that drains and comes back is not counted") {
            var driver = D.serving([["a", "b"]])
            for round in 0..<8 {
                driver.says("a", .workRejected(WorkRejected(key: D.unknownKey, node: "a", code: .unavailable, message: "bye")))
                driver.close("a")
                driver.wait(.milliseconds(300))
                driver.join("a", incarnation: UInt128(round + 5))
                driver.wait(.seconds(1))
            }
            #expect(driver.logs.allSatisfy { !$0.message.contains("flaps") })
        },
    ]

    static func changes(_ driver: CoordinatorDriver, of node: String) -> [String] {
        driver.logs.filter { $0.metadata["node"] == node }.compactMap { line in
            line.metadata["state"].map { "\($0): \(line.metadata["cause"] ?? "?")" }
        }
    }

    static let lineCases: [Case] = [
        Case("each change of state is one line that names the node, both states and the cause") {
            var driver = D.serving([["a", "b"]])
            driver.wait(.milliseconds(1_100), silent: ["a"])
            driver.wait(.milliseconds(100))
            driver.wait(.milliseconds(2_200), silent: ["a"])
            driver.join("a", incarnation: 2)
            let work = driver.submit(1, items: 2).dispatched.leading
            driver.says("b", .workRejected(WorkRejected(key: work.key, node: "b", code: .unavailable, message: "bye")))
            driver.close("b")
            #expect(
                changes(driver, of: "a") == [
                    "joining → ready: answering", "ready → suspect: silent for 1 s", "suspect → ready: answering again",
                    "ready → suspect: silent for 1 s", "suspect → lost: no heartbeat for 2 s", "lost → ready: answering",
                ])
            #expect(
                changes(driver, of: "b") == [
                    "joining → ready: answering", "ready → draining: bye",
                    "draining → lost: its control connection closed: reset",
                ])
        },
        Case("a node that leaves the topology: one line for each change until it is gone") {
            var driver = D.serving([["a", "b"]])
            driver.step(.targets(D.targets(["b"])))
            driver.deploy([["b"]])
            #expect(
                changes(driver, of: "a").suffix(3) == [
                    "ready → draining: it left the topology", "draining → drained: it left the topology",
                    "drained → lost: it left the topology",
                ])
        },
        Case("what changes no state says nothing more") {
            var driver = D.serving([["a"]])
            driver.close("a")
            let lines = driver.logs.count
            for _ in 0..<5 {
                driver.step(.dialFailed("a", .init(channel: .control, message: "refused")))
                driver.wait(.seconds(1))
            }
            #expect(driver.logs.count { $0.metadata["node"] == "a" } == 3, "ready, lost, one reason why it is not reached")
            #expect(driver.logs.count - lines == 1)
        },
    ]
}
