import Base
import Cluster
import Planning
import Tensors
import Testing
import Wire

/// Workers that take micro-batches and say that they have nothing to do.
@Suite struct CoordinatorMissingTests {
    @Test(arguments: cases) func missing(_ row: Case) throws { try row.run() }

    typealias S = MissingScene

    private static let hole: S.Places = { _, question, _ in S.absent(question) }

    static let cases: [Case] = [
        Case("its bytes have come and it has not: it runs elsewhere, and plans leave the node out for a while") {
            var scene = S([["a", "b"]], hole)
            let work = scene.submit().leading
            let (node, other): (NodeID, NodeID) = work.route[0].node == "a" ? ("a", "b") : ("b", "a")
            #expect(scene.wait(.milliseconds(5_500)).dispatched.isEmpty)
            let out = scene.wait(.seconds(3))
            #expect(scene.blamed == [node] && scene.replayed == 1)
            // The plan that serves gives it no more, the next is made without it.
            #expect(out.dispatched.map { $0.route[0].node } == [other])
            #expect(out.orders.first.map { $0.nodes.map(\.id) } == [other])
            #expect(scene.driver.machine.state(of: node) == .ready)
            out.dispatched.forEach { scene.driver.finish($0) }
            #expect(scene.submit(2, items: 8).allSatisfy { $0.route[0].node == other })
            scene.places = { _, _, _ in nil }
            scene.driver.deploy([[other.name]])
            #expect(scene.wait(.seconds(26)).orders.isEmpty)
            #expect(scene.wait(.seconds(5)).orders.contains { $0.nodes.count == 2 })
        },
        Case("it is judged while it works for others") {
            var scene = S([["a"], ["b"]]) { node, question, _ in question.key.request == 1 ? S.absent(question) : S.held(question) }
            scene.submit(1)
            scene.executing = 1
            for number in 2...9 as ClosedRange<UInt64> {
                for work in scene.submit(number) { scene.driver.finish(work) }
                scene.wait(.seconds(1))
            }
            #expect(scene.blamed == ["a"])
        },
        Case("nothing comes from another node, and nothing moves: after ten seconds the link is out, and nobody is blamed") {
            var scene = S([["a"], ["b"]]) { node, question, _ in node == "a" ? S.passed(question) : S.absent(question, received: 7)
            }
            scene.submit()
            scene.wait(.seconds(13))
            #expect(!scene.driver.logs.contains { $0.message == "a link is out" })
            let out = scene.wait(.seconds(4))
            let line = scene.driver.logs.first { $0.message == "a link is out" }
            #expect(line?.metadata["from"] == "a" && line?.metadata["to"] == "b")
            #expect(scene.blamed.isEmpty && scene.replayed == 1 && !out.orders.isEmpty)
        },
        Case("nothing comes from here, and nothing moves: ten seconds") {
            var scene = S([["a", "b"]]) { _, question, _ in S.absent(question, received: 7) }
            let node = scene.submit().leading.route[0].node
            scene.wait(.seconds(13))
            #expect(scene.blamed.isEmpty)
            scene.wait(.seconds(4))
            #expect(scene.blamed == [node])
        },
        Case("the receiver is blamed first; who accuses a second one is blamed itself, and neither is acquitted") {
            var scene = S([["a"], ["b", "c"]]) { node, question, _ in node == "a" ? S.passed(question) : S.absent(question) }
            let first = scene.submit().leading.route[1].node
            let out = scene.wait(.seconds(8))
            #expect(scene.blamed == [first] && out.dispatched.count == 1)
            let second = out.dispatched.leading.route[1].node
            #expect(second != first)
            scene.driver.deploy([["a"], [second.name]])
            let later = scene.wait(.seconds(8))
            #expect(scene.blamed == [first, "a"])
            #expect(later.orders.last.map { $0.nodes.map(\.id) } == [second])
        },
        Case("who has gone since speaks against nobody: the next receiver is blamed, not who passed it on") {
            var scene = S([["a"], ["b", "c"]]) { node, question, _ in node == "a" ? S.passed(question) : S.absent(question) }
            let first = scene.submit().leading.route[1].node
            let out = scene.wait(.seconds(8))
            #expect(scene.blamed == [first] && out.dispatched.count == 1)
            let second = out.dispatched.leading.route[1].node
            scene.driver.close(first)
            scene.driver.deploy([["a"], [second.name]])
            scene.wait(.seconds(8))
            #expect(scene.blamed == [first, second])
        },
        Case("it has sent the result, which does not come") {
            var scene = S([["a"], ["b"]]) { _, question, _ in S.passed(question) }
            scene.receivedBytes = { 2_000 + UInt64($0.nanoseconds / 1_000_000_000) }
            scene.submit()
            scene.wait(.seconds(8))
            #expect(scene.blamed == ["b"])
        },
        Case("who says that it has passed it on and has sent nothing has not") {
            var scene = S([["a"], ["b"]]) { node, question, _ in node == "a" ? S.passed(question, sent: 0) : nil }
            scene.submit()
            scene.wait(.seconds(8))
            #expect(scene.blamed == ["a"])
        },
        Case("a result that is announced and does not come") {
            for state in [WorkPlace.State.passedOn, .absent] {
                var scene = S([["a"], ["b"]]) { _, question, _ in
                    WorkPlace(key: question.key, state: state, sentBytes: 9_000, rememberedMilliseconds: .max)
                }
                let work = scene.submit().leading
                let tensor = TensorHeader(dtype: .float32, shape: [2], encoding: .raw, wireByteCount: 8)
                scene.driver.step(
                    .resultAnnounced(scene.driver.lastHop(work), WorkResult(key: work.key, tensors: [tensor], trace: [])))
                scene.wait(.seconds(16))
                #expect(scene.blamed == ["b"], "\(state)")
            }
        },
        Case("it says that it has it, has nothing to run, and sends nothing: half a minute") {
            var scene = S([["a"], ["b"]]) { _, question, _ in S.held(question) }
            scene.submit()
            scene.wait(.seconds(33))
            #expect(scene.blamed.isEmpty)
            scene.wait(.seconds(4))
            #expect(scene.blamed.count == 1)
        },
        Case("a node that is being drained is judged too, and a drain does not wait for it") {
            var scene = S([["a", "b"]], hole)
            let node = scene.submit().leading.route[0].node
            scene.driver.says(node, .leaving(Leaving(message: "told to")))
            scene.wait(.seconds(8))
            #expect(scene.blamed == [node] && scene.replayed == 1)
        },
        Case("a plan that is being made or loaded does not bring it back") {
            var scene = S([["a", "b"]], hole)
            let node = scene.submit().leading.route[0].node
            let other = node == "a" ? "b" : "a"
            scene.wait(.seconds(2))
            scene.driver.step(.targets(CoordinatorDriver.targets(["a", "b", "d"])))
            scene.driver.join("d")
            let making = scene.wait(.seconds(1)).orders.last
            scene.wait(.seconds(5))
            #expect(scene.blamed == [node] && making != nil)
            // Made before, it is not deployed; another one is ordered, without the node.
            let stale = scene.driver.step(
                .planned(making?.generation ?? 0, .plan(CoordinatorDriver.deployment([["a", "b", "d"]], microBatch: 2))))
            #expect(stale.loads.isEmpty)
            #expect(stale.orders.last.map { $0.nodes.map(\.id.name) } == [other, "d"].sorted())
        },
        Case("where nobody else is left it is sent there again, until its attempts are used up") {
            var scene = S([["a"]], hole)
            scene.submit()
            var errors: [InferError] = []
            for _ in 0..<300 where errors.isEmpty {
                let out = scene.wait(.seconds(1))
                errors += out.errors
                if let order = out.orders.last {
                    #expect(order.nodes.map(\.id) == ["a"])
                    let answer = scene.driver.deploy([["a"]])
                    for work in answer.dispatched { scene.driver.step(.dispatched(work.key, sentBytes: 1_000)) }
                }
            }
            #expect(scene.replayed > 3)
            #expect(errors.map(\.code) == [.unavailable])
        },
        Case("a new process of it is another one") {
            var scene = S([["a", "b"]], hole)
            let node = scene.submit().leading.route[0].node
            scene.wait(.seconds(8))
            #expect(scene.blamed == [node])
            scene.places = { _, _, _ in nil }
            scene.driver.deploy([[node == "a" ? "b" : "a"]])
            scene.driver.close(node)
            scene.driver.deploy([[node == "a" ? "b" : "a"]])
            scene.driver.join(node.name, incarnation: 4_711)
            #expect(scene.wait(.seconds(2)).orders.contains { $0.nodes.count == 2 })
        },
    ]
}
