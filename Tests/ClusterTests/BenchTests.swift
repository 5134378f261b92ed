import AMP4ECClient
import Cluster
import Foundation
import Glibc
import Testing

@Suite("The bench command")
struct BenchTests {
    private struct Report: Decodable {
        var requests: Int
        var errors: Int
        var mismatches: Int
        var distinct_inputs: Int
        var items_per_second: Double
    }

    @Test("60 requests of 8 out of 16 items, 4 at once, against the reference: no error, no mismatch")
    func verified() async throws {
        try await withCluster("cnn") { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            let input = cluster.folder.path("items.npz")
            let reference = cluster.folder.path("reference.npz")
            try TestInputs.write(manifest, TestInputs.make(manifest, items: 16), to: input)
            try await Reference.make(model: "cnn", input: input, output: reference, batch: 4, in: cluster.folder)
            let run = try await cluster.command(
                "bench", "--json", "--batch", "8", "--concurrency", "4", "--requests", "60", "--input", input, "--verify", reference
            )
            #expect(run.ending == .exited(0), "\(run)")
            let report = try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
            #expect(report.requests == 60 && report.errors == 0 && report.mismatches == 0, "\(report)")
            #expect(report.distinct_inputs == 16 && report.items_per_second > 0)
            let status = try await cluster.cleanStatus()
            #expect(status.counters.requestsCompleted == 60 && status.counters.requestsFailed == 0)
        }
    }

    @Test("a report for people unless --json is given, and both with --verbose")
    func readable() async throws {
        try await withCluster("cnn") { cluster in
            let people = try await cluster.command("bench", "--batch", "2", "--requests", "9")
            #expect(people.ending == .exited(0), "\(people)")
            for words in [
                "cnn: requests of 2, 4 at once", "9 requests in", "0 errors, 0 mismatches", "items/s", "p99", "longest gap",
            ] {
                #expect(people.output.contains(words), "\(people)")
            }
            #expect(!people.errors.contains("\u{1B}"), "progress is for terminals: \(people)")
            let both = try await cluster.command("bench", "--json", "--verbose", "--batch", "2", "--requests", "9")
            #expect(try JSONDecoder().decode(Report.self, from: Data(both.output.utf8)).requests == 9)
            #expect(both.errors.contains("9 requests in"), "\(both)")
        }
    }

    private struct TimelineLine: Decodable {
        var started_unix_ms: Double?
        var at_ms: Double?
        var ok: Bool?
        var items: Int?
        var replays: Int?
        var retries: UInt64?
    }

    @Test("the timeline has the start and one line for each reply, with its time")
    func timeline() async throws {
        try await withCluster("cnn") { cluster in
            let path = cluster.folder.path("timeline.jsonl")
            let run = try await cluster.command("bench", "--batch", "2", "--requests", "40", "--timeline", path)
            #expect(run.ending == .exited(0), "\(run)")
            let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
                try JSONDecoder().decode(TimelineLine.self, from: Data($0.utf8))
            }
            let age = try Date().timeIntervalSince1970 * 1e3 - #require(lines.first?.started_unix_ms)
            #expect(age > 0 && age < 120_000)
            let replies = lines.dropFirst()
            #expect(replies.count == 40)
            #expect(replies.allSatisfy { $0.ok == true && $0.items == 2 && $0.replays == 0 && $0.retries == 0 })
            let times = replies.compactMap(\.at_ms)
            #expect(times.count == 40 && times.allSatisfy { $0 > 0 && $0 < age })
        }
    }

    @Test("Ctrl-C ends a bench early: what is under way is answered, the report is printed, exit 0")
    func interrupted() async throws {
        try await withCluster("cnn") { cluster in
            let path = cluster.folder.path("timeline.jsonl")
            let bench = try ProcessUnderTest(
                .command, ["bench", "--json", "--coordinator", cluster.address, "--duration", "600s", "--timeline", path],
                name: "bench",
                in: cluster.folder)
            try await eventually("five replies", about: { bench.report }) {
                (try? String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").count) ?? 0 > 5
            }
            bench.send(SIGINT)
            #expect(try await bench.end() == .exited(0), "\(bench.report)")
            let report = try JSONDecoder().decode(Report.self, from: Data(bench.text(.stdout).utf8))
            #expect(report.requests >= 5 && report.errors == 0)
            #expect(try await cluster.cleanStatus().counters.requestsCompleted == UInt64(report.requests))
        }
    }

    @Test("a timeline that cannot be written ends the bench before anything is sent")
    func unwritableTimeline() async throws {
        try await withCluster("cnn") { cluster in
            let run = try await cluster.command("bench", "--requests", "1", "--timeline", cluster.folder.path("missing/file"))
            #expect(run.ending == .exited(65) && run.errors.contains("missing/file: it cannot be written"), "\(run)")
            #expect(try await cluster.cleanStatus().counters.requestsCompleted == 0)
        }
    }

    @Test("a reference of other items is found out: mismatches, exit 1")
    func wrongReference() async throws {
        try await withCluster("cnn") { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            let (input, other) = (cluster.folder.path("items.npz"), cluster.folder.path("other.npz"))
            let reference = cluster.folder.path("reference.npz")
            try TestInputs.write(manifest, TestInputs.make(manifest, items: 16, seed: 1), to: input)
            try TestInputs.write(manifest, TestInputs.make(manifest, items: 16, seed: 2), to: other)
            try await Reference.make(model: "cnn", input: other, output: reference, batch: 4, in: cluster.folder)
            let run = try await cluster.command(
                "bench", "--json", "--batch", "8", "--concurrency", "4", "--requests", "20", "--input", input, "--verify", reference
            )
            #expect(run.ending == .exited(1), "\(run)")
            let report = try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
            #expect(report.mismatches == 20 && report.errors == 0, "\(report)")
        }
    }
}
