import Inference
import Tensors
import Testing

/// Every legal cut of every test model against the whole model.
@Suite("Cuts")
struct CutTests {
    /// Fewest legal inner cuts that each model must offer: a change that makes cuts illegal must not pass unseen.
    static let fewestCuts: [String: Int] = [:]

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
        print("CUTS \(name) \(legal.count) of \(model.layerCount - 1)")
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
}
