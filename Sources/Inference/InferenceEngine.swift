public import Tensors

/// What runs partitions. libtorch stands behind it today; another engine can stand beside it.
///
/// Who analyses, cuts and times a model uses ``TorchModel`` directly: for another engine that needs a protocol first.
public protocol InferenceEngine: Sendable {
    /// Names the engine, its version and the cutter's. It stands in each partition's key, so one that is held under another name is not used.
    var toolchain: String { get }

    /// Makes an archive ready to run. `optimized` allows changes of rounding (folded batch-norm, packed weights); without it
    /// the result is bit for bit what the saved model gives.
    func loadPartition(archive: TensorStorage, optimized: Bool) throws(InferenceError) -> any LoadedPartition
}

/// A part of a model in memory.
///
/// ## Concurrency model
/// Any number of threads may run the same partition at once.
public protocol LoadedPartition: Sendable {
    /// Runs once. The inputs are only read; the outputs may share their memory.
    /// - Throws: ``InferenceError/Code/inputRejected`` where the model refuses the input; the partition stays usable.
    func run(_ inputs: [Tensor]) throws(InferenceError) -> [Tensor]

    /// Bytes of its weights as they were loaded, each counted once.
    var weightBytes: Int { get }

    /// How often each kind of operator stands in what runs.
    func operatorCounts() -> [String: Int]
}
