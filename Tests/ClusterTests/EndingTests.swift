import AMP4ECClient
import Cluster
import Glibc
import Tensors
import Testing

/// SIGTERM lets work finish.
@Suite("Ending")
struct EndingTests {
    @Test("SIGTERM to the coordinator with requests outstanding: they are answered, then exit 0")
    func coordinator() async throws {
        try await withCluster("slow", workerOptions: ["--executors", "2"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let slow = try ConcurrencyTests.slowInputs(try await client.model())
            try await withThrowingTaskGroup(of: [Tensor].self) { group in
                for _ in 0..<4 { group.addTask { try await client.infer(slow).outputs } }
                try await cluster.status("four requests under way") { $0.requestsInFlight == 4 }
                cluster.coordinator.send(SIGTERM)
                var replies = 0
                for try await outputs in group {
                    #expect(outputs.map(\.shape) == [[1, 4]])
                    replies += 1
                }
                #expect(replies == 4)
            }
            #expect(try await cluster.coordinator.end() == .exited(0), "\(cluster.coordinator.report)")
            // A worker outlives its coordinator.
            for worker in cluster.workers { #expect(worker.isRunning) }
        }
    }

    @Test("a new coordinator takes over the workers of one that was killed, without their restart")
    func newCoordinator() async throws {
        try await withCluster("cnn") { cluster in
            await cluster.coordinator.killAndCollect()
            let second = try ProcessUnderTest(
                .coordinator,
                [
                    "--listen", "127.0.0.1:0", "--workers", cluster.workerAddresses.joined(separator: ","), "--model",
                    Places.testModel("cnn.pt"),
                ]
                    + TestCluster.anyLoad, name: "second", in: cluster.folder)
            let address = try await TestCluster.listeningAddress(second)
            _ = try await second.line("ready: 3 stages on 3 nodes", on: .stdout) { $0 == "ready: 3 stages on 3 nodes" }
            let client = try AMP4ECClient(coordinator: address, options: .ofTest())
            defer { client.close() }
            _ = try await client.infer(TestInputs.make(try await client.model(), items: 2))
            #expect(await second.terminate() == .exited(0), "\(second.report)")
        }
    }

    @Test("SIGTERM or SIGINT to an idle worker: exit 0", arguments: [SIGTERM, SIGINT])
    func worker(signal: Int32) async throws {
        let folder = try TemporaryFolder()
        let worker = try TestCluster.startWorker("idle", in: folder)
        _ = try await TestCluster.listeningAddress(worker)
        worker.send(signal)
        #expect(try await worker.end() == .exited(0), "\(worker.report)")
    }

    @Test("SIGTERM to a coordinator that still waits for its workers: exit 0")
    func waitingCoordinator() async throws {
        let folder = try TemporaryFolder()
        let port = try TakenPort().port
        let coordinator = try ProcessUnderTest(
            .coordinator, ["--listen", "127.0.0.1:0", "--workers", "127.0.0.1:\(port)", "--model", Places.testModel("cnn.pt")],
            name: "coordinator", in: folder)
        _ = try await TestCluster.listeningAddress(coordinator)
        #expect(await coordinator.terminate() == .exited(0), "\(coordinator.report)")
    }
}
