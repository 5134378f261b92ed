import Inference
import Tensors
import Testing

/// Every legal cut of every test model against the whole model.
@Suite("Cuts")
struct CutTests {
    /// Fewest legal inner cuts that each model must offer: a change that makes cuts illegal must not pass unseen.
    static let fewestCuts: [String: Int] = [
        "cnn": 14, "scripted-cnn": 20, "residual": 28, "shuffle": 52, "scripted-shuffle": 44, "tensor-lists": 10,
        "transformer": 105,
        "two-inputs": 10, "loop": 4, "slow": 3, "batch-mean": 4, "sequence-first": 6, "in-place": 5, "picky": 8, "pixels": 14,
        "types": 8, "views": 30, "partly-fused": 14, "with-blocks": 6,
    ]

    /// What a model computes here is what Python's eager module computed.
    @Test("the whole model equals the eager module", arguments: TestModel.all)
    func wholeEqualsEager(name: String) throws {
        let model = try TestModel.open(name)
        for sample in try TestModel.cases(name) {
            _ = try model.analyse(inputs: sample.inputs, repetitions: 0)
            let exact = try run(model, cuts: [], inputs: sample.inputs, optimized: false)
            #expect(relativeError(exact, sample.outputs) <= 1e-5)
            let optimized = try run(model, cuts: [], inputs: sample.inputs, optimized: true)
            #expect(relativeError(optimized, sample.outputs) <= 1e-4)
        }
    }

    @Test("two parts equal the whole at every legal cut", arguments: TestModel.all)
    func twoPartsEqualTheWhole(name: String) throws {
        let model = try TestModel.open(name)
        let cases = try TestModel.cases(name)
        let analysis = try model.analyse(inputs: cases[1].inputs, repetitions: 0)
        let legal = analysis.legalCuts
        #expect(legal.count >= Self.fewestCuts[name, default: .max])
        for sample in cases {
            let whole = try run(model, cuts: [], inputs: sample.inputs, optimized: false)
            for cut in legal {
                let exact = try run(model, cuts: [cut], inputs: sample.inputs, optimized: false)
                #expect(isBitIdentical(exact, whole), "\(name) cut before layer \(cut) (\(analysis.layers[cut].operator))")
                let optimized = try run(model, cuts: [cut], inputs: sample.inputs, optimized: true)
                #expect(relativeError(optimized, whole) <= 1e-4, "\(name) optimised, cut before layer \(cut)")
            }
        }
    }

    @Test("three and four parts at random cuts equal the whole", arguments: TestModel.all)
    func randomPartsEqualTheWhole(name: String) throws {
        let model = try TestModel.open(name)
        let sample = try TestModel.cases(name)[1]
        let legal = try model.analyse(inputs: sample.inputs, repetitions: 0).legalCuts
        let whole = try run(model, cuts: [], inputs: sample.inputs, optimized: false)
        for seed in 1...6 as ClosedRange<UInt64> {
            var generator = SplitMix(state: seed)
            let cuts = legal.shuffled(using: &generator).prefix(seed % 2 == 0 ? 2 : 3).sorted()
            let exact = try run(model, cuts: cuts, inputs: sample.inputs, optimized: false)
            #expect(isBitIdentical(exact, whole), "\(name), cuts \(cuts), seed \(seed)")
            let optimized = try run(model, cuts: cuts, inputs: sample.inputs, optimized: true)
            #expect(relativeError(optimized, whole) <= 1e-4, "\(name) optimised, cuts \(cuts), seed \(seed)")
        }
    }

    /// Ints live over a cut travel as a few scalars or are computed again, so that transformers have cuts almost everywhere.
    @Test("cuts of the transformer carry few tensors")
    func transformerCutsAreThin() throws {
        let model = try TestModel.open("transformer")
        let analysis = try model.analyse(inputs: TestModel.cases("transformer")[1].inputs, repetitions: 0)
        let crossings = analysis.legalCuts.map { cut in analysis.cuts[cut].tensors }
        // Between two encoders only the activations travel.
        #expect(crossings.filter { $0.count == 1 }.count >= 9)
        // Inside attention: the residual, q, k and v; and three sizes of 8 bytes that no live tensor has any more.
        #expect(crossings.allSatisfy { $0.filter { !$0.shape.isEmpty }.count <= 4 && $0.filter(\.shape.isEmpty).count <= 3 })
        // Where a live tensor has them, sizes are read from it on the far side.
        let behindNorm = try #require(analysis.layers.first { $0.operator == "aten::size" }).index + 3
        #expect(crossings[behindNorm - 1].allSatisfy { !$0.shape.isEmpty })
    }

    /// A tensor that lies permuted in memory travels in its memory's order, so that both sides see the same strides.
    @Test("channels-last activations travel without a copy")
    func channelsLast() throws {
        let model = try TestModel.open("pixels")
        let analysis = try model.analyse(inputs: TestModel.cases("pixels")[1].inputs, repetitions: 0)
        let behindStem = try #require(analysis.layers.first { $0.kernel != nil }).index + 1
        #expect(analysis.cuts[behindStem].tensors.map(\.shape) == [[3, 16, 16, 16]])
        let behindDepthwise = try #require(analysis.layers.last { $0.kernel?.kind == .convolution }).index + 1
        #expect(analysis.cuts[behindDepthwise].tensors.map(\.shape) == [[3, 16, 16, 24]])
    }
}
