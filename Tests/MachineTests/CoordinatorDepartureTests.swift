import Base
import Cluster
import Planning
import Testing
import Wire

/// Taking nodes out: by command, because they end, because the topology lists them no more.
@Suite struct CoordinatorDepartureTests {
    @Test(arguments: commandCases) func commands(_ row: Case) throws { try row.run() }
    @Test(arguments: leavingCases) func leaving(_ row: Case) throws { try row.run() }
    @Test(arguments: topologyCases) func topology(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    static func drain(_ node: String, undo: Bool = false, force: Bool = false, id: UInt64 = 50) -> CoordinatorMachine.Event {
        .received(D.client, .drainRequest(DrainRequest(id: id, node: NodeID(node), undo: undo, force: force)))
    }

    static func outcomes(_ out: [CoordinatorMachine.Directive]) -> [String] {
        out.compactMap { if case .send(_, .drainReply(let reply)) = $0 { reply.message } else { nil } }
    }

    static func isReleased(_ out: [CoordinatorMachine.Directive]) -> Bool {
        out.contains { if case .send(_, .released) = $0 { true } else { false } }
    }

    static let commandCases: [Case] = [
        Case("a drained node serves until a plan without it does, and until what it has has ended") {
            var driver = D.serving([["a"], ["b"]])
            let work = try #require(driver.submit(1).dispatched.first)
            var out = driver.step(drain("b"))
            #expect(driver.machine.state(of: "b") == .draining && outcomes(out).isEmpty)
            #expect(out.orders.map { $0.nodes.map(\.id) } == [["a"]])
            // The old plan takes what comes meanwhile.
            let second = try #require(driver.submit(2).dispatched.first)
            #expect(second.route.map(\.node) == ["a", "b"])
            out = driver.deploy([["a"]])
            #expect(outcomes(out).isEmpty && driver.machine.state(of: "b") == .draining)
            #expect(outcomes(driver.finish(work)).isEmpty)
            out = driver.finish(second)
            #expect(outcomes(out).count == 1 && out.closes.isEmpty)
            #expect(driver.machine.state(of: "b") == .drained)
            #expect(driver.machine.counters.microBatchesReplayed == 0)
            #expect(driver.submit(3).dispatched.map { $0.route.map(\.node) } == [["a"]])
        },
        Case("undo takes it back into the plan") {
            var driver = D.serving([["a"], ["b"]])
            driver.step(drain("b"))
            driver.deploy([["a"]])
            #expect(driver.machine.state(of: "b") == .drained)
            #expect(outcomes(driver.step(drain("b", undo: true))).count == 1)
            #expect(driver.machine.state(of: "b") == .ready)
            #expect(driver.wait(.milliseconds(300)).orders.map { $0.nodes.map(\.id) } == [["a", "b"]])
        },
        Case("undo while it drains tells the command that waits") {
            var driver = D.serving([["a"], ["b"]])
            driver.step(drain("b", id: 50))
            let out = driver.step(drain("b", undo: true, id: 51))
            #expect(out.errors.map(\.id) == [50] && outcomes(out).count == 1)
            #expect(driver.machine.state(of: "b") == .ready)
        },
        Case("a node that is not known, and the undoing of nothing, are refused") {
            var driver = D.serving([["a"], ["b"]])
            let unknown = driver.step(drain("z")).errors
            #expect(unknown.map(\.code) == [.invalidArgument] && unknown.first?.message.contains("a, b") == true)
            #expect(driver.step(drain("a", undo: true)).errors.map(\.code) == [.failedPrecondition])
        },
        Case("the last node stays, unless it is forced") {
            var driver = D.serving([["a"]])
            let refused = driver.step(drain("a")).errors
            #expect(refused.map(\.code) == [.failedPrecondition] && refused.first?.message.contains("--force") == true)
            #expect(driver.machine.state(of: "a") == .ready && driver.machine.isServing)
            #expect(outcomes(driver.step(drain("a", force: true))).count == 1)
            #expect(driver.machine.state(of: "a") == .drained && !driver.machine.isServing)
        },
        Case("where no plan is possible without it, it stays and the command is told why") {
            var driver = D.serving([["a"], ["b"]])
            driver.step(drain("b"))
            let out = driver.step(.planned(driver.lastOrder?.generation ?? 0, .failure("a has too little memory")))
            #expect(out.errors.first?.message.contains("a has too little memory") == true)
            #expect(driver.machine.state(of: "b") == .ready && driver.machine.isServing)
        },
        Case("where who is left cannot load what a plan without it takes, it stays and all its commands are told why") {
            var driver = D.serving([["a"], ["b"]])
            driver.step(drain("b", id: 50))
            driver.step(drain("b", id: 51))
            let loads = driver.answerPlan([["a"]]).loads
            #expect(loads.count == 1)
            let out = driver.report(loads[0].0, loads[0].1, .failed, "no memory for the partition")
            #expect(
                out.errors.map(\.id) == [50, 51] && out.errors.allSatisfy { $0.message.contains("no memory for the partition") })
            #expect(driver.machine.state(of: "b") == .ready && driver.machine.isServing)
            #expect(driver.submit(1).dispatched.map { $0.route.map(\.node) } == [["a", "b"]])
        },
        Case("… and is taken out all the same by force") {
            var driver = D.serving([["a"], ["b"]])
            driver.step(drain("b", force: true))
            let loads = driver.answerPlan([["a"]]).loads
            #expect(outcomes(driver.report(loads[0].0, loads[0].1, .failed, "no memory")).count == 1)
            #expect(driver.machine.state(of: "b") == .drained && !driver.machine.isServing)
        },
        Case("it stays out over a lost connection, and comes back as another process") {
            var driver = D.serving([["a"], ["b"]])
            driver.step(drain("b"))
            driver.deploy([["a"]])
            _ = driver.close("b")
            #expect(driver.machine.state(of: "b") == .lost)
            driver.join("b")
            #expect(driver.machine.state(of: "b") == .drained)
            _ = driver.close("b")
            driver.join("b", incarnation: 2)
            #expect(driver.machine.state(of: "b") == .ready)
        },
        Case("told to end while a command waits for its drain, and killed before that: the command ends") {
            var driver = D.serving([["a"], ["b"]])
            driver.step(drain("b"))
            _ = driver.says("b", .leaving(Leaving(message: "told to end")))
            #expect(outcomes(driver.close("b")) == ["b has ended (its control connection closed: reset)"])
        },
        Case("told to end while a command waits for its drain, and reached a second time: the command ends") {
            var driver = D.serving([["a"], ["b"]])
            driver.step(drain("b"))
            _ = driver.says("b", .leaving(Leaving(message: "told to end")))
            #expect(driver.join("b", incarnation: 2).errors.map(\.code) == [.cancelled])
        },
        Case("lost while it drains: its work is replayed and the command ends") {
            var driver = D.serving([["a"], ["b"]])
            driver.submit(1)
            driver.step(drain("b"))
            #expect(outcomes(driver.close("b")).count == 1)
            #expect(driver.machine.counters.microBatchesReplayed == 1)
        },
        Case("a command that went away is not answered") {
            var driver = D.serving([["a"], ["b"]])
            driver.step(drain("b"))
            driver.step(.connectionClosed(D.client, cause: "gone"))
            #expect(outcomes(driver.deploy([["a"]])).isEmpty)
            #expect(driver.machine.state(of: "b") == .drained)
        },
    ]

    static let leavingCases: [Case] = [
        Case("a worker that is told to end is let go once a plan without it serves; its end is no loss") {
            var driver = D.serving([["a"], ["b"]])
            let work = try #require(driver.submit(1).dispatched.first)
            #expect(!isReleased(driver.says("b", .leaving(Leaving(message: "told to end")))))
            #expect(!isReleased(driver.deploy([["a"]])))
            #expect(isReleased(driver.finish(work)))
            _ = driver.close("b")
            #expect(driver.machine.counters.nodesLost == 0 && driver.machine.counters.microBatchesReplayed == 0)
        },
        Case("where who is left cannot load yet, it serves on, and is let go once that could") {
            var driver = D.serving([["a"], ["b"]])
            _ = driver.says("b", .leaving(Leaving(message: "told to end")))
            let loads = driver.answerPlan([["a"]]).loads
            #expect(!isReleased(driver.report(loads[0].0, loads[0].1, .failed, "no memory for the partition")))
            #expect(driver.machine.isServing)
            // The one that is left serves all the while, and may yet load more.
            let out = driver.wait(.milliseconds(10_500))
            #expect(!isReleased(out) && out.orders.map { $0.nodes.map(\.id) } == [["a"]])
            #expect(isReleased(driver.deploy([["a"]])) && driver.machine.isServing)
        },
        Case("the last worker ends what it has and is let go; what waits waits for another") {
            var driver = D.serving([["a"]])
            let work = try #require(driver.submit(1).dispatched.first)
            #expect(!isReleased(driver.says("a", .leaving(Leaving(message: "told to end")))))
            #expect(driver.submit(2).dispatched.isEmpty)
            #expect(isReleased(driver.finish(work)))
        },
        Case("whose patience ends is not given more work") {
            var driver = D.serving([["a"], ["b"]], slots: 1)
            let work = try #require(driver.submit(1).dispatched.first)
            _ = driver.says("b", .leaving(Leaving(message: "told to end")))
            let out = driver.says(
                "b", .workRejected(WorkRejected(key: work.key, node: "b", code: .unavailable, message: "shutting down")))
            #expect(out.dispatched.isEmpty)
            #expect(driver.deploy([["a"]]).dispatched.map { $0.route.map(\.node) } == [["a"]])
        },
        Case("started again it takes part") {
            var driver = D.serving([["a"], ["b"]])
            _ = driver.says("b", .leaving(Leaving(message: "told to end")))
            driver.deploy([["a"]])
            _ = driver.close("b")
            driver.join("b", incarnation: 2)
            #expect(driver.machine.state(of: "b") == .ready)
        },
    ]

    static let topologyCases: [Case] = [
        Case("who is listed no more serves until its successor does") {
            var driver = D.serving([["a"], ["b"]])
            let work = try #require(driver.submit(1).dispatched.first)
            driver.step(.targets(D.targets(["a", "c"])))
            #expect(driver.machine.state(of: "b") == .draining)
            driver.join("c")
            driver.wait(.milliseconds(300))
            driver.answerPlan([["a"]])
            driver.wait(.milliseconds(300))
            driver.deploy([["a"], ["c"]])
            #expect(driver.machine.state(of: "b") == .draining)
            #expect(driver.finish(work).closes.count == 2)
            #expect(driver.machine.state(of: "b") == nil && driver.machine.counters.microBatchesReplayed == 0)
        },
        Case("with no plan without it, it goes after thirty seconds") {
            var driver = D.serving([["a"]])
            driver.step(.targets(D.targets(["z"])))
            driver.wait(.seconds(29))
            #expect(driver.machine.isServing && driver.machine.state(of: "a") == .draining)
            driver.wait(.seconds(2))
            #expect(driver.machine.state(of: "a") == nil && !driver.machine.isServing)
        },
        Case("the topology calls a drained worker something else: it stays drained, until it is taken back or is another process") {
            func renamed() -> D {
                var driver = D.serving([["a"], ["b"]])
                driver.step(drain("b"))
                driver.deploy([["a"]])
                let targets = [
                    CoordinatorMachine.Target(name: "a", addresses: ["a:9000"]), .init(name: "c", addresses: ["b:9000"]),
                ]
                driver.step(.targets(targets))
                driver.forget("b")
                return driver
            }
            var driver = renamed()
            #expect(driver.machine.state(of: "b") == nil)
            driver.join("c", incarnation: D.incarnation(of: "b"))
            driver.wait(.milliseconds(300))
            #expect(
                driver.machine.state(of: "c") == .drained && driver.machine.status().nodes.last?.cause == "drained by an operator")
            #expect(outcomes(driver.step(drain("c", undo: true))) == ["c takes part again"])
            // It was told once: no later connection finds the mark again.
            _ = driver.close("c")
            driver.join("c", incarnation: D.incarnation(of: "b"))
            #expect(driver.machine.state(of: "c") == .ready)
            driver = renamed()
            // Taken back by its old name: nobody has it, but the mark is gone.
            #expect(driver.step(drain("b", undo: true)).errors.count == 1)
            driver.join("c", incarnation: D.incarnation(of: "b"))
            #expect(driver.machine.state(of: "c") == .ready)
            driver = renamed()
            driver.join("c", incarnation: 9)
            #expect(driver.machine.state(of: "c") == .ready)
        },
        Case("renamed while it drains, and found at its alias first: it is drained under the new name") {
            var driver = D.serving([["a"], ["b"]])
            driver.step(drain("a"))
            let targets = [
                CoordinatorMachine.Target(name: "c", addresses: ["a:9000"]), .init(name: "b", addresses: ["b:9000"]),
            ]
            driver.step(.targets(targets))
            _ = CoordinatorAliasTests.meets(&driver, "c", "a")
            driver.forget("a")
            driver.join("c", incarnation: D.incarnation(of: "a"))
            driver.wait(.milliseconds(300))
            #expect(driver.machine.state(of: "c") == .drained && driver.machine.state(of: "a") == nil)
        },
        Case("drained, not listed and listed again: it goes on draining") {
            var driver = D.serving([["a"], ["b"]])
            driver.submit(1)
            driver.step(drain("b"))
            driver.step(.targets(D.targets(["a"])))
            driver.step(.targets(D.targets(["a", "b"])))
            #expect(driver.machine.state(of: "b") == .draining)
        },
        Case("listed again meanwhile, it stays") {
            var driver = D.serving([["a"], ["b"]])
            driver.submit(1)
            driver.step(.targets(D.targets(["a"])))
            driver.step(.targets(D.targets(["a", "b"])))
            #expect(driver.machine.state(of: "b") == .ready)
        },
    ]
}
