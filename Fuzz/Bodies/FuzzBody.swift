/// The inputs that come from outside, one case for each parser: what `scripts/fuzz-inputs` gives its bytes to, and what `Tests/CorpusTests`
/// gives the kept inputs to in every ordinary test run.
///
/// A body ends with an outcome, whatever the bytes are. A trap, an error of another type than the parser's own, a value that breaks its
/// promises, and memory or time out of proportion are findings.
package enum FuzzBody: String, CaseIterable, Sendable {
    /// A connection's byte stream, from frame headers to decoded tensors.
    case frames
    /// `.npy` and `.npz` files.
    case arrays
    /// Compose files, settings files, `--workers` and `--topology`.
    case topology
    /// JPEG and PNG.
    case images
    /// Model files and the manifests in them.
    case archives
    /// Infer requests over HTTP: JSON and the numbers in it, compressed bodies.
    case openInference

    package enum Outcome: Sendable {
        /// The parser took the input, or at least one message of it.
        case accepted
        /// It threw its own error.
        case refused
    }

    package func run(_ bytes: UnsafeRawBufferPointer) -> Outcome {
        switch self {
        case .frames: Frames.run(bytes)
        case .arrays: Arrays.run(bytes)
        case .topology: Topology.run(bytes)
        case .images: Images.run(bytes)
        case .archives: Archives.run(bytes)
        case .openInference: OpenInference.run(bytes)
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Reads every byte, so that an address sanitizer sees each.
    func readAll() -> UInt8 { reduce(0, &+) }
}

/// A promise that the parser made. (A `precondition` would end an optimised build without its message.)
func expect(_ isKept: Bool, _ otherwise: @autoclosure () -> String) {
    if !isKept { fatalError(otherwise()) }
}
