import AMP4ECClient
import Cluster
import Foundation
import Tensors
import Testing

/// The coordinator's HTTP side, asked as probes and scrapers ask it.
@Suite("HTTP")
struct HTTPTests {
    static let options = ["--http", "127.0.0.1:0"]

    @Test("readyz is 503 until a plan serves, 200 while it does, 503 when the workers are gone; healthz is 200 throughout")
    func readiness() async throws {
        let folder = try TemporaryFolder()
        let ports = [try TakenPort(), try TakenPort()]
        let addresses = ports.map { "127.0.0.1:\($0.port)" }
        let coordinator = try ProcessUnderTest(
            .coordinator,
            ["--listen", "127.0.0.1:0", "--workers", addresses.joined(separator: ","), "--model", Places.testModel("cnn.pt")]
                + TestCluster.anyLoad + Self.options,
            name: "coordinator", in: folder)
        let http = try await TestCluster.httpAddress(of: coordinator)
        func readyz() async throws -> PlainHTTP { try await PlainHTTP.get("/readyz", from: http) }
        func isLive() async throws -> Bool { try await PlainHTTP.get("/healthz", from: http).status == 200 }

        // Somebody listens at the workers' addresses and never says hello.
        let before = try await readyz()
        let reason = try before.json
        #expect(
            before.status == 503 && reason["ready"] as? Bool == false && (reason["error"] as? String)?.isEmpty == false, "\(before)"
        )
        #expect(try await isLive())
        #expect(try await PlainHTTP.get("/metrics", from: http).samples["amp4ec_ready"] == 0)
        #expect(await coordinator.terminate() == .exited(0), "\(coordinator.report)")
    }

    @Test("ready with its workers, and not any more when they are killed, naming them; back with one that comes back")
    func workersGo() async throws {
        try await withCluster("cnn", workers: 2, coordinatorOptions: Self.options) { cluster in
            let http = try await TestCluster.httpAddress(of: cluster.coordinator)
            let ready = try await PlainHTTP.get("/readyz", from: http)
            #expect(try ready.status == 200 && ready.json["ready"] as? Bool == true, "\(ready)")
            #expect(try await PlainHTTP.get("/metrics", from: http).samples["amp4ec_ready"] == 1)
            for worker in cluster.workers { await worker.killAndCollect() }
            var last: PlainHTTP?
            try await eventually("readyz is 503", about: { "\(last as Any)" }) {
                let reply = try await PlainHTTP.get("/readyz", from: http)
                last = reply
                let missing = try reply.json["missing"] as? [[String: Any]] ?? []
                return reply.status == 503 && missing.map { $0["state"] as? String } == ["lost", "lost"]
            }
            let missing = try #require(last?.json["missing"] as? [[String: Any]])
            #expect(missing.map { $0["name"] as? String } == ["w1", "w2"])
            #expect(missing.allSatisfy { ($0["cause"] as? String)?.isEmpty == false })
            #expect(try await PlainHTTP.get("/healthz", from: http).status == 200)
            let lost = try await PlainHTTP.get("/metrics", from: http).samples
            #expect(lost["amp4ec_nodes_lost_total"] == 2 && lost[#"amp4ec_node_state{node="w1",state="lost"}"#] == 1)

            let again = try TestCluster.startWorker("w1", port: TestCluster.port(cluster.workerAddresses[0]), in: cluster.folder)
            try await eventually("readyz is 200 again") { try await PlainHTTP.get("/readyz", from: http).status == 200 }
            #expect(await again.terminate() == .exited(0), "\(again.report)")
        }
    }

    @Test("metrics grow with the requests, and /status is the document of amp4ec status --json")
    func metricsAndStatus() async throws {
        try await withCluster("cnn", workers: 2, coordinatorOptions: Self.options) { cluster in
            let http = try await TestCluster.httpAddress(of: cluster.coordinator)
            let client = try cluster.client()
            defer { client.close() }
            let inputs = try TestInputs.make(try await client.model(), items: 8)
            let completed = #"amp4ec_requests_total{outcome="completed"}"#
            var before = try await PlainHTTP.get("/metrics", from: http).samples
            #expect(before[completed] == 0 && before["amp4ec_micro_batches_dispatched_total"] == 0)
            for round in 1...3 {
                _ = try await client.infer(inputs)
                let after = try await PlainHTTP.get("/metrics", from: http).samples
                #expect(after[completed] == Double(round) && after["amp4ec_request_duration_seconds_count"] == Double(round))
                for name in [
                    "amp4ec_micro_batches_dispatched_total", "amp4ec_request_duration_seconds_sum", "process_cpu_seconds_total",
                ] {
                    #expect((after[name] ?? 0) > (before[name] ?? 0), "\(name)")
                }
                before = after
            }
            let first = try #require(
                before.keys.first { $0.hasPrefix(#"amp4ec_link_wire_bytes_total{from="coordinator""#) && before[$0]! > 0 })
            #expect(before[first.replacing("wire", with: "raw")] != nil)
            // What the workers count comes with their heartbeats.
            try await eventually("the workers' computing time") {
                try await PlainHTTP.get("/metrics", from: http).samples.contains {
                    $0.key.hasPrefix("amp4ec_stage_compute_seconds_total{") && $0.value > 0
                }
            }

            // Fields that are there once something has been measured may come between the two questions.
            var shapes = ("", "")
            try await eventually("the same document from both", about: { "\(shapes.0)\n\(shapes.1)" }) {
                let served = try await PlainHTTP.get("/status", from: http)
                let run = try await cluster.command("status", "--json")
                #expect(served.status == 200 && run.ending == .exited(0), "\(run)")
                let printed = try #require(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
                let counters = try #require(served.json["counters"] as? [String: Any])
                #expect(counters["requests_completed"] as? Int == 3 && counters["requests_cached"] as? Int == 0)
                shapes = (try Self.shape(served.json), Self.shape(printed))
                return shapes.0 == shapes.1
            }
        }
    }

    /// The names and kinds of all fields, whatever their values.
    static func shape(_ value: Any) -> String {
        switch value {
        case let object as [String: Any]:
            "{" + object.sorted { $0.key < $1.key }.map { "\($0.key):\(shape($0.value))" }.joined(separator: ",") + "}"
        case let list as [Any]: "[" + Set(list.map(shape)).sorted().joined(separator: "|") + "]"
        case is String: "text"
        case is NSNumber: "number"
        default: "null"
        }
    }

    @Test("bytes that are no HTTP, and connections that say nothing, disturb neither the HTTP side nor the requests")
    func garbage() async throws {
        try await withCluster("cnn", workers: 2, coordinatorOptions: Self.options) { cluster in
            let http = try await TestCluster.httpAddress(of: cluster.coordinator)
            let client = try cluster.client()
            defer { client.close() }
            let silent = try (0..<20).map { _ in try RawPeer(http) }
            let counts = try await Load.during(client) { load in
                var random: UInt64 = 5
                for round in 0..<50 {
                    let noise = (0..<(round * 40)).map { _ -> UInt8 in
                        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                        return UInt8(truncatingIfNeeded: random >> 33)
                    }
                    let peer = try RawPeer(http)
                    peer.send(noise)
                    // The cluster's own protocol is no HTTP either.
                    try RawPeer(http).send(RawPeer.hello)
                }
                try await load.answersGoOn()
                #expect(try await PlainHTTP.get("/readyz", from: http).status == 200)
            }
            #expect(counts.isClean, "\(counts)")
            #expect(silent.count == 20 && cluster.coordinator.isRunning)
        }
    }

    @Test("SIGTERM while a request runs: readyz is 503 at once, the request is answered, and then the server ends")
    func draining() async throws {
        try await withCluster("slow", workers: 1, coordinatorOptions: Self.options) { cluster in
            let http = try await TestCluster.httpAddress(of: cluster.coordinator)
            let client = try cluster.client()
            defer { client.close() }
            // Some seconds: the probe must come through meanwhile, however busy the machine is.
            let slow = try ConcurrencyTests.slowInputs(try await client.model(), rounds: 4 * ConcurrencyTests.slowRounds)
            async let reply = client.infer(slow)
            try await cluster.status("the request is under way") { $0.microBatchesInFlight > 0 }
            cluster.coordinator.send(SIGTERM)
            var sawDraining = false
            // The server answers until the request's reply is out; then nobody listens.
            while !sawDraining, let ready = try? await PlainHTTP.get("/readyz", from: http) {
                sawDraining = try ready.status == 503 && ready.json["error"] as? String == "the coordinator is shutting down"
            }
            #expect(sawDraining)
            #expect(try await reply.outputs.map(\.shape) == [[1, 4]])
            #expect(try await cluster.coordinator.end() == .exited(0), "\(cluster.coordinator.report)")
        }
    }

    @Test("a port that is taken stops the start with an error that names --http")
    func portInUse() async throws {
        let folder = try TemporaryFolder()
        let taken = try TakenPort()
        let run = try await CommandRun.run(
            .coordinator, ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:\(taken.port)", "--model", Places.testModel("cnn.pt")],
            in: folder)
        #expect(run.ending == .exited(1) && run.output.isEmpty, "\(run)")
        #expect(run.errors.contains("--http: cannot listen on 127.0.0.1:\(taken.port): port \(taken.port) is in use"), "\(run)")
    }
}
