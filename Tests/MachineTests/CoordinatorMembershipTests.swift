import Base
import Cluster
import Planning
import Testing
import Wire

/// Who is there: joining, silence, loss, return, names, fencing.
@Suite struct CoordinatorMembershipTests {
    @Test(arguments: joiningCases) func joining(_ row: Case) throws { try row.run() }
    @Test(arguments: silenceCases) func silence(_ row: Case) throws { try row.run() }
    @Test(arguments: connectionCases) func connections(_ row: Case) throws { try row.run() }
    @Test(arguments: nameCases) func names(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    static func planned(_ out: [CoordinatorMachine.Directive]) -> [[NodeID]] { out.orders.map { $0.nodes.map(\.id) } }

    static let joiningCases: [Case] = [
        Case("listed workers are dialled; a node is ready only with both connections") {
            var driver = CoordinatorDriver()
            #expect(driver.machine.state(of: "a") == .joining)
            let control = driver.freshConnection()
            #expect(driver.step(.connected("a", .control, control, driver.welcome("a"))).dials == ["a"])
            #expect(driver.machine.state(of: "a") == .joining)
            driver.step(.connected("a", .data, driver.freshConnection(), driver.welcome("a")))
            #expect(driver.machine.state(of: "a") == .ready)
        },
        Case("the first plan waits for all listed workers, and no longer once they are there") {
            var driver = CoordinatorDriver(["a", "b", "c"])
            driver.step(.modelReady(D.model()))
            driver.join("a")
            driver.join("b")
            #expect(driver.wait(.seconds(2)).orders.isEmpty)
            #expect(planned(driver.join("c")) == [["a", "b", "c"]])
        },
        Case("the first plan waits at most the join timeout") {
            var driver = CoordinatorDriver(["a", "b", "c"])
            driver.step(.modelReady(D.model()))
            driver.join("a")
            driver.join("b")
            #expect(driver.wait(.milliseconds(4_990)).orders.isEmpty)
            #expect(planned(driver.wait(.milliseconds(20))) == [["a", "b"]])
        },
        Case("no plan before the model is analysed") {
            var driver = CoordinatorDriver(["a"])
            #expect(driver.join("a").orders.isEmpty)
            #expect(planned(driver.step(.modelReady(D.model()))) == [["a"]])
        },
        Case("joins within 200 ms are one plan") {
            var driver = D.serving([["a"]])
            driver.step(.targets(D.targets(["a", "b", "c", "d"])))
            driver.join("b")
            driver.wait(.milliseconds(80))
            driver.join("c")
            driver.wait(.milliseconds(80))
            #expect(driver.join("d").orders.isEmpty)
            #expect(planned(driver.wait(.milliseconds(300))) == [["a", "b", "c", "d"]])
        },
        Case(
            "a stage pinned in the topology that is read again: a new plan; the old one serves where there is none, and status says why"
        ) {
            func targets(_ stage: Int?) -> [CoordinatorMachine.Target] {
                D.targets(["a", "b"]).map {
                    .init(name: $0.name, addresses: $0.addresses, pinnedStage: $0.name == "b" ? stage : nil)
                }
            }
            var driver = D.serving()
            #expect(driver.step(.targets(targets(nil))).orders.isEmpty)
            let order = try #require(driver.step(.targets(targets(0))).orders.last)
            #expect(order.nodes.map(\.pinnedStage) == [nil, 0])
            driver.deploy([["b"], ["a"]])
            #expect(driver.machine.status().nodes.map(\.pinnedStage) == [nil, 0])
            #expect(driver.step(.targets(targets(0))).orders.isEmpty)
            let impossible = try #require(driver.step(.targets(targets(7))).orders.last)
            driver.step(.planned(impossible.generation, .failure("b is pinned to stage 7")))
            #expect(driver.machine.status().state == "serving")
            #expect(driver.machine.status().cause == "no newer plan: b is pinned to stage 7")
            #expect(driver.step(.targets(targets(nil))).orders.count == 1)
            driver.deploy([["a"], ["b"]])
            #expect(driver.machine.status().cause == nil)
        },
        Case("while a plan is being made another one is not asked for; the next follows it") {
            var driver = D.serving([["a"]])
            driver.step(.targets(D.targets(["a", "b", "c"])))
            driver.join("b")
            #expect(planned(driver.wait(.milliseconds(300))) == [["a", "b"]])
            driver.join("c")
            #expect(driver.wait(.seconds(1)).orders.isEmpty)
            #expect(planned(driver.answerPlan([["a"], ["b"]])) == [["a", "b", "c"]])
        },
        Case("a join does not pause what runs: the old plan serves until the new one is loaded") {
            var driver = D.serving([["a"]])
            driver.step(.targets(D.targets(["a", "b"])))
            driver.join("b")
            driver.wait(.milliseconds(300))
            let load = try #require(driver.answerPlan([["a"], ["b"]]).loads.last)
            #expect(driver.submit(1).dispatched.map { $0.route.count } == [1])
            driver.report(driver.control["a"]!, D.partition(0), .ready)
            #expect(driver.submit(2).dispatched.map { $0.route.count } == [1])
            #expect(driver.report(load.0, load.1, .ready).isServing)
            #expect(driver.submit(3).dispatched.map { $0.route.count } == [2])
        },
        Case("all workers learn of each other before a plan uses them, with one table for joins that come together") {
            var driver = CoordinatorDriver(["a", "b"])
            driver.step(.modelReady(D.model()))
            #expect(driver.join("a").tables.isEmpty)
            let tables = driver.join("b").tables
            #expect(tables.count == 2 && tables[0] == tables[1])
            #expect(tables[0].peers.map(\.name) == ["a", "b"])
        },
    ]

    static let silenceCases: [Case] = [
        Case("a second of silence: suspect, no new work, its work is replayed elsewhere at once") {
            var driver = D.serving([["a", "b"]])
            let sent = driver.submit(1, items: 4).dispatched
            let out = driver.wait(.milliseconds(1_050), silent: ["a"])
            #expect(driver.machine.state(of: "a") == .suspect)
            #expect(out.dispatched.map(\.route[0].node) == ["b"])
            #expect(out.dispatched.map(\.key.attempt) == [2])
            #expect(out.dispatched.map(\.key.microBatch) == [sent[0].key.microBatch])
            #expect(driver.submit(2, items: 2).dispatched.map(\.route[0].node) == ["b"])
        },
        Case("a suspect that answers is ready again, with nothing loaded again") {
            var driver = D.serving()
            driver.wait(.milliseconds(1_100), silent: ["a"])
            let out = driver.step(.heard(driver.control["a"]!))
            #expect(driver.machine.state(of: "a") == .ready && out.loads.isEmpty)
            #expect(driver.submit(1).dispatched.count == 1)
        },
        Case("two seconds of silence: lost, also when it is the only worker and nothing else happens") {
            var driver = D.serving([["a"]])
            let out = driver.wait(.milliseconds(2_100), silent: ["a"])
            #expect(driver.machine.state(of: "a") == .lost)
            #expect(Set(out.closes) == [driver.control["a"]!, driver.data["a"]!])
            #expect(driver.machine.counters.nodesLost == 1)
        },
        Case("bytes on the data connection count as life") {
            var driver = D.serving([["a"]])
            for _ in 0..<30 {
                driver.wait(.milliseconds(100), silent: ["a"])
                driver.step(.heard(driver.data["a"]!))
            }
            #expect(driver.machine.state(of: "a") == .ready)
        },
        Case("this process's own pause is no silence of the nodes'") {
            var driver = D.serving()
            driver.now += .seconds(30)
            driver.step(.tick)
            #expect(driver.machine.state(of: "a") == .ready && driver.machine.state(of: "b") == .ready)
            driver.wait(.milliseconds(1_100), silent: ["a"])
            #expect(driver.machine.state(of: "a") == .suspect && driver.machine.state(of: "b") == .ready)
        },
        Case("a wake that comes a little late is no pause") {
            var driver = D.serving([["a"]])
            while let wake = driver.machine.nextWake, driver.machine.state(of: "a") != .lost, wake < .zero + .seconds(9) {
                driver.now = wake + .milliseconds(20)
                driver.step(.tick)
            }
            #expect(driver.machine.state(of: "a") == .lost)
        },
        Case("nodes are pinged each second, and the pong gives the round trip") {
            var driver = D.serving([["a"]])
            var pings: [Ping] = []
            for case .send(_, .ping(let ping)) in driver.wait(.milliseconds(3_100)) { pings.append(ping) }
            #expect(pings.map(\.sequence) == [0, 1, 2])
            driver.now = Instant(nanoseconds: Int64(pings[2].sentAtNanoseconds)) + .milliseconds(4)
            _ = driver.says("a", .pong(pings[2]))
            #expect(driver.machine.status().nodes[0].roundTripMs == 4)
        },
        Case("a suspect that a plan was made without is planned in when it answers") {
            var driver = D.serving([["a"], ["b"]])
            driver.wait(.milliseconds(1_100), silent: ["a"])
            _ = driver.close("b")
            driver.wait(.milliseconds(100), silent: ["a"])
            driver.step(.heard(driver.control["a"]!))
            #expect(planned(driver.wait(.milliseconds(300))).last == ["a"])
        },
    ]

    static let connectionCases: [Case] = [
        Case("a closed control or data connection is a loss at once: the rest is closed, work replayed, a plan made") {
            for isData in [false, true] {
                var driver = D.serving([["a", "b"]])
                driver.submit(1, items: 4)
                let out = driver.close("a", data: isData)
                #expect(driver.machine.state(of: "a") == .lost)
                #expect(out.closes.count == 2)
                #expect(out.dispatched.map(\.key.attempt) == [2] && out.dispatched.map(\.route[0].node) == ["b"])
                #expect(planned(out) == [["b"]])
                #expect(driver.machine.flightCount == 2)
            }
        },
        Case("a lost node is dialled again, later and later up to half a second, and soon again after it was back") {
            var driver = D.serving([["a"]])
            _ = driver.close("a")
            var waits: [Int] = []
            for _ in 0..<7 {
                let from = driver.now
                while driver.step(.tick).dials.isEmpty { driver.now += .milliseconds(10) }
                waits.append(Int((driver.now - from).milliseconds))
                driver.step(.dialFailed("a", .init(channel: .control, message: "refused")))
            }
            #expect(waits == [250, 500, 500, 500, 500, 500, 500])
            driver.join("a", incarnation: 2)
            let from = driver.now
            _ = driver.close("a")
            while driver.step(.tick).dials.isEmpty { driver.now += .milliseconds(10) }
            #expect(driver.now - from == .milliseconds(250))
        },
        Case("a node that was not reached yet costs no loss when its dial fails") {
            var driver = CoordinatorDriver()
            driver.step(.dialFailed("a", .init(channel: .control, message: "refused")))
            #expect(driver.machine.counters.nodesLost == 0)
            #expect(driver.machine.status().nodes[0].cause == "refused")
        },
        Case("the end of a connection that is not the node's any more changes nothing") {
            var driver = D.serving([["a"]])
            let old = (driver.control["a"]!, driver.data["a"]!)
            _ = driver.close("a")
            driver.join("a")
            driver.step(.connectionClosed(old.0, cause: "late"))
            driver.step(.connectionClosed(old.1, cause: "late"))
            #expect(driver.machine.state(of: "a") == .ready)
        },
        Case("the outcome of a data dial for an earlier control connection is not this one's") {
            for succeeds in [true, false] {
                var driver = CoordinatorDriver(["a"])
                let first = driver.freshConnection()
                driver.step(.connected("a", .control, first, driver.welcome("a")))
                driver.step(.connectionClosed(first, cause: "reset"))
                let second = driver.freshConnection()
                #expect(driver.step(.connected("a", .control, second, driver.welcome("a"))).dials.isEmpty)
                let stale = driver.freshConnection()
                let out =
                    succeeds
                    ? driver.step(.connected("a", .data, stale, driver.welcome("a")))
                    : driver.step(.dialFailed("a", .init(channel: .data, message: "timed out")))
                #expect(out.dials == ["a"] && out.closes == (succeeds ? [stale] : []))
                driver.step(.connected("a", .data, driver.freshConnection(), driver.welcome("a")))
                #expect(driver.machine.state(of: "a") == .ready)
            }
        },
        Case("a data connection to another process than the control connection's is refused") {
            var driver = CoordinatorDriver(["a"])
            driver.step(.connected("a", .control, driver.freshConnection(), driver.welcome("a")))
            let data = driver.freshConnection()
            #expect(driver.step(.connected("a", .data, data, driver.welcome("a", incarnation: 2))).closes == [data])
            #expect(driver.machine.state(of: "a") == .joining)
        },
        Case("a node that left the topology is let go of once a plan without it serves; one that comes is dialled") {
            var driver = D.serving([["a", "b"]])
            let out = driver.step(.targets(D.targets(["b", "c"])))
            #expect(driver.machine.state(of: "a") == .draining && out.closes.isEmpty && out.dials == ["c"])
            #expect(planned(out) == [["b"]])
            #expect(driver.deploy([["b"]]).closes.count == 2 && driver.machine.state(of: "a") == nil)
        },
        Case("an unchanged topology changes nothing") {
            var driver = D.serving()
            #expect(driver.step(.targets(D.targets(["a", "b"]))).isEmpty)
        },
        Case("refused by a worker that another coordinator holds: tried again later with the same term, naming the holder") {
            var driver = CoordinatorDriver(["a"])
            let refusal = Refused(code: .superseded, message: "coordinator \"x\" holds this worker", term: 4, isHeld: true)
            let failure = CoordinatorMachine.DialFailure(channel: .control, message: refusal.message, refusal: refusal)
            #expect(driver.step(.dialFailed("a", failure)).dials.isEmpty)
            #expect(driver.machine.term == 1)
            #expect(driver.machine.status().nodes[0].cause.contains("\"x\""))
        },
        Case("refused by a worker that nobody holds any more: dialled at once with a later term") {
            var driver = CoordinatorDriver(["a"])
            let refusal = Refused(code: .superseded, message: "held before", term: 4, isHeld: false)
            let out = driver.step(.dialFailed("a", .init(channel: .control, message: "held before", refusal: refusal)))
            guard case .dial(_, _, let hello) = try #require(out.first) else { throw Unexpected() }
            #expect(hello.claim?.term == 5 && driver.machine.term == 5)
        },
        Case("a term that others raised already is kept") {
            var driver = CoordinatorDriver(["a", "b"])
            for (node, term) in [("a", UInt64(9)), ("b", 3)] {
                let refusal = Refused(code: .superseded, message: "", term: term, isHeld: false)
                let out = driver.step(.dialFailed(NodeID(node), .init(channel: .control, message: "held", refusal: refusal)))
                #expect(out.dials == [NodeID(node)])
            }
            #expect(driver.machine.term == 10)
        },
    ]

    struct Unexpected: Error {}

    static let nameCases: [Case] = [
        Case("a worker's own name goes before the topology's, and stays when the topology is read again") {
            var driver = CoordinatorDriver(["10.0.0.1:9000"])
            driver.step(.modelReady(D.model()))
            driver.join("w1", as: "10.0.0.1:9000")
            #expect(driver.machine.state(of: "w1") == .ready && driver.machine.state(of: "10.0.0.1:9000") == nil)
            #expect(driver.step(.targets(D.targets(["10.0.0.1:9000"]))).isEmpty)
            #expect(driver.machine.state(of: "w1") == .ready)
            #expect(driver.step(.targets(D.targets(["10.0.0.2:9000"]))).closes.count == 2)
            #expect(driver.machine.state(of: "w1") == nil)
        },
        Case("a second living worker of one name is refused, naming the first") {
            var driver = CoordinatorDriver(["x:1", "x:2"])
            driver.join("w1", as: "x:1")
            let out = driver.join("w1", as: "x:2", incarnation: 2)
            #expect(out.closes.count == 1)
            #expect(driver.machine.state(of: "w1") == .ready)
            let cause = driver.machine.status().nodes.first { $0.name == "x:2" }?.cause
            #expect(cause?.contains("another worker bears the name \"w1\"") == true)
        },
        Case("a name whose bearer does not answer any more is free") {
            var driver = CoordinatorDriver(["x:1", "x:2"])
            driver.join("w1", as: "x:1")
            _ = driver.close("w1")
            driver.join("w1", as: "x:2", incarnation: 2)
            #expect(driver.machine.state(of: "w1") == .ready)
            #expect(driver.machine.status().nodes.map(\.name) == ["w1", "x:1"])
            #expect(driver.wait(.seconds(2)).dials == ["x:1"])
        },
        Case("a worker that moved keeps its name") {
            var driver = CoordinatorDriver(["x:1"])
            driver.join("w1", as: "x:1")
            driver.step(.targets(D.targets(["x:2"])))
            driver.join("w1", as: "x:2", incarnation: 2)
            #expect(driver.machine.state(of: "w1") == .ready && driver.machine.status().nodes.count == 1)
        },
    ]
}
