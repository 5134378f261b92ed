internal import Glibc
internal import Tensors
internal import Wire

/// The disk format of one partition archive: a header of fixed length, readable with `head`, then the archive's bytes.
///
///     amp4ec-partition 1
///     model <64 hexadecimal digits>
///     layers <first> <end>
///     toolchain <text>
///     optimization <0…1>
///     digest <64 hexadecimal digits>
///     bytes <count>
///
/// padded with line feeds to ``headerByteCount``. The header is checked before memory is taken for the archive.
struct PartitionFile {
    /// One eighth of a page: the longest header is below 600 bytes.
    static let headerByteCount = 1024
    /// A libtorch version with build tags has 40 characters.
    static let maximumToolchainByteCount = 256
    static let suffix = ".amp4ec-partition"
    private static let magic = "amp4ec-partition "
    private static let version = "1"

    var key: PartitionKey
    var contentDigest: String
    var byteCount: Int

    enum Decoded {
        case valid(PartitionFile)
        /// Another version's: left alone.
        case otherVersion(String)
        case invalid(String)
    }

    /// Nil where the key holds what a line of text cannot.
    func header() -> [UInt8]? {
        let texts = [key.modelDigest, key.toolchain, contentDigest]
        guard
            texts.allSatisfy({ text in
                text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7f } && text.utf8.count <= Self.maximumToolchainByteCount
            })
        else { return nil }
        let text = """
            \(Self.magic)\(Self.version)
            model \(key.modelDigest)
            layers \(key.firstLayer) \(key.endLayer)
            toolchain \(key.toolchain)
            optimization \(key.optimization.rawValue)
            digest \(contentDigest)
            bytes \(byteCount)

            """
        var bytes = Array(text.utf8)
        guard bytes.count <= Self.headerByteCount else { return nil }
        bytes += [UInt8](repeating: 0x0a, count: Self.headerByteCount - bytes.count)
        return bytes
    }

    /// `fileByteCount` is the whole file's size: a truncated file differs from what its header says.
    static func decode(header: [UInt8], fileByteCount: Int) -> Decoded {
        let lines = String(decoding: header, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: true)
        guard let first = lines.first, first.hasPrefix(magic) else { return .invalid("it is no partition file") }
        let foundVersion = first.dropFirst(magic.count)
        guard foundVersion == version else { return .otherVersion(String(foundVersion.prefix(20))) }
        guard header.count == headerByteCount else { return .invalid("its header is incomplete") }
        guard lines.count == 7 else { return .invalid("its header is damaged") }
        func value(_ line: Int, _ name: String) -> Substring? {
            lines[line].hasPrefix(name + " ") ? lines[line].dropFirst(name.count + 1) : nil
        }
        guard let model = value(1, "model"), let layers = value(2, "layers"), let toolchain = value(3, "toolchain"),
            let level = value(4, "optimization").flatMap({ UInt8($0) }).flatMap({ OptimizationLevel(rawValue: $0) }),
            let digest = value(5, "digest"), let byteCount = value(6, "bytes").flatMap({ Int($0) })
        else { return .invalid("its header is damaged") }
        let numbers = layers.split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 2 else { return .invalid("its header is damaged") }
        guard (0...WireLimits.partitionByteCount).contains(byteCount), fileByteCount - headerByteCount == byteCount else {
            return .invalid("it holds \(fileByteCount - headerByteCount) bytes of \(byteCount)")
        }
        let key = PartitionKey(
            modelDigest: String(model), firstLayer: numbers[0], endLayer: numbers[1], toolchain: String(toolchain),
            optimization: level)
        // What could not be said to a coordinator would end every connection that says what is here.
        guard (try? MessageCodec.encode(.partitionData(PartitionData(key: key, contentDigest: String(digest))))) != nil else {
            return .invalid("its header names no partition that there can be")
        }
        return .valid(PartitionFile(key: key, contentDigest: String(digest), byteCount: byteCount))
    }
}
