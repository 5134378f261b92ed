import Inference
import Tensors
import Testing

/// What forward returns, taken apart into named tensors.
@Suite("Outputs")
struct OutputTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let name: String
        let outputs: [String]
        var omitted: [String] = []
        var areNamed = true
        /// Inner cuts that the model must offer at least.
        var fewestCuts = 1
        var testDescription: String { name }
    }

    static let rows = [
        Row(name: "dict-output", outputs: ["scores"], fewestCuts: 0),
        Row(name: "traced-dict", outputs: ["out", "aux"]),
        Row(name: "named-tuple", outputs: ["logits"], omitted: ["aux"], fewestCuts: 0),
        Row(name: "filled-dict", outputs: ["layer0", "layer1", "layer2", "the_sum__all"], fewestCuts: 6),
        Row(
            name: "appended-list", outputs: ["output0", "output1", "output2", "output3", "output4", "output5"], areNamed: false,
            fewestCuts: 6),
        Row(
            name: "output-tree",
            outputs: ["a.x", "a.y", "b.x", "logits", "aux", "output5", "output6", "output7", "output8"], fewestCuts: 4),
        Row(name: "early-tuple", outputs: ["output0", "output1"], areNamed: false),
        Row(name: "chunked", outputs: ["output0", "output1", "output2", "output3"], areNamed: false, fewestCuts: 2),
        Row(name: "for-a-gpu", outputs: ["output0"], areNamed: false),
    ]

    @Test("keys, fields and positions name the outputs; what is always None is left out", arguments: rows)
    func names(_ row: Row) throws {
        let model = try TestModel.open(row.name)
        #expect(model.outputNames == row.outputs)
        #expect(model.omittedOutputs == row.omitted)
        #expect(model.outputsAreNamed == row.areNamed)
    }

    @Test("order and values are those of the eager module, whole and at every cut", arguments: rows)
    func values(_ row: Row) throws {
        let model = try TestModel.open(row.name)
        let cases = try TestModel.cases(row.name)
        let legal = try model.analyse(inputs: cases[1].inputs, repetitions: 0).legalCuts
        #expect(legal.count >= row.fewestCuts, "\(legal)")
        for sample in cases {
            let whole = try run(model, cuts: [], inputs: sample.inputs, optimized: false)
            #expect(relativeError(whole, sample.outputs) <= 1e-5)
            #expect(relativeError(try run(model, cuts: [], inputs: sample.inputs, optimized: true), sample.outputs) <= 1e-4)
            for cut in legal {
                let parts = try run(model, cuts: [cut], inputs: sample.inputs, optimized: false)
                #expect(isBitIdentical(parts, whole), "cut before layer \(cut)")
            }
        }
    }

    @Test(
        "what has no fixed structure is refused with what to return instead",
        arguments: [
            ("keys-by-length", "a Dict[str, Tensor] whose keys are not fixed"),
            ("keys-by-branch", "a Dict[str, Tensor] whose keys are not fixed"),
            ("list-by-length", "a List[Tensor] whose length is not fixed"),
            ("sometimes-none", "an Optional[Tensor] as output \"aux\" that is a tensor for some inputs and None for others"),
            ("number-output", "an int as output \"1\"; return a tensor"),
        ])
    func refused(name: String, says: String) throws {
        let error = #expect(throws: InferenceError.self) { try TestModel.open(name) }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains(says) == true, "\(error?.message ?? "")")
    }

    @Test("a request of which a list has another length is refused") func anotherLength() throws {
        let model = try TestModel.open("chunked")
        let error = #expect(throws: InferenceError.self) {
            try model.tensors(
                crossing: model.layerCount, inputs: [Tensor(shape: [2, 1], values: [Float(1), 2])])
        }
        #expect(error?.code == .inputRejected)
    }
}
