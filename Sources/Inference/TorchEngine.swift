internal import CTorch
public import Tensors

/// libtorch on the CPU.
public struct TorchEngine: InferenceEngine {
    /// Counts up when partitions of the same model and range would differ from those that an older cutter made.
    public static let cutterVersion = 1

    public init() {}

    public var toolchain: String { "torch-\(Self.libtorchVersion)+cpu/cutter-\(Self.cutterVersion)" }

    public static var libtorchVersion: String { String(cString: amp_torch_runtime_version()) }

    /// The vector instructions that libtorch chose for this processor ("AVX2", "AVX512", "DEFAULT"): results are bit-identical
    /// only between processes that agree in it.
    public static var instructionSet: String { String(cString: amp_torch_runtime_instruction_set()) }

    /// Sets up the process; once, before the first run.
    /// - Parameters:
    ///   - threads: threads inside one operator. One, with several executors, usually gives the best throughput.
    ///   - tunesAllocator: keeps freed tensors in the process. Large blocks that come from `mmap` fault in at every allocation,
    ///     which costs more than the arithmetic of small networks.
    public static func configure(threads: Int, tunesAllocator: Bool = true) throws(InferenceError) {
        guard (1...1024).contains(threads) else {
            throw InferenceError(.internalError, "\(threads) threads inside an operator are not possible; use 1 to 1024")
        }
        if tunesAllocator { amp_torch_runtime_tune_allocator() }
        try Torch.check { amp_torch_runtime_configure(Int32(threads), $0) }
    }

    public func loadPartition(archive: TensorStorage, optimized: Bool) throws(InferenceError) -> any LoadedPartition {
        try ArchiveInspector(archive.bytes).check()
        return try TorchPartition(archive: archive, optimized: optimized)
    }
}

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
