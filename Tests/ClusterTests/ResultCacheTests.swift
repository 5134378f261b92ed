import AMP4ECClient
import Cluster
import Foundation
import Tensors
import Testing
import Wire

/// The result cache of real processes.
@Suite("Result cache")
struct ResultCacheTests {
    @Test("the same request twice: the same bits, one hit, and no micro-batch more", arguments: ["cnn", "transformer"])
    func hit(model: String) async throws {
        try await withCluster(model, workers: 2, coordinatorOptions: ["--result-cache", "64MiB"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            let inputs = try TestInputs.make(manifest, items: 8, seed: 1)
            let first = try await client.infer(inputs)
            #expect(!first.timing.isCached)
            let before = try await client.status().counters
            #expect(before.cacheMisses == 1 && before.cacheHits == 0 && before.cacheEntries == 1 && before.cacheBytes > 0)
            let second = try await client.infer(inputs)
            #expect(second.timing.isCached && second.names == first.names)
            for (left, right) in zip(first.outputs, second.outputs) { #expect(left.isBitIdentical(to: right)) }
            #expect(first.outputs.count == second.outputs.count)
            // Another client, the same inputs.
            let other = try cluster.client()
            defer { other.close() }
            #expect(try await other.infer(inputs).timing.isCached)
            // Others are computed.
            #expect(try await !client.infer(TestInputs.make(manifest, items: 8, seed: 2)).timing.isCached)
            let after = try await client.status().counters
            #expect(after.cacheHits == 2 && after.requestsCached == 2 && after.cacheMisses == 2 && after.cacheEntries == 2)
            #expect(after.requestsCompleted == 2)
            #expect(before.microBatchesDispatched > 0 && after.microBatchesDispatched == 2 * before.microBatchesDispatched)
            try await cluster.cleanStatus()
            let text = try await cluster.command("status").output
            #expect(text.contains("result cache: 2 requests answered; 2 hits, 2 misses; 2 results, "), "\(text)")
        }
    }

    @Test("inputs that are hashed on their own thread are found too")
    func large() async throws {
        try await withCluster("cnn", workers: 1, coordinatorOptions: ["--result-cache", "64MiB"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            var items = 64
            while try TestInputs.make(manifest, items: items).reduce(0, { $0 + $1.byteCount }) < 1 << 20 { items *= 2 }
            let inputs = try TestInputs.make(manifest, items: items)
            let first = try await client.infer(inputs)
            let second = try await client.infer(inputs)
            #expect(!first.timing.isCached && second.timing.isCached)
            for (left, right) in zip(first.outputs, second.outputs) { #expect(left.isBitIdentical(to: right)) }
        }
    }

    @Test("a refused input is never kept: it fails each time")
    func failures() async throws {
        try await withCluster("picky", workers: 1, coordinatorOptions: ["--result-cache", "64MiB"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let good = try TestInputs.make(try await client.model(), items: 4)
            let bad = try good.map { try Tensor(shape: $0.shape, values: ($0.values(as: Float.self) ?? []).map { -$0 - 1 }) }
            for _ in 0..<2 { await #expect(throws: ClientError.self) { try await client.infer(bad) } }
            let counters = try await client.status().counters
            #expect(counters.cacheEntries == 0 && counters.cacheHits == 0 && counters.requestsFailed == 2)
            _ = try await client.infer(good)
            #expect(try await client.infer(good).timing.isCached)
        }
    }

    @Test("off unless given; and with every worker gone a known request is still answered")
    func offAndAlone() async throws {
        try await withCluster("cnn", workers: 1) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let inputs = try TestInputs.make(try await client.model(), items: 2)
            for _ in 0..<2 { #expect(try await !client.infer(inputs).timing.isCached) }
            let counters = try await client.status().counters
            #expect(counters.cacheHits == 0 && counters.cacheMisses == 0 && counters.requestsCompleted == 2)
        }
        try await withCluster("cnn", workers: 1, coordinatorOptions: ["--result-cache", "1MiB"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let inputs = try TestInputs.make(try await client.model(), items: 2)
            let first = try await client.infer(inputs)
            await cluster.workers[0].killAndCollect()
            try await cluster.status("the worker is lost") { $0.nodes.allSatisfy { $0.state == "lost" } }
            let second = try await client.infer(inputs)
            #expect(second.timing.isCached)
            for (left, right) in zip(first.outputs, second.outputs) { #expect(left.isBitIdentical(to: right)) }
        }
    }

    @Test("bench counts cached replies apart")
    func bench() async throws {
        try await withCluster("cnn", workers: 1, coordinatorOptions: ["--result-cache", "64MiB"]) { cluster in
            let run = try await cluster.command(
                "bench", "--json", "--requests", "60", "--batch", "2", "--distinct", "20", "--concurrency", "1")
            #expect(run.ending == .exited(0), "\(run)")
            let report = try #require(JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
            #expect(report["requests"] as? Int == 60 && report["cached"] as? Int == 40 && report["errors"] as? Int == 0)
            #expect((report["cached_items_per_second"] as? Double ?? 0) > 0 && (report["items_per_second"] as? Double ?? 0) > 0)
            #expect((report["cached_latency_ms"] as? [String: Any])?["p50"] != nil)
        }
    }
}
