import AMP4ECClient
import Cluster
import Glibc
import Tensors
import Testing
import Wire

/// Runs that take long, and runs that do not end.
@Suite("Slow runs")
struct SlowRunTests {
    /// Rounds that take about so many seconds on this machine: the time for a few, times the rest.
    static func rounds(for seconds: Double, _ client: AMP4ECClient, _ manifest: ModelManifest) async throws -> Int64 {
        let sample: Int64 = 20_000
        let inputs = try ConcurrencyTests.slowInputs(manifest, rounds: sample)
        var nanoseconds: [UInt64] = []
        for _ in 0..<3 { nanoseconds.append(try await client.infer(inputs).timing.total) }
        return Int64(Double(sample) * seconds * 1e9 / Double(max(1, nanoseconds.min() ?? 1)))
    }

    @Test("a healthy request of many times the length of those before it is answered once, and nobody is suspected")
    func slow() async throws {
        try await withCluster("slow", workers: 2, coordinatorOptions: ["--optimize", "O0"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            // Over the five seconds after which an executor that does nothing counts as stalled. The measure was taken beside
            // other tests: where the machine has become faster since, a longer request follows.
            var rounds = try await Self.rounds(for: 8, client, manifest)
            var taken: Int64 = 0
            for _ in 0..<3 where taken < 5_500_000_000 {
                let reply = try await client.infer(try ConcurrencyTests.slowInputs(manifest, rounds: rounds))
                #expect(reply.timing.replays == 0, "\(reply.timing)")
                taken = Int64(reply.timing.total)
                rounds *= 2
            }
            #expect(taken >= 5_500_000_000, "no request took long enough to show anything")
            let counters = try await cluster.cleanStatus().counters
            #expect(counters.microBatchesReplayed == 0 && counters.nodesLost == 0)
            #expect(!cluster.coordinator.text(.stderr).contains("suspect"), "\(cluster.coordinator.report)")
        }
    }

    @Test(
        "a run that goes on ten seconds after its deadline is written off: its worker starts again, as the same process, and serves"
    )
    func written() async throws {
        try await withCluster("slow", workers: 2, coordinatorOptions: ["--optimize", "O0"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            let rounds = try await Self.rounds(for: 60, client, manifest)
            let endless = try ConcurrencyTests.slowInputs(manifest, rounds: rounds)
            let error = await #expect(throws: ClientError.self) { try await client.infer(endless, deadline: .seconds(1)) }
            #expect(error?.code == .deadlineExceeded)
            try await eventually("a worker starts again", within: .seconds(30), about: { cluster.report }) {
                cluster.workers.contains { $0.text(.stderr).contains("starting anew: a run does not end") }
            }
            let index = try #require(cluster.workers.firstIndex { $0.text(.stderr).contains("starting anew") })
            let worker = cluster.workers[index]
            #expect(worker.text(.stderr).contains("a run is written off"))
            try await eventually("it listens again", about: { worker.report }) {
                worker.text(.stdout).split(separator: "\n").count { $0 == "listening on \(cluster.workerAddresses[index])" } == 2
            }
            #expect(worker.isRunning)
            try await cluster.status("both serve again") { status in
                status.state == "serving" && status.nodes.allSatisfy { $0.state == "ready" } && status.nodes.count == 2
            }
            // It left in order: what others have there is not blamed on it.
            let status = try await cluster.cleanStatus()
            #expect(status.counters.nodesLost == 0)
            _ = try await client.infer(try ConcurrencyTests.slowInputs(manifest, rounds: 100))
            // Nothing of the run goes on in the new process.
            try await eventually("it rests", within: .seconds(10)) {
                let nodes = try await client.status().nodes
                return nodes.allSatisfy { $0.cpu.processCores < 0.2 }
            }
        }
    }
}
