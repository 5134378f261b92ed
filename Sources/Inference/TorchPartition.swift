internal import CTorch
internal import Tensors

/// A partition in libtorch's hands.
///
/// ## Concurrency model
/// The graph and its weights never change after loading, and each run has an interpreter state of its own (`CTorch.h` promises
/// it): that is the proof behind `@unchecked Sendable`.
final class TorchPartition: LoadedPartition, @unchecked Sendable {
    private let handle: OpaquePointer
    let weightBytes: Int

    init(archive: TensorStorage, optimized: Bool) throws(InferenceError) {
        var loaded: OpaquePointer?
        try Torch.check { error in
            withExtendedLifetime(archive) {
                amp_torch_partition_load(archive.pointer, archive.byteCount, optimized, &loaded, error)
            }
        }
        handle = try Torch.unwrap(loaded)
        weightBytes = Int(amp_torch_partition_weight_bytes(handle))
    }

    deinit { amp_torch_partition_release(handle) }

    func run(_ inputs: [Tensor]) throws(InferenceError) -> [Tensor] {
        var produced: OpaquePointer?
        var lent = inputs.map(Torch.lend)
        try Torch.check { amp_torch_partition_run(handle, &lent, lent.count, &produced, $0) }
        return try Torch.take(produced)
    }

    /// Times every top-level node of what runs.
    func profile(inputs: [Tensor], repetitions: Int) throws(InferenceError) -> [(name: String, milliseconds: Double)] {
        let count = amp_torch_partition_node_count(handle)
        var samples = [Double](repeating: 0, count: max(1, count * repetitions))
        var lent = inputs.map(Torch.lend)
        try Torch.check { amp_torch_partition_profile(handle, &lent, lent.count, repetitions, &samples, $0) }
        return (0..<count).map { node in
            (
                String(cString: amp_torch_partition_node(handle, node)),
                lowerQuartile((0..<repetitions).map { samples[$0 * count + node] })
            )
        }
    }

    func operatorCounts() -> [String: Int] {
        var counts: [String: Int] = [:]
        for index in 0..<amp_torch_partition_operator_kinds(handle) {
            var count = 0
            let name = String(cString: amp_torch_partition_operator(handle, index, &count))
            counts[name] = count
        }
        return counts
    }
}
