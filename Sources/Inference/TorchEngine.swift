internal import CTorch
public import Tensors

/// libtorch on the CPU.
public struct TorchEngine: InferenceEngine {
    /// Counts up when partitions of the same model and range would differ from those that an older cutter made.
    public static let cutterVersion = 2

    public init() {}

    public var toolchain: String { "torch-\(Self.libtorchVersion)+cpu/cutter-\(Self.cutterVersion)" }

    public static var libtorchVersion: String { String(cString: amp_torch_runtime_version()) }

    /// The vector instructions that libtorch chose for this processor ("AVX2", "AVX512", "DEFAULT"): results are bit-identical
    /// only between processes that agree in it.
    public static var instructionSet: String { String(cString: amp_torch_runtime_instruction_set()) }

    /// Sets up the process; once, first thing in `main`: threads that are there already keep their allocator's arenas.
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

    /// Gives free heap memory back to the system: loading and analysing need far more than running does, and with the tuned
    /// allocator nothing else returns it.
    public static func trimMemory() { amp_torch_runtime_trim() }

    public func loadPartition(archive: TensorStorage, optimized: Bool) throws(InferenceError) -> any LoadedPartition {
        try ArchiveInspector.check(archive)
        return try TorchPartition(archive: archive, optimized: optimized)
    }
}
