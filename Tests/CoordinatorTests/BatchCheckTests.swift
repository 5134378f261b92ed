import Cluster
import Inference
import Profiling
import Tensors
import Testing

/// Which models may have their requests cut into micro-batches.
@Suite(.serialized) struct BatchCheckTests {
    static let splittable = [
        "cnn", "scripted-cnn", "residual", "shuffle", "scripted-shuffle", "tensor-lists", "transformer", "two-inputs", "loop",
        "sequence-first", "in-place", "picky", "pixels", "types",
    ]

    static func check(_ name: String, inputs: [String] = [], outputs: [TensorSpec]? = nil) throws -> BatchCheck {
        let service = try TestModels.service(name, inputs: inputs)
        return BatchCheck(
            model: service.model, samples: service.samples, inputs: service.manifest.inputs,
            outputs: outputs ?? service.manifest.outputs)
    }

    @Test("models whose items are independent", arguments: splittable) func independent(_ name: String) throws {
        #expect(try Self.check(name).verdict(microBatch: 4) == .splittable)
    }

    @Test("a micro-batch of one is compared too") func ofOne() throws {
        #expect(try Self.check("cnn").verdict(microBatch: 1) == .splittable)
        #expect(try Self.check("batch-mean").verdict(microBatch: 1) != .splittable)
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let name: String
        var inputs: [String] = []
        var outputs: [TensorSpec]?
        let says: String
        var testDescription: String { "\(name): \(says)" }
    }

    static let refusals = [
        Refusal(name: "batch-mean", says: "items influence each other"),
        Refusal(name: "cnn", inputs: ["image:float32[4,3,32,32]"], says: "no input declares a batch dimension N"),
        Refusal(
            name: "cnn", outputs: [TensorSpec(name: "logits", dtype: .float32, shape: [.fixed(4), .fixed(10)])],
            says: "output \"logits\" has no batch dimension N"),
        Refusal(
            name: "sequence-first", inputs: ["sequence:float32[N,4,8]"],
            outputs: [TensorSpec(name: "scores", dtype: .float32, shape: [.fixed(4), .batch, .fixed(5)])], says: "do not join"),
    ]

    @Test("models that are never cut, and why", arguments: refusals) func dependent(_ row: Refusal) throws {
        let verdict = try Self.check(row.name, inputs: row.inputs, outputs: row.outputs).verdict(microBatch: 4)
        guard case .whole(let why) = verdict else {
            Issue.record("\(row.name) counts as splittable")
            return
        }
        #expect(why.contains(row.says), "\(why)")
    }
}
