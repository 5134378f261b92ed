import AMP4ECClient
import Cluster
import Foundation
import Glibc
import Testing
import Transport
import Wire

/// Peers that ask too much, or only sit there: everybody else is served as before.
@Suite("Lost service")
struct LostServiceTests {
    @Test("a flood of status questions is answered within the connection's share, and does not stall the loop")
    func statusFlood() async throws {
        try await withCluster("cnn", workers: 1, coordinatorOptions: HTTPTests.options) { cluster in
            let http = try await TestCluster.httpAddress(of: cluster.coordinator)
            let flood = try await RogueClient(cluster.address).connection
            defer { flood.close() }
            let one = try MessageCodec.encode(.statusRequest(StatusRequest(id: 7)))
            let bytes = RogueConnection.frame(kind: one.kind, metadata: one.metadata, total: 0, stream: 9)
            flood.send(Array([[UInt8]](repeating: bytes, count: 10_000).joined()))
            let start = ContinuousClock.now
            #expect(try await PlainHTTP.get("/healthz", from: http).status == 200)
            let status = try await cluster.status("its state") { $0.state == "serving" }
            let took = ContinuousClock.now - start
            #expect(took < .seconds(2), "\(took)")
            let longest = status.counters.longestLoopTurnMs
            #expect((longest ?? .infinity) < 500, "\(String(describing: longest)) ms")
        }
    }

    @Test("a client that asks and does not read costs no more than its share")
    func unreadAnswers() async throws {
        try await withCluster("cnn", workers: 1) { cluster in
            let peer = try await RogueClient(cluster.address, reads: false).connection
            defer { peer.close() }
            for number in 0..<64 { try peer.send(.statusRequest(StatusRequest(id: UInt64(number)))) }
            try await cluster.status("its state") { $0.state == "serving" }
            // Who reads gets its answers.
            let reader = try await RogueClient(cluster.address).connection
            defer { reader.close() }
            for number in 0..<64 { try reader.send(.statusRequest(StatusRequest(id: UInt64(number)))) }
            _ = try await reader.first("a status") { if case .statusReply = $0.message { true } else { nil } }
        }
    }

    @Test("1,000 idle clients with 1,024 descriptors: a check is answered, and a worker that comes back is taken in")
    func idleClients() async throws {
        let folder = try TemporaryFolder()
        let worker = try TestCluster.startWorker("w1", in: folder)
        let workerAddress = try await TestCluster.listeningAddress(worker)
        let coordinator = try ProcessUnderTest(
            .coordinator,
            ["--listen", "127.0.0.1:0", "--workers", workerAddress, "--model", Places.testModel("cnn.pt"), "--http", "127.0.0.1:0"]
                + TestCluster.anyLoad, name: "coordinator", descriptorLimit: 1_024, in: folder)
        let address = try await TestCluster.listeningAddress(coordinator)
        let http = try await TestCluster.httpAddress(of: coordinator)
        _ = try await coordinator.line("ready: …", on: .stdout, within: TestCluster.startLimit) { $0.hasPrefix("ready: ") }
        ProcessFigures.raiseDescriptorLimit()
        let idle = try await RogueClient.many(1_000, at: address)
        defer { idle.forEach { $0.close() } }
        // Most of them are there: all but those that made room.
        #expect(try ProcessFigures.openDescriptors(coordinator) > 700)
        let check = try await CommandRun.run(.check, ["--coordinator", address, "--deadline", "20s"], in: folder)
        #expect(check.ending == .exited(0), "\(check)")
        #expect(try await PlainHTTP.get("/readyz", from: http).status == 200)
        #expect(await worker.terminate() == .exited(0), "\(worker.report)")
        let again = try TestCluster.startWorker("w1", port: TestCluster.port(workerAddress), in: folder)
        try await eventually("readyz is 200 again") { try await PlainHTTP.get("/readyz", from: http).status == 200 }
        #expect(await coordinator.terminate() == .exited(0), "\(coordinator.report)")
        #expect(await again.terminate() == .exited(0), "\(again.report)")
    }

    @Test("connections that say nothing do not keep a check from the coordinator or the worker")
    func silentConnections() async throws {
        try await withCluster("cnn", workers: 1) { cluster in
            for (address, option) in [(cluster.address, "--coordinator"), (cluster.workerAddresses[0], "--worker")] {
                let silent = try (0..<600).map { _ in try RawPeer(address) }
                let check = try await CommandRun.run(.check, [option, address, "--deadline", "20s"], in: cluster.folder)
                #expect(check.ending == .exited(0), "\(check)")
                try await silent[0].closed("the oldest makes room", within: .seconds(3))
            }
        }
    }

    @Test("half-open HTTP heads do not keep a probe waiting")
    func halfOpenHeads() async throws {
        try await withCluster("cnn", workers: 1, coordinatorOptions: HTTPTests.options) { cluster in
            let http = try await TestCluster.httpAddress(of: cluster.coordinator)
            let halves = try (0..<300).map { _ in try RawPeer(http) }
            for half in halves { half.send(Array("GET /healthz HTTP/1.1\r\nHost: te".utf8)) }
            let start = ContinuousClock.now
            for path in ["/healthz", "/readyz", "/metrics", "/status"] {
                #expect(try await PlainHTTP.get(path, from: http).status == 200)
            }
            let took = ContinuousClock.now - start
            // The heads' own deadline is five seconds.
            #expect(took < .seconds(4), "\(took)")
        }
    }
}
