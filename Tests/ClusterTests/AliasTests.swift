import AMP4ECClient
import Base
import Cluster
import Planning
import Testing

/// One worker at several addresses.
@Suite("One worker at several addresses")
struct AliasTests {
    @Test("a name and an address, listed both: one node, no loss, one line, and again after it was started again")
    func twice() async throws {
        try await withProcesses { processes in
            let first = try await processes.worker("w1")
            let second = try await processes.worker("w2")
            let port = TestCluster.port(first.address)
            // Without a name of its own a worker is called as it is dialled.
            let unnamed = try ProcessUnderTest(.worker, ["--listen", "0.0.0.0:0"], name: "w3", in: processes.folder)
            let third = TestCluster.port(try await TestCluster.listeningAddress(unnamed))
            let listed = [
                "localhost:\(port)", "127.0.0.1:\(port)", second.address, "127.0.0.1:\(third)", "localhost:\(third)",
                "127.0.0.2:\(third)",
            ]
            let coordinator = try await processes.coordinator(["--workers", listed.joined(separator: ",")] + LooseProcesses.steady)
            let client = try processes.client(coordinator.address)
            defer { client.close() }
            let inputs = try TestInputs.make(try await client.model(), items: 4)
            let expected = try await client.infer(inputs).outputs
            try await processes.status(client, "three nodes serve") { $0.serves(stages: 3) && $0.nodes.count == 3 }
            // Several times the pause after which a node is dialled again.
            try await Task.sleep(for: .seconds(3))
            let status = try await client.status()
            #expect(status.nodes.count == 3 && status.counters.nodesLost == 0)
            #expect(status.nodes.first { $0.name == "w1" }?.aliases?.count == 1)
            let log = coordinator.process.text(.stderr)
            #expect(log.split(separator: "\n").count { $0.contains("a worker has another address") } <= 3)
            #expect(!log.contains("flaps") && !log.contains("another coordinator"), "\(log)")

            await first.process.killAndCollect()
            _ = try await client.infer(inputs)
            _ = try await processes.worker("w1", port: port, log: "w1-again")
            let after = try await processes.status(client, "three nodes serve again") {
                $0.serves(stages: 3) && $0.nodes.count == 3
            }
            #expect(after.counters.nodesLost == 1)
            #expect(try await client.infer(inputs).outputs.count == expected.count)
            #expect(await unnamed.terminate() == .exited(0), "\(unnamed.report)")
        }
    }
}
