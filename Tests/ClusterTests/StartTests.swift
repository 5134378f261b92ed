import AMP4ECClient
import Base
import Cluster
import Foundation
import Planning
import Tensors
import Testing
import Wire

/// How a cluster comes together: by file, by list, with workers missing, with names twice, with too little memory, from a bare model.
@Suite("Start")
struct StartTests {
    @Test("the plain coordinator with a compose file that names the model")
    func composeFile() async throws {
        try await withWorkers(2) { folder, workers, addresses in
            let services = zip(workers, addresses).map { worker, address in
                """
                  \(worker.name)-service.invalid:
                    command: amp4ec-worker --listen 9000 --name \(worker.name)
                    ports: ["127.0.0.1:\(TestCluster.port(address)):9000"]
                """
            }
            try FileManager.default.copyItem(atPath: Places.testModel("cnn.pt"), toPath: folder.path("net.pt"))
            let file = try folder.write(
                "compose.yaml",
                """
                x-amp4ec: {model: net.pt, listen: "127.0.0.1:0", optimize: O0, maximum-load: 1}
                services:
                \(services.joined(separator: "\n"))
                """)
            let coordinator = try ProcessUnderTest(.coordinator, ["--topology", file], name: "coordinator", in: folder)
            let address = try await TestCluster.listeningAddress(coordinator)
            _ = try await coordinator.line("ready", on: .stdout) { $0 == "ready: 2 stages on 2 nodes" }
            let client = try AMP4ECClient(
                coordinator: address, options: .ofTest())
            defer { client.close() }
            let status = try await client.status()
            #expect(status.nodes.map(\.name) == ["w1", "w2"] && status.nodes.allSatisfy { $0.state == "ready" })
            #expect(await coordinator.terminate() == .exited(0), "\(coordinator.report)")
        }
    }

    @Test("missing workers: said after the join timeout, with names and reasons; the others serve")
    func missing() async throws {
        let taken = try TakenPort().port
        try await withWorkers(1) { folder, _, addresses in
            let workers = addresses + ["127.0.0.1:\(taken)", "no-such-host.invalid:9000"]
            let coordinator = try startCoordinator(workers, ["--join-timeout", "500ms"], in: folder)
            _ = try await TestCluster.listeningAddress(coordinator)
            let line = try await coordinator.line("who is missing", on: .stderr) { $0.contains("waiting for 2 of 3 workers") }
            #expect(line.contains("127.0.0.1:\(taken)") && line.contains("refused"), "\(line)")
            #expect(line.contains("no-such-host.invalid"), "\(line)")
            _ = try await coordinator.line("ready", on: .stdout) { $0 == "ready: 1 stages on 1 nodes" }
            #expect(await coordinator.terminate() == .exited(0), "\(coordinator.report)")
        }
    }

    @Test("two workers of one name: the second is told to take another")
    func twins() async throws {
        let folder = try TemporaryFolder()
        let twins = try [
            TestCluster.startWorker("same", in: folder),
            ProcessUnderTest(.worker, ["--listen", "127.0.0.1:0", "--name", "same"], name: "other", in: folder),
        ]
        var addresses: [String] = []
        for twin in twins { addresses.append(try await TestCluster.listeningAddress(twin)) }
        let coordinator = try startCoordinator(addresses, ["--join-timeout", "500ms"], in: folder)
        _ = try await coordinator.line("the name twice", on: .stderr) {
            $0.contains("another worker bears the name") && $0.contains("--name")
        }
        _ = try await coordinator.line("ready", on: .stdout) { $0 == "ready: 1 stages on 1 nodes" }
        for process in [coordinator] + twins { #expect(await process.terminate() == .exited(0), "\(process.report)") }
    }

    @Test("a memory limit that the partition fits into counts for the worker alone, whatever else the machine holds")
    func enoughMemory() async throws {
        try await withCluster("cnn", workers: 2, workerOptions: ["--memory-limit", "400MiB"]) { cluster in
            let status = try await cluster.status("heartbeats") { $0.nodes.allSatisfy { $0.memory.processBytes > 0 } }
            for node in status.nodes {
                #expect(node.memory.limitBytes == 400 << 20)
                // Its own process and nothing else.
                #expect(node.memory.usedBytes == node.memory.processBytes, "\(node.memory)")
            }
        }
    }

    @Test("two coordinators for the same workers: one serves, the other is told who holds them")
    func twoCoordinators() async throws {
        try await withCluster("cnn", workers: 1) { cluster in
            let second = try startCoordinator(cluster.workerAddresses, [], name: "second", in: cluster.folder)
            let coordinators = [cluster.coordinator, second]
            // Both are of the first term: whoever came first holds the worker.
            try await eventually("one of them is told", about: { second.report + cluster.report }) {
                coordinators.contains { $0.text(.stderr).contains("holds this worker") }
            }
            let holder = try #require(coordinators.first { !$0.text(.stderr).contains("holds this worker") })
            _ = try await holder.line("ready", on: .stdout) { $0 == "ready: 1 stages on 1 nodes" }
            let client = try AMP4ECClient(
                coordinator: try await TestCluster.listeningAddress(holder), options: .ofTest())
            defer { client.close() }
            _ = try await client.infer(TestInputs.make(try await client.model(), items: 1))
            #expect(await second.terminate() == .exited(0), "\(second.report)")
        }
    }

    @Test("a worker whose memory is below its partition: status says what is missing")
    func tooLittleMemory() async throws {
        try await withWorkers(1, options: ["--memory-limit", "1MiB"]) { folder, _, addresses in
            let coordinator = try startCoordinator(addresses, [], in: folder)
            let client = try AMP4ECClient(
                coordinator: try await TestCluster.listeningAddress(coordinator), options: .ofTest())
            defer { client.close() }
            var status: ClusterStatus?
            try await eventually("no plan is possible, and why", about: { "\(String(describing: status))" }) {
                status = try? await client.status()
                let cause = status?.cause ?? ""
                return status?.state == "waiting" && cause.contains("memory") && cause.contains("w1")
            }
            let error = await #expect(throws: ClientError.self) {
                let manifest = try await client.model()
                _ = try await client.infer(TestInputs.make(manifest, items: 1), deadline: .milliseconds(500))
            }
            #expect(error?.code == .deadlineExceeded)
            #expect(
                error?.message.contains("no plan serves") == true && error?.message.contains("memory") == true,
                "\(error?.message ?? "")")
            #expect(await coordinator.terminate() == .exited(0), "\(coordinator.report)")
        }
    }

    @Test("a worker too small for any piece stands by, and status and log say so")
    func tooSmallWorker() async throws {
        let folder = try TemporaryFolder()
        let workers = try [
            TestCluster.startWorker("w1", in: folder), TestCluster.startWorker("w2", ["--memory-limit", "1MiB"], in: folder),
        ]
        var addresses: [String] = []
        for worker in workers { addresses.append(try await TestCluster.listeningAddress(worker)) }
        let coordinator = try startCoordinator(addresses, [], in: folder)
        _ = try await coordinator.line("ready", on: .stdout) { $0 == "ready: 1 stages on 1 nodes" }
        let line = try await coordinator.line("who is unused", on: .stderr) { $0.contains("leaves workers unused") }
        #expect(line.contains("unused=w2") && line.contains("w2 is left out: it"), "\(line)")
        let client = try AMP4ECClient(
            coordinator: try await TestCluster.listeningAddress(coordinator), options: .ofTest())
        defer { client.close() }
        let nodes = try await client.status().nodes
        #expect(nodes.first { $0.name == "w2" }?.unused?.contains("memory") == true, "\(nodes)")
        #expect(nodes.first { $0.name == "w1" }.map { $0.unused == nil } == true, "\(nodes)")
        for process in [coordinator] + workers { #expect(await process.terminate() == .exited(0), "\(process.report)") }
    }

    @Test("a model without a manifest works with --input")
    func withoutManifest() async throws {
        try await withWorkers(2) { folder, _, addresses in
            let model = try folder.write("bare.pt", Damage.withoutManifest(Damage.read("cnn.pt")))
            let coordinator = try startCoordinator(addresses, ["--input", "image:float32[N,3,32,32]"], model: model, in: folder)
            let address = try await TestCluster.listeningAddress(coordinator)
            _ = try await coordinator.line("ready", on: .stdout) { $0 == "ready: 2 stages on 2 nodes" }
            let client = try AMP4ECClient(
                coordinator: address, options: .ofTest())
            defer { client.close() }
            let manifest = try await client.model()
            #expect(manifest.inputs.map(\.description) == ["image:float32[N,3,32,32]"])
            #expect(manifest.outputs.map(\.description) == ["output0:float32[N,10]"])
            let inputs = try TestInputs.make(manifest, items: 4)
            let expected = try await Reference.outputs(model: "cnn", manifest: manifest, inputs, batch: 4, in: folder)
            #expect(Comparison.relativeError(try await client.infer(inputs).outputs, expected) <= 1e-4)
            #expect(await coordinator.terminate() == .exited(0), "\(coordinator.report)")
        }
    }

    private func startCoordinator(
        _ workers: [String], _ options: [String], model: String? = nil, name: String = "coordinator", in folder: TemporaryFolder
    ) throws -> ProcessUnderTest {
        let arguments = ["--listen", "127.0.0.1:0", "--workers", workers.joined(separator: ",")] + TestCluster.anyLoad + options
        return try ProcessUnderTest(
            .coordinator, arguments + ["--model", model ?? Places.testModel("cnn.pt")], name: name, in: folder)
    }

    private func withWorkers(
        _ count: Int, options: [String] = [], _ body: (TemporaryFolder, [ProcessUnderTest], [String]) async throws -> Void
    ) async throws {
        let folder = try TemporaryFolder()
        let workers = try (1...count).map { try TestCluster.startWorker("w\($0)", options, in: folder) }
        var addresses: [String] = []
        for worker in workers { addresses.append(try await TestCluster.listeningAddress(worker)) }
        try await body(folder, workers, addresses)
        for worker in workers { #expect(await worker.terminate() == .exited(0), "\(worker.report)") }
    }
}
