import AMP4ECClient
import Arrays
import Cluster
import Foundation
import Tensors
import Testing

/// Models that name their outputs, and models that made-up inputs do not suit, served as they are.
@Suite("Outputs and examples")
struct OutputNameTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let model: String
        let outputs: [String]
        var workers = 2
        var testDescription: String { model }
    }

    @Test(
        "plan, infer, reference, status and HTTP name the same outputs in the same order",
        arguments: [
            Row(model: "filled-dict", outputs: ["layer0", "layer1", "layer2", "the_sum__all"]),
            Row(
                model: "output-tree",
                outputs: ["a.x", "a.y", "b.x", "logits", "aux", "output5", "output6", "output7", "output8"]),
            // One layer: nothing to divide.
            Row(model: "named-tuple", outputs: ["logits"], workers: 1),
        ])
    func names(_ row: Row) async throws {
        let options = ["--spec", "x:float32[N,8]", "--optimize", "O0", "--http", "127.0.0.1:0"]
        try await withCluster(row.model, workers: row.workers, coordinatorOptions: options) { cluster in
            let client = try cluster.client(deadline: .seconds(10))
            defer { client.close() }
            #expect(try await client.model().outputs.map(\.name) == row.outputs)
            let (input, served, right) = (
                cluster.folder.path("in.npz"), cluster.folder.path("served.npz"), cluster.folder.path("right.npz")
            )
            try NPZ.write(input, [("x", Tensor(shape: [5, 8], values: (0..<40).map { Float($0 % 11) - 5 }))])
            let infer = try await cluster.command("infer", "--input", input, "--output", served, "--json")
            #expect(infer.ending == .exited(0), "\(infer)")
            let reference = try await CommandRun.run(
                .command,
                [
                    "reference", "--model", Places.testModel("\(row.model).pt"), "--spec", "x:float32[N,8]", "--input", input,
                    "--output", right, "--json",
                ], in: cluster.folder)
            #expect(reference.ending == .exited(0), "\(reference)")
            // They say the same of what they wrote.
            #expect(infer.output.replacingOccurrences(of: served, with: right) == reference.output, "\(reference)")
            #expect(reference.output.contains("\"file\":\"\(right)\""), "\(reference)")
            let (ours, theirs) = (try NPZ.read(served), try NPZ.read(right))
            #expect(ours.map(\.name) == row.outputs && theirs.map(\.name) == row.outputs)
            #expect(Comparison.relativeError(ours.map(\.tensor), theirs.map(\.tensor)) <= HonestTraffic.tolerance)
            let status = try await cluster.cleanStatus()
            let declared = try #require(status.model).outputs
            #expect(declared.map { String($0.prefix { $0 != ":" }) } == row.outputs, "\(declared)")
            let page = try await PlainHTTP.get("/status", from: TestCluster.httpAddress(of: cluster.coordinator))
            for output in declared { #expect(page.body.contains(output), "\(output)") }
        }
    }

    @Test("a model that needs lengths is served without an example, one that needs more with one")
    func examples() async throws {
        try await withCluster(
            "lengths", workers: 2, coordinatorOptions: ["--spec", "ids:int64[N,11]", "--spec", "lengths:int64[N]"]
        ) { cluster in
            let input = cluster.folder.path("in.npz")
            try NPZ.write(
                input,
                [
                    ("lengths", Tensor(shape: [2], values: [Int64(3), 11])),
                    ("ids", Tensor(shape: [2, 11], values: (0..<22).map { Int64($0 * 2) })),
                ])
            let run = try await cluster.command("infer", "--input", input)
            #expect(run.ending == .exited(0) && run.output.contains("[2, 40]"), "\(run)")
        }
        let folder = try TemporaryFolder()
        let example = folder.path("example.npz")
        try NPZ.write(example, [("ids", Tensor(shape: [2, 6], values: (0..<12).map { Int64($0 + 20) }))])
        let model = try Places.testModel("high-words.pt")
        let without = try await CommandRun.run(
            .command, ["plan", "--model", model, "--spec", "ids:int64[N,T]", "--nodes", "1:1GiB,1:1GiB"], in: folder)
        #expect(without.ending == .exited(65), "\(without)")
        for part in ["made up", "words begin at 20", "--example FILE.npz"] { #expect(without.errors.contains(part), "\(without)") }
        let with = try await CommandRun.run(
            .command, ["plan", "--model", model, "--spec", "ids:int64[N,T]", "--nodes", "1:1GiB,1:1GiB", "--example", example],
            in: folder)
        #expect(with.ending == .exited(0) && !with.errors.contains("\u{1B}"), "progress is for terminals: \(with)")
        try await withCluster(
            "high-words", workers: 2, coordinatorOptions: ["--spec", "ids:int64[N,T]", "--example", example]
        ) { cluster in
            let run = try await cluster.command("infer", "--input", example)
            #expect(run.ending == .exited(0) && run.output.contains("[2, 5]"), "\(run)")
        }
    }
}
