public import Tensors

extension TorchModel {
    /// Cuts, loads and runs a range in this process.
    /// - Returns: milliseconds of each of `repetitions` runs after two that warm up.
    public func time(_ range: Range<Int>, inputs: [Tensor], optimized: Bool, repetitions: Int) throws(InferenceError) -> [Double] {
        try time(parts: [range], inputs: inputs, optimized: optimized, repetitions: repetitions)[0]
    }

    /// As ``time(_:inputs:optimized:repetitions:)`` for several ranges, whose runs alternate: what slows the machine for a moment
    /// slows all of them.
    /// - Returns: for each part its samples.
    public func time(
        parts: [Range<Int>], inputs: [Tensor], optimized: Bool, repetitions: Int
    ) throws(InferenceError) -> [[Double]] {
        var loaded: [(partition: any LoadedPartition, inputs: [Tensor])] = []
        for part in parts {
            let partition = try TorchEngine().loadPartition(archive: cut(part), optimized: optimized)
            // The outputs of the part before are its inputs; only where there is none the model runs up to here.
            let chained = loaded.count > 0 && parts[loaded.count - 1].upperBound == part.lowerBound
            let crossing: [Tensor]
            if chained, let before = loaded.last {
                crossing = try before.partition.run(before.inputs)
            } else {
                crossing = try tensors(crossing: part.lowerBound, inputs: inputs)
            }
            loaded.append((partition, crossing))
        }
        var samples = parts.map { _ in [Double]() }
        let clock = ContinuousClock()
        for repetition in -2..<repetitions {
            for (index, part) in loaded.enumerated() {
                let start = clock.now
                _ = try part.partition.run(part.inputs)
                if repetition >= 0 { samples[index].append((clock.now - start) / .milliseconds(1)) }
            }
        }
        return samples
    }

    /// What each layer costs inside an optimised partition, in milliseconds.
    ///
    /// Inside one, layers are fused and tensors keep the library's own memory layout, so a layer cannot be timed alone. The model is
    /// cut before each layer with arithmetic (where that is advisable), the optimised segments are timed, and all are scaled by one
    /// factor to sum up to the optimised whole, which has fewer layout changes. A segment's time belongs to its first layer with
    /// arithmetic: the rest of it is fused with that one or small.
    /// Source: measured on MobileNetV2 and ResNet-18, see `docs`; O(segments) loads of the weights, each once.
    func optimizedMilliseconds(_ analysis: ModelAnalysis, inputs: [Tensor], repetitions: Int) throws(InferenceError) -> [Double] {
        let starts = analysis.advisableCuts.filter { analysis.layers[$0].macs != nil }
        let bounds = [0] + starts + [layerCount]
        let segments = zip(bounds, bounds.dropFirst()).map { $0..<$1 }
        let whole = median(try time(0..<layerCount, inputs: inputs, optimized: true, repetitions: repetitions))
        let times = try time(parts: segments, inputs: inputs, optimized: true, repetitions: repetitions).map(median)
        let scale = whole / max(times.reduce(0, +), .leastNormalMagnitude)
        var milliseconds = [Double](repeating: 0, count: layerCount)
        for (segment, time) in zip(segments, times) {
            let owner = segment.first { analysis.layers[$0].macs != nil } ?? segment.lowerBound
            milliseconds[owner] = time * scale
        }
        return milliseconds
    }
}

/// The middle of the sorted samples, the upper one of two.
func median(_ samples: [Double]) -> Double {
    precondition(!samples.isEmpty)
    return samples.sorted()[samples.count / 2]
}
