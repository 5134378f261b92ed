import Foundation
import Inference
import Tensors
import Testing

/// MobileNetV2, which `scripts/export-model mobilenet-v2 .models/mobilenet-v2.pt` writes.
enum MobileNet {
    static func open() throws -> TorchModel {
        let path =
            ProcessInfo.processInfo.environment["AMP4EC_MOBILENET"] ?? TestModel.packageRoot.path + "/.models/mobilenet-v2.pt"
        guard FileManager.default.fileExists(atPath: path) else {
            throw TestModel.Absent(
                description: "\(path) is not there: run scripts/export-model mobilenet-v2 .models/mobilenet-v2.pt")
        }
        return try TorchModel(path: path)
    }

    static func images(_ count: Int, seed: UInt64 = 1) throws -> [Tensor] {
        var generator = SplitMix(state: seed)
        let values = (0..<(count * 3 * 224 * 224)).map { _ in Float.random(in: -2...2, using: &generator) }
        return [try Tensor(shape: [count, 3, 224, 224], values: values)]
    }

    /// What a byte costs that leaves one optimised partition and enters the next: two changes of memory layout. Measured at every
    /// advisable cut of MobileNetV2 at batch 4 (0.1 to 19 MB crossing).
    static let millisecondsPerCrossingByte = 5e-7

    /// Cuts that part the layers' measured times into `parts` shares, as equal as advisable cuts allow, and thin.
    static func balancedCuts(_ analysis: ModelAnalysis, parts: Int) -> [Int] {
        let total = analysis.layers.reduce(0) { $0 + $1.milliseconds }
        return (1..<parts).map { part in
            var running = 0.0
            let sums = analysis.layers.map { layer in
                defer { running += layer.milliseconds }
                return running
            }
            let target = total * Double(part) / Double(parts)
            func badness(_ cut: Int) -> Double {
                abs(sums[cut] - target) + Double(analysis.cuts[cut].byteCount) * millisecondsPerCrossingByte
            }
            return analysis.advisableCuts.min { badness($0) < badness($1) } ?? 1
        }
    }
}

@Suite("Optimised partitions", .serialized)
struct OptimisationTests {
    @Test("batch-norm is folded and all 52 convolutions are packed, in three partitions as in one", arguments: [1, 3])
    func batchNormIsFolded(parts: Int) throws {
        let model = try MobileNet.open()
        let inputs = try MobileNet.images(1)
        let analysis = try model.analyse(inputs: inputs, repetitions: 1)
        let bounds = [0] + MobileNet.balancedCuts(analysis, parts: parts) + [model.layerCount]
        var counts: [String: Int] = [:]
        var weightBytes = 0
        for (first, end) in zip(bounds, bounds.dropFirst()) {
            let partition = try engine.loadPartition(archive: model.cut(first..<end), optimized: true)
            counts.merge(partition.operatorCounts(), uniquingKeysWith: +)
            weightBytes += partition.weightBytes
        }
        #expect(counts["aten::batch_norm"] == nil)
        let convolutions = counts.filter { $0.key.contains("mkldnn_convolution") }.values.reduce(0, +)
        #expect(convolutions == 52, "operators: \(counts)")
        #expect(abs(Double(weightBytes) / Double(model.weightBytes) - 1) < 0.01)
    }

    @Test("the layers of MobileNetV2 carry the convolutions' geometry and arithmetic")
    func layersOfMobileNet() throws {
        let model = try MobileNet.open()
        let analysis = try model.analyse(inputs: MobileNet.images(1), repetitions: 1)
        #expect(analysis.layers.filter { $0.kernel?.kind == .convolution }.count == 52)
        let stem = try #require(analysis.layers.first { $0.kernel != nil })
        #expect(stem.kernel == KernelInfo(kind: .convolution, height: 3, width: 3, channelsIn: 3, channelsOut: 32, groups: 1))
        #expect(stem.macs == 112 * 112 * 32 * 27)
        #expect(stem.parameterBytes == 32 * 27 * 4)
        #expect(stem.outputBytes == 32 * 112 * 112 * 4)
        let depthwise = try #require(analysis.layers.compactMap(\.kernel).first { $0.groups > 1 })
        #expect(depthwise == KernelInfo(kind: .convolution, height: 3, width: 3, channelsIn: 32, channelsOut: 32, groups: 32))
        let head = try #require(analysis.layers.last { $0.kernel?.kind == .linear })
        #expect(head.kernel?.channelsIn == 1280)
        #expect(head.kernel?.channelsOut == 1000)
        // Sandler et al. 2018 give 300 million multiply-adds.
        let macs = analysis.layers.compactMap(\.macs).reduce(0, +)
        #expect((295_000_000...320_000_000).contains(macs))
        #expect(analysis.layers.allSatisfy { $0.milliseconds > 0 })
    }
}

extension OptimisationTests {
    @Test("the times of optimised layers leave folded batch-norms out and give every convolution its own")
    func optimisedLayerTimes() throws {
        let model = try MobileNet.open()
        let analysis = try model.analyse(inputs: MobileNet.images(1), repetitions: 3, optimized: true)
        for layer in analysis.layers {
            if layer.operator == "aten::batch_norm" { #expect(layer.milliseconds == 0) }
            if layer.kernel != nil { #expect(layer.milliseconds > 0, "\(layer.name)") }
        }
        #expect(analysis.advisableCuts.allSatisfy { analysis.layers[$0].operator != "aten::batch_norm" })
        #expect(analysis.advisableCuts.count >= 50)
    }
}

/// Figures for docs and plans; run with `AMP4EC_BENCHMARK=1 swift test -c release --filter InferenceBenchmarks`.
@Suite("Benchmarks", .serialized, .enabled(if: ProcessInfo.processInfo.environment["AMP4EC_BENCHMARK"] != nil))
struct InferenceBenchmarks {
    @Test("three partitions in a row take at most 1.1 times the optimised whole", arguments: [1, 4])
    func partitionsInARow(batch: Int) throws {
        let model = try MobileNet.open()
        let inputs = try MobileNet.images(batch)
        let exact = try model.analyse(inputs: inputs, repetitions: 5)
        let analysis = try model.analyse(inputs: inputs, repetitions: 9, optimized: true)
        let bounds = [0] + MobileNet.balancedCuts(analysis, parts: 3) + [model.layerCount]
        let parts = zip(bounds, bounds.dropFirst()).map { $0..<$1 }
        let loaded = try ([0..<model.layerCount] + parts).map { part in
            try engine.loadPartition(archive: model.cut(part), optimized: true)
        }
        var samples = loaded.map { _ in [Double]() }
        for _ in 0..<60 {
            var tensors = inputs
            for (index, partition) in loaded.enumerated() {
                if index == 1 { tensors = inputs }
                let start = cpuMilliseconds()
                tensors = try partition.run(tensors)
                samples[index].append(cpuMilliseconds() - start)
            }
        }
        // The lower quartile of CPU time: other processes only ever add to a run.
        let typical = samples.map { $0.sorted()[$0.count / 4] }
        let measured = typical.dropFirst()
        let sum = measured.reduce(0, +)
        func share(_ analysis: ModelAnalysis) -> [Double] {
            let times = parts.map { part in analysis.layers[part].reduce(0) { $0 + $1.milliseconds } }
            return times.map { $0 / times.reduce(0, +) }
        }
        print(
            "batch \(batch), cuts \(bounds): whole \(typical[0]) ms, parts \(Array(measured)) ms, ratio \(sum / typical[0]); shares",
            "measured \(measured.map { $0 / sum }), by optimised layers \(share(analysis)), by layers at O0 \(share(exact))")
        #expect(sum <= 1.1 * typical[0])
        for (predicted, actual) in zip(share(analysis), measured.map({ $0 / sum })) { #expect(abs(predicted - actual) < 0.05) }
    }

    private func cpuMilliseconds() -> Double {
        var now = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
        return Double(now.tv_sec) * 1e3 + Double(now.tv_nsec) * 1e-6
    }

    @Test("the first run of a new batch size takes no more than a few times a later one")
    func firstRunOfABatchSize() throws {
        let model = try MobileNet.open()
        _ = try model.analyse(inputs: MobileNet.images(2), repetitions: 0)
        let whole = try engine.loadPartition(archive: model.cut(0..<model.layerCount), optimized: true)
        let clock = ContinuousClock()
        for batch in [1, 2, 3, 5, 8] {
            let inputs = try MobileNet.images(batch)
            var samples: [Double] = []
            for _ in 0..<4 {
                let start = clock.now
                _ = try whole.run(inputs)
                samples.append((clock.now - start) / .milliseconds(1))
            }
            print("first runs at batch \(batch): \(samples)")
            #expect(samples[0] < 1000)
        }
    }
}
