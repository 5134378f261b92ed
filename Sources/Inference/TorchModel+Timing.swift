internal import Glibc
public import Tensors

extension TorchModel {
    /// Cuts, loads and runs ranges in this process. Their runs alternate: what slows the machine for a moment slows all of them.
    /// - Parameter patience: milliseconds of runs of all parts after which `repetitions` are cut short, though not below three.
    /// - Returns: for each part milliseconds (of this thread's CPU time, so that other processes do not show) of each run after two that
    ///   warm up.
    public func time(
        parts: [Range<Int>], inputs: [Tensor], optimized: Bool, repetitions: Int, patience: Double
    ) throws(InferenceError) -> [[Double]] {
        var loaded: [(partition: any LoadedPartition, inputs: [Tensor])] = []
        for part in parts {
            let partition = try TorchEngine().loadPartition(archive: cut(part), optimized: optimized)
            loaded.append((partition, try tensors(crossing: part.lowerBound, inputs: inputs)))
        }
        var samples = parts.map { _ in [Double]() }
        var spent = 0.0
        for repetition in -2..<repetitions where repetition < 3 || spent < patience {
            for (index, part) in loaded.enumerated() {
                let start = threadMilliseconds()
                _ = try part.partition.run(part.inputs)
                let milliseconds = threadMilliseconds() - start
                spent += milliseconds
                if repetition >= 0 { samples[index].append(milliseconds) }
            }
        }
        return samples
    }

    /// What each layer costs inside an optimised partition, in milliseconds, summing up to the optimised whole.
    ///
    /// Optimisation renames, fuses and removes operators but keeps the order of those with arithmetic (convolutions, matrix
    /// products). So the optimised whole is timed node by node and its nodes are dealt out between the layers: the n-th arithmetic
    /// node's time to the n-th layer with arithmetic, the others' to a layer of the same name nearby where there is one, else to the
    /// arithmetic layer before them.
    func optimizedMilliseconds(_ analysis: ModelAnalysis, inputs: [Tensor], repetitions: Int) throws(InferenceError) -> [Double] {
        let whole = try TorchPartition(archive: cut(0..<layerCount), optimized: true)
        let nodes = try whole.profile(inputs: inputs, repetitions: repetitions)
        let dealt = OptimizedTimes.deal(
            nodes.map { ($0.name, $0.milliseconds) }, to: analysis.layers.map { ($0.operator, $0.macs != nil) })
        var samples: [Double] = []
        var outputs: [Tensor] = []
        for _ in 0..<repetitions {
            let start = threadMilliseconds()
            outputs = try whole.run(inputs)
            samples.append(threadMilliseconds() - start)
        }
        try Self.check(optimized: outputs, against: tensors(crossing: layerCount, inputs: inputs))
        // Timing node by node costs a little at each node; the sum is known.
        let scale = lowerQuartile(samples) / max(dealt.reduce(0, +), .leastNormalMagnitude)
        return dealt.map { $0 * scale }
    }

    /// Folding and fusing stay four powers of ten below it; what is further off is no rounding.
    private static let largestDifference = 0.1

    /// libtorch's optimiser may be wrong where an operator has unusual arguments.
    static func check(optimized: [Tensor], against exact: [Tensor]) throws(InferenceError) {
        for (index, (actual, reference)) in zip(optimized, exact).enumerated() where reference.dtype == .float32 {
            guard let values = reference.values(as: Float.self), values.contains(where: { $0 != 0 }) else { continue }
            let error = Comparison.relativeError([actual], [reference])
            guard error <= largestDifference else {
                throw InferenceError(.unsupported, "output \(index) differs by \(error) (relative)")
            }
        }
    }
}

/// Deals the times of an optimised graph's nodes out to the layers of the graph it was made from.
enum OptimizedTimes {
    static func deal(
        _ nodes: [(name: String, milliseconds: Double)], to layers: [(name: String, hasArithmetic: Bool)]
    ) -> [Double] {
        let layerArithmetic = layers.indices.filter { layers[$0].hasArithmetic }
        let nodeArithmetic = nodes.indices.filter { isArithmetic(nodes[$0].name) }
        var times = [Double](repeating: 0, count: layers.count)
        guard !layers.isEmpty else { return times }
        // Without a one-to-one match (an optimisation that joins products) everything is one section.
        let matches = layerArithmetic.count == nodeArithmetic.count
        let layerStarts = [0] + (matches ? layerArithmetic : [])
        let nodeStarts = [0] + (matches ? nodeArithmetic : [])
        for section in layerStarts.indices {
            let layerEnd = section + 1 < layerStarts.count ? layerStarts[section + 1] : layers.count
            let nodeEnd = section + 1 < nodeStarts.count ? nodeStarts[section + 1] : nodes.count
            var next = layerStarts[section]
            var owner = layerStarts[section]
            for node in nodes[nodeStarts[section]..<nodeEnd] {
                if let match = (next..<layerEnd).first(where: { layers[$0].name == node.name }) {
                    owner = match
                    next = match + 1
                }
                times[min(owner, layers.count - 1)] += node.milliseconds
            }
        }
        return times
    }

    private static func isArithmetic(_ name: String) -> Bool {
        let base = name.split(separator: ":").last.map(String.init) ?? name
        return base.contains("conv") && !base.hasPrefix("to_") || base.hasSuffix("linear")
            || ["matmul", "bmm", "mm", "addmm", "baddbmm", "scaled_dot_product_attention"].contains(base)
    }
}

/// CPU time of the calling thread.
private func threadMilliseconds() -> Double {
    var now = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now)
    return Double(now.tv_sec) * 1e3 + Double(now.tv_nsec) * 1e-6
}

/// The sample that a quarter of them stays below: what disturbs a run only ever adds to it.
public func lowerQuartile(_ samples: [Double]) -> Double {
    precondition(!samples.isEmpty)
    return samples.sorted()[(samples.count - 1) / 4]
}
