import Base
import Cluster
import Planning
import Tensors
import Testing
import Wire

/// Admission, splitting, reservation, results, deadlines: the life of a request.
@Suite struct CoordinatorRequestTests {
    @Test(arguments: admissionCases) func admission(_ row: Case) throws { try row.run() }
    @Test(arguments: dispatchingCases) func dispatching(_ row: Case) throws { try row.run() }
    @Test(arguments: endingsCases) func endings(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    static func request(_ shape: [Int] = [2], dtype: DType = .float32, names: [String] = [], tensors: Int = 1) -> InferRequest {
        let header = TensorHeader(dtype: dtype, shape: shape, encoding: .raw, wireByteCount: 8)
        return InferRequest(id: 1, deadlineMilliseconds: 0, names: names, tensors: Array(repeating: header, count: tensors))
    }

    static let admissionCases: [Case] = [
        Case("before the model is analysed: unavailable, with a hint") {
            var driver = CoordinatorDriver()
            let error = try #require(driver.announce(1).errors.first)
            #expect(error.code == .unavailable && error.retryAfterMilliseconds > 0)
        },
        Case("wrong number of inputs, type, rank, name: invalid, naming what is wrong") {
            let rows: [(InferRequest, String)] = [
                (request(tensors: 2), "takes 1 inputs"), (request(tensors: 0), "takes 1 inputs"), (request(dtype: .int64), "int64"),
                (request([2, 3]), "x"), (request(names: ["z"]), "\"x\" is missing"), (request(names: ["x", "y"]), "2 names"),
            ]
            for (request, needle) in rows {
                var driver = D.serving()
                let out = driver.step(.requestAnnounced(D.client, request))
                let error = try #require(out.errors.first)
                #expect(error.code == .invalidArgument && error.message.contains(needle), "\(error.message)")
                #expect(error.retryAfterMilliseconds == 0 && out.accepted.isEmpty && driver.machine.requestCount == 0)
            }
        },
        Case("batch 0 is refused") {
            var driver = D.serving()
            #expect(driver.announce(1, items: 0).errors.map(\.code) == [.invalidArgument])
        },
        Case("named inputs in another order are taken") {
            var model = D.model()
            model.inputs.append(TensorSpec(name: "k", dtype: .int64, shape: [.batch]))
            var driver = D.serving(model: model)
            let tensors = [
                TensorHeader(dtype: .int64, shape: [3], encoding: .raw, wireByteCount: 24),
                TensorHeader(dtype: .float32, shape: [3], encoding: .raw, wireByteCount: 12),
            ]
            let named = InferRequest(id: 1, deadlineMilliseconds: 0, names: ["k", "x"], tensors: tensors)
            #expect(driver.step(.requestAnnounced(D.client, named)).accepted.count == 1)
            let unnamed = InferRequest(id: 2, deadlineMilliseconds: 0, names: [], tensors: tensors)
            #expect(driver.step(.requestAnnounced(D.client, unnamed)).errors.map(\.code) == [.invalidArgument])
        },
        Case("inputs that disagree about the batch are refused") {
            var model = D.model()
            model.inputs.append(TensorSpec(name: "k", dtype: .float32, shape: [.batch]))
            var driver = D.serving(model: model)
            let tensors = [2, 3].map { TensorHeader(dtype: .float32, shape: [$0], encoding: .raw, wireByteCount: $0 * 4) }
            let out = driver.step(
                .requestAnnounced(D.client, InferRequest(id: 1, deadlineMilliseconds: 0, names: [], tensors: tensors)))
            #expect(out.errors.first?.message.contains("disagree") == true)
        },
        Case("a number that is outstanding on the connection is refused, on another connection it is not") {
            var driver = D.serving()
            driver.submit(1)
            #expect(driver.announce(1).errors.map(\.code) == [.invalidArgument])
            #expect(driver.announce(1, from: ConnectionID(1_001)).accepted.count == 1)
        },
        Case("above the number of requests: exhausted, with a hint") {
            var driver = D.serving { $0.maximumRequests = 2 }
            driver.submit(1)
            driver.submit(2)
            let error = try #require(driver.announce(3).errors.first)
            #expect(error.code == .resourceExhausted && error.retryAfterMilliseconds == 100 && error.message.contains("2 requests"))
            #expect(driver.machine.counters.requestsRejected == 1)
        },
        Case("above the bytes: exhausted with a hint; a request above the limit itself: never") {
            var driver = D.serving { $0.maximumRequestBytes = 100 }
            driver.submit(1, items: 10)
            let full = try #require(driver.announce(2, items: 3).errors.first)
            #expect(full.code == .resourceExhausted && full.retryAfterMilliseconds > 0)
            let tooLarge = try #require(driver.announce(3, items: 13).errors.first)
            #expect(tooLarge.code == .invalidArgument && tooLarge.message.contains("100"))
            #expect(driver.announce(4, items: 2).accepted.count == 1)
        },
        Case("above the number of items: never, naming the limit") {
            var driver = D.serving { $0.maximumItems = 10 }
            let error = try #require(driver.announce(1, items: 11).errors.first)
            #expect(error.code == .invalidArgument && error.message.contains("limit of 10"))
        },
        Case("while draining: unavailable with a hint, and what is outstanding ends first") {
            var driver = D.serving()
            let work = driver.submit(1).dispatched
            #expect(!driver.step(.drain).contains(.drained))
            #expect(driver.announce(2).errors.map(\.code) == [.unavailable])
            let replied = driver.finish(work[0])
            #expect(replied.replies == [1] && !replied.contains(.drained))
            #expect(driver.step(.replySent(RequestID(1))).contains(.drained))
        },
        Case("an idle coordinator drains at once") {
            var driver = D.serving()
            #expect(driver.step(.drain).contains(.drained))
        },
    ]

    static let dispatchingCases: [Case] = [
        Case("a request is cut into micro-batches of the plan's size; the route names each stage's node and partition") {
            var driver = D.serving()
            let out = driver.submit(1, items: 5)
            #expect(out.ranges == [0..<2, 2..<4, 4..<5])
            #expect(out.dispatched.map(\.items) == [2, 2, 1])
            let route = [Hop(node: "a", partition: D.partition(0)), Hop(node: "b", partition: D.partition(1))]
            #expect(out.dispatched.allSatisfy { $0.route == route })
            #expect(Set(out.dispatched.map(\.key)).count == 3)
        },
        Case("where items depend on each other a request stays whole") {
            var driver = D.serving(model: D.model(splittable: false))
            #expect(driver.submit(1, items: 5).ranges == [0..<5])
        },
        Case("nothing is sent before the payload is there, nor before a plan serves") {
            var driver = D.serving()
            #expect(driver.announce(1).dispatched.isEmpty)
            driver = CoordinatorDriver()
            driver.step(.modelReady(D.model()))
            #expect(driver.submit(1).dispatched.isEmpty)
            driver.join("a")
            driver.join("b")
            #expect(driver.deploy([["a"], ["b"]]).dispatched.count == 1)
        },
        Case("the window bounds what is under way") {
            var driver = D.serving()
            // Two executors, two stages: 2 × 2 + 2.
            let sent = driver.submit(1, items: 40).dispatched
            #expect(sent.count == 6 && driver.machine.flightCount == 6)
            #expect(driver.finish(sent[0]).dispatched.count == 1)
        },
        Case("slots bound what one node has") {
            var driver = D.serving(slots: 2)
            let sent = driver.submit(1, items: 40).dispatched
            #expect(sent.count == 2)
            #expect(driver.finish(sent[1]).dispatched.count == 1)
        },
        Case("bytes bound what one node has") {
            var driver = D.serving(slotBytes: 20)
            #expect(driver.submit(1, items: 40).dispatched.count == 2)
        },
        Case("a micro-batch that no node could ever hold fails its request, without a hint to try again") {
            var driver = D.serving(model: D.model(splittable: false), slotBytes: 20)
            let error = try #require(driver.submit(1, items: 6).errors.first)
            #expect(error.code == .resourceExhausted && error.retryAfterMilliseconds == 0 && error.message.contains("24 bytes"))
            #expect(driver.machine.requestCount == 0)
        },
        Case("clients take turns, however many requests one of them has") {
            var driver = D.serving(slots: 1)
            let first = driver.submit(1, items: 2).dispatched
            for number in 2...5 as ClosedRange<UInt64> { driver.submit(number, items: 2) }
            driver.submit(9, items: 2, from: ConnectionID(1_001))
            // The sixth that was admitted is the other client's.
            #expect(drain(&driver, from: first) == [1, 2, 6, 3, 4, 5])
        },
        Case("the requests of one client take turns, however large one of them is") {
            var driver = D.serving(slots: 1)
            let first = driver.submit(1, items: 8).dispatched
            driver.submit(2, items: 4)
            driver.submit(3, items: 2)
            #expect(drain(&driver, from: first) == [1, 1, 2, 3, 1, 2, 1])
        },
        Case("the least loaded replica is taken, the first by name among equals") {
            var driver = D.serving([["a", "b"]])
            let sent = driver.submit(1, items: 6).dispatched
            #expect(sent.map { $0.route[0].node } == ["a", "b", "a"])
            driver.finish(sent[1])
            #expect(driver.submit(2, items: 2).dispatched.map { $0.route[0].node } == ["b"])
        },
        Case("a large micro-batch at the head is not passed by small ones") {
            var driver = D.serving(model: D.model(splittable: false), slotBytes: 40)
            let first = driver.submit(1, items: 8).dispatched
            #expect(driver.submit(2, items: 9).dispatched.isEmpty)
            #expect(driver.submit(3, items: 1, from: ConnectionID(1_001)).dispatched.isEmpty)
            #expect(driver.finish(first[0]).dispatched.map(\.items) == [9, 1])
        },
        Case("requests that were cancelled while they waited leave nothing in the rotation") {
            var driver = CoordinatorDriver()
            driver.step(.modelReady(D.model()))
            for number in 1...5_000 as ClosedRange<UInt64> {
                driver.submit(number)
                driver.step(.received(D.client, .cancelRequest(CancelRequest(id: number))))
            }
            #expect(driver.machine.turnCount <= 1_100)
            driver.submit(6_000)
            driver.join("a")
            driver.join("b")
            #expect(driver.deploy([["a"], ["b"]]).dispatched.map(\.key.request) == [5_001])
        },
    ]

    /// Finishes one micro-batch after the other; which requests they belonged to, in the order of their admission.
    private static func drain(_ driver: inout CoordinatorDriver, from first: [Work]) -> [UInt64] {
        var order: [UInt64] = []
        var underWay = first
        while let work = underWay.first {
            underWay.removeFirst()
            order.append(work.key.request)
            underWay += driver.finish(work).dispatched
        }
        return order
    }

    static let endingsCases: [Case] = [
        Case("the reply goes out once, when the last piece is in, and everything is let go of when it is sent") {
            var driver = D.serving()
            let sent = driver.submit(1, items: 5).dispatched
            #expect(driver.finish(sent[2]).replies.isEmpty)
            #expect(driver.finish(sent[0]).replies.isEmpty)
            #expect(driver.finish(sent[1]).replies == [1])
            #expect(driver.finish(sent[1]).contains(.dropResult(sent[1].key)))
            #expect(driver.machine.heldByteCount > 0)
            #expect(driver.step(.replySent(RequestID(1))).forgotten == [RequestID(1)])
            #expect(driver.machine.requestCount == 0 && driver.machine.heldByteCount == 0 && driver.machine.flightCount == 0)
            #expect(driver.machine.counters.requestsCompleted == 1)
        },
        Case("its timing tells the wait for the inputs from the wait for a dispatch") {
            var driver = D.serving()
            let id = try #require(driver.announce(1).accepted.first)
            driver.wait(.milliseconds(300))
            let sent = driver.step(.requestArrived(id)).dispatched
            driver.wait(.milliseconds(200))
            let replies = driver.finish(sent[0]).compactMap { if case .reply(_, _, _, let timing) = $0 { timing } else { nil } }
            #expect(replies == [RequestTiming(queue: 300_000_000, total: 500_000_000, replays: 0, receive: 300_000_000)])
        },
        Case("a result of an unknown micro-batch is dropped") {
            var driver = D.serving()
            let key = WorkKey(session: SessionID(bits: 5), client: 1, request: 1, microBatch: 0, attempt: 1)
            let last = driver.data["b"] ?? ConnectionID(0)
            #expect(driver.step(.resultAnnounced(last, WorkResult(key: key, tensors: [], trace: []))) == [.dropResult(key)])
            #expect(driver.step(.resultArrived(last, key, [])) == [.dropResult(key)])
        },
        Case("a micro-batch that fails ends its request alone, the others of it are cancelled at the hops") {
            var driver = D.serving()
            let sent = driver.submit(1, items: 4).dispatched
            let other = driver.submit(2).dispatched
            let failed = WorkFailed(key: sent[0].key, node: "b", code: .invalidArgument, message: "bad input")
            let out = driver.says("b", .workFailed(failed))
            #expect(out.errors.map(\.code) == [.invalidArgument] && out.errors[0].message.contains("bad input"))
            #expect(out.errors[0].id == 1 && out.forgotten == [RequestID(1)])
            #expect(Set(out.cancels) == [driver.control["a"]!, driver.control["b"]!])
            #expect(driver.finish(other[0]).replies == [2])
        },
        Case("a request whose bytes cannot be read is refused") {
            var driver = D.serving()
            let id = driver.announce(1).accepted[0]
            let out = driver.step(.requestBroken(id, "cannot be decoded"))
            #expect(out.errors.map(\.code) == [.invalidArgument] && out.forgotten == [id])
        },
        Case("a micro-batch that the wire cannot carry fails its request, without a hint") {
            var driver = D.serving()
            let sent = driver.submit(1).dispatched
            let out = driver.step(.dispatchFailed(sent[0].key, "too large"))
            #expect(out.errors.map(\.retryAfterMilliseconds) == [0] && driver.machine.flightCount == 0)
        },
        Case("the client's cancellation before anything is sent") {
            var driver = CoordinatorDriver()
            driver.step(.modelReady(D.model()))
            driver.submit(1)
            let out = driver.step(.received(D.client, .cancelRequest(CancelRequest(id: 1))))
            #expect(out.errors.isEmpty && out.forgotten == [RequestID(1)] && driver.machine.requestCount == 0)
        },
        Case("the client's cancellation of what is under way reaches every hop; the reservation waits for a hop's word") {
            var driver = D.serving()
            let sent = driver.submit(1).dispatched
            let out = driver.step(.received(D.client, .cancelRequest(CancelRequest(id: 1))))
            #expect(out.errors.isEmpty && out.forgotten == [RequestID(1)])
            #expect(Set(out.cancels) == [driver.control["a"]!, driver.control["b"]!])
            #expect(out.contains(.abandonDispatch(sent[0].key, driver.data["a"]!)))
            #expect(!driver.machine.wants(sent[0].key) && driver.machine.flightCount == 1)
            #expect(driver.says("a", .workDropped(WorkDropped(key: sent[0].key, node: "a"))).dispatched.isEmpty)
            #expect(driver.machine.flightCount == 0)
        },
        Case("an abandoned micro-batch whose result still comes frees its reservation and is dropped") {
            var driver = D.serving()
            let sent = driver.submit(1).dispatched
            driver.step(.received(D.client, .cancelRequest(CancelRequest(id: 1))))
            #expect(driver.finish(sent[0]) == [.dropResult(sent[0].key)])
            #expect(driver.machine.flightCount == 0)
        },
        Case("word of an abandoned micro-batch that never comes is not waited for forever") {
            var driver = D.serving()
            driver.submit(1)
            driver.step(.received(D.client, .cancelRequest(CancelRequest(id: 1))))
            driver.wait(.seconds(6))
            #expect(driver.machine.flightCount == 0)
        },
        Case("abandoned micro-batches do not take the window from others") {
            var driver = D.serving()
            driver.submit(1, items: 40)
            driver.step(.received(D.client, .cancelRequest(CancelRequest(id: 1))))
            #expect(driver.machine.flightCount == 6)
            #expect(driver.submit(2, items: 40).dispatched.count == 6)
        },
        Case("a client that leaves has all of its requests dropped, and only its own") {
            var driver = D.serving()
            driver.submit(1)
            driver.submit(2)
            let other = driver.submit(3, from: ConnectionID(1_001)).dispatched
            let out = driver.step(.connectionClosed(D.client, cause: "left"))
            #expect(out.forgotten == [RequestID(1), RequestID(2)] && out.errors.isEmpty)
            #expect(driver.finish(other[0]).replies == [3])
            #expect(driver.machine.counters.requestsCancelled == 2)
        },
        Case("a client that leaves while its reply goes out: let go of when the shell says so") {
            var driver = D.serving()
            let sent = driver.submit(1).dispatched
            driver.finish(sent[0])
            #expect(driver.step(.connectionClosed(D.client, cause: "left")).forgotten.isEmpty)
            #expect(driver.step(.replySent(RequestID(1))).forgotten == [RequestID(1)])
        },
        Case("a client that does not read its reply is disconnected, half a minute after the deadline") {
            var driver = D.serving()
            let sent = driver.submit(1, deadline: 1_000).dispatched
            driver.finish(sent[0])
            #expect(driver.wait(.seconds(30)).closes.isEmpty)
            #expect(driver.wait(.seconds(2)).closes == [D.client])
        },
        Case("the deadline: the request's own bytes are missing") {
            var driver = D.serving()
            _ = driver.announce(1, deadline: 500)
            let error = try #require(driver.wait(.seconds(1)).errors.first)
            #expect(error.code == .deadlineExceeded && error.message.contains("own bytes"))
        },
        Case("the deadline: no plan serves, naming who is missing and why") {
            var driver = CoordinatorDriver()
            driver.step(.modelReady(D.model()))
            driver.join("a")
            driver.step(.dialFailed("b", .init(channel: .control, message: "refused at b:9000")))
            driver.submit(1, deadline: 500)
            let error = try #require(driver.wait(.seconds(1)).errors.first)
            #expect(error.message.contains("no plan serves") && error.message.contains("b: refused at b:9000"), "\(error.message)")
        },
        Case("the deadline: no plan fits, with the planner's reason") {
            var driver = CoordinatorDriver()
            driver.step(.modelReady(D.model()))
            driver.join("a")
            driver.join("b")
            driver.step(.planned(driver.lastOrder!.generation, .failure("a lacks 5 MiB")))
            driver.submit(1, deadline: 500)
            #expect(driver.wait(.seconds(1)).errors.first?.message.contains("a lacks 5 MiB") == true)
        },
        Case("the deadline: some micro-batches were done, with the last setback") {
            var driver = D.serving()
            let sent = driver.submit(1, items: 4, deadline: 500).dispatched
            driver.finish(sent[0])
            _ = driver.says(
                "a", .workRejected(WorkRejected(key: sent[1].key, node: "a", code: .resourceExhausted, message: "a is full")))
            let error = try #require(driver.wait(.seconds(1)).errors.first)
            #expect(error.message.contains("1 of 2") && error.message.contains("a is full"))
        },
        Case("no deadline means the default, and none is longer than the longest") {
            for (asked, limit) in [(UInt32(0), Duration.seconds(60)), (UInt32.max, .seconds(3_600)), (250, .milliseconds(250))] {
                var driver = CoordinatorDriver()
                driver.step(.modelReady(D.model()))
                driver.submit(1, deadline: asked)
                driver.now += limit - .milliseconds(1)
                #expect(driver.step(.tick).errors.isEmpty)
                driver.now += .milliseconds(1)
                #expect(driver.step(.tick).errors.count == 1)
            }
        },
    ]
}
