import Base
import Cluster
import Planning
import Tensors
import Testing
import Wire

/// Micro-batches that are late, and nodes that are not to blame.
@Suite struct CoordinatorMissingHonestTests {
    @Test(arguments: cases) func honest(_ row: Case) throws { try row.run() }

    typealias S = MissingScene

    /// Nobody is blamed for so long.
    private static func quiet(_ scene: inout MissingScene, _ duration: Duration = .seconds(50)) {
        scene.wait(duration)
        #expect(scene.blamed.isEmpty && scene.replayed == 0 && !scene.asked.isEmpty)
    }

    static let cases: [Case] = [
        Case("a worker from before the question says nothing of it") {
            var scene = S([["a"], ["b"]]) { _, _, _ in nil }
            scene.submit()
            quiet(&scene)
        },
        Case("a worker from before the question, behind one that has passed it on") {
            var scene = S([["a"], ["b"]]) { node, question, _ in node == "a" ? S.passed(question) : nil }
            scene.submit()
            quiet(&scene)
        },
        Case("a worker that does not say where it is") {
            var scene = S([["a"], ["b"]]) { _, question, _ in WorkPlace(key: question.key, state: .unknown, receivedBytes: 1 << 40)
            }
            scene.submit()
            quiet(&scene)
        },
        Case("a slow link from here: bytes come, fewer than were written") {
            var scene = S([["a"], ["b"]]) { _, question, now in
                S.absent(question, received: UInt64(now.nanoseconds / 1_000_000_000))
            }
            scene.submit()
            quiet(&scene)
        },
        Case("a slow link between two workers") {
            var scene = S([["a"], ["b"]]) { node, question, now in
                node == "a" ? S.passed(question) : S.absent(question, received: UInt64(now.nanoseconds / 1_000_000_000))
            }
            scene.submit()
            quiet(&scene)
        },
        Case("what lies in kernels, while nothing comes, for less than TCP needs to give up") {
            var scene = S([["a"], ["b"]]) { node, question, now in
                node == "a" ? S.passed(question) : S.absent(question, received: UInt64(now.nanoseconds / 9_000_000_000))
            }
            scene.submit()
            quiet(&scene)
        },
        Case("it holds the micro-batch and runs something: its progress is what counts") {
            var scene = S([["a"], ["b"]]) { _, question, _ in S.held(question) }
            scene.executing = 1
            scene.submit()
            // Until the stall is seen, which takes 30 s at the first run.
            quiet(&scene, .seconds(25))
        },
        Case("it holds the micro-batch, has nothing to run, and is sending") {
            var scene = S([["a"], ["b"]]) { _, question, now in S.held(question, sent: UInt64(now.nanoseconds / 1_000_000_000)) }
            scene.submit()
            quiet(&scene)
        },
        Case("the one before does not remember it, the next one holds it") {
            var scene = S([["a"], ["b"]]) { node, question, now in
                node == "a" ? S.absent(question) : S.held(question, sent: UInt64(now.nanoseconds / 1_000_000_000))
            }
            scene.submit()
            scene.wait(.milliseconds(100))
            quiet(&scene)
        },
        Case("it may have passed on what it does not remember any more") {
            var scene = S([["a"], ["b"]]) { _, question, _ in S.absent(question, remembered: 3_000) }
            scene.submit()
            quiet(&scene)
        },
        Case("results of others come on its connection, fewer bytes than it had written") {
            var scene = S([["a"], ["b"]]) { _, question, _ in S.passed(question, sent: 1_000_000) }
            scene.receivedBytes = { UInt64($0.nanoseconds / 1_000_000_000) }
            scene.submit()
            quiet(&scene)
        },
        Case("its result is here, and is being decoded") {
            var scene = S([["a"]]) { _, question, _ in S.passed(question, sent: 1) }
            let work = scene.submit().leading
            let tensor = TensorHeader(dtype: .float32, shape: [2], encoding: .raw, wireByteCount: 8)
            scene.driver.step(.resultAnnounced(scene.driver.lastHop(work), WorkResult(key: work.key, tensors: [tensor], trace: [])))
            scene.driver.step(.resultComplete(scene.driver.lastHop(work), work.key))
            scene.wait(.seconds(50))
            #expect(scene.blamed.isEmpty && scene.replayed == 0)
        },
        Case("it waits here, and was never written out") {
            var scene = S([["a"]]) { _, question, _ in S.absent(question) }
            scene.driver.submit(1, deadline: 3_600_000)
            scene.wait(.seconds(50))
            #expect(scene.blamed.isEmpty && scene.replayed == 0 && scene.asked.isEmpty)
        },
        Case("answers with gaps: of the time between nothing is known") {
            var scene = S([["a"]]) { _, question, _ in S.absent(question) }
            scene.answersEach = 4
            scene.submit()
            quiet(&scene)
        },
        Case("this process's own pause is nobody's fault") {
            var scene = S([["a"]]) { _, question, _ in S.absent(question, received: 0) }
            scene.submit()
            for _ in 0..<4 {
                scene.wait(.seconds(8))
                scene.driver.now += .seconds(30)
                scene.driver.step(.tick)
            }
            #expect(scene.blamed.isEmpty && scene.replayed == 0 && !scene.asked.isEmpty)
            scene.wait(.seconds(16))
            #expect(scene.blamed == ["a"])
        },
        Case("one answer, however bad, says nothing") {
            var scene = S([["a"]]) { _, question, _ in S.absent(question) }
            scene.submit()
            scene.wait(.milliseconds(5_500))
            scene.places = { _, question, now in S.held(question, sent: UInt64(now.nanoseconds / 1_000_000_000)) }
            quiet(&scene)
        },
        Case("somebody off the route says that it is not there") {
            var scene = S([["a", "b"]]) { _, _, _ in nil }
            let work = scene.submit().leading
            let other: NodeID = work.route[0].node == "a" ? "b" : "a"
            for _ in 0..<60 {
                scene.wait(.milliseconds(500))
                let place = WorkPlace(key: work.key, state: .absent, receivedBytes: 1 << 40, rememberedMilliseconds: .max)
                scene.driver.step(.placed(scene.driver.control[other]!, [place], receivedBytes: 1 << 40))
            }
            #expect(scene.blamed.isEmpty && scene.replayed == 0)
        },
    ]
}
