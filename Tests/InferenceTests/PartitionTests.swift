import Foundation
import Inference
import Tensors
import Testing

@Suite("Partitions")
struct PartitionTests {
    @Test("a model of every element type gives every element type")
    func elementTypes() throws {
        let model = try TestModel.open("types")
        let sample = try TestModel.cases("types")[1]
        _ = try model.analyse(inputs: sample.inputs, repetitions: 0)
        #expect(Set(sample.inputs.map(\.dtype)) == [.float16, .uint8, .int32, .int64, .bool])
        let outputs = try run(model, cuts: [], inputs: sample.inputs, optimized: false)
        #expect(outputs.map(\.dtype) == [.float16, .uint8, .int32, .int64, .bool, .float32])
        #expect(isBitIdentical(outputs, sample.outputs))
    }

    @Test("inputs are not written, also where the model writes to its input", arguments: ["in-place", "residual", "cnn"])
    func inputsAreNotWritten(name: String) throws {
        let model = try TestModel.open(name)
        let sample = try TestModel.cases(name)[1]
        let legal = try model.analyse(inputs: sample.inputs, repetitions: 1).legalCuts
        #expect(isBitIdentical(sample.inputs, try TestModel.cases(name)[1].inputs))
        for cut in legal {
            for optimized in [false, true] {
                let crossing = try model.tensors(crossing: cut, inputs: sample.inputs)
                let copies = try crossing.map { try copy($0) }
                let partition = try engine.loadPartition(archive: model.cut(cut..<model.layerCount), optimized: optimized)
                let first = try partition.run(crossing)
                #expect(isBitIdentical(crossing, copies), "\(name), cut before layer \(cut)")
                #expect(isBitIdentical(try partition.run(crossing), first))
            }
        }
    }

    @Test(
        "threads that run one partition at once get what each would get alone",
        arguments: ["residual", "transformer", "loop", "in-place"])
    func concurrentRuns(name: String) async throws {
        let model = try TestModel.open(name)
        let samples = try TestModel.cases(name)
        _ = try model.analyse(inputs: samples[1].inputs, repetitions: 0)
        for optimized in [false, true] {
            let partition = try engine.loadPartition(archive: model.cut(0..<model.layerCount), optimized: optimized)
            let expected = try samples.map { try partition.run($0.inputs) }
            let failures = try await withThrowingTaskGroup(of: Int.self) { group in
                for worker in 0..<4 {
                    group.addTask {
                        var failures = 0
                        for round in 0..<50 {
                            let index = (worker + round) % samples.count
                            if !isBitIdentical(try partition.run(samples[index].inputs), expected[index]) { failures += 1 }
                        }
                        return failures
                    }
                }
                return try await group.reduce(0, +)
            }
            #expect(failures == 0)
        }
    }

    @Test("outputs outlive the partition and the inputs")
    func outputsOutlive() throws {
        let sample = try TestModel.cases("two-inputs")[1]
        let outputs: [Tensor] = try {
            let model = try TestModel.open("two-inputs")
            _ = try model.analyse(inputs: sample.inputs, repetitions: 0)
            return try run(model, cuts: [], inputs: sample.inputs.map { try copy($0) }, optimized: false)
        }()
        #expect(relativeError(outputs, sample.outputs) <= 1e-5)
    }

    @Test("the same model, inputs and range give the same bytes", arguments: ["cnn", "scripted-shuffle", "transformer"])
    func archivesAreDeterministic(name: String) throws {
        let sample = try TestModel.cases(name)[1]
        func archives() throws -> [[UInt8]] {
            let model = try TestModel.open(name)
            let legal = try model.analyse(inputs: sample.inputs, repetitions: 0).legalCuts
            return try legal.map { cut in
                let archive = try model.cut(cut..<model.layerCount)
                return withExtendedLifetime(archive) { Array(archive.bytes) }
            }
        }
        #expect(try archives() == archives())
    }

    @Test("partitions hold the model's weights once", arguments: TestModel.all)
    func weightsAreShared(name: String) throws {
        let model = try TestModel.open(name)
        let analysis = try model.analyse(inputs: TestModel.cases(name)[1].inputs, repetitions: 0)
        let cuts = analysis.legalCuts
        let bounds = [0] + (cuts.isEmpty ? [] : [cuts[cuts.count / 2]]) + [model.layerCount]
        let parts = try zip(bounds, bounds.dropFirst()).map { first, end in
            try engine.loadPartition(archive: model.cut(first..<end), optimized: false).weightBytes
        }
        // Equal constants (the ones and zeros of an untrained batch-norm) are one in the whole and one in each part; weights are not.
        let sum = parts.reduce(0, +)
        #expect(sum >= model.weightBytes && sum <= model.weightBytes + model.weightBytes / 50 + 64)
        #expect(analysis.weightBytes == model.weightBytes)
    }

    @Test(
        "what crosses a cut has the declared types and shapes",
        arguments: ["transformer", "pixels", "tensor-lists", "scripted-cnn"])
    func crossingTensors(name: String) throws {
        let model = try TestModel.open(name)
        let sample = try TestModel.cases(name)[1]
        let analysis = try model.analyse(inputs: sample.inputs, repetitions: 0)
        for cut in [0] + analysis.legalCuts + [model.layerCount] {
            let tensors = try model.tensors(crossing: cut, inputs: sample.inputs)
            let declared = analysis.cuts[cut].tensors
            #expect(tensors.map { TensorDescription(dtype: $0.dtype, shape: $0.shape, byteCount: $0.byteCount) } == declared)
        }
        #expect(try isBitIdentical(model.tensors(crossing: 0, inputs: sample.inputs), sample.inputs))
    }

    @Test("the manifest comes out of the archive as the exporter wrote it")
    func manifest() throws {
        let model = try TestModel.open("sequence-first")
        let manifest = try #require(model.manifest)
        #expect(manifest.name == "sequence-first")
        #expect(manifest.inputs == [TensorSpec(name: "sequence", dtype: .float32, shape: [.fixed(7), .batch, .fixed(8)])])
        #expect(manifest.inputs[0].batchDimension == 1)
        #expect(model.inputNames == ["sequence"])
        let again = try manifest.json().withUnsafeBytes { try ModelManifest(json: $0) }
        #expect(again == manifest)
        #expect(try TestModel.open("two-inputs").inputNames == ["features", "context"])
    }

    @Test(
        "a broken manifest names the field",
        arguments: [
            ("{", "it is not JSON"), ("{\"name\":\"x\",\"inputs\":[]}", "\"outputs\" is missing"),
            ("{\"name\":\"x\",\"inputs\":[],\"outputs\":[]}", "declares no inputs"),
            ("{\"name\":\"x\",\"inputs\":[{\"name\":\"a\",\"dtype\":\"float64\",\"shape\":[1]}],\"outputs\":[]}", "float64"),
            ("{\"name\":\"x\",\"inputs\":[{\"name\":\"a\",\"dtype\":\"bool\",\"shape\":[-1]}],\"outputs\":[]}", "-1"),
        ])
    func brokenManifest(json: String, says: String) throws {
        let error = #expect(throws: InferenceError.self) { try Array(json.utf8).withUnsafeBytes { try ModelManifest(json: $0) } }
        #expect(error?.message.contains(says) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains("amp4ec.json") == true)
    }

    @Test("the toolchain names libtorch's version and the cutter's")
    func toolchain() {
        #expect(engine.toolchain.wholeMatch(of: /torch-\d+\.\d+\.\d+\+cpu\/cutter-\d+/) != nil)
        #expect(!TorchEngine.instructionSet.isEmpty)
    }

    private func copy(_ tensor: Tensor) throws -> Tensor {
        try Tensor(dtype: tensor.dtype, shape: tensor.shape, storage: tensor.withUnsafeBytes { TensorStorage(copying: $0) })
    }
}
