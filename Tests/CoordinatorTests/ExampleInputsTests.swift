import Arrays
import Base
import Cluster
import Foundation
import Inference
import Planning
import Profiling
import Shell
import Tensors
import Testing
import Wire

/// The inputs that a model is measured with: made up in several forms, or an example's.
@Suite(.serialized) struct ExampleInputsTests {
    struct MadeUp: Sendable, CustomTestStringConvertible {
        let model: String
        let inputs: [String]
        /// What the made-up ones are like that the model takes.
        let form: MadeUpForm
        var testDescription: String { model }
    }

    static let madeUp = [
        MadeUp(
            model: "lengths", inputs: ["ids:int64[N,11]", "lengths:int64[N]"],
            form: MadeUpForm(integers: .within(1...2), freeExtent: 16)),
        MadeUp(
            model: "lengths", inputs: ["ids:int64[N,T]", "lengths:int64[N]"],
            form: MadeUpForm(integers: .within(1...2), freeExtent: 16)),
        MadeUp(
            model: "lengths", inputs: ["ids:int64[N,1]", "lengths:int64[N]"],
            form: MadeUpForm(integers: .within(1...1), freeExtent: 16)),
        MadeUp(
            model: "five-poolings", inputs: ["image:float32[N,3,H,W]"],
            form: MadeUpForm(integers: .within(0...1), freeExtent: 64)),
        MadeUp(
            model: "bag", inputs: ["ids:int64[T]", "offsets:int64[N]"], form: MadeUpForm(integers: .rising, freeExtent: 16)),
        MadeUp(model: "chunked", inputs: ["x:float32[N,8]"], form: .usual),
    ]

    @Test("made-up inputs are tried in several forms", arguments: madeUp) func severalForms(_ row: MadeUp) throws {
        let service = try TestModels.service(row.model, inputs: row.inputs)
        let prepared = try service.prepare()
        #expect(service.samples.form == row.form)
        #expect(!prepared.served.outputs.isEmpty && prepared.analysis.layers.contains { $0.milliseconds > 0 })
        // Whoever runs it without a plan finds the same.
        let again = try TestModels.service(row.model, inputs: row.inputs).settledSamples()
        #expect(again.form == row.form)
    }

    @Test("what no made-up input satisfies is refused with what was tried and what to give") func nothingWillDo() throws {
        let service = try TestModels.service("high-words", inputs: ["ids:int64[N,T]"])
        let error = #expect(throws: CommandFailure.self) { try service.prepare() }
        let text = error?.message ?? ""
        #expect(error?.exitStatus == .badData)
        for part in [
            "made up", "words begin at 20", "integers 0 and 1, integers 1 and 2", "dimensions of 16, 64", "--example FILE.npz",
        ] {
            #expect(text.contains(part), "\(part) is not in: \(text)")
        }
    }

    struct Given: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let arrays: @Sendable () throws -> [(name: String, tensor: Tensor)]
        /// Empty where it will do.
        var says = ""
    }

    static func words(_ shape: [Int], from first: Int64 = 20) throws -> Tensor {
        try Tensor(shape: shape, values: (0..<shape.reduce(1, *)).map { first + Int64($0 * 7 % 29) })
    }

    static let given = [
        Given(testDescription: "by name") { [("ids", try words([3, 6]))] },
        Given(testDescription: "beside other arrays") { [("more", try words([1])), ("ids", try words([3, 6]))] },
        Given(testDescription: "as savez names it") { [("arr_0", try words([3, 6]))] },
        Given(testDescription: "of one item") { [("ids", try words([1, 6]))] },
        Given(
            testDescription: "of another name", arrays: { [("words", try words([3, 6]))] },
            says: "has no array \"ids\", an input of the model; it has words"),
        Given(
            testDescription: "without a name, beside another",
            arrays: { [("arr_0", try words([3, 6])), ("labels", try words([3]))] },
            says: "has no array \"ids\", an input of the model; it has arr_0, labels"),
        Given(
            testDescription: "of another type",
            arrays: { [("ids", try Tensor(shape: [2, 6], values: [Float](repeating: 1, count: 12)))] },
            says: "takes int64, but float32 was given"),
        Given(testDescription: "of another shape", arrays: { [("ids", try words([3, 5, 2]))] }, says: "takes shape [N,T]"),
        Given(
            testDescription: "that the model refuses", arrays: { [("ids", try words([3, 6], from: 0))] },
            says: "the model refuses --example"),
    ]

    @Test("--example", arguments: given) func fromAFile(_ row: Given) throws {
        let store = ProfileReuseTests.Store()
        try FileManager.default.createDirectory(at: store.url, withIntermediateDirectories: true)
        let path = store.url.appendingPathComponent("example.npz").path
        try NPZ.write(path, row.arrays())
        func prepared(_ checking: BatchChecking) throws -> ModelService.Prepared {
            try ModelService(
                path: TestModels.path("high-words"), inputs: [TensorSpec(parsing: "ids:int64[N,T]")], example: path, level: .o0,
                choices: .init(microBatch: 2), profiles: store.folder, checking: checking
            ).prepare()
        }
        _ = try TestModels.service("cnn")
        guard row.says.isEmpty else {
            let error = #expect(throws: CommandFailure.self) { try prepared(.inProcess) }
            #expect(error?.exitStatus == .badData && error?.message.contains(row.says) == true, "\(error?.message ?? "")")
            return
        }
        let first = try prepared(.inProcess)
        #expect(first.profile.inputBytes.bytes == 2 * 6 * 8, "the example's length is measured")
        #expect(try prepared(.inProcess).origin != .measured, "what was measured with it is kept")
        try FileManager.default.removeItem(at: store.url.appendingPathComponent("example.npz"))
        #expect(throws: CommandFailure.self) { try prepared(.inProcess) }
    }

    @Test("a profile is of one example") func profilesDiffer() throws {
        let store = ProfileReuseTests.Store()
        try FileManager.default.createDirectory(at: store.url, withIntermediateDirectories: true)
        _ = try TestModels.service("cnn")
        var digests: Set<[String]> = []
        for (number, length) in [6, 9, 6].enumerated() {
            let path = store.url.appendingPathComponent("example\(number).npz").path
            try NPZ.write(path, [("ids", Self.words([3, length]))])
            let service = try ModelService(
                path: TestModels.path("high-words"), inputs: [TensorSpec(parsing: "ids:int64[N,T]")], example: path, level: .o0,
                choices: .init(microBatch: 2))
            digests.insert(service.profileKey(batch: 2).inputs)
        }
        #expect(digests.count == 2)
    }

    @Test("the model's own example is taken, unless the inputs are declared otherwise") func kept() throws {
        let service = try TestModels.service("high-words-example", inputs: ["ids:int64[N,6]"])
        #expect(service.example != nil)
        #expect(try service.prepare().batch == .independent)
        let other = try TestModels.service("high-words-example", inputs: ["words:int64[N,6]"])
        #expect(other.example == nil)
        let error = #expect(throws: CommandFailure.self) { try other.prepare() }
        #expect(error?.message.contains("made up") == true)
    }

    @Test("with an example items that see each other are still found") func together() throws {
        let prepared = try TestModels.service("high-words-together", inputs: ["ids:int64[N,6]"]).prepare()
        #expect(prepared.batch.reason?.contains("items influence each other") == true, "\(prepared.batch)")
    }

    @Test("an example of which every item is the same shows nothing, so requests travel whole") func nothingDiffers() throws {
        let store = ProfileReuseTests.Store()
        try FileManager.default.createDirectory(at: store.url, withIntermediateDirectories: true)
        let path = store.url.appendingPathComponent("example.npz").path
        try NPZ.write(path, [("ids", Tensor(shape: [2, 6], values: [Int64](repeating: 25, count: 12)))])
        _ = try TestModels.service("cnn")
        let service = try ModelService(
            path: TestModels.path("high-words"), inputs: [TensorSpec(parsing: "ids:int64[N,T]")], example: path, level: .o0,
            choices: .init(microBatch: 2))
        let verdict = try service.prepare().batch
        guard case .inconclusive(let why) = verdict else {
            Issue.record("\(verdict)")
            return
        }
        #expect(why.contains("no other input can be made up") && why.contains("--example"))
    }

    @Test("the check in another process has the example too") func inAnotherProcess() throws {
        let store = ProfileReuseTests.Store()
        try FileManager.default.createDirectory(at: store.url, withIntermediateDirectories: true)
        let path = store.url.appendingPathComponent("example.npz").path
        try NPZ.write(path, [("ids", Self.words([3, 6]))])
        _ = try TestModels.service("cnn")
        let service = try ModelService(
            path: TestModels.path("high-words"), inputs: [TensorSpec(parsing: "ids:int64[N,T]")], example: path, level: .o0,
            choices: .init(microBatch: 2), checking: .process(executable: BatchCheckProcessTests.coordinator()))
        #expect(try service.prepare().batch == .independent)
    }

    @Test("an example's items come in turn, later ones with smaller floats, and whole inputs stay whole") func items() throws {
        let specs = try ["x:float32[N,2]", "ids:int64[3,N]", "table:float32[2]"].map { try TensorSpec(parsing: $0) }
        let example = try ExampleInputs(
            specs: specs,
            tensors: [
                Tensor(shape: [2, 2], values: [Float(1), 2, 3, 4]), Tensor(shape: [3, 2], values: [Int64(5), 6, 7, 8, 9, 10]),
                Tensor(shape: [2], values: [Float(7), 8]),
            ], source: "here")
        let made = try SampleInputs(example).make(batch: 3)
        #expect(made[0].values(as: Float.self) == [1, 2, 3, 4, 0.5, 1])
        #expect(made[1].values(as: Int64.self) == [5, 6, 5, 7, 8, 7, 9, 10, 9])
        #expect(made[2].values(as: Float.self) == [7, 8])
        let drawn = try SampleInputs(example).make(forms: [.normal, .negative, .large, .zeros])
        #expect(drawn[1].values(as: Int64.self)?.allSatisfy { (5...10).contains($0) } == true && drawn[1].shape == [3, 4])
        let kept = try SampleInputs(example).make(forms: [.normal, .large], integers: .kept)
        #expect(kept[1].isBitIdentical(to: example.tensors[1]) && !kept[0].isBitIdentical(to: example.tensors[0]))
        #expect(throws: CommandFailure.self) {
            try ExampleInputs(specs: specs, tensors: [example.tensors[0], Self.words([3, 4]), example.tensors[2]], source: "here")
        }
    }

    @Test("outputs of a model without a manifest have its own names") func names() throws {
        let prepared = try TestModels.service("filled-dict", inputs: ["x:float32[N,8]"]).prepare()
        #expect(prepared.served.outputs.map(\.name) == ["layer0", "layer1", "layer2", "the_sum__all"])
        #expect(prepared.served.outputs.allSatisfy { $0.batchDimension == 0 } && prepared.served.batching == .splittable)
        let tree = try TestModels.service("output-tree", inputs: ["x:float32[N,8]"])
        #expect(try tree.outputSpecs().map(\.name) == tree.model.outputNames)
        #expect(try TestModels.service("named-tuple", inputs: ["x:float32[N,8]"]).notes.first?.contains("aux") == true)
    }
    @Test("what follows an input's free dimension is free") func lengths() throws {
        let shapes = try TestModels.service("bare-length", inputs: ["readings:float32[N,T]"]).outputSpecs().map(\.shape)
        #expect(shapes == [[.batch, .fixed(4)], [.batch, .free("T")]])
        let given = try TestModels.service("bare-length", inputs: ["readings:float32[N,6]"]).outputSpecs().map(\.shape)
        #expect(given == [[.batch, .fixed(4)], [.batch, .fixed(6)]])
    }

    @Test("a manifest that declares other outputs than the model's is refused at the start") func contradiction() throws {
        let service = try TestModels.service("sequence-first", inputs: ["sequence:float32[9,N,8]"])
        let error = try #require(throws: CommandFailure.self) { try service.prepare() }
        for words in ["declares output scores:float32[7,N,5]", "gives float32[9,2,5] for 2 items", "export the model again"] {
            #expect(error.message.contains(words), "\(error)")
        }
    }
}
