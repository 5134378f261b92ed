import Foundation
import Testing

/// `amp4ec baseline`: the monolith that `make evaluate` compares with.
@Suite("The whole model in one process, measured")
struct BaselineTests {
    private struct Report: Decodable {
        var batch: Int
        var micro_batch: Int
        var executors: Int
        var optimize: String
        var tuned_allocator: Bool
        var requests: Int
        var items_per_second: Double
        var mean_latency_ms: Double
        var duration_seconds: Double
    }
    private struct TimelineLine: Decodable {
        var started_unix_ms: Double?
        var at_ms: Double?
        var items: Int?
        var latency_ms: Double?
    }

    @Test(
        "requests run one after another, whole or cut up; the report and the timeline agree",
        arguments: [
            (["--optimize", "O0", "--default-allocator"], 6, 1, false),
            (["--micro-batch", "4", "--executors", "2"], 4, 2, true),
        ] as [([String], Int, Int, Bool)])
    func measured(_ options: [String], _ microBatch: Int, _ executors: Int, _ isTuned: Bool) async throws {
        let folder = try TemporaryFolder()
        let path = folder.path("timeline.jsonl")
        let run = try await CommandRun.inTurn(
            .command,
            [
                "baseline", "--json", "--model", Places.testModel("cnn.pt"), "--batch", "6", "--duration", "300ms", "--warm-up",
                "0s",
                "--timeline", path,
            ]
                + options, in: folder)
        #expect(run.ending == .exited(0), "\(run)")
        let report = try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
        #expect(report.batch == 6 && report.micro_batch == microBatch && report.executors == executors, "\(report)")
        #expect(report.optimize == (isTuned ? "O1" : "O0") && report.tuned_allocator == isTuned)
        #expect(report.requests > 0 && report.duration_seconds >= 0.3)
        #expect(abs(report.items_per_second * report.duration_seconds - Double(6 * report.requests)) < 1e-6)
        let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
            try JSONDecoder().decode(TimelineLine.self, from: Data($0.utf8))
        }
        #expect(lines.first?.started_unix_ms != nil)
        let latencies = lines.compactMap(\.latency_ms)
        #expect(latencies.count == report.requests && lines.dropFirst().allSatisfy { $0.items == 6 })
        // One after another: together they take no longer than the last one's end.
        let sum = latencies.reduce(0, +)
        #expect(try sum <= #require(lines.last?.at_ms))
        #expect(abs(sum / Double(latencies.count) - report.mean_latency_ms) < 1e-6)
    }

    @Test(
        "what cannot be measured is refused",
        arguments: [
            (["--micro-batch", "7"], 64, "between 1 and --batch 6, not 7"), (["--optimize", "O2"], 64, "O0 or O1, not O2"),
            (["--model", "absent.pt"], 65, "absent.pt"),
        ] as [([String], Int32, String)])
    func refused(_ options: [String], _ status: Int32, _ words: String) async throws {
        let folder = try TemporaryFolder()
        let model = options.contains("--model") ? [] : ["--model", try Places.testModel("cnn.pt")]
        let run = try await CommandRun.inTurn(.command, ["baseline", "--batch", "6"] + model + options, in: folder)
        #expect(run.ending == .exited(status) && run.errors.contains(words), "\(run)")
    }
}
