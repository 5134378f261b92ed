import AMP4ECClient
import Base
import Cluster
import Glibc
import Planning
import Synchronization
import Tensors
import Testing
import Wire

/// A worker dies under load and comes back.
@Suite("Losing a worker")
struct LossTests {
    static let requests = 240
    static let concurrency = 6

    /// What came of the requests so far.
    private final class Tally: Sendable {
        struct Counts: Sendable {
            var issued = 0
            var right = 0
            var wrong = 0
            var errors: [ClientError] = []
        }
        private let counts = Mutex(Counts())
        var now: Counts { counts.withLock { $0 } }
        func issue(limit: Int) -> Int? {
            counts.withLock { counts in
                guard counts.issued < limit else { return nil }
                counts.issued += 1
                return counts.issued - 1
            }
        }
        func reply(isRight: Bool) { counts.withLock { if isRight { $0.right += 1 } else { $0.wrong += 1 } } }
        func fail(_ error: ClientError) { counts.withLock { $0.errors.append(error) } }
    }

    @Test(
        "SIGKILL under load: every request is answered rightly, the others take over, and it is taken in again",
        arguments: ["w1", "w2", "w3"])
    func killed(victim: String) async throws {
        try await withCluster("cnn", coordinatorOptions: ["--optimize", "O0", "--micro-batch", "4"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            let inputs = try (0..<8).map { try TestInputs.make(manifest, items: 8, seed: UInt64($0 + 1)) }
            var expected: [[Tensor]] = []
            for input in inputs { expected.append(try await client.infer(input).outputs) }

            let index = try #require(cluster.workers.firstIndex { $0.name == victim })
            let right = expected
            let tally = Tally()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<Self.concurrency {
                    group.addTask {
                        while let number = tally.issue(limit: Self.requests) {
                            do throws(ClientError) {
                                let outputs = try await client.infer(inputs[number % 8]).outputs
                                tally.reply(isRight: Comparison.relativeError(outputs, right[number % 8]) == 0)
                            } catch {
                                tally.fail(error)
                            }
                        }
                    }
                }
                try await eventually("a third of the requests is answered") { tally.now.right >= Self.requests / 3 }
                await cluster.workers[index].killAndCollect()
                try await group.waitForAll()
            }
            let counts = tally.now
            // The micro-batches on the lost worker are replayed over the two others: nobody sees an error.
            #expect(counts.wrong == 0 && counts.errors.isEmpty, "\(counts)")
            #expect(counts.right == Self.requests)

            let after = try await cluster.status("two workers serve") { status in
                status.state == "serving" && status.plan?.stages.count == 2 && status.nodes.count { $0.state == "ready" } == 2
            }
            let lost = try #require(after.nodes.first { $0.name == NodeID(victim) })
            #expect(lost.state == "lost" && !lost.cause.isEmpty && lost.partitions.isEmpty)
            #expect(after.counters.nodesLost == 1 && after.counters.microBatchesReplayed > 0)
            try await cluster.cleanStatus()
            #expect(Comparison.relativeError(try await client.infer(inputs[0]).outputs, expected[0]) == 0)

            let port = TestCluster.port(cluster.workerAddresses[index])
            let again = try TestCluster.startWorker(victim, port: port, in: cluster.folder)
            try await cluster.status("three workers serve again") { status in
                status.state == "serving" && status.plan?.stages.count == 3 && status.nodes.allSatisfy { $0.state == "ready" }
            }
            #expect(Comparison.relativeError(try await client.infer(inputs[1]).outputs, expected[1]) == 0)
            try await cluster.cleanStatus()
            #expect(await again.terminate() == .exited(0), "\(again.report)")
        }
    }

    @Test("all workers gone: an error that names what is missing when the deadline passes, and a clean status")
    func allGone() async throws {
        try await withCluster("cnn", workers: 2) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let inputs = try TestInputs.make(try await client.model(), items: 2)
            _ = try await client.infer(inputs)
            for worker in cluster.workers { await worker.killAndCollect() }
            try await cluster.status("no worker is there") { $0.nodes.allSatisfy { $0.state == "lost" } }
            let error = await #expect(throws: ClientError.self) { try await client.infer(inputs, deadline: .seconds(2)) }
            #expect(error?.code == .deadlineExceeded)
            for part in ["no plan serves", "w1", "w2"] { #expect(error?.message.contains(part) == true, "\(error?.message ?? "")") }
            let status = try await cluster.cleanStatus()
            #expect(status.state == "waiting")
            let cause = status.cause ?? ""
            #expect(cause.contains("w1") && cause.contains("w2"), "\(cause)")
        }
    }
}
