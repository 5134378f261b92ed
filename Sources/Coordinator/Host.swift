internal import Digest
internal import Glibc
internal import Tensors

enum HostName {
    /// The machine's name, for logs.
    static var current: String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let isKnown = buffer.withUnsafeMutableBytes { bytes in
            bytes.baseAddress.map { gethostname($0.assumingMemoryBound(to: CChar.self), 255) == 0 } ?? false
        }
        return isKnown ? String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self) : "unknown"
    }
}

enum ArchiveDigest {
    static func of(_ storage: TensorStorage) -> String { SHA256.hexDigest(of: storage.bytes) }
}
