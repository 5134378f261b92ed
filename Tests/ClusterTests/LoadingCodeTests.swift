import AMP4ECClient
import Base
import Cluster
import Foundation
import Testing

/// Which models a worker takes, and what the threads may do that run them.
@Suite("Loading code")
struct LoadingCodeTests {
    private static let otherModel = String(repeating: "0", count: 64)

    private func serves(_ status: ClusterStatus) -> Set<String> {
        Set((status.plan?.stages ?? []).flatMap { $0.replicas.map(\.name) })
    }

    @Test("--allow-model: a worker that is for another model is planned around and named; one that is for this model serves")
    func pinned() async throws {
        try await Gate.clusters.through {
            let folder = try TemporaryFolder()
            let workers = try [
                TestCluster.startWorker("stranger", ["--allow-model", Self.otherModel], in: folder),
                TestCluster.startWorker("any", in: folder),
            ]
            var addresses: [String] = []
            for worker in workers { addresses.append(try await TestCluster.listeningAddress(worker)) }
            let coordinator = try ProcessUnderTest(
                .coordinator,
                ["--listen", "127.0.0.1:0", "--workers", addresses.joined(separator: ","), "--model", Places.testModel("cnn.pt")]
                    + TestCluster.anyLoad,
                name: "coordinator", in: folder)
            let address = try await TestCluster.listeningAddress(coordinator)
            _ = try await coordinator.line("ready", on: .stdout, within: TestCluster.startLimit) {
                $0 == "ready: 1 stages on 1 nodes"
            }
            let client = try AMP4ECClient(coordinator: address, options: .ofTest())
            defer { client.close() }
            let inputs = try TestInputs.make(try await client.model(), items: 2)
            _ = try await client.infer(inputs)

            let status = try await client.status()
            let digest = try #require(status.model?.digest)
            #expect(serves(status) == ["any"])
            let why = status.nodes.first { $0.name == "stranger" }?.unused ?? ""
            #expect(why.contains("--allow-model") && why.contains(digest), "\(why)")
            let shown = try await CommandRun.run(.command, ["status", "--coordinator", address], in: folder)
            #expect(shown.output.contains("--allow-model"), "\(shown)")
            // In both logs.
            #expect(workers[0].text(.stderr).contains("partition is refused"), "\(workers[0].report)")
            #expect(coordinator.text(.stderr).contains("worker takes no partition of this model"), "\(coordinator.report)")

            let right = try ProcessUnderTest(
                .worker,
                ["--listen", "127.0.0.1:0", "--name", "right", "--coordinator", address]
                    + ["--allow-model", Self.otherModel, "--allow-model", digest.uppercased()],
                name: "right", in: folder)
            #expect(await workers[1].terminate() == .exited(0), "\(workers[1].report)")
            try await eventually("the one that is for this model serves", within: .seconds(60), about: { coordinator.report }) {
                serves(try await client.status()) == ["right"]
            }
            _ = try await client.infer(inputs)
            for process in [coordinator, right, workers[0]] {
                #expect(await process.terminate() == .exited(0), "\(process.report)")
            }
        }
    }

    /// The threads of a process: name, and whether a filter looks at their system calls.
    private func threads(_ process: ProcessUnderTest) throws -> [(name: String, isFiltered: Bool, keepsPrivileges: Bool)] {
        let tasks = "/proc/\(process.pid)/task"
        return try FileManager.default.contentsOfDirectory(atPath: tasks).compactMap { task in
            guard let name = try? String(contentsOfFile: "\(tasks)/\(task)/comm", encoding: .utf8),
                let status = try? String(contentsOfFile: "\(tasks)/\(task)/status", encoding: .utf8)
            else { return nil }
            let words = status.split(separator: "\n").map { $0.split(separator: "\t") }
            let values = Dictionary(
                words.filter { $0.count == 2 }.map { ($0[0], $0[1]) }, uniquingKeysWith: { first, _ in first })
            return (
                name.trimmingCharacters(in: .newlines), values["Seccomp:"] == "2", values["NoNewPrivs:"] == "1"
            )
        }
    }

    @Test("the threads that load and run partitions are confined, with those that libtorch starts from them, and no others")
    func confined() async throws {
        let cache = try TemporaryFolder()
        let options = ["--threads", "2", "--executors", "2", "--cache-dir", cache.path("parts")]
        try await withCluster("cnn", workers: 2, workerOptions: options) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            for _ in 0..<4 { _ = try await client.infer(TestInputs.make(manifest, items: 8)) }
            for worker in cluster.workers {
                let line = try await worker.line("what confines", on: .stderr) { $0.contains("confinement=") }
                let isFiltered = line.contains("seccomp") && !line.contains("seccomp:")
                let threads = try threads(worker)
                let names = ["executor-0", "executor-1", "loader", "standbys"]
                for name in names {
                    let own = threads.filter { $0.name == name }
                    #expect(!own.isEmpty, "no thread \(name): \(threads)")
                    #expect(own.allSatisfy { $0.isFiltered == isFiltered && $0.keepsPrivileges }, "\(name): \(own)")
                }
                // A run starts another thread for itself, which has its name from it.
                #expect(threads.count { $0.name.hasPrefix("executor-") } > 2, "\(threads)")
                let others = threads.filter { !names.contains($0.name) }
                #expect(!others.isEmpty && others.allSatisfy { !$0.isFiltered }, "\(others)")
            }
            // The loader has written there.
            let archives = try FileManager.default.contentsOfDirectory(atPath: cache.path("parts"))
            #expect(archives.contains { $0.hasSuffix(".amp4ec-partition") }, "\(archives)")
            #expect(!cluster.workers.contains { $0.text(.stderr).contains("partition store") }, "\(cluster.report)")
        }
    }
}
