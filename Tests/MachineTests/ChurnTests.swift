import Base
import Cluster
import Planning
import Testing
import Wire

/// What is kept for a peer goes with the peer, however many come and go, and whatever they are called.
@Suite struct ChurnTests {
    @Test(arguments: cases) func churn(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver
    static let count = 10_000
    typealias R = CoordinatorRegistrationTests

    /// As many names of the greatest length as one likes.
    static func longName(_ number: Int) -> String { "\(number)-" + String(repeating: "n", count: 240) }

    /// Two listed workers serve.
    static func serving() -> (driver: D, baseline: TableSizes) {
        var driver = D.serving([["a"], ["b"]])
        driver.wait(.seconds(10))
        return (driver, driver.machine.tableSizes)
    }

    /// Long enough that nothing is remembered of what has gone.
    static func settle(_ driver: inout D) {
        driver.wait(.seconds(30))
        driver.wait(CoordinatorMachine.registrationRetention + .seconds(10))
    }

    static let cases: [Case] = [
        Case("10,000 registrations that nobody answers for, each on a connection of its own") {
            var (driver, baseline) = serving()
            for number in 0..<count {
                let connection = UInt64(20_000 + number)
                driver.step(R.register(longName(number), on: connection, incarnation: UInt128(1_000 + number), from: "rogue"))
                driver.step(.connectionClosed(ConnectionID(connection), cause: "gone"))
                #expect(driver.machine.tableSizes.nodes <= 3)
            }
            settle(&driver)
            #expect(driver.machine.tableSizes == baseline && driver.machine.state(of: "a") == .ready)
        },
        Case("10,000 workers that register, answer, and go") {
            var (driver, baseline) = serving()
            for number in 0..<count {
                let connection = UInt64(20_000 + number), name = longName(number)
                driver.step(R.register(name, on: connection, from: "rogue"))
                driver.join(name)
                _ = driver.close(NodeID(name))
                driver.step(.connectionClosed(ConnectionID(connection), cause: "gone"))
                driver.forget(name)
            }
            let peak = driver.machine.tableSizes
            #expect(peak.nodes <= 2 + 64 && peak.registrations <= 64 && peak.aliases == 0)
            // An honest one finds room.
            #expect(R.refusals(driver.step(R.register("honest", on: 900, from: "box"))).isEmpty)
            driver.step(.connectionClosed(ConnectionID(900), cause: "gone"))
            settle(&driver)
            #expect(driver.machine.tableSizes == baseline && driver.machine.state(of: "a") == .ready)
        },
        Case("one listed worker that comes back under 10,000 names") {
            var (driver, _) = serving()
            driver.step(.targets(D.targets(["a", "b", "x:1"])))
            var name = "x:1"
            for number in 0..<count {
                let next = longName(number)
                driver.join(next, as: name)
                driver.says(NodeID(next), .peerLost(PeerLost(from: NodeID(next), to: "a", message: "no", keys: [])))
                _ = driver.close(NodeID(next))
                driver.forget(next)
                name = next
            }
            driver.wait(.seconds(30))
            let sizes = driver.machine.tableSizes
            #expect(sizes.nodes == 3 && sizes.targets == 3 && sizes.linkFaults <= 9 && sizes.watches <= 12)
        },
        Case("one connection registers one worker") {
            var driver = D([])
            driver.step(R.register("r", on: 900))
            let out = driver.step(R.register("s", on: 900))
            #expect(R.refusals(out).map(\.code) == [.failedPrecondition] && driver.machine.state(of: "s") == nil)
            driver.step(.connectionClosed(ConnectionID(900), cause: "refused"))
            #expect(driver.machine.state(of: "r") == nil && driver.machine.tableSizes.registrations == 0)
        },
        Case("one host's unanswered registrations do not shut others out") {
            var driver = D([])
            let out = (0..<200).flatMap { driver.step(R.register("r\($0)", on: UInt64(20_000 + $0), from: "rogue")) }
            #expect(R.refusals(out).count == 200 - 64 && R.refusals(out).allSatisfy { $0.code == .resourceExhausted })
            #expect(R.refusals(driver.step(R.register("honest", on: 900, from: "box"))).isEmpty)
        },
        Case("who never answers is forgotten after a minute, though its connection stands") {
            var driver = D([])
            driver.step(R.register("r", on: 900))
            var out: [D.Directive] = []
            for _ in 0..<61 {
                out += driver.wait(.seconds(1))
                if out.dials.contains("r") { driver.step(.dialFailed("r", .init(channel: .control, message: "refused"))) }
            }
            #expect(R.refusals(out).map(\.code) == [.unavailable])
            #expect(driver.machine.tableSizes.nodes == 0 && driver.machine.tableSizes.registrations == 0)
        },
        Case("a welcome with no name, or another's, is refused, and nobody else is touched") {
            var driver = D(["a", "b", "x:1"])
            driver.step(.modelReady(D.model()))
            driver.join("a")
            driver.join("zed", as: "b")
            let taken = ["", "coordinator", "a", "b", "zed"]
            for (number, name) in taken.enumerated() {
                let connection = ConnectionID(UInt64(500 + number))
                let out = driver.step(.connected("x:1", .control, connection, driver.welcome(name, incarnation: 666)))
                #expect(out.closes == [connection] && out.dials.isEmpty, "\(name)")
                #expect(driver.machine.state(of: "x:1") == .joining)
                #expect(driver.wait(.milliseconds(1_900)).dials.isEmpty)
                driver.wait(.milliseconds(300))
            }
            #expect(driver.machine.state(of: "a") == .ready && driver.machine.state(of: "zed") == .ready)
            #expect(driver.wait(.seconds(1)).tables.allSatisfy { table in table.peers.allSatisfy { !$0.name.name.isEmpty } })
        },
        Case("a worker that only registered takes no name of one that is lost") {
            var driver = D([])
            driver.step(R.register("victim", on: 900))
            driver.join("victim")
            _ = driver.close("victim")
            driver.step(R.register("rogue", on: 901))
            let out = driver.step(.connected("rogue", .control, ConnectionID(500), driver.welcome("victim", incarnation: 666)))
            #expect(out.closes == [ConnectionID(500)] && driver.machine.state(of: "victim") == .lost)
        },
        Case("a table of 1,024 workers with names and addresses of the greatest length reaches everybody in pages that fit") {
            var driver = D.serving([["a"], ["b"]])
            let addresses = (0..<WireLimits.addresses).map { "\($0)" + String(repeating: "x", count: 240) + ":9000" }
            for number in 0..<1_024 {
                let name = longName(number)
                driver.step(R.register(name, on: UInt64(20_000 + number), at: addresses, from: "box\(number / 60)"))
                driver.join(name)
            }
            let tables = driver.wait(.milliseconds(100)).compactMap { directive -> PeerTable? in
                if case .send(driver.control["a"], .peerTable(let table)) = directive { table } else { nil }
            }
            #expect(tables.count > 1 && tables.dropLast().allSatisfy(\.hasMore) && tables.last?.hasMore == false)
            #expect(tables.reduce(0) { $0 + $1.peers.count } == 1_026)
            #expect(tables.first?.peers.prefix(2).map(\.name) == ["a", "b"])
            for table in tables { _ = try MessageCodec.encode(.peerTable(table)) }
        },
        Case("a worker's peers go with the table") {
            var driver = WorkerDriver.serving()
            for number in 0..<count {
                let peer = WorkerDriver.peer(longName(number), incarnation: UInt128(number + 100))
                driver.step(.received(WorkerDriver.control, .peerTable(WorkerDriver.table(UInt64(number + 2), [peer]))))
                driver.step(.peerOpened(peer, ConnectionID(UInt64(20_000 + number))))
                #expect(driver.machine.peerCount == 1)
            }
            driver.step(.received(WorkerDriver.control, .peerTable(WorkerDriver.table(1_000_000, []))))
            #expect(driver.machine.peerCount == 0)
        },
        Case("a worker takes a table in pages once it is whole, and a newer one in its place") {
            var driver = WorkerDriver.serving(peers: [])
            func page(_ version: UInt64, _ page: UInt32, _ names: [String], more: Bool) -> [WorkerMachine.Directive] {
                let table = PeerTable(
                    version: version, peers: names.map { WorkerDriver.peer($0) }, page: page, hasMore: more)
                return driver.step(.received(WorkerDriver.control, .peerTable(table)))
            }
            #expect(page(2, 0, ["u"], more: true).isEmpty && page(2, 1, ["v"], more: true).isEmpty)
            #expect(page(2, 2, ["x"], more: false).count == 3 && driver.machine.peerCount == 3)
            // The second page is missing: nothing of it counts.
            #expect(page(3, 0, ["y"], more: true).isEmpty && page(3, 2, ["z"], more: false).isEmpty)
            #expect(driver.machine.peerCount == 3)
            #expect(page(4, 0, ["y"], more: true).isEmpty && page(5, 0, ["u"], more: false).isEmpty)
            #expect(driver.machine.peerCount == 1)
        },
    ]
}
