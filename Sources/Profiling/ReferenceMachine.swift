internal import Glibc
internal import Inference

/// The machine on whose one core the model is timed: this one.
public enum ReferenceMachine {
    /// `/proc/cpuinfo` of hundreds of processors is megabytes; the first processor stands at its beginning.
    private static let readByteCount = 16 << 10

    /// The processor's name and the vector instructions that libtorch uses on it: where both are the same, so are the times.
    public static let description: String = {
        "\(processor(cpuinfo: beginning(of: "/proc/cpuinfo"))), \(TorchEngine.instructionSet)"
    }()

    /// The first processor's name: `model name` on x86-64; on arm64, which has none, its implementer, part and variant.
    public static func processor(cpuinfo: String) -> String {
        var fields: [String: String] = [:]
        for line in cpuinfo.split(separator: "\n", omittingEmptySubsequences: false) {
            // An empty line ends the first processor's part.
            guard let colon = line.firstIndex(of: ":") else {
                if fields.isEmpty { continue } else { break }
            }
            let name = line[..<colon].split(whereSeparator: \.isWhitespace).joined(separator: " ")
            fields[name] = line[line.index(after: colon)...].split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
        if let name = fields["model name"], !name.isEmpty { return name }
        let parts = ["CPU implementer", "CPU part", "CPU variant"].compactMap { name in fields[name].map { "\(name) \($0)" } }
        return parts.isEmpty ? "unknown processor" : parts.joined(separator: ", ")
    }

    private static func beginning(of path: String) -> String {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return "" }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: readByteCount)
        var filled = 0
        while filled < bytes.count {
            let count = bytes.withUnsafeMutableBytes { read(descriptor, $0.baseAddress?.advanced(by: filled), $0.count - filled) }
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            filled += count
        }
        return String(decoding: bytes[..<filled], as: UTF8.self)
    }
}
