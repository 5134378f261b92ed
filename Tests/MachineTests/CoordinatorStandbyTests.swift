import Base
import Cluster
import Planning
import Testing
import Wire

/// Plans that are made and loaded for losses that have not happened yet.
@Suite struct CoordinatorStandbyTests {
    @Test(arguments: cases) func standby(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    /// a → b → c serve, and the standby for the loss of each is made: the other two, in order.
    static func ready(loading: Bool = true) -> CoordinatorDriver {
        var driver = D.serving([["a"], ["b"], ["c"]])
        var out = driver.wait(.milliseconds(600))
        for stages in [[["b"], ["c"]], [["a"], ["c"]], [["a"], ["b"]]] { out = driver.answerStandby(stages) }
        if loading { driver.load(out.loads) }
        return driver
    }

    static func without(_ order: CoordinatorMachine.PlanOrder?) -> NodeID? {
        if case .standby(let lost) = order?.purpose { lost } else { nil }
    }

    static let cases: [Case] = [
        Case("half a second after a plan serves, one is asked for for the loss of each of its nodes, one at a time") {
            var driver = D.serving([["a"], ["b"], ["c"]])
            #expect(driver.wait(.milliseconds(490)).standbyOrders.isEmpty)
            var orders = driver.wait(.milliseconds(20)).standbyOrders
            #expect(orders.map { without($0) } == ["a"] && orders[0].nodes.map(\.id) == ["b", "c"] && orders[0].isUrgent)
            #expect(driver.wait(.seconds(1)).standbyOrders.isEmpty)
            orders = driver.answerStandby([["b"], ["c"]]).standbyOrders
            #expect(orders.map { without($0) } == ["b"] && orders[0].nodes.map(\.id) == ["a", "c"])
            orders = driver.answerStandby([["a"], ["c"]]).standbyOrders
            #expect(orders.map { without($0) } == ["c"])
            #expect(driver.answerStandby([["a"], ["b"]]).standbyOrders.isEmpty)
        },
        Case("none is asked for while something that serves is being planned or loaded; a changed plan begins again") {
            var driver = D.serving([["a"], ["b"]])
            driver.wait(.milliseconds(600))
            driver.step(.targets(D.targets(["a", "b", "c"])))
            driver.join("c")
            // The answer of the planner is only kept; what serves goes first.
            #expect(driver.answerStandby([["b"]]).standbyOrders.isEmpty)
            #expect(driver.wait(.milliseconds(300)).orders.count == 1)
            let loads = driver.answerPlan([["a"], ["b"], ["c"]]).loads
            #expect(driver.wait(.seconds(1)).standbyOrders.isEmpty)
            driver.load(loads)
            let orders = driver.wait(.milliseconds(600)).standbyOrders
            #expect(orders.map { without($0) } == ["a"] && orders[0].nodes.map(\.id) == ["b", "c"])
        },
        Case("an answer that comes after the plan has changed is ignored") {
            var driver = D.serving([["a"], ["b"]])
            driver.wait(.milliseconds(600))
            let stale = driver.lastStandbyOrder!
            driver.close("a")
            driver.deploy([["b"]])
            driver.step(.planned(stale.generation, .plan(D.deployment([["b"]], microBatch: 2))))
            #expect(driver.machine.status().standby.isEmpty)
        },
        Case("what they need is loaded ahead, one partition at a time on each node, and never twice") {
            var driver = ready(loading: false)
            // In the order of the losses: for a's, b takes the first half and c the second.
            #expect(driver.machine.status().standby.map(\.isStaged) == [false, false, false])
            let rest = driver.wait(.milliseconds(10))
            #expect(rest.loads.isEmpty)
            let b = driver.control["b"]!
            let next = driver.report(b, D.partition(0), .ready).loads
            #expect(next.map(\.0) == [b] && next.map(\.1) == [D.partition(1)])
            driver.load(next)
            driver.load([(driver.control["a"]!, D.partition(0)), (driver.control["c"]!, D.partition(1))])
            let status = driver.machine.status().standby
            #expect(status.map(\.without) == ["a", "b", "c"] && status.map(\.isStaged) == [true, true, true])
            #expect(driver.wait(.seconds(10)).loads.isEmpty)
        },
        Case("a node that is lost: its standby serves at once, with no planner and nothing loaded; what was under way is replayed")
        {
            var driver = ready()
            let sent = driver.submit(1, items: 2).dispatched
            let out = driver.close("b")
            #expect(out.isServing && out.orders.isEmpty && out.loads.isEmpty)
            #expect(out.dispatched.map { $0.route.map(\.node) } == [["a", "c"]])
            #expect(out.dispatched.map(\.key.attempt) == [sent.leading.key.attempt + 1])
            #expect(driver.wait(.milliseconds(300)).orders.isEmpty)
            #expect(driver.machine.counters.plans == 2)
        },
        Case("… also for a node whose executors stall") {
            var driver = ready()
            let work = driver.submit(1, items: 2).dispatched.leading
            driver.finish(work, ["a", "b", "c"].map { HopTrace(node: NodeID($0), compute: 1) })
            driver.submit(2, items: 2)
            driver.beat("b", executing: 1, completed: 4)
            let out = driver.wait(.seconds(6))
            #expect(driver.machine.state(of: "b") == .suspect)
            #expect(out.dispatched.map { $0.route.map(\.node) } == [["a", "c"]])
        },
        Case("… and for one that drains: what it has finishes there") {
            var driver = ready()
            let sent = driver.submit(1, items: 4).dispatched
            let bye = WorkRejected(key: sent.leading.key, node: "b", code: .unavailable, message: "bye")
            let out = driver.says("b", .workRejected(bye))
            #expect(out.isServing && out.dispatched.map { $0.route.map(\.node) } == [["a", "c"]])
            #expect(driver.finish(sent.following).contains(.takeResult(sent.following.key, RequestID(1), piece: 1)))
        },
        Case("what is not loaded yet is ordered, and serves when it is there") {
            var driver = ready(loading: false)
            driver.load([(driver.control["b"]!, D.partition(0))])
            let out = driver.close("a")
            #expect(!out.isServing && out.orders.isEmpty)
            // c's half was ordered already, as b's was.
            #expect(out.loads.isEmpty)
            #expect(driver.report(driver.control["c"]!, D.partition(1), .ready).isServing)
        },
        Case("a standby that needs another node that is gone, or a link that is out, is not used: a plan is made") {
            var lost = ready()
            lost.wait(.milliseconds(1_100), silent: ["c"])
            #expect(lost.machine.state(of: "c") == .suspect)
            #expect(!lost.close("a").isServing && lost.lastOrder?.nodes.map(\.id) == ["b"])
            var cut = ready()
            cut.says("a", .peerLost(PeerLost(from: "a", to: "c", message: "refused", keys: [])))
            let out = cut.close("b")
            #expect(!out.isServing)
            cut.answerPlan([["a"], ["b"], ["c"]])
            #expect(cut.lastOrder?.nodes.map(\.id) == ["a", "c"])
        },
        Case("a plan that was due for another reason is still made, while the standby serves") {
            var driver = ready()
            driver.step(.targets(D.targets(["a", "b", "c", "d"])))
            driver.join("d")
            let out = driver.close("b")
            #expect(out.isServing && out.orders.map { $0.nodes.map(\.id) } == [["a", "c", "d"]])
        },
        Case("what standbys want is kept, what nobody wants is released") {
            var driver = ready()
            let releases = driver.close("c").releases
            // Serving on a and b now; until the new standbys are known, what the old ones had is kept.
            #expect(Set(releases).isDisjoint(with: [D.partition(0), D.partition(1)]))
            driver.wait(.milliseconds(600))
            driver.answerStandby([["b"]])
            let out = driver.answerStandby([["a"]])
            // b's copy of the first half.
            #expect(out.releases == [D.partition(0)])
            #expect(Set(out.loads.map(\.1)) == [D.partition(0, of: 1)])
        },
        Case("memory: nothing is ordered that would leave less than the reserve, and it is looked at again") {
            var driver = D.serving([["a"], ["b"]])
            driver.beat("a", used: 900 << 20)
            driver.beat("b", used: 900 << 20)
            driver.wait(.milliseconds(600))
            driver.answerStandby([["b"]], residentBytes: 50 << 20)
            #expect(driver.answerStandby([["a"]], residentBytes: 50 << 20).loads.isEmpty)
            #expect(
                driver.machine.status().standby.map(\.cause) == ["b, layers 0 to 9: not loaded", "a, layers 0 to 9: not loaded"])
            driver.beat("b", used: 800 << 20)
            let loads = driver.wait(.milliseconds(2_100)).loads
            #expect(loads.map(\.0) == [driver.control["b"]!])
        },
        Case("memory: what was loaded lately counts before the heartbeats show it") {
            var driver = D.serving([["a"], ["b"], ["c"]])
            for id in ["a", "b", "c"] as [NodeID] { driver.beat(id, used: 600 << 20) }
            driver.wait(.milliseconds(600))
            // 424 MiB are free, 102 of them are the reserve: one of 300 MiB fits.
            let need: UInt64 = 300 << 20
            for stages in [[["b"], ["c"]], [["a"], ["c"]]] { driver.answerStandby(stages, residentBytes: need) }
            let loads = driver.answerStandby([["a"], ["b"]], residentBytes: need).loads
            #expect(loads.count == 3)
            #expect(driver.load(loads).loads.isEmpty)
            for id in ["a", "b", "c"] as [NodeID] { driver.beat(id, used: 800 << 20) }
            #expect(driver.wait(.seconds(3)).loads.isEmpty)
        },
        Case("a worker that refuses for memory is no failure: it is not staged, and not asked again before the next plan") {
            var driver = ready(loading: false)
            let b = driver.control["b"]!
            let out = driver.report(b, D.partition(0), .failed, "50 MiB are free")
            #expect(out.orders.isEmpty && driver.machine.isServing)
            #expect(driver.machine.status().standby.first?.cause.contains("50 MiB are free") == true)
            driver.load([(b, D.partition(1))])
            #expect(driver.wait(.seconds(10)).loads.filter { $0.0 == b }.isEmpty)
            // The node may still be asked when it is needed.
            driver.load([(driver.control["c"]!, D.partition(1))])
            #expect(driver.close("a").loads.map(\.1) == [D.partition(0)])
        },
        Case("a partition that cannot be made stops neither what serves nor the others") {
            var driver = ready(loading: false)
            driver.report(driver.control["b"]!, D.partition(0), .missing)
            let out = driver.step(.archiveUnavailable(D.partition(0), "disk full"))
            #expect(out.orders.isEmpty && driver.machine.isServing && out.loads.allSatisfy { $0.1 != D.partition(0) })
            #expect(driver.wait(.seconds(5)).loads.allSatisfy { $0.1 != D.partition(0) })
        },
        Case("with no plan that serves, what the broken one had gives way before its successor loads") {
            var driver = D.serving([["a"], ["b"]])
            driver.close("b")
            var order: [String] = []
            for directive in driver.answerPlan([["a"]]) {
                if case .send(_, .releasePartition(let release)) = directive {
                    order.append("release \(release.key == D.partition(0))")
                }
                if case .send(_, .loadPartition(let load)) = directive { order.append("load \(load.key == D.partition(0, of: 1))") }
            }
            #expect(order == ["release true", "load true"])
        },
        Case("the only worker: no plan without it, and status says why") {
            var driver = D.serving([["a"]])
            #expect(driver.wait(.seconds(1)).standbyOrders.isEmpty)
            let status = driver.machine.status().standby
            #expect(status.map(\.without) == ["a"] && !status[0].isStaged && status[0].cause.contains("no other worker"))
        },
        Case("no plan without a node: status says what the planner said") {
            var driver = D.serving([["a"], ["b"]])
            driver.wait(.milliseconds(600))
            driver.step(.planned(driver.lastStandbyOrder!.generation, .failure("b lacks 5 MiB")))
            driver.answerStandby([["a"]])
            #expect(driver.machine.status().standby.first?.cause == "b lacks 5 MiB")
            #expect(driver.close("a").orders.map { $0.nodes.map(\.id) } == [["b"]])
        },
    ]
}
