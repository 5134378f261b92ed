import Base
import Cluster
import Planning
import Testing
import Wire

/// Workers that dial in.
@Suite struct CoordinatorRegistrationTests {
    @Test(arguments: cases) func registration(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver
    static let retention = CoordinatorMachine.registrationRetention

    static func register(
        _ name: String, on connection: UInt64, incarnation: UInt128? = nil, at addresses: [String] = ["box:9000"],
        from source: String = "box"
    ) -> CoordinatorMachine.Event {
        .registered(
            ConnectionID(connection), Register(name: NodeID(name), addresses: addresses),
            IncarnationID(bits: incarnation ?? D.incarnation(of: name)), from: source)
    }

    static func refusals(_ out: [CoordinatorMachine.Directive]) -> [Refused] {
        out.compactMap { if case .send(_, .refused(let refused)) = $0 { refused } else { nil } }
    }

    static func names(_ driver: CoordinatorDriver) -> [NodeID] { driver.machine.status().nodes.map(\.name) }

    static let cases: [Case] = [
        Case("with nobody listed, who registers is dialled back and planned in") {
            var driver = CoordinatorDriver([])
            driver.step(.modelReady(D.model()))
            let out = driver.step(register("r", on: 900))
            #expect(out.dials == ["r"])
            #expect(out.contains(.send(ConnectionID(900), .registered(Registered(name: "r")))))
            driver.join("r")
            #expect(driver.wait(.milliseconds(300)).orders.map { $0.nodes.map(\.id) } == [["r"]])
        },
        Case("a topology that is read again leaves the registered alone") {
            var driver = D.serving([["a"]])
            driver.step(register("r", on: 900, incarnation: 2))
            driver.join("r", incarnation: 2)
            driver.step(.targets(D.targets(["a", "b"])))
            #expect(driver.machine.state(of: "r") == .ready)
        },
        Case("a second process of the name is refused while the first answers") {
            var driver = CoordinatorDriver([])
            driver.step(register("r", on: 900))
            driver.join("r")
            let out = driver.step(register("r", on: 901, incarnation: 2))
            #expect(refusals(out).map(\.code) == [.failedPrecondition] && driver.machine.state(of: "r") == .ready)
        },
        Case("who is refused asks again each two seconds: it is told each time, the log once a minute") {
            var driver = CoordinatorDriver([])
            driver.step(register("r", on: 900))
            driver.join("r")
            func logged() -> Int { driver.logs.count { $0.message == "a registration is refused" } }
            for number in 0..<20 as Range<UInt64> {
                #expect(refusals(driver.step(register("r", on: 901 + number, incarnation: 2))).count == 1)
                #expect(logged() == 1)
                driver.wait(.seconds(2))
            }
            driver.wait(.seconds(20))
            #expect(refusals(driver.step(register("r", on: 990, incarnation: 2))).count == 1 && logged() == 2)
        },
        Case("… and taken once it is silent") {
            var driver = CoordinatorDriver([])
            driver.step(register("r", on: 900))
            driver.join("r")
            driver.wait(.milliseconds(1_100), silent: ["r"])
            let out = driver.step(register("r", on: 901, incarnation: 2, at: ["other:9000"]))
            #expect(refusals(out).isEmpty && out.dials == ["r"])
        },
        Case("a listed worker that registers too is one node") {
            var driver = D.serving([["a"], ["b"]])
            let out = driver.step(register("a", on: 900))
            #expect(out.dials.isEmpty && refusals(out).isEmpty && names(driver) == ["a", "b"])
            // Under a name that the topology does not know, too.
            #expect(
                driver.step(register("host:9000", on: 901, incarnation: D.incarnation(of: "a"))).dials.isEmpty
                    && names(driver) == ["a", "b"])
        },
        Case("a listed worker that is reached after it has registered is one node, under the listed address") {
            var driver = CoordinatorDriver(["x:1"])
            driver.step(register("r", on: 900, incarnation: 7))
            driver.join("r", incarnation: 7)
            driver.join("r", as: "x:1", incarnation: 7)
            #expect(names(driver) == ["r"] && driver.machine.status().nodes.first?.state == "ready")
            driver.step(.targets(D.targets(["x:1"])))
            #expect(names(driver) == ["r"])
        },
        Case("a lost listed worker that registers is dialled at once, where it says") {
            var driver = D.serving([["a"], ["b"]])
            _ = driver.close("b")
            driver.wait(.milliseconds(10))
            let out = driver.step(register("b", on: 900, incarnation: 2, at: ["new:9000"]))
            #expect(out.dials == ["b"])
            #expect(driver.machine.status().nodes.first { $0.name == "b" }?.address == "new:9000")
        },
        Case("who has gone for good is forgotten after the retention, and not before") {
            var driver = CoordinatorDriver([])
            driver.step(register("r", on: 900))
            driver.join("r")
            driver.step(.connectionClosed(ConnectionID(900), cause: "gone"))
            _ = driver.close("r")
            driver.wait(retention - .seconds(1))
            #expect(driver.machine.state(of: "r") == .lost)
            driver.wait(.seconds(2))
            #expect(driver.machine.state(of: "r") == nil)
        },
        Case("who answers is not forgotten, though its registration has closed") {
            var driver = CoordinatorDriver([])
            driver.step(register("r", on: 900))
            driver.join("r")
            driver.step(.connectionClosed(ConnectionID(900), cause: "gone"))
            driver.wait(retention + .seconds(2))
            #expect(driver.machine.state(of: "r") == .ready)
        },
        Case("who says that it leaves is forgotten at its end") {
            var driver = D.serving([["a"]])
            driver.step(register("r", on: 900, incarnation: 2))
            driver.join("r", incarnation: 2)
            driver.wait(.milliseconds(300))
            driver.deploy([["a"], ["r"]])
            _ = driver.says("r", .leaving(Leaving(message: "told to end")))
            driver.deploy([["a"]])
            _ = driver.close("r")
            #expect(driver.machine.state(of: "r") == nil && driver.machine.counters.nodesLost == 0)
        },
        Case("registrations are bounded; who has been gone longest makes room") {
            var driver = CoordinatorDriver([])
            for number in 0..<1_024 {
                driver.step(register("r\(number)", on: UInt64(10_000 + number), from: "box\(number / 60)"))
            }
            #expect(refusals(driver.step(register("more", on: 900, from: "other"))).map(\.code) == [.resourceExhausted])
            driver.join("r5")
            driver.step(.connectionClosed(ConnectionID(10_005), cause: "gone"))
            _ = driver.close("r5")
            #expect(refusals(driver.step(register("more", on: 901, from: "other"))).isEmpty)
            #expect(driver.machine.state(of: "r5") == nil && driver.machine.state(of: "more") == .joining)
        },
        Case("a registration without a name or an address is refused") {
            var driver = CoordinatorDriver([])
            #expect(refusals(driver.step(register("", on: 900))).map(\.code) == [.invalidArgument])
            #expect(refusals(driver.step(register("r", on: 900, at: []))).map(\.code) == [.invalidArgument])
        },
    ]
}
