import Base
import Cluster
import Planning
import Testing
import Wire

/// Losses that come together, everybody gone, restarts, and two coordinators for the same workers.
@Suite struct CoordinatorFailoverTests {
    @Test(arguments: lossCases) func losses(_ row: Case) throws { try row.run() }
    @Test(arguments: fencingCases) func fencing(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    static func sendsArchive(_ out: [CoordinatorMachine.Directive]) -> Bool {
        out.contains { if case .sendArchive = $0 { true } else { false } }
    }

    static let lossCases: [Case] = [
        Case("replicas left in every stage: it goes on at once, and a plan without the lost one follows") {
            var driver = D.serving([["a", "b"], ["c", "d"]])
            driver.submit(1, items: 4)
            let out = driver.close("a")
            #expect(driver.machine.isServing && out.dispatched.allSatisfy { $0.route[0].node == "b" } && !out.dispatched.isEmpty)
            #expect(out.orders.map { $0.nodes.map(\.id) } == [["b", "c", "d"]])
        },
        Case("two losses during a re-plan: the plan that comes is not taken, the next one serves, nothing is lost") {
            var driver = D.serving([["a"], ["b"], ["c"], ["d"]])
            driver.submit(1, items: 6)
            #expect(driver.close("a").orders.count == 1)
            #expect(driver.close("b").orders.isEmpty)
            let out = driver.answerPlan([["b"], ["c"], ["d"]])
            #expect(out.loads.isEmpty && out.orders.map { $0.nodes.map(\.id) } == [["c", "d"]])
            let served = driver.deploy([["c"], ["d"]])
            #expect(served.isServing && served.ranges == [0..<2, 2..<4, 4..<6])
            for work in served.dispatched { driver.finish(work) }
            #expect(driver.machine.counters.requestsCompleted == 1)
        },
        Case("a loss during the deployment that followed a loss") {
            var driver = D.serving([["a"], ["b"], ["c"]])
            driver.submit(1)
            driver.close("a")
            driver.answerPlan([["b"], ["c"]])
            let out = driver.close("b")
            #expect(out.orders.map { $0.nodes.map(\.id) } == [["c"]])
            // The answer to the order of the plan that was given up changes nothing.
            driver.report(driver.control["c"]!, D.partition(1), .ready)
            #expect(!driver.machine.isServing)
            #expect(driver.deploy([["c"]]).dispatched.map(\.key.attempt) == [2])
        },
        Case("all lost: requests wait, new ones too, and are served when one comes back") {
            var driver = D.serving([["a"], ["b"]])
            driver.submit(1)
            driver.close("a")
            driver.close("b")
            #expect(driver.submit(2).errors.isEmpty && driver.machine.requestCount == 2)
            #expect(driver.wait(.seconds(20)).errors.isEmpty)
            driver.join("b", incarnation: 2, loaded: [D.partition(1)])
            driver.wait(.milliseconds(300))
            let out = driver.deploy([["b"]])
            #expect(out.dispatched.map(\.key.request) == [1, 2])
        },
        Case("all lost until the deadline: the error names each and why") {
            var driver = D.serving([["a"], ["b"]])
            driver.submit(1, deadline: 3_000)
            driver.close("a")
            driver.close("b")
            driver.step(.dialFailed("a", .init(channel: .control, message: "refused at a:9000")))
            let error = try #require(driver.wait(.seconds(4)).errors.first)
            #expect(error.code == .deadlineExceeded)
            #expect(error.message.contains("a: refused at a:9000") && error.message.contains("b: its control connection closed"))
        },
        Case("a deployment that begins while another is under way takes its place; what that ordered is not ordered again") {
            var driver = D.serving([["a"]])
            driver.step(.targets(D.targets(["a", "b", "c"])))
            driver.join("b")
            driver.wait(.milliseconds(300))
            let first = driver.answerPlan([["a"], ["b"]]).loads
            driver.report(driver.control["b"]!, first[1].1, .missing)
            driver.join("c")
            driver.wait(.milliseconds(300))
            let out = driver.answerPlan([["c"], ["b"]])
            #expect(out.loads.map(\.0) == [driver.control["c"]!], "b was asked for this partition already")
            #expect(driver.submit(1).dispatched.map { $0.route.map(\.node) } == [["a"]])
            driver.report(driver.control["a"]!, first[0].1, .ready)
            driver.report(driver.control["b"]!, first[1].1, .ready)
            #expect(driver.report(driver.control["c"]!, D.partition(0), .ready).isServing)
            #expect(driver.submit(2).dispatched.map { $0.route.map(\.node) } == [["c", "b"]])
        },
        Case("a replica that restarted gets no work before it has loaded its partition again") {
            var driver = D.serving([["a", "b"]])
            driver.close("a")
            driver.join("a", incarnation: 2)
            #expect(Set(driver.submit(1, items: 6).dispatched.map(\.route[0].node)) == ["b"])
            #expect(driver.machine.isServing)
        },
        Case("a replica that has lost its partition: the others go on") {
            var driver = D.serving([["a", "b"]])
            let sent = driver.submit(1).dispatched.leading
            let out = driver.says(
                "a", .workRejected(WorkRejected(key: sent.key, node: "a", code: .failedPrecondition, message: "not loaded")))
            #expect(driver.machine.isServing && out.dispatched.map(\.route[0].node) == ["b"] && out.orders.count == 1)
        },
        Case("a restarted coordinator: what the workers have loaded is ordered, never sent") {
            var driver = CoordinatorDriver(["a", "b"])
            driver.step(.modelReady(D.model()))
            driver.join("a", loaded: [D.partition(0)])
            driver.join("b", loaded: [D.partition(1)])
            let out = driver.deploy([["a"], ["b"]])
            #expect(out.isServing && out.loads.count == 2 && !sendsArchive(out))
        },
        Case("a join that comes while a plan is being made for a loss: one more plan, no pause of what serves") {
            var driver = D.serving([["a", "b"]])
            driver.step(.targets(D.targets(["a", "b", "c"])))
            driver.close("a")
            driver.join("c")
            let out = driver.deploy([["b"]])
            #expect(out.isServing)
            #expect(driver.wait(.milliseconds(300)).orders.map { $0.nodes.map(\.id) } == [["b", "c"]])
            #expect(driver.submit(1).dispatched.count == 1)
        },
        Case("what a node says on connections that are over changes nothing") {
            var driver = D.serving([["a", "b"]])
            let old = (driver.control["a"]!, driver.data["a"]!)
            let sent = driver.submit(1, items: 2).dispatched.leading
            driver.wait(.milliseconds(2_100), silent: ["a"])
            driver.join("a", incarnation: 1, loaded: [D.partition(0, of: 1)])
            driver.wait(.milliseconds(10))
            let held = driver.machine.flightCount
            for connection in [old.0, old.1] {
                driver.step(.heard(connection))
                for message in [
                    Message.heartbeat(Heartbeat(executing: 9)),
                    .partitionReport(PartitionReport(key: D.partition(0, of: 1), state: .evicted)),
                    .workRejected(WorkRejected(key: sent.key, node: "a", code: .unavailable, message: "bye")),
                    .peerLost(PeerLost(from: "a", to: "b", message: "", keys: [])),
                ] {
                    #expect(driver.step(.received(connection, message)).isEmpty)
                }
            }
            #expect(driver.step(.resultArrived(driver.lastHop(sent), sent.key, [])) == [.dropResult(sent.key)])
            #expect(driver.machine.state(of: "a") == .ready && driver.machine.flightCount == held)
        },
    ]

    static let held = Refused(
        code: .superseded, message: "coordinator \"first\" holds this worker (term 4); stop that coordinator", term: 4, isHeld: true
    )

    static let fencingCases: [Case] = [
        Case("workers that another coordinator holds: one line for each names the holder, dialled on with patience, the term stays")
        {
            var driver = CoordinatorDriver(["a", "b"])
            driver.step(.modelReady(D.model()))
            // The coordinator before may hold them for so long after its end.
            for second in 0..<8 {
                #expect(second > 6 || !driver.logs.contains { $0.level == .error })
                for id in ["a", "b"] as [NodeID] {
                    driver.step(.dialFailed(id, .init(channel: .control, message: held.message, refusal: held)))
                }
                #expect(driver.step(.tick).dials.isEmpty)
                #expect(driver.wait(.milliseconds(1_010)).dials.sorted() == ["a", "b"])
            }
            let lines = driver.logs.filter { $0.message == "another coordinator has this worker" }
            #expect(
                lines.map(\.level) == [.error, .error] && lines.allSatisfy { $0.metadata["cause"]?.contains("\"first\"") == true })
            #expect(driver.machine.term == 1)
        },
        Case("its clients learn at their deadline who holds the workers") {
            var driver = CoordinatorDriver(["a"])
            driver.step(.modelReady(D.model()))
            driver.step(.dialFailed("a", .init(channel: .control, message: held.message, refusal: held)))
            driver.submit(1, deadline: 8_000)
            let error = try #require(driver.wait(.seconds(9)).errors.first)
            #expect(error.code == .deadlineExceeded && error.message.contains("coordinator \"first\" holds this worker"))
            #expect(driver.machine.status().cause?.contains("\"first\"") == true)
        },
        Case("one that was stopped and wakes finds its workers held: it asks for nothing and takes nothing") {
            var driver = D.serving([["a"]])
            driver.submit(1)
            driver.now += .seconds(20)
            driver.step(.tick)
            driver.close("a")
            let before = driver.machine.term
            driver.step(.dialFailed("a", .init(channel: .control, message: held.message, refusal: held)))
            driver.wait(.seconds(3))
            #expect(driver.machine.term == before && !driver.machine.isServing)
        },
        Case("right after a restart the first plan waits for workers that the coordinator before still holds") {
            var driver = CoordinatorDriver(["a", "b"]) { $0.joinTimeout = .seconds(1) }
            driver.step(.modelReady(D.model()))
            driver.join("a")
            for _ in 0..<5 {
                driver.step(.dialFailed("b", .init(channel: .control, message: held.message, refusal: held)))
                #expect(driver.wait(.seconds(1)).orders.isEmpty)
            }
            #expect(driver.logs.count { $0.message == "waiting for a worker that another coordinator holds" } == 1)
            #expect(!driver.logs.contains { $0.level == .error || $0.level == .warning }, "\(driver.logs)")
            let gone = Refused(code: .superseded, message: "held before", term: 4, isHeld: false)
            #expect(driver.step(.dialFailed("b", .init(channel: .control, message: "held before", refusal: gone))).dials == ["b"])
            driver.join("b")
            driver.wait(.milliseconds(300))
            #expect(driver.lastOrder?.nodes.map(\.id) == ["a", "b"])
        },
        Case("one that is held for longer belongs to a coordinator that lives: the plan goes without it") {
            var driver = CoordinatorDriver(["a", "b"]) { $0.joinTimeout = .seconds(1) }
            driver.step(.modelReady(D.model()))
            driver.join("a")
            for _ in 0..<9 {
                driver.step(.dialFailed("b", .init(channel: .control, message: held.message, refusal: held)))
                driver.wait(.seconds(1))
            }
            #expect(driver.lastOrder?.nodes.map(\.id) == ["a"])
            #expect(driver.logs.count { $0.message == "another coordinator has this worker" } == 1)
        },
        Case("one that is held now and unreachable then puts the first plan off once") {
            var driver = CoordinatorDriver(["a", "b"]) { $0.joinTimeout = .seconds(1) }
            driver.step(.modelReady(D.model()))
            driver.join("a")
            for _ in 0..<9 {
                driver.step(.dialFailed("b", .init(channel: .control, message: "refused", refusal: nil)))
                driver.step(.dialFailed("b", .init(channel: .control, message: held.message, refusal: held)))
                driver.wait(.seconds(1))
            }
            #expect(driver.lastOrder?.nodes.map(\.id) == ["a"])
        },
        Case("when the holder has gone it takes over, one term later than any that the workers saw") {
            var driver = CoordinatorDriver(["a"])
            driver.step(.dialFailed("a", .init(channel: .control, message: held.message, refusal: held)))
            driver.wait(.seconds(2))
            let gone = Refused(code: .superseded, message: "held before", term: 4, isHeld: false)
            let out = driver.step(.dialFailed("a", .init(channel: .control, message: "held before", refusal: gone)))
            #expect(out.dials == ["a"] && driver.machine.term == 5)
        },
    ]
}
