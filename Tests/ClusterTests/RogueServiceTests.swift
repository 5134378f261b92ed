import AMP4ECClient
import Cluster
import Foundation
import Glibc
import Planning
import Tensors
import Testing
import Wire

/// Service that somebody else's behaviour took away: a cache that gives another's answer, a shutdown that waits, descriptors that ran out, a worker
/// that is listed twice.
@Suite("Service beside rogues")
struct RogueServiceTests {
    @Test("the result cache: inputs that are exchanged while they come give nobody another's answer")
    func cache() async throws {
        try await withCluster(
            "cnn", workers: 2, coordinatorOptions: ["--result-cache", "64MiB", "--optimize", "O0", "--micro-batch", "4"]
        ) { cluster in
            let traffic = try await HonestTraffic.start("cnn", at: cluster)
            // Every honest answer is in the cache by now, or will be: these are of inputs that only the rogue has sent first.
            let manifest = traffic.manifest
            let others = try (0..<3).map { try TestInputs.make(manifest, items: 6, seed: UInt64(900 + $0)) }
            let right = try await Reference.outputs(
                model: "cnn", manifest: manifest, Batching.join(others, manifest.inputs), batch: 6, in: cluster.folder)
            let rogue = try await RogueClient(cluster.address)
            for (number, pair) in [(0, 1), (1, 2), (2, 0)].enumerated() {
                let first = try RogueClient.request(UInt64(number), others[pair.0])
                let second = try RogueClient.request(UInt64(number), others[pair.1])
                let stream = rogue.sendHalf(first)
                rogue.send(second)
                rogue.sendRest(first, on: stream)
                _ = try await rogue.outcome(of: UInt64(number), number: 2)
                rogue.send(first)
                rogue.send(second)
                _ = try await rogue.outcome(of: UInt64(number), number: 4)
            }
            rogue.close()
            let client = try cluster.client()
            defer { client.close() }
            for index in others.indices {
                let outputs = try await client.infer(others[index]).outputs
                let expected = try Batching.slice(right, manifest.outputs, index * 6..<(index + 1) * 6)
                #expect(
                    Comparison.relativeError(outputs, expected) <= HonestTraffic.tolerance, "input \(index) got another's answer")
            }
            let counts = traffic.now
            #expect(counts.wrong == 0 && counts.errors.isEmpty, "\(counts)")
            await traffic.stop()
        }
    }

    @Test("SIGTERM ends a coordinator whose clients announced requests of an hour and send nothing")
    func shutdown() async throws {
        try await withCluster("cnn", workers: 1) { cluster in
            let rogue = try await RogueClient(cluster.address)
            for number: UInt64 in 0..<3 {
                rogue.connection.begin(
                    .inferRequest, RogueFloodAttacks.header(id: number, items: 10, deadlineMilliseconds: 3_600_000), of: 10 * 12_288
                )
            }
            try await cluster.status("the announced requests are there") { $0.requestsInFlight == 3 }
            cluster.coordinator.send(SIGTERM)
            #expect(try await cluster.coordinator.end(within: .seconds(15)) == .exited(0), "\(cluster.coordinator.report)")
            rogue.close()
        }
    }

    @Test("a worker at two listed addresses is one worker: never lost, and served by as if it were listed once")
    func oneWorkerTwice() async throws {
        try await withProcesses { processes in
            let (_, first) = try await processes.worker("w1")
            let (_, second) = try await processes.worker("w2")
            let port = TestCluster.port(first)
            let (_, address) = try await processes.coordinator(
                ["--workers", "localhost:\(port),\(first),\(second),127.0.0.2:\(port)", "--join-timeout", "1s"]
                    + LooseProcesses.steady)
            let client = try processes.client(address)
            defer { client.close() }
            try await processes.status(client, "both serve") { status in
                status.state == "serving" && ["w1", "w2"].allSatisfy { status.state(of: $0) == "ready" }
            }
            let counts = try await Load.during(client) { load in
                let clock = ContinuousClock()
                let end = clock.now.advanced(by: .seconds(3))
                while clock.now < end { try await load.answersGoOn() }
            }
            #expect(counts.isClean, "\(counts)")
            let status = try await client.status()
            #expect(status.counters.nodesLost == 0 && status.counters.plans <= 2, "\(status.counters)")
        }
    }

    @Test("as many idle connections as a process may have: the health check, honest clients and a worker that comes still get in")
    func descriptors() async throws {
        try await withCluster("cnn", workers: 2, coordinatorOptions: LooseProcesses.steady) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let inputs = try TestInputs.make(try await client.model(), items: 4)
            let expected = try await client.infer(inputs).outputs
            for address in [cluster.address, cluster.workerAddresses[0]] {
                var idle: [RawPeer] = []
                for _ in 0..<Self.idleConnections { if let peer = try? RawPeer(address) { idle.append(peer) } }
                let check = try await CommandRun.run(
                    .check, [address == cluster.address ? "--coordinator" : "--worker", address, "--deadline", "3s"],
                    in: cluster.folder)
                #expect(check.ending == .exited(0), "beside \(idle.count) idle connections: \(check)")
                let other = try cluster.client(deadline: .seconds(5))
                #expect(Comparison.relativeError(try await other.infer(inputs).outputs, expected) <= HonestTraffic.tolerance)
                other.close()
                let worker = try TestCluster.startWorker(
                    "late-\(idle.count)-\(address.hashValue & 0xff)", ["--coordinator", cluster.address], in: cluster.folder)
                let name = worker.name
                try await cluster.status("a worker joins beside idle connections", within: .seconds(10)) {
                    $0.state(of: name) == "ready"
                }
                #expect(await worker.terminate() == .exited(0), "\(worker.report)")
                withExtendedLifetime(idle) {}
            }
            try await cluster.cleanStatus()
        }
    }

    /// The soft limit of most systems, and a little; what the test itself may open bounds it.
    private static let idleConnections = min(1_100, ProcessFigures.raiseDescriptorLimit() - 200)

    @Test("half an HTTP head on each connection that the pages take: probes are still answered")
    func halfHeads() async throws {
        try await withCluster("cnn", workers: 1, coordinatorOptions: ["--http", "127.0.0.1:0"]) { cluster in
            let pages = try await TestCluster.httpAddress(of: cluster.coordinator)
            for _ in 0..<2 {
                let halves = try (0..<300).map { _ in try RawPeer(pages) }
                for half in halves { half.send(Array("GET /healthz HTTP/1.1\r\nHost: te".utf8)) }
                let start = ContinuousClock.now
                let reply = try await PlainHTTP.get("/healthz", from: pages, within: .seconds(6))
                #expect(reply.status == 200, "\(reply)")
                #expect(ContinuousClock.now - start < .seconds(5))
                withExtendedLifetime(halves) {}
            }
        }
    }

    @Test("the health page is right while somebody asks for the status as fast as possible, with long names in the tables")
    func healthUnderQuestions() async throws {
        try await withCluster("cnn", workers: 1, coordinatorOptions: ["--http", "127.0.0.1:0"]) { cluster in
            let pages = try await TestCluster.httpAddress(of: cluster.coordinator)
            var rogues: [RogueWorker] = []
            for number in 0..<60 {
                let name = "\(number)-" + String(repeating: "n", count: 240)
                let rogue = try await RogueWorker.idle(name, at: cluster.address)
                rogues.append(rogue)
                rogue.control?.send(
                    .heartbeat,
                    ProtoBytes().varint(1, 1).messages(
                        15,
                        (0..<2_000).map { ProtoBytes().text(1, String(repeating: "l", count: 200) + "\($0)").varint(2, 1) }))
            }
            let asker = try await RogueClient(cluster.address)
            let question = try MessageCodec.encode(.statusRequest(StatusRequest(id: 1)))
            let frame = RogueConnection.frame(kind: question.kind, metadata: question.metadata, total: 0, stream: 1)
            let flood = [[UInt8]](repeating: frame, count: 16_000).flatMap { $0 }
            let sending = Task.detached { asker.connection.send(flood) }
            for _ in 0..<5 {
                let start = ContinuousClock.now
                let reply = try await PlainHTTP.get("/healthz", from: pages, within: .seconds(10))
                let took = ContinuousClock.now - start
                #expect(reply.status == 200 && took < .seconds(1), "\(reply) after \(took)")
            }
            asker.close()
            _ = await sending.value
            for rogue in rogues { rogue.stop() }
        }
    }
}
