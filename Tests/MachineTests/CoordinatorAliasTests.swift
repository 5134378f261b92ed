import Base
import Cluster
import Planning
import Testing
import Wire

/// One worker at several addresses is one node.
@Suite struct CoordinatorAliasTests {
    @Test(arguments: cases) func aliases(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    /// The worker of that name is reached by another target: it says that this coordinator holds it already.
    static func refused(by name: String) -> Refused {
        Refused(
            code: .superseded, message: "held already", term: 1, isHeld: true,
            incarnation: IncarnationID(bits: D.incarnation(of: name)))
    }

    static func meets(_ driver: inout D, _ target: NodeID, _ name: String) -> [D.Directive] {
        driver.step(.dialFailed(target, .init(channel: .control, message: "held already", refusal: refused(by: name))))
    }

    static func names(_ driver: D) -> [NodeID] { driver.machine.status().nodes.map(\.name) }

    /// `w` is connected by x:1, and y:1 leads to it too.
    static func twice(_ others: [String] = []) -> D {
        var driver = D(["x:1", "y:1"] + others)
        driver.step(.modelReady(D.model()))
        driver.join("w", as: "x:1")
        _ = meets(&driver, "y:1", "w")
        return driver
    }

    static let cases: [Case] = [
        Case("a second target that leads to a connected worker is no node: nothing is lost, and one line says it") {
            var driver = twice()
            #expect(names(driver) == ["w"] && driver.machine.state(of: "w") == .ready)
            #expect(driver.machine.status().nodes.first?.aliases == ["y:1:9000"])
            #expect(driver.logs.count { $0.message == "a worker has another address" } == 1)
            #expect(!driver.logs.contains { $0.level != .info })
            let out = driver.wait(.seconds(60))
            #expect(out.dials.isEmpty && out.closes.isEmpty && driver.machine.counters.nodesLost == 0)
        },
        Case("the first plan does not wait for it") {
            // Far sooner than the join timeout.
            #expect(twice().lastOrder?.nodes.map(\.id) == ["w"])
        },
        Case("the refusal may come before the welcome") {
            var driver = D(["x:1", "y:1"])
            driver.step(.modelReady(D.model()))
            _ = meets(&driver, "y:1", "w")
            #expect(driver.machine.state(of: "y:1") == .joining)
            driver.join("w", as: "x:1")
            #expect(names(driver) == ["w"])
        },
        Case(
            "when the node is lost the other address is dialled, a little later; the same process there is an alias again, in silence"
        ) {
            var driver = twice()
            _ = driver.close("w")
            #expect(Set(names(driver)) == ["w", "y:1"])
            #expect(driver.wait(.milliseconds(300)).dials == ["w"])
            driver.join("w")
            #expect(names(driver) == ["w"])
            #expect(driver.wait(.seconds(10)).dials.isEmpty)
            #expect(driver.logs.count { $0.message == "a worker has another address" } == 1)
        },
        Case("another process at the address, by then, is a node of its own") {
            var driver = twice()
            _ = driver.close("w")
            #expect(driver.wait(.milliseconds(600)).dials.contains("y:1"))
            driver.join("v", as: "y:1")
            driver.join("w")
            #expect(names(driver) == ["v", "w"])
        },
        Case("where the node's own address is dead, the worker comes back by the other one") {
            var driver = twice()
            _ = driver.close("w")
            driver.wait(.milliseconds(600))
            // It is called as it was there.
            driver.join("y:1", incarnation: D.incarnation(of: "w"))
            #expect(driver.machine.state(of: "y:1") == .ready)
            _ = meets(&driver, "w", "w")
            #expect(names(driver) == ["y:1"] && driver.machine.status().nodes.first?.aliases == ["x:1:9000"])
        },
        Case("a worker that does not refuse the second connection, or lies about who it is, ends nothing") {
            var driver = twice(["z:1"])
            let out = driver.step(.connected("z:1", .control, ConnectionID(500), driver.welcome("w")))
            #expect(out.closes == [ConnectionID(500)])
            #expect(names(driver) == ["w"] && driver.machine.state(of: "w") == .ready)
        },
        Case("an alias whose address changes is dialled again") {
            var driver = twice()
            let moved = [CoordinatorMachine.Target(name: "x:1", addresses: ["x:1:9000"]), .init(name: "y:1", addresses: ["z:9"])]
            #expect(driver.step(.targets(moved)).dials == ["y:1"])
        },
        Case("an alias that is listed no more is gone; a node of which only the alias is listed stays") {
            var driver = twice()
            driver.step(.targets(D.targets(["x:1"])))
            #expect(driver.machine.tableSizes.aliases == 0)
            driver = twice()
            driver.step(.targets(D.targets(["y:1"])))
            #expect(names(driver) == ["w"] && driver.machine.tableSizes.aliases == 0)
            driver.wait(.seconds(40))
            #expect(driver.machine.state(of: "w") == .ready && driver.machine.counters.nodesLost == 0)
        },
        Case("a worker that moved to another listed address while it is connected stays what it is") {
            var driver = D(["x:1"])
            driver.step(.modelReady(D.model()))
            driver.join("w", as: "x:1")
            driver.wait(.milliseconds(300))
            driver.deploy([["w"]])
            driver.step(.targets(D.targets(["y:1"])))
            _ = meets(&driver, "y:1", "w")
            driver.wait(.seconds(40))
            #expect(names(driver) == ["w"] && driver.machine.state(of: "w") == .ready)
        },
        Case(
            "a worker that is called by its target is renamed with it: what it had is run again, and nothing of the old name stays"
        ) {
            var driver = D.serving([["a"], ["b"]])
            let work = try #require(driver.submit(1).dispatched.first)
            let renamed = [
                CoordinatorMachine.Target(name: "c", addresses: ["a:9000"]), .init(name: "b", addresses: ["b:9000"]),
            ]
            #expect(driver.step(.targets(renamed)).dials == ["c"])
            var out = meets(&driver, "c", "a")
            #expect(out.closes.count >= 2 && out.errors.isEmpty)
            #expect(names(driver) == ["b", "c"] && driver.machine.counters.nodesLost == 0)
            #expect(driver.logs.contains { $0.message == "a worker is renamed" && $0.metadata == ["node": "c", "was": "a"] })
            driver.forget("a")
            #expect(driver.finish(work).replies.isEmpty, "that attempt is over")
            driver.join("c", incarnation: D.incarnation(of: "a"))
            driver.wait(.milliseconds(300))
            // What was asked for while nobody was called "c".
            driver.answerPlan([["b"]])
            driver.wait(.milliseconds(300))
            out = driver.deploy([["c"], ["b"]])
            let again = try #require(out.dispatched.first)
            #expect(again.key.request == work.key.request && again.route.map(\.node) == ["c", "b"])
            #expect(driver.finish(again).replies == [1])
            driver.wait(.seconds(40))
            #expect(names(driver) == ["b", "c"] && driver.machine.tableSizes.aliases == 0)
            #expect(driver.machine.status().nodes.allSatisfy { $0.state == "ready" } && driver.machine.counters.nodesLost == 0)
        },
        Case("listed and registered: whichever comes second is the alias") {
            var driver = D(["x:1"])
            driver.join("x:1", incarnation: 9)
            driver.step(CoordinatorRegistrationTests.register("r", on: 900, incarnation: 9))
            #expect(names(driver) == ["x:1"])
            driver = D(["x:1"])
            driver.step(CoordinatorRegistrationTests.register("r", on: 900, incarnation: 9))
            driver.join("r", incarnation: 9)
            let refusal = Refused(code: .superseded, message: "held", isHeld: true, incarnation: IncarnationID(bits: 9))
            driver.step(.dialFailed("x:1", .init(channel: .control, message: "held", refusal: refusal)))
            #expect(names(driver) == ["r"])
            driver.step(.connectionClosed(ConnectionID(900), cause: "gone"))
            driver.wait(.seconds(700))
            #expect(driver.machine.state(of: "r") == .ready)
        },
        Case("each node is dialled with a token of its own, on both channels the same") {
            var driver = D(["x:1", "y:1"])
            func holder(_ out: [D.Directive]) -> [HolderToken] {
                out.compactMap { if case .dial(_, _, let hello) = $0 { hello.claim?.holder } else { nil } }
            }
            let first = holder(driver.step(.targets(D.targets(["x:1", "y:1", "z:1"]))))
            #expect(first == [D.holder("z:1")])
            #expect(holder(driver.join("w", as: "x:1")) == [D.holder("x:1")])
            _ = driver.close("w")
            #expect(holder(driver.wait(.milliseconds(300))) == [D.holder("x:1")])
        },
    ]
}
