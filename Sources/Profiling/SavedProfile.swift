public import Inference
public import Planning
public import Tensors
internal import Wire

/// What an analysis of a model gave, as it is kept on disk, so that the next start need not measure again.
///
/// A profile holds for one ``Key``: another model, libtorch, optimisation level, micro-batch, declaration of the inputs or processor
/// gives other times or other cuts. Nothing of a file is believed before ``validated(for:)`` has looked at it: its numbers decide where
/// the model is cut.
public struct SavedProfile: Sendable, Hashable {
    /// Counts up when a field changes its meaning. A file of another format is measured and written again.
    public static let format = 4
    /// Ranges timed as partitions: far above what plans over a dozen nodes ask for in months; the oldest give way.
    public static let maximumMeasurements = 1_024
    /// No layer and no partition takes eleven days; sums of such times are still numbers.
    public static let maximumMilliseconds = 1e9

    /// What the profile was measured for.
    public struct Key: Sendable, Hashable, Codable {
        /// SHA-256 of the model's file.
        public var digest: String
        /// libtorch's version and the cutter's.
        public var toolchain: String
        public var level: String
        public var microBatch: Int
        /// The declared inputs, `name:dtype[…]`: those of the manifest, or what `--spec` says.
        public var inputs: [String]
        /// The reference node of the times: processor and instruction set.
        public var machine: String

        public init(digest: String, toolchain: String, level: String, microBatch: Int, inputs: [String], machine: String) {
            self.digest = digest
            self.toolchain = toolchain
            self.level = level
            self.microBatch = microBatch
            self.inputs = inputs
            self.machine = machine
        }

        enum CodingKeys: String, CodingKey {
            case digest, toolchain, level, inputs, machine
            case microBatch = "micro_batch"
        }
    }

    public var key: Key
    /// Layers with their times, cuts, and what crosses them at the planned micro-batch.
    public var analysis: ModelAnalysis
    /// What crosses each cut at the smaller sizes at which the model runs.
    public var smallerCrossings: [Int: [[TensorDescription]]]
    public var outputs: [TensorSpec]
    /// Whether a request may be cut, as the check found out. One that is inconclusive is made again at the next start.
    public var batch: BatchVerdict
    /// Partitions that were timed as such, in the order in which they were: the newest is met exactly.
    public var measurements: [RangeMeasurement]

    public init(
        key: Key, analysis: ModelAnalysis, smallerCrossings: [Int: [[TensorDescription]]], outputs: [TensorSpec],
        batch: BatchVerdict, measurements: [RangeMeasurement] = []
    ) {
        self.key = key
        self.analysis = analysis
        self.smallerCrossings = smallerCrossings
        self.outputs = outputs
        self.batch = batch
        self.measurements = measurements
    }

    /// What crosses each cut at every size that is known.
    public var crossings: [Int: [[TensorDescription]]] {
        smallerCrossings.merging([key.microBatch: analysis.cuts.map(\.tensors)]) { _, planned in planned }
    }

    /// With more measurements; one of a range that is known takes the older one's place.
    public mutating func add(_ more: [RangeMeasurement]) {
        let ranges = Set(more.map(\.range))
        measurements = (measurements.filter { !ranges.contains($0.range) } + more).suffix(Self.maximumMeasurements)
    }

    /// Why a file is not used.
    public struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
        public let description: String
        init(_ description: String) { self.description = description }
    }
}

// MARK: - Validation

extension SavedProfile {
    /// Checks every number before anybody computes with it.
    /// - Throws: ``Refusal`` with the first thing that is wrong.
    public func validated(for wanted: Key) throws(Refusal) -> SavedProfile {
        try checkKey(wanted)
        try checkLayers()
        try check(cuts: analysis.cuts)
        for (size, crossings) in smallerCrossings {
            guard size >= 1, size < key.microBatch, crossings.count == analysis.cuts.count else {
                throw Refusal("it describes \(crossings.count) cuts at a micro-batch of \(size), which do not belong to it")
            }
            for tensors in crossings { try check(tensors, "at a micro-batch of \(size)") }
        }
        guard !outputs.isEmpty else { throw Refusal("it declares no outputs") }
        guard measurements.count <= Self.maximumMeasurements else {
            throw Refusal("it holds \(measurements.count) measured partitions, over the limit of \(Self.maximumMeasurements)")
        }
        for measurement in measurements {
            guard measurement.range.first >= 0, measurement.range.first < measurement.range.end,
                measurement.range.end <= analysis.layers.count
            else {
                throw Refusal("it times layers \(measurement.range.first) to \(measurement.range.end) of \(analysis.layers.count)")
            }
            guard measurement.milliseconds > 0, measurement.milliseconds <= Self.maximumMilliseconds else {
                throw Refusal("a partition took \(measurement.milliseconds) ms in it")
            }
        }
        return self
    }

    private func checkKey(_ wanted: Key) throws(Refusal) {
        guard key != wanted else { return }
        let fields: [(String, String, String)] = [
            ("model digest", key.digest, wanted.digest), ("toolchain", key.toolchain, wanted.toolchain),
            ("optimisation level", key.level, wanted.level), ("micro-batch", "\(key.microBatch)", "\(wanted.microBatch)"),
            ("inputs", key.inputs.joined(separator: " "), wanted.inputs.joined(separator: " ")),
            ("machine", key.machine, wanted.machine),
        ]
        let other = fields.first { $0.1 != $0.2 } ?? fields[0]
        throw Refusal("its \(other.0) is \"\(other.1.prefix(80))\", not \"\(other.2.prefix(80))\"")
    }

    private func checkLayers() throws(Refusal) {
        guard !analysis.layers.isEmpty else { throw Refusal("it has no layers") }
        guard analysis.weightBytes >= 0 else { throw Refusal("the weights have \(analysis.weightBytes) bytes in it") }
        for (index, layer) in analysis.layers.enumerated() {
            guard layer.index == index else { throw Refusal("layer \(layer.index) stands in the place of layer \(index)") }
            guard layer.milliseconds >= 0, layer.milliseconds <= Self.maximumMilliseconds else {
                throw Refusal("layer \(index) took \(layer.milliseconds) ms in it")
            }
            let kernel = layer.kernel
            let sizes = [
                layer.parameterCount, layer.parameterBytes, layer.outputElements, layer.outputBytes, layer.macs ?? 0,
                kernel?.height ?? 0,
                kernel?.width ?? 0,
                kernel?.channelsIn ?? 0, kernel?.channelsOut ?? 0, kernel?.groups ?? 0,
            ]
            if let negative = sizes.first(where: { $0 < 0 }) { throw Refusal("layer \(index) has a size of \(negative) in it") }
        }
        guard analysis.layers.contains(where: { $0.milliseconds > 0 }) else { throw Refusal("no layer has a time in it") }
    }

    private func check(cuts: [CutInfo]) throws(Refusal) {
        guard cuts.count == analysis.layers.count + 1 else {
            throw Refusal("it has \(cuts.count) cuts for \(analysis.layers.count) layers")
        }
        for (index, cut) in cuts.enumerated() {
            guard cut.layer == index else {
                throw Refusal("the cut before layer \(cut.layer) stands in the place of that before \(index)")
            }
            try check(cut.tensors, "before layer \(index)")
        }
    }

    private func check(_ tensors: [TensorDescription], _ place: String) throws(Refusal) {
        guard tensors.count <= WireLimits.tensors else { throw Refusal("\(tensors.count) tensors stand \(place) in it") }
        for tensor in tensors {
            guard tensor.byteCount <= Tensor.maximumByteCount else {
                throw Refusal("a tensor \(place) has \(tensor.byteCount) bytes in it, over the limit of \(Tensor.maximumByteCount)")
            }
            var bytes = tensor.dtype?.byteWidth ?? 1
            for extent in tensor.shape {
                let (product, overflow) = bytes.multipliedReportingOverflow(by: extent)
                guard extent >= 0, !overflow else { throw Refusal("a tensor \(place) has the shape \(tensor.shape) in it") }
                bytes = product
            }
            guard tensor.byteCount >= 0, tensor.dtype == nil || tensor.byteCount == bytes else {
                throw Refusal("a tensor \(place) of shape \(tensor.shape) has \(tensor.byteCount) bytes in it")
            }
        }
    }

    /// Whether both are of the same model, at whatever size of micro-batch.
    func hasLayers(of other: SavedProfile) -> Bool {
        func isSame(_ left: LayerInfo, _ right: LayerInfo) -> Bool {
            left.name == right.name && left.operator == right.operator && left.parameterBytes == right.parameterBytes
                && left.kernel == right.kernel
        }
        let (own, others) = (analysis.layers, other.analysis.layers)
        return own.count == others.count && zip(own, others).allSatisfy(isSame)
            && analysis.weightBytes == other.analysis.weightBytes
    }

    /// Whether the model that lies before us has these layers and cuts: the last proof that the profile is its own.
    /// - Parameter structure: an analysis without times.
    public func describes(_ structure: ModelAnalysis) -> Bool {
        let untimed = analysis.layers.map { layer in
            LayerInfo(
                index: layer.index, name: layer.name, operator: layer.operator, parameterCount: layer.parameterCount,
                parameterBytes: layer.parameterBytes, outputElements: layer.outputElements, outputBytes: layer.outputBytes,
                kernel: layer.kernel, macs: layer.macs, milliseconds: 0)
        }
        return untimed == structure.layers && analysis.cuts == structure.cuts && analysis.weightBytes == structure.weightBytes
    }
}
