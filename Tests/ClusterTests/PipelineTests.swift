import AMP4ECClient
import Arrays
import Cluster
import Tensors
import Testing

/// Requests through three worker processes give what the whole model gives in one.
@Suite("A pipeline over three workers")
struct PipelineTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let model: String
        /// Whether a request may be cut into micro-batches, and what `status` says where it may not.
        let batching: String
        let options: [String]

        init(_ testDescription: String, _ model: String, batching: String = "splittable", options: [String] = []) {
            self.testDescription = testDescription
            self.model = model
            self.batching = batching
            self.options = options
        }
    }

    static let cases = [
        Case("traced CNN", "cnn"),
        Case("residual", "residual"),
        Case("channel shuffle with lists", "scripted-shuffle"),
        Case("transformer with int ids", "transformer"),
        Case("two inputs, two outputs", "two-inputs"),
        Case("sequence first: N is the second dimension", "sequence-first"),
        Case("a loop that runs as often as the items say", "loop", batching: "a loop runs as often"),
        Case("the same, and its owner says that items are independent", "loop", options: ["--batch", "independent"]),
        Case("an early exit", "early-exit", batching: "a branch depends on a tensor's content"),
        Case("a division by the batch's maximum", "batch-maximum", batching: "items influence each other"),
        Case("bytes in", "pixels"),
        Case("every element type", "types"),
        Case("batch mean: never cut", "batch-mean", batching: "items influence each other"),
    ]

    static let microBatch = 3
    /// Not a multiple of the micro-batch, so that the last one is smaller.
    static let items = 8

    @Test("bit-exact at O0 with the same micro-batch", arguments: cases)
    func asSaved(_ test: Case) async throws {
        try await compare(test, level: "O0") { actual, expected in
            #expect(actual.count == expected.count)
            for (left, right) in zip(actual, expected) { #expect(left.isBitIdentical(to: right)) }
        }
    }

    @Test("within 1e-4 at O1", arguments: cases)
    func optimised(_ test: Case) async throws {
        try await compare(test, level: "O1") { actual, expected in
            #expect(Comparison.relativeError(actual, expected) <= 1e-4)
        }
    }

    private func compare(_ test: Case, level: String, _ check: ([Tensor], [Tensor]) -> Void) async throws {
        let options = ["--optimize", level, "--micro-batch", "\(Self.microBatch)"] + test.options
        try await withCluster(test.model, coordinatorOptions: options) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            let inputs = try TestInputs.make(manifest, items: Self.items)
            let isSplit = test.batching == "splittable"
            let expected = try await Reference.outputs(
                model: test.model, manifest: manifest, inputs, batch: isSplit ? Self.microBatch : Self.items, in: cluster.folder)
            // Named in another order than the model's: they are told apart by name.
            let names = manifest.inputs.map(\.name)
            check(try await client.infer(inputs).outputs, expected)
            check(try await client.infer(inputs.reversed(), names: names.reversed()).outputs, expected)

            let status = try await cluster.cleanStatus()
            let model = try #require(status.model)
            #expect(isSplit ? model.batching == "splittable" : model.batching.contains(test.batching), "\(model.batching)")
            let microBatches = isSplit ? (Self.items + Self.microBatch - 1) / Self.microBatch : 1
            #expect(status.counters.microBatchesDispatched == UInt64(2 * microBatches))
            #expect(status.counters.requestsCompleted == 2)
        }
    }

    @Test("inputs that are declared in another order, by forward's own names")
    func inputsInAnotherOrder() async throws {
        let turned = ["--input", "context:float32[N,6]", "--input", "features:float32[N,12]"]
        try await withCluster("two-inputs", coordinatorOptions: ["--optimize", "O0", "--micro-batch", "4"] + turned) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            #expect(manifest.inputs.map(\.name) == ["features", "context"])
            let inputs = try TestInputs.make(manifest, items: 4)
            let expected = try await Reference.outputs(
                model: "two-inputs", manifest: manifest, inputs, batch: 4, in: cluster.folder)
            let actual = try await client.infer(inputs.reversed(), names: ["context", "features"]).outputs
            #expect(zip(actual, expected).allSatisfy { $0.isBitIdentical(to: $1) })
        }
    }

    @Test("two inputs and outputs by name, from and to .npz, by the command")
    func arraysByCommand() async throws {
        try await withCluster("two-inputs", coordinatorOptions: ["--optimize", "O0"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let manifest = try await client.model()
            let inputs = try TestInputs.make(manifest, items: 4)
            let (input, output, reference) = (
                cluster.folder.path("in.npz"), cluster.folder.path("out.npz"), cluster.folder.path("ref.npz")
            )
            try TestInputs.write(manifest, inputs, to: input)
            try await Reference.make(model: "two-inputs", input: input, output: reference, batch: 4, in: cluster.folder)
            let run = try await cluster.command("infer", "--input", input, "--output", output)
            #expect(run.ending == .exited(0), "\(run)")
            let (actual, expected) = (try NPZ.read(output), try NPZ.read(reference))
            #expect(actual.map(\.name) == ["scores", "gate"])
            #expect(expected.map(\.name) == ["scores", "gate"])
            for (left, right) in zip(actual, expected) { #expect(left.tensor.isBitIdentical(to: right.tensor), "\(left.name)") }
        }
    }
}
