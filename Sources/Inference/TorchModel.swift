internal import CTorch
internal import Glibc
internal import Synchronization
public import Tensors

/// A whole model, opened to be analysed and cut.
///
/// ## Concurrency model
/// The shim's model is used by one thread at a time: a mutex sees to it, and that is the proof behind `@unchecked Sendable`.
public final class TorchModel: @unchecked Sendable {
    /// Passes over the model that one analysis makes at most; more would not change a quartile.
    public static let maximumRepetitions = 1_000

    let handle: OpaquePointer
    private let access = Mutex<Bool>(false)

    /// The manifest inside the archive, or `nil` where there is none.
    public let manifest: ModelManifest?
    /// The names of `forward`'s arguments.
    public let inputNames: [String]
    public let outputCount: Int
    /// The outputs in forward's order: keys, fields, or `output0`, `output1` where it has no names for them.
    public let outputNames: [String]
    /// Whether forward names its outputs.
    public let outputsAreNamed: Bool
    /// Where forward returns None for every input; no output stands there.
    public let omittedOutputs: [String]
    /// The inputs with which the model was exported, a `.npz`; `nil` where the archive has none.
    public let example: TensorStorage?
    public let layerCount: Int
    /// Bytes of all weights, each counted once.
    public let weightBytes: Int

    /// Opens a file after checking that it is what it claims to be.
    /// - Throws: errors whose message begins with the path.
    public convenience init(path: String) throws(InferenceError) {
        do {
            try self.init(archive: TensorStorage.mapping(path: path))
        } catch {
            throw InferenceError(error.code, "\(path): \(error.message)")
        }
    }

    /// Opens an archive in memory, which is no longer needed afterwards.
    public init(archive: TensorStorage) throws(InferenceError) {
        try ArchiveInspector.check(archive)
        var opened: OpaquePointer?
        try Torch.check { error in
            withExtendedLifetime(archive) {
                Self.withCStrings([ModelManifest.fileName, ModelManifest.exampleFileName]) { names in
                    amp_torch_model_open(archive.pointer, archive.byteCount, names.baseAddress, names.count, &opened, error)
                }
            }
        }
        let handle = try Torch.unwrap(opened)
        do {
            manifest = try Self.extra(0, of: handle).map { (bytes) throws(InferenceError) in try ModelManifest(json: bytes) }
            example = try Self.extra(1, of: handle).map { (bytes) throws(InferenceError) in
                guard bytes.count <= ModelManifest.maximumExampleByteCount else {
                    throw InferenceError(
                        .absurdSizes,
                        "\(ModelManifest.exampleFileName) has \(bytes.count) bytes, over the limit of \(ModelManifest.maximumExampleByteCount); export the model again"
                    )
                }
                return TensorStorage(copying: bytes)
            }
        } catch {
            amp_torch_model_release(handle)
            throw error
        }
        self.handle = handle
        inputNames = (0..<amp_torch_model_input_count(handle)).map { String(cString: amp_torch_model_input_name(handle, $0)) }
        let count = amp_torch_model_output_count(handle)
        outputCount = count
        let paths = (0..<count).map { OutputPath(String(cString: amp_torch_model_output_path(handle, $0))) }
        outputNames = OutputPath.names(of: paths)
        outputsAreNamed = paths.contains { $0.hasName }
        omittedOutputs = (0..<amp_torch_model_omitted_count(handle)).map {
            String(cString: amp_torch_model_omitted(handle, $0))
        }
        layerCount = amp_torch_model_layer_count(handle)
        weightBytes = Int(amp_torch_model_weight_bytes(handle))
    }

    deinit { amp_torch_model_release(handle) }

    private static func extra(_ index: Int, of handle: OpaquePointer) -> UnsafeRawBufferPointer? {
        var count = 0
        return amp_torch_model_extra(handle, index, &count).map { UnsafeRawBufferPointer(start: $0, count: count) }
    }

    private static func withCStrings<R>(
        _ texts: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> R
    ) -> R {
        let copies = texts.map { strdup($0) }
        defer { copies.forEach { free($0) } }
        return copies.map { UnsafePointer($0) }.withUnsafeBufferPointer(body)
    }

    /// Runs the model layer by layer at `inputs` and describes its layers and cuts.
    ///
    /// It must come before ``cut(_:)``: how tensors lie in memory where they cross is observed here. Two items in the batch tell
    /// the batch dimension from one of extent 1.
    /// - Parameters:
    ///   - repetitions: timed passes after one that warms up; with 0 there are no times.
    ///   - optimized: gives the times that the layers take inside optimised partitions (see `TorchModel+Timing.swift`), which
    ///     differ much from those of the saved model: batch-norms and most activations vanish there.
    public func analyse(inputs: [Tensor], repetitions: Int = 3, optimized: Bool = false) throws(InferenceError) -> ModelAnalysis {
        precondition((0...Self.maximumRepetitions).contains(repetitions))
        let exact = try exclusively { () throws(InferenceError) in
            var milliseconds = [Double](repeating: 0, count: max(1, repetitions * layerCount))
            var lent = inputs.map(Torch.lend)
            try Torch.check { amp_torch_model_profile(handle, &lent, lent.count, repetitions, &milliseconds, $0) }
            let layers = (0..<layerCount).map { layer in
                let samples = (0..<repetitions).map { milliseconds[$0 * layerCount + layer] }
                return describeLayer(layer, milliseconds: samples.isEmpty ? 0 : lowerQuartile(samples))
            }
            return ModelAnalysis(layers: layers, cuts: (0...layerCount).map(describeCut), weightBytes: weightBytes)
        }
        guard optimized, repetitions > 0 else { return exact }
        do {
            return exact.timed(try optimizedMilliseconds(exact, inputs: inputs, repetitions: repetitions))
        } catch  where error.code != .outOfMemory {
            throw InferenceError(
                error.code,
                "the model runs as it is written, and fails as libtorch optimises it: \(error.message); use --optimize O0")
        }
    }

    /// The layers `range` as an archive that ``InferenceEngine/loadPartition(archive:optimized:)`` reads.
    ///
    /// Its inputs and outputs are what crosses the cuts at its ends. The same model, inputs of the analysis and range give the same
    /// bytes.
    /// - Parameter keepsLayout: whether what comes in over the cut lies in memory as in the whole model (with the gaps of a view), so that
    ///   the same kernels run: without it, a kernel for dense tensors may round otherwise. It costs a copy of such tensors.
    /// - Throws: ``InferenceError/Code/unsupported`` where one of the cuts is not legal.
    public func cut(_ range: Range<Int>, keepsLayout: Bool = true) throws(InferenceError) -> TensorStorage {
        guard range.lowerBound >= 0, range.upperBound <= layerCount, !range.isEmpty else {
            throw InferenceError(.unsupported, "layers \(range) are not a part of a model of \(layerCount) layers")
        }
        return try exclusively { () throws(InferenceError) in
            var archive: OpaquePointer?
            try Torch.check { amp_torch_model_extract(handle, range.lowerBound, range.upperBound, keepsLayout, &archive, $0) }
            let bytes = try Torch.unwrap(archive)
            defer { amp_torch_bytes_release(bytes) }
            return TensorStorage(
                copying: UnsafeRawBufferPointer(start: amp_torch_bytes_data(bytes), count: amp_torch_bytes_count(bytes)))
        }
    }

    /// The tensors that cross the cut before `layer` when the model runs at `inputs`.
    public func tensors(crossing layer: Int, inputs: [Tensor]) throws(InferenceError) -> [Tensor] {
        guard (0...layerCount).contains(layer) else {
            throw InferenceError(.unsupported, "there is no cut before layer \(layer) in a model of \(layerCount) layers")
        }
        return try exclusively { () throws(InferenceError) in
            var captured: OpaquePointer?
            var lent = inputs.map(Torch.lend)
            try Torch.check { amp_torch_model_capture(handle, &lent, lent.count, layer, &captured, $0) }
            return try Torch.take(captured)
        }
    }

    func exclusively<R>(_ body: () throws(InferenceError) -> R) throws(InferenceError) -> R {
        let result: Result<R, InferenceError> = access.withLock { _ in
            do throws(InferenceError) { return .success(try body()) } catch { return .failure(error) }
        }
        return try result.get()
    }

    private func describeLayer(_ index: Int, milliseconds: Double) -> LayerInfo {
        let layer = amp_torch_model_layer(handle, index)
        let name = String(cString: layer.operator_name)
        let scope = String(cString: layer.scope)
        let kind: KernelInfo.Kind? =
            switch layer.kind {
            case AMP_TORCH_LAYER_CONVOLUTION: .convolution
            case AMP_TORCH_LAYER_LINEAR: .linear
            default: nil
            }
        return LayerInfo(
            index: index, name: scope.isEmpty ? "\(name).\(index)" : scope, operator: name,
            parameterCount: Int(layer.parameter_count), parameterBytes: Int(layer.parameter_bytes),
            outputElements: Int(layer.output_elements), outputBytes: Int(layer.output_bytes),
            kernel: kind.map {
                KernelInfo(
                    kind: $0, height: Int(layer.kernel_height), width: Int(layer.kernel_width), channelsIn: Int(layer.channels_in),
                    channelsOut: Int(layer.channels_out), groups: Int(layer.groups))
            },
            macs: layer.macs > 0 ? Int(layer.macs) : nil, milliseconds: milliseconds)
    }

    private func describeCut(_ index: Int) -> CutInfo {
        let cut = amp_torch_model_cut(handle, index)
        return CutInfo(
            layer: index, isLegal: cut.legal, reason: String(cString: cut.reason), splitsFusion: cut.splits_fusion,
            tensors: (0..<cut.tensor_count).map { TensorDescription(amp_torch_model_cut_tensor(handle, index, $0)) })
    }
}
