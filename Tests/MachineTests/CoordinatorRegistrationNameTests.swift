import Base
import Cluster
import Planning
import Testing
import Wire

/// Workers that dial in under a name that the topology, or another worker, has something to do with: nobody loses a place by it.
@Suite struct CoordinatorRegistrationNameTests {
    @Test(arguments: cases) func registration(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    static func register(_ name: String, on connection: UInt64, incarnation: UInt128? = nil, at addresses: [String] = ["box:9000"])
        -> CoordinatorMachine.Event
    {
        CoordinatorRegistrationTests.register(name, on: connection, incarnation: incarnation, at: addresses)
    }

    static func refusals(_ out: [D.Directive]) -> [Refused] { CoordinatorRegistrationTests.refusals(out) }
    static func names(_ driver: D) -> [NodeID] { CoordinatorRegistrationTests.names(driver) }

    static let cases: [Case] = [
        Case("a registration under the name of a target that a worker of another name answers is refused, and nobody is touched") {
            var driver = D(["w1"])
            driver.step(.modelReady(D.model()))
            driver.join("b", as: "w1")
            for incarnation: UInt128? in [nil, 666] {
                let out = driver.step(register("w1", on: 900, incarnation: incarnation, at: ["rogue:1"]))
                #expect(refusals(out).map(\.code) == [.failedPrecondition] && out.dials.isEmpty && out.closes.isEmpty)
                #expect(refusals(out).first?.message.contains("calls itself \"b\"") == true)
            }
            #expect(names(driver) == ["b"] && driver.machine.state(of: "b") == .ready)
            #expect(driver.machine.answeringNode(target: "w1") == "b" && driver.machine.tableSizes.registrations == 0)
            // It goes with its target: it is not left behind.
            driver.step(.targets(D.targets(["c"])))
            driver.wait(.seconds(40))
            #expect(names(driver) == ["c"])
        },
        Case("… also while that worker is away, and it comes back to its place") {
            var driver = D(["w1"])
            driver.step(.modelReady(D.model()))
            driver.join("b", as: "w1")
            _ = driver.close("b")
            driver.forget("b")
            #expect(refusals(driver.step(register("w1", on: 900, at: ["rogue:1"]))).map(\.code) == [.failedPrecondition])
            #expect(driver.wait(.milliseconds(300)).dials == ["b"])
            driver.join("b", incarnation: 2)
            #expect(names(driver) == ["b"] && driver.machine.state(of: "b") == .ready)
        },
        Case("the same process under the name of its target is no other worker") {
            var driver = D(["w1"])
            driver.join("b", as: "w1", incarnation: 7)
            let out = driver.step(register("w1", on: 900, incarnation: 7))
            #expect(refusals(out).isEmpty && out.dials.isEmpty && names(driver) == ["b"])
        },
        Case("a worker that is started again under the name of its target has that name") {
            var driver = D(["w1"])
            driver.step(.modelReady(D.model()))
            driver.join("b", as: "w1")
            _ = driver.close("b")
            driver.forget("b")
            driver.join("w1", as: "b", incarnation: 2)
            #expect(names(driver) == ["w1"] && driver.machine.state(of: "w1") == .ready)
        },
        Case("a registered worker that was called something else for a while, and moved, has its name back") {
            var driver = D([])
            driver.step(register("w1", on: 900))
            driver.join("b", as: "w1")
            driver.step(.connectionClosed(ConnectionID(900), cause: "gone"))
            _ = driver.close("b")
            driver.forget("b")
            let out = driver.step(register("w1", on: 901, incarnation: 2, at: ["new:1"]))
            #expect(refusals(out).isEmpty && out.dials == ["w1"] && names(driver) == ["w1"])
        },
        Case("a registration under the name of a listed alias keeps what the topology says of it") {
            let listed = [
                CoordinatorMachine.Target(name: "x:1", addresses: ["x:1:9000"]),
                .init(name: "w1", addresses: ["w1:9000"], pinnedStage: 0),
            ]
            var driver = D([])
            driver.step(.targets(listed))
            driver.join("w", as: "x:1")
            _ = CoordinatorAliasTests.meets(&driver, "w1", "w")
            let out = driver.step(register("w1", on: 900, incarnation: 666, at: ["rogue:1"]))
            #expect(out.dials == ["w1"])
            guard case .dial(_, let addresses, _) = try #require(out.first(where: { if case .dial = $0 { true } else { false } }))
            else { return }
            #expect(addresses == ["rogue:1", "w1:9000"])
            #expect(driver.machine.status().nodes.first { $0.name == "w1" }?.pinnedStage == 0)
        },
        Case("the listed address of a worker is the second that is tried, however many others are registered") {
            var driver = D.serving([["a"], ["b"]])
            _ = driver.close("b")
            driver.forget("b")
            let others = (0..<WireLimits.addresses).map { "rogue:\($0 + 1)" }
            var out = driver.step(register("b", on: 900, incarnation: 666, at: others))
            driver.step(.connectionClosed(ConnectionID(900), cause: "gone"))
            for _ in 0..<5 {
                driver.step(.dialFailed("b", .init(channel: .control, message: "refused")))
                out += driver.wait(.seconds(1))
            }
            let tried = out.compactMap { directive -> [String]? in
                if case .dial("b", let addresses, _) = directive { addresses } else { nil }
            }
            #expect(!tried.isEmpty && tried.allSatisfy { $0.prefix(2).last == "b:9000" && $0.count <= WireLimits.addresses })
        },
    ]
}
