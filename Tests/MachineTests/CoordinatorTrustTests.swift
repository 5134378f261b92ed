import Base
import Cluster
import Planning
import Tensors
import Testing
import Wire

/// Peers that lie: results that are not what the model declares, word from off the route, reservations for bytes that do not come.
@Suite struct CoordinatorTrustTests {
    @Test(arguments: resultCases) func results(_ row: Case) throws { try row.run() }
    @Test(arguments: wordCases) func words(_ row: Case) throws { try row.run() }
    @Test(arguments: uploadCases) func uploads(_ row: Case) throws { try row.run() }

    typealias D = CoordinatorDriver

    static func tensor(_ shape: [Int], _ dtype: DType = .float32) -> TensorHeader {
        let bytes = shape.reduce(dtype.byteWidth, *)
        return TensorHeader(dtype: dtype, shape: shape, encoding: .raw, wireByteCount: bytes)
    }

    @discardableResult
    static func announce(_ driver: inout D, _ work: Work, _ tensors: [TensorHeader], on connection: ConnectionID? = nil)
        -> [CoordinatorMachine.Directive]
    {
        driver.step(
            .resultAnnounced(connection ?? driver.lastHop(work), WorkResult(key: work.key, tensors: tensors, trace: [])))
    }

    static let resultCases: [Case] = [
        Case("a result that is not what the model declares is refused before its payload, and its request fails alone") {
            let wrong: [(String, [TensorHeader])] = [
                ("no output", []), ("two outputs", [tensor([2]), tensor([2])]), ("another type", [tensor([2], .int64)]),
                ("another rank", [tensor([2, 1])]), ("a row too many", [tensor([3])]), ("a row too few", [tensor([1])]),
                ("no row", [tensor([0])]),
            ]
            for (name, tensors) in wrong {
                var driver = D.serving()
                let sent = driver.submit(1, items: 2).dispatched.leading
                let other = driver.submit(2, items: 2).dispatched.leading
                let out = announce(&driver, sent, tensors)
                #expect(!out.contains(.acceptResult(sent.key)), "\(name)")
                #expect(out.errors.map(\.code) == [.internalError] && out.errors.map(\.id) == [1], "\(name)")
                #expect(out.errors[0].message.contains("declared") && out.errors[0].message.contains("b"), "\(name)")
                #expect(driver.finish(other).replies == [2], "\(name)")
                #expect(driver.machine.heldByteCount == 16, "\(name)")
            }
        },
        Case("extents that a few runs showed bind nobody where requests travel whole; types do") {
            var model = D.model(splittable: false)
            model.outputs = [TensorSpec(name: "y", dtype: .float32, shape: [.fixed(7), .fixed(4)])]
            model.hasObservedExtents = true
            for (tensors, fits) in [([tensor([0, 4])], true), ([tensor([9, 4])], true), ([tensor([9, 4], .uint8)], false)] {
                var driver = D.serving(model: model)
                let sent = driver.submit(1, items: 2).dispatched.leading
                #expect(announce(&driver, sent, tensors).contains(.acceptResult(sent.key)) == fits)
            }
        },
        Case("nor where an input may have any length, but for the rows; what is declared binds") {
            var model = D.model()
            model.inputs = [TensorSpec(name: "x", dtype: .float32, shape: [.batch, .free("L")])]
            model.outputs = [TensorSpec(name: "y", dtype: .float32, shape: [.batch, .fixed(16)])]
            let input = TensorHeader(dtype: .float32, shape: [2, 3], encoding: .raw, wireByteCount: 24)
            for (isObserved, shape, fits) in [
                (true, [2, 3], true), (true, [1, 3], false), (true, [2], false), (false, [2, 3], false),
            ] {
                model.hasObservedExtents = isObserved
                var driver = D.serving(model: model)
                var out = driver.step(
                    .requestAnnounced(D.client, InferRequest(id: 1, deadlineMilliseconds: 0, names: [], tensors: [input])))
                for case .accept(let id, _, _) in out { out += driver.step(.requestArrived(id)) }
                let sent = out.dispatched.leading
                #expect(announce(&driver, sent, [tensor(shape)]).contains(.acceptResult(sent.key)) == fits, "\(shape)")
            }
        },
        Case("only the last hop's data connection delivers a result") {
            var driver = D.serving([["a"], ["b"]])
            let sent = driver.submit(1, items: 2).dispatched.leading
            for (node, connections) in [("a", driver.data), ("a", driver.control), ("b", driver.control)] {
                let connection = connections[NodeID(node)] ?? ConnectionID(0)
                #expect(announce(&driver, sent, [tensor([2])], on: connection) == [.dropResult(sent.key)], "\(node)")
                #expect(driver.step(.resultArrived(connection, sent.key, [])) == [.dropResult(sent.key)], "\(node)")
                #expect(driver.step(.resultBroken(connection, sent.key, "no")).isEmpty, "\(node)")
            }
            #expect(driver.finish(sent).replies == [1])
        },
        Case("word under a guessed key is about nothing: the attempt's token is the route's alone") {
            var driver = D.serving([["a"], ["b"]])
            let sent = driver.submit(1, items: 2).dispatched.leading
            let key = sent.key
            #expect(key.token != 0)
            let guessed = WorkKey(
                session: key.session, client: key.client, request: key.request, microBatch: key.microBatch, attempt: key.attempt)
            let last = driver.lastHop(sent)
            #expect(
                driver.step(.resultAnnounced(last, WorkResult(key: guessed, tensors: [tensor([2])], trace: []))) == [
                    .dropResult(guessed)
                ])
            for word in [
                Message.workFailed(WorkFailed(key: guessed, node: "b", code: .invalidArgument, message: "no")),
                .workRejected(WorkRejected(key: guessed, node: "b", code: .failedPrecondition, message: "no")),
                .workDropped(WorkDropped(key: guessed, node: "b")),
                .peerLost(PeerLost(from: "a", to: "b", message: "no", keys: [guessed])),
            ] {
                let out = driver.step(.received(driver.control[NodeID("b")] ?? ConnectionID(0), word))
                #expect(out.errors.isEmpty && out.dispatched.isEmpty, "\(word)")
            }
            #expect(driver.finish(sent).replies == [1])
        },
        Case("a result that was not announced is not taken") {
            var driver = D.serving()
            let sent = driver.submit(1, items: 2).dispatched.leading
            #expect(driver.step(.resultArrived(driver.lastHop(sent), sent.key, [])) == [.dropResult(sent.key)])
            #expect(driver.finish(sent).replies == [1])
        },
        Case("a second result of the same attempt is not read") {
            var driver = D.serving()
            let sent = driver.submit(1, items: 4).dispatched
            #expect(announce(&driver, sent[0], [tensor([2])]).contains(.acceptResult(sent[0].key)))
            #expect(announce(&driver, sent[0], [tensor([2])]) == [.dropResult(sent[0].key)])
            driver.step(.resultArrived(driver.lastHop(sent[0]), sent[0].key, []))
            #expect(announce(&driver, sent[0], [tensor([2])]) == [.dropResult(sent[0].key)])
            #expect(driver.finish(sent[1]).replies == [1])
        },
        Case("what a result takes beyond the plan's expectation is charged, and bounded by the budget") {
            var model = D.model(splittable: false)
            model.outputs = [TensorSpec(name: "y", dtype: .float32, shape: [.free("d0")])]
            var driver = D.serving(model: model) { $0.maximumRequestBytes = 1_000 }
            let sent = driver.submit(1, items: 2).dispatched.leading
            #expect(driver.machine.heldByteCount == 16)
            #expect(announce(&driver, sent, [tensor([100])]).contains(.acceptResult(sent.key)))
            #expect(driver.machine.heldByteCount == 8 + 400 && driver.machine.brokenInvariant == nil)
            let out = driver.step(.resultArrived(driver.lastHop(sent), sent.key, []))
            #expect(out.replies == [1])
            driver.step(.replySent(RequestID(1)))
            #expect(driver.machine.heldByteCount == 0)
            let large = driver.submit(2, items: 2).dispatched.leading
            #expect(announce(&driver, large, [tensor([1_000])]).errors.map(\.code) == [.resourceExhausted])
            #expect(driver.machine.heldByteCount == 0)
        },
    ]

    static let wordCases: [Case] = [
        Case("word about a micro-batch counts only from its route, and only on the control connection") {
            let words: [(WorkKey) -> Message] = [
                { .workDropped(WorkDropped(key: $0, node: "a")) },
                { .workRejected(WorkRejected(key: $0, node: "a", code: .resourceExhausted, message: "")) },
                { .workRejected(WorkRejected(key: $0, node: "a", code: .failedPrecondition, message: "")) },
                { .workFailed(WorkFailed(key: $0, node: "a", code: .invalidArgument, message: "")) },
                { .peerLost(PeerLost(from: "a", to: "b", message: "", keys: [$0])) },
            ]
            for word in words {
                var driver = D.serving([["a", "c"], ["b"]])
                let sent = driver.submit(1, items: 2).dispatched.leading
                let first = sent.route[0].node
                let stranger: NodeID = first == "a" ? "c" : "a"
                let before = driver.machine.flightCount
                let out = driver.says(stranger, word(sent.key))
                #expect(out.dispatched.isEmpty && out.errors.isEmpty && out.cancels.isEmpty, "\(word(sent.key))")
                let elsewhere = driver.step(.received(driver.data[first] ?? ConnectionID(0), word(sent.key)))
                #expect(elsewhere.isEmpty, "\(word(sent.key))")
                #expect(driver.machine.flightCount == before, "\(word(sent.key))")
                #expect(driver.finish(sent).replies == [1], "\(word(sent.key))")
            }
        },
        Case("a trace claims no more than its journey took, and nothing for nodes off the route") {
            var driver = D.serving([["a", "c"], ["b"]])
            let sent = driver.submit(1, items: 2).dispatched.leading
            driver.now += .milliseconds(10)
            driver.finish(sent, ["a", "b", "c"].map { HopTrace(node: NodeID($0), compute: 1 << 60) })
            let stranger: NodeID = sent.route[0].node == "a" ? "c" : "a"
            for node in driver.machine.status().nodes {
                #expect(node.timing.computeMs <= 10, "\(node.name)")
                if node.name == stranger { #expect(node.timing.computeMs == 0) }
            }
        },
        Case("a report about a partition that was never ordered changes nothing") {
            var driver = D.serving()
            let foreign = PartitionKey(
                modelDigest: String(repeating: "f", count: 64), firstLayer: 1, endLayer: 2, toolchain: "x", optimization: .o0)
            for state in [PartitionReport.State.ready, .failed, .evicted, .missing] {
                #expect(driver.report(driver.control["a"] ?? ConnectionID(0), foreign, state, "no").isEmpty)
            }
            #expect(driver.machine.status().nodes.allSatisfy { $0.partitions.count == 1 })
        },
    ]

    /// What an upload must keep up, in bytes a second.
    static let minimumRate = 8 << 10

    static func budgeted(_ bytes: Int) -> D { D.serving { $0.maximumRequestBytes = bytes } }

    static let uploadCases: [Case] = [
        Case("the payload of a request that ends while it is received is let go of") {
            let ends: [(String, (inout D) -> [CoordinatorMachine.Directive])] = [
                ("expiry", { $0.wait(.seconds(2)) }),
                ("cancel", { $0.step(.received(D.client, .cancelRequest(CancelRequest(id: 1)))) }),
                ("taken back", { $0.step(.requestGivenUp(RequestID(1))) }),
                ("broken", { $0.step(.requestBroken(RequestID(1), "no")) }),
            ]
            for (name, end) in ends {
                var driver = D.serving()
                _ = driver.announce(1, deadline: 1_000)
                let out = end(&driver)
                #expect(out.contains(.stopReceiving(RequestID(1), D.client)), "\(name)")
                #expect(out.forgotten == [RequestID(1)] && driver.machine.heldByteCount == 0, "\(name)")
                // The number is free again, and what still comes of the old message is nobody's.
                #expect(driver.step(.requestArrived(RequestID(1))).isEmpty, "\(name)")
                #expect(driver.submit(1).dispatched.count == 1, "\(name)")
                #expect(driver.machine.brokenInvariant == nil, "\(name)")
            }
        },
        Case("a message with a number that is outstanding leaves the outstanding request alone") {
            var driver = D.serving()
            let sent = driver.submit(1, items: 4).dispatched
            let out = driver.announce(1, items: 9)
            #expect(out.errors.map(\.code) == [.invalidArgument] && out.accepted.isEmpty)
            driver.finish(sent[0])
            #expect(driver.finish(sent[1]).replies == [1])
        },
        Case("one connection reserves no more than its share for bytes that have not come") {
            var driver = budgeted(8_000)
            #expect(driver.announce(1, items: 400).accepted.count == 1)
            let refused = try #require(driver.announce(2, items: 400).errors.first)
            #expect(refused.code == .resourceExhausted && refused.retryAfterMilliseconds > 0)
            driver.step(.requestArrived(RequestID(1)))
            #expect(driver.announce(2, items: 400).accepted.count == 1)
        },
        Case("nor by many small requests, each of which the bound on all of them lets pass") {
            var driver = budgeted(1 << 20)
            for number in 0..<32 { #expect(driver.announce(UInt64(number), items: 2_048).accepted.count == 1) }
            let refused = try #require(driver.announce(32, items: 2_048).errors.first)
            #expect(refused.code == .resourceExhausted && refused.message.contains("share"))
            #expect(driver.announce(1, items: 2_048, from: ConnectionID(2_000)).accepted.count == 1)
        },
        Case("headers alone leave room for small requests of others") {
            var driver = budgeted(1 << 20)
            var admitted = 0
            for number in 0..<8 {
                admitted +=
                    driver.announce(1, items: 16 << 10, from: ConnectionID(2_000 + UInt64(number)), deadline: 3_600_000).accepted
                    .count
            }
            #expect(admitted == 4 && driver.machine.heldByteCount <= (1 << 20) / 2)
            #expect(driver.submit(1, items: 1_000).dispatched.count > 0)
        },
        Case("a request may be as large as the budget, when nothing else is on its way") {
            var driver = budgeted(8_000)
            #expect(driver.announce(1, items: 1_000).accepted.count == 1)
        },
        Case("an upload that stands still gives way to a request without room, one that moves does not") {
            for moves in [true, false] {
                var driver = budgeted(8_000)
                _ = driver.announce(1, items: 1_000, deadline: 3_600_000)
                for second in 1...3 {
                    driver.wait(.seconds(1))
                    if moves { driver.step(.requestProgressed(RequestID(1), byteCount: second << 20)) }
                }
                let out = driver.announce(2, items: 10, from: ConnectionID(2_000))
                #expect(out.accepted.isEmpty == moves && out.errors.map(\.id) == [moves ? 2 : 1])
                #expect(out.errors.map(\.code) == [.resourceExhausted])
            }
        },
        Case("an upload below the minimum rate loses its place after a while, one above it does not") {
            for (rate, isKept) in [(minimumRate * 2, true), (minimumRate / 2, false)] {
                var driver = budgeted(1 << 30)
                _ = driver.announce(1, items: 60_000, deadline: 3_600_000)
                var out: [CoordinatorMachine.Directive] = []
                for second in 1...30 {
                    out += driver.wait(.seconds(1))
                    out += driver.step(.requestProgressed(RequestID(1), byteCount: second * rate))
                }
                #expect(out.errors.isEmpty == isKept)
                #expect(out.errors.allSatisfy { $0.code == .resourceExhausted && $0.retryAfterMilliseconds == 0 })
                #expect((driver.machine.heldByteCount == 0) != isKept)
            }
        },
        Case("time in which this process was stopped does not count against an upload") {
            var driver = budgeted(1 << 30)
            _ = driver.announce(1, items: 60_000, deadline: 3_600_000)
            driver.wait(.seconds(5))
            driver.now += .seconds(60)
            #expect(driver.step(.tick).errors.isEmpty)
            #expect(driver.wait(.seconds(6)).errors.map(\.code) == [.resourceExhausted])
        },
        Case("a connection with many requests leaves the last places to others") {
            var driver = D.serving { $0.maximumRequests = 128 }
            for number in 0..<96 { #expect(driver.submit(UInt64(number)).accepted.count == 1) }
            #expect(driver.announce(96).errors.map(\.code) == [.resourceExhausted])
            for number in 0..<2 { #expect(driver.submit(UInt64(number), from: ConnectionID(2_000)).accepted.count == 1) }
            #expect(driver.submit(3, from: ConnectionID(2_000)).errors.map(\.code) == [.resourceExhausted])
        },
    ]
}
