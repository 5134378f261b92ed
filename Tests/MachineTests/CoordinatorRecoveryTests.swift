import Base
import Cluster
import Planning
import Testing
import Wire

/// Deployment and replay: from a change to a plan that serves.
@Suite struct CoordinatorRecoveryTests {
    @Test(arguments: deploymentCases) func deployment(_ row: Case) throws { try row.run() }
    @Test(arguments: replayCases) func replay(_ row: Case) throws { try row.run() }
    @Test(arguments: statusCases) func status(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    static func ordered(_ workers: [String]) -> CoordinatorDriver {
        var driver = CoordinatorDriver(workers)
        driver.step(.modelReady(D.model()))
        for worker in workers { driver.join(worker) }
        return driver
    }

    static let deploymentCases: [Case] = [
        Case("each worker is told to load its own partition, and the plan serves when the last is ready") {
            var driver = ordered(["a", "b"])
            let loads = driver.answerPlan([["a"], ["b"]]).loads
            #expect(loads.map(\.0) == [driver.control["a"]!, driver.control["b"]!])
            #expect(loads.map(\.1) == [D.partition(0), D.partition(1)])
            #expect(!driver.report(loads[0].0, loads[0].1, .ready).isServing && !driver.machine.isServing)
            #expect(driver.report(loads[1].0, loads[1].1, .ready).isServing && driver.machine.isServing)
        },
        Case("a missing archive is sent once, on the data connection") {
            var driver = ordered(["a"])
            let load = driver.answerPlan([["a"]]).loads[0]
            #expect(driver.report(load.0, load.1, .missing) == [.sendArchive(driver.data["a"]!, load.1)])
            #expect(driver.report(load.0, load.1, .missing).isEmpty)
        },
        Case("what a returning worker still holds is ordered, not sent") {
            var driver = D.serving([["a"]])
            _ = driver.close("a")
            driver.join("a", loaded: [D.partition(0, of: 1)])
            driver.wait(.milliseconds(300))
            #expect(driver.lastOrder?.generation == 2)
            let out = driver.deploy([["a"]])
            #expect(out.loads.count == 1 && out.isServing)
            #expect(!out.contains { if case .sendArchive = $0 { true } else { false } })
        },
        Case("a partition that was released is ordered again before a plan uses it") {
            var driver = D.serving([["a"]])
            driver.step(.targets(D.targets(["a", "b"])))
            driver.join("b")
            driver.wait(.milliseconds(300))
            #expect(driver.deploy([["b"]]).releases == [D.partition(0, of: 1)])
            _ = driver.close("b")
            let loads = driver.answerPlan([["a"]]).loads
            #expect(loads.map(\.1) == [D.partition(0, of: 1)])
            #expect(driver.report(loads[0].0, loads[0].1, .ready).isServing)
        },
        Case("what a plan that was given up had loaded is released by the next") {
            var driver = ordered(["a", "b"])
            let loads = driver.answerPlan([["a"], ["b"]]).loads
            driver.report(loads[0].0, loads[0].1, .ready)
            _ = driver.close("b")
            #expect(driver.deploy([["a"]]).releases == [D.partition(0)])
        },
        Case("a node lost during the deployment: the next plan is without it") {
            var driver = ordered(["a", "b"])
            driver.answerPlan([["a"], ["b"]])
            let out = driver.close("b")
            #expect(out.orders.map { $0.nodes.map(\.id) } == [["a"]])
            driver.report(driver.control["a"]!, D.partition(0), .ready)
            #expect(!driver.machine.isServing)
            #expect(driver.deploy([["a"]]).isServing)
        },
        Case("a node lost while the plan is made: the plan is not taken, another is asked for") {
            var driver = ordered(["a", "b"])
            _ = driver.close("b")
            let out = driver.answerPlan([["a"], ["b"]])
            #expect(out.loads.isEmpty && out.orders.map { $0.nodes.map(\.id) } == [["a"]])
        },
        Case("the answer to an order that is no longer waited for is ignored") {
            var driver = ordered(["a"])
            driver.step(.planned(99, .plan(D.deployment([["a"]], microBatch: 2))))
            #expect(!driver.machine.isServing && driver.answerPlan([["a"]]).loads.count == 1)
        },
        Case("a load that fails leaves the node out for ten seconds, then it may take part again") {
            var driver = ordered(["a", "b"])
            let loads = driver.answerPlan([["a"], ["b"]]).loads
            let out = driver.report(loads[0].0, loads[0].1, .failed, "50 MiB are free")
            #expect(out.orders.map { $0.nodes.map(\.id) } == [["b"]])
            driver.deploy([["b"]])
            #expect(driver.wait(.milliseconds(9_900)).orders.isEmpty)
            #expect(driver.wait(.milliseconds(200)).orders.map { $0.nodes.map(\.id) } == [["a", "b"]])
        },
        Case("each node that was left out comes back in its own time") {
            var driver = ordered(["a", "b", "c"])
            var loads = driver.answerPlan([["a"], ["b"], ["c"]]).loads
            driver.report(loads[0].0, loads[0].1, .failed)
            driver.wait(.seconds(4))
            loads = driver.answerPlan([["b"], ["c"]]).loads
            driver.report(loads[0].0, loads[0].1, .failed)
            driver.deploy([["c"]])
            #expect(driver.wait(.milliseconds(6_100)).orders.map { $0.nodes.map(\.id) } == [["a", "c"]])
            driver.deploy([["a"], ["c"]])
            #expect(driver.wait(.seconds(4)).orders.map { $0.nodes.map(\.id) } == [["a", "b", "c"]])
        },
        Case("with nobody left, requests learn at their deadline what the load lacked") {
            var driver = ordered(["a"])
            let load = driver.answerPlan([["a"]]).loads[0]
            driver.report(load.0, load.1, .failed, "80 MiB are needed, 50 MiB are free")
            driver.submit(1, deadline: 1_000)
            #expect(driver.wait(.seconds(2)).errors.first?.message.contains("50 MiB are free") == true)
        },
        Case("with nobody else left, who was left out is tried again after five seconds") {
            var driver = ordered(["a"])
            let load = driver.answerPlan([["a"]]).loads[0]
            #expect(driver.report(load.0, load.1, .failed).orders.isEmpty)
            #expect(driver.wait(.milliseconds(4_900)).orders.isEmpty)
            #expect(driver.wait(.milliseconds(200)).orders.map { $0.nodes.map(\.id) } == [["a"]])
            #expect(driver.deploy([["a"]]).isServing)
        },
        Case("a failure that answers an order of a plan given up concerns nobody") {
            var driver = ordered(["a", "b"])
            driver.answerPlan([["a"], ["b"]])
            _ = driver.close("b")
            driver.answerPlan([["a"]])
            #expect(driver.report(driver.control["a"]!, D.partition(0), .failed).orders.isEmpty)
            #expect(driver.report(driver.control["a"]!, D.partition(0, of: 1), .ready).isServing)
        },
        Case("a deployment that does not end is given up, without the node that hangs") {
            var driver = ordered(["a", "b"])
            let loads = driver.answerPlan([["a"], ["b"]]).loads
            driver.report(loads[0].0, loads[0].1, .ready)
            #expect(driver.wait(.milliseconds(119_900)).orders.isEmpty)
            #expect(driver.wait(.milliseconds(200)).orders.map { $0.nodes.map(\.id) } == [["a"]])
        },
        Case("a partition that cannot be made is tried again later") {
            var driver = ordered(["a"])
            let load = driver.answerPlan([["a"]]).loads[0]
            driver.report(load.0, load.1, .missing)
            driver.step(.archiveUnavailable(load.1, "disk full"))
            #expect(driver.machine.status().cause?.contains("disk full") == true)
            #expect(driver.wait(.seconds(6)).orders.count == 1)
            #expect(driver.deploy([["a"]]).isServing)
        },
        Case("with no plan possible, another look after a while") {
            var driver = ordered(["a"])
            driver.step(.planned(driver.lastOrder!.generation, .failure("too little memory")))
            #expect(driver.wait(.milliseconds(4_900)).orders.isEmpty)
            #expect(driver.wait(.milliseconds(200)).orders.count == 1)
        },
        Case("an eviction under a living plan makes a new one") {
            var driver = D.serving()
            let out = driver.report(driver.control["a"]!, D.partition(0), .evicted)
            #expect(out.orders.count == 1 && !driver.machine.isServing)
            #expect(driver.deploy([["a"], ["b"]]).loads.map(\.1) == [D.partition(0)])
            #expect(driver.machine.isServing)
        },
        Case("an eviction of what no plan uses is only noted") {
            var driver = D.serving()
            #expect(driver.report(driver.control["a"]!, D.partition(7), .evicted).isEmpty && driver.machine.isServing)
        },
    ]

    static let replayCases: [Case] = [
        Case("a loss replays from the input with the next attempt; the late result of the older one is dropped") {
            var driver = D.serving([["a", "b"]])
            let sent = driver.submit(1).dispatched
            let again = driver.close("a").dispatched
            #expect(again.map(\.key.attempt) == [2] && driver.machine.counters.microBatchesReplayed == 1)
            #expect(driver.finish(sent[0]).contains(.dropResult(sent[0].key)))
            #expect(driver.finish(again[0]).replies == [1])
        },
        Case("what is said of an attempt that was given up changes nothing") {
            let messages: [@Sendable (WorkKey) -> Message] = [
                { .workDropped(WorkDropped(key: $0, node: "a")) },
                { .workRejected(WorkRejected(key: $0, node: "a", code: .resourceExhausted, message: "full")) },
                { .workFailed(WorkFailed(key: $0, node: "a", code: .internalError, message: "late")) },
                { .peerLost(PeerLost(from: "a", to: "elsewhere", message: "", keys: [$0])) },
            ]
            for message in messages {
                var driver = D.serving([["a", "b"]])
                let sent = driver.submit(1).dispatched
                let again = driver.wait(.milliseconds(1_050), silent: ["a"]).dispatched
                #expect(again.map(\.key.attempt) == [2])
                let out = driver.says("a", message(sent[0].key))
                #expect(out.dispatched.isEmpty && out.errors.isEmpty && driver.machine.flightCount == 1)
                #expect(driver.finish(again[0]).replies == [1])
            }
        },
        Case("with no route left the work waits for the next plan") {
            var driver = D.serving()
            driver.submit(1, items: 4)
            #expect(driver.close("b").dispatched.isEmpty)
            #expect(driver.machine.requestCount == 1)
            let out = driver.deploy([["a"]])
            #expect(out.dispatched.map(\.key.attempt) == [2, 2] && out.ranges == [0..<2, 2..<4])
        },
        Case("the cut stays when another plan has another micro-batch size") {
            var driver = D.serving()
            driver.submit(1, items: 4)
            _ = driver.close("b")
            #expect(driver.deploy([["a"]], microBatch: 3).ranges == [0..<2, 2..<4])
        },
        Case("a worker that dropped it: replayed") {
            var driver = D.serving()
            let sent = driver.submit(1).dispatched
            let out = driver.says("b", .workDropped(WorkDropped(key: sent[0].key, node: "b")))
            #expect(out.dispatched.map(\.key.attempt) == [2] && driver.machine.flightCount == 1)
        },
        Case("a worker without room: replayed elsewhere at once, and there after a pause") {
            var driver = D.serving([["a", "b"]])
            let sent = driver.submit(1).dispatched
            let full = WorkRejected(key: sent[0].key, node: "a", code: .resourceExhausted, message: "a holds 16")
            #expect(driver.says("a", .workRejected(full)).dispatched.map(\.route[0].node) == ["b"])
            var only = D.serving([["a"]])
            let first = only.submit(1).dispatched
            let rejected = WorkRejected(key: first[0].key, node: "a", code: .resourceExhausted, message: "a holds 16")
            #expect(only.says("a", .workRejected(rejected)).dispatched.isEmpty)
            #expect(only.wait(.milliseconds(19)).dispatched.isEmpty)
            #expect(only.wait(.milliseconds(2)).dispatched.map(\.key.attempt) == [2])
        },
        Case("attempts are bounded: the last setback is named") {
            var driver = D.serving([["a"]]) { $0.maximumAttempts = 3 }
            var sent = driver.submit(1).dispatched
            var out: [CoordinatorMachine.Directive] = []
            for attempt in 1...3 as ClosedRange<UInt32> {
                #expect(sent.map(\.key.attempt) == [attempt])
                out = driver.says(
                    "a", .workRejected(WorkRejected(key: sent[0].key, node: "a", code: .resourceExhausted, message: "full")))
                sent = driver.wait(.milliseconds(30)).dispatched
            }
            #expect(out.errors.map(\.code) == [.unavailable] && out.errors[0].message.contains("full"))
            #expect(driver.machine.flightCount == 0)
        },
        Case("a partition that is not there: the plan is taken back and loaded again") {
            var driver = D.serving([["a"]])
            let sent = driver.submit(1).dispatched
            let out = driver.says(
                "a", .workRejected(WorkRejected(key: sent[0].key, node: "a", code: .failedPrecondition, message: "not loaded")))
            #expect(out.orders.count == 1 && out.dispatched.isEmpty && !driver.machine.isServing)
            let deployed = driver.deploy([["a"]])
            #expect(deployed.loads.count == 1 && deployed.dispatched.map(\.key.attempt) == [2])
        },
        Case("… but what an earlier plan's micro-batch meets says nothing about the plan that serves") {
            var driver = D.serving([["a"]])
            let old = driver.submit(1).dispatched
            driver.step(.targets(D.targets(["a", "b"])))
            driver.join("b")
            driver.wait(.milliseconds(300))
            driver.deploy([["b"]])
            let out = driver.says(
                "a", .workRejected(WorkRejected(key: old[0].key, node: "a", code: .failedPrecondition, message: "not loaded")))
            #expect(out.orders.isEmpty && driver.machine.isServing)
            #expect(out.dispatched.map(\.route[0].node) == ["b"])
        },
        Case("a worker that shuts down gets nothing new, keeps what it has, and is planned out") {
            var driver = D.serving([["a", "b"]])
            let sent = driver.submit(1, items: 6).dispatched
            let onA = sent.filter { $0.route[0].node == "a" }
            let out = driver.says(
                "a", .workRejected(WorkRejected(key: onA[1].key, node: "a", code: .unavailable, message: "shutting down")))
            #expect(driver.machine.state(of: "a") == .draining)
            #expect(out.orders.map { $0.nodes.map(\.id) } == [["b"]])
            #expect(out.dispatched.map(\.route[0].node) == ["b"])
            #expect(driver.submit(2, items: 2).dispatched.map(\.route[0].node) == ["b"])
            #expect(driver.finish(onA[0]).contains(.takeResult(onA[0].key, RequestID(1), piece: 0)))
            #expect(driver.close("a").dispatched.isEmpty)
        },
        Case("what was still on a node that shut down is replayed when it ends") {
            var driver = D.serving([["a", "b"]])
            let sent = driver.submit(1, items: 6).dispatched
            let onA = sent.filter { $0.route[0].node == "a" }
            _ = driver.says(
                "a", .workRejected(WorkRejected(key: onA[1].key, node: "a", code: .unavailable, message: "shutting down")))
            #expect(driver.close("a").dispatched.map(\.key.attempt) == [2])
        },
        Case("reservations are free after every kind of end") {
            var driver = D.serving([["a"]], slots: 2)
            func rejected(_ work: Work, _ code: StatusCode) -> Message {
                .workRejected(WorkRejected(key: work.key, node: "a", code: code, message: ""))
            }
            let ends: [@Sendable (inout CoordinatorDriver, Work) -> Void] = [
                { _ = $0.finish($1) },
                { _ = $0.says("a", .workDropped(WorkDropped(key: $1.key, node: "a"))) },
                { _ = $0.says("a", .workRejected(WorkRejected(key: $1.key, node: "a", code: .resourceExhausted, message: ""))) },
                { _ = $0.says("a", .workFailed(WorkFailed(key: $1.key, node: "a", code: .internalError, message: ""))) },
                { _ = $0.step(.resultBroken($0.lastHop($1), $1.key, "")) },
                { _ = $0.step(.dispatchFailed($1.key, "")) },
                { driver, _ in
                    _ = driver.close("a")
                    driver.join("a", loaded: [])
                    driver.wait(.milliseconds(300))
                    driver.deploy([["a"]])
                },
            ]
            for (number, end) in ends.enumerated() {
                var one = driver
                let sent = one.submit(UInt64(number + 1), items: 2).dispatched
                end(&one, sent[0])
                one.step(.received(D.client, .cancelRequest(CancelRequest(id: UInt64(number + 1)))))
                one.wait(.seconds(6))
                #expect(one.machine.flightCount == 0, "end \(number)")
                #expect(one.machine.status().nodes[0].load == 0, "end \(number)")
                #expect(one.submit(100, items: 20).dispatched.count == 2, "end \(number)")
            }
            driver.step(.tick)
        },
    ]

    static let statusCases: [Case] = [
        Case("waiting says for whom and why") {
            var driver = CoordinatorDriver()
            driver.step(.modelReady(D.model()))
            driver.join("a")
            driver.step(.dialFailed("b", .init(channel: .control, message: "refused at b:9000")))
            let status = driver.machine.status()
            #expect(status.state == "waiting" && status.cause == "b: refused at b:9000")
            #expect(status.nodes.map(\.state) == ["ready", "joining"])
        },
        Case("serving shows plan, load and counters") {
            var driver = D.serving()
            let sent = driver.submit(1, items: 4).dispatched
            driver.finish(sent[0])
            let status = driver.machine.status()
            #expect(status.state == "serving" && status.cause == nil && status.plan?.microBatch == 2)
            #expect(status.requestsInFlight == 1 && status.microBatchesInFlight == 1)
            #expect(status.nodes.map(\.load) == [1, 1])
            #expect(status.counters.plans == 1 && status.counters.microBatchesDispatched == 2)
        },
        Case("a whole-request model says why") {
            let driver = D.serving(model: D.model(splittable: false))
            #expect(driver.machine.status().model?.batching == "items depend on each other")
        },
        Case("a partition shows as loaded as soon as its node has said so, before any heartbeat") {
            let driver = D.serving()
            let nodes = driver.machine.status().nodes
            #expect(nodes.map { $0.partitions.map(\.isLoaded) } == [[true], [true]])
            #expect(nodes.map { $0.partitions.map(\.runs) } == [[0], [0]])
        },
        Case("draining shows") {
            var driver = D.serving()
            driver.submit(1)
            driver.step(.drain)
            #expect(driver.machine.status().state == "draining" && !driver.machine.isServing)
        },
    ]
}
