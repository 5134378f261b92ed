import Cluster
import Inference
import Profiling
import Tensors
import Testing

/// Which models may have their requests cut into micro-batches.
@Suite(.serialized) struct BatchCheckTests {
    static let splittable = [
        "cnn", "scripted-cnn", "residual", "shuffle", "scripted-shuffle", "tensor-lists", "transformer", "two-inputs",
        "sequence-first", "in-place", "picky", "pixels", "types", "views", "recurrent", "steps", "attention-layer",
        "experts-by-index",
        "token-of-interest", "masked",
    ]

    static func check(_ name: String, inputs: [String] = [], outputs: [TensorSpec]? = nil) throws -> BatchCheck {
        let service = try TestModels.service(name, inputs: inputs)
        return BatchCheck(
            model: service.model, samples: service.samples, inputs: service.manifest.inputs,
            outputs: outputs ?? service.manifest.outputs)
    }

    @Test("models whose items are independent", arguments: splittable) func independent(_ name: String) throws {
        #expect(try Self.check(name).verdict(microBatch: 4) == .independent)
    }

    @Test("a micro-batch of one is compared too") func ofOne() throws {
        #expect(try Self.check("cnn").verdict(microBatch: 1) == .independent)
        #expect(try Self.check("batch-mean").verdict(microBatch: 1) != .independent)
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let name: String
        var inputs: [String] = []
        var outputs: [TensorSpec]?
        let says: String
        var testDescription: String { "\(name): \(says)" }
    }

    static let refusals = [
        Refusal(name: "loop", says: "a loop runs as often as is said by a tensor's content (aten::Int)"),
        Refusal(name: "batch-mean", says: "items influence each other"),
        Refusal(name: "early-exit", says: "a branch depends on a tensor's content (aten::Bool)"),
        Refusal(name: "batch-maximum", says: "items influence each other"),
        Refusal(name: "batch-threshold", says: "items influence each other"),
        Refusal(name: "late-threshold", says: "items influence each other"),
        Refusal(name: "batch-statistics", says: "items influence each other"),
        Refusal(name: "batch-quantile", says: "items influence each other"),
        Refusal(name: "batch-ranks", says: "items influence each other"),
        Refusal(name: "neighbour", says: "items influence each other"),
        Refusal(name: "faint-neighbour", says: "items influence each other"),
        Refusal(name: "first-and-last", says: "items influence each other"),
        Refusal(name: "batch-softmax", says: "items influence each other"),
        Refusal(name: "batch-attention", says: "items influence each other"),
        Refusal(name: "counted", says: "a number or a size comes from a tensor's content (aten::Float)"),
        Refusal(name: "while-unsure", says: "a loop runs as often as is said by a tensor's content"),
        Refusal(name: "chosen-rows", says: "a size comes from a tensor's content (aten::index)"),
        Refusal(name: "positive-rows", says: "a size comes from a tensor's content (aten::masked_select)"),
        Refusal(name: "experts", says: "a size comes from a tensor's content (aten::nonzero)"),
        Refusal(name: "packed", says: "a size comes from a tensor's content (aten::_pack_padded_sequence)"),
        Refusal(name: "long-ones", says: "items influence each other: aten::mean"),
        Refusal(name: "crowd", says: "a branch depends on how many items there are"),
        Refusal(name: "item-by-item", says: "a loop runs as often as there are items"),
        Refusal(name: "training-batch-norm", says: "aten::batch_norm is in training mode"),
        Refusal(name: "training-dropout", says: "aten::dropout is in training mode"),
        Refusal(name: "noise", says: "aten::randn_like draws random numbers"),
        Refusal(name: "written-mask", says: "items influence each other"),
        Refusal(name: "held-threshold", says: "an object of a class of its own"),
        Refusal(name: "written-branch", says: "a branch depends on a tensor's content"),
        Refusal(name: "ids-together", says: "items influence each other"),
        Refusal(name: "cnn", inputs: ["image:float32[4,3,32,32]"], says: "no input declares a batch dimension N"),
        Refusal(
            name: "cnn", outputs: [TensorSpec(name: "logits", dtype: .float32, shape: [.fixed(4), .fixed(10)])],
            says: "output \"logits\" has no batch dimension N"),
        Refusal(
            name: "sequence-first", inputs: ["sequence:float32[N,4,8]"],
            outputs: [TensorSpec(name: "scores", dtype: .float32, shape: [.fixed(4), .batch, .fixed(5)])], says: "cannot be joined"),
    ]

    @Test("models that are never cut, and why", arguments: refusals) func dependent(_ row: Refusal) throws {
        let verdict = try Self.check(row.name, inputs: row.inputs, outputs: row.outputs).verdict(microBatch: 4)
        guard let why = verdict.reason else {
            Issue.record("\(row.name) counts as splittable")
            return
        }
        #expect(why.contains(row.says), "\(why)")
    }
}
