/// Builds a zip archive of stored entries as pieces to write, without copying the tensors' bytes.
struct ZipWriter {
    /// A name's length is a 16-bit field; this leaves room for the suffix.
    static let maximumNameLength = 0xff00
    /// 1 January 1980: the same arrays give the same file.
    private static let date: UInt16 = 0x0021
    /// Names are UTF-8.
    private static let flags: UInt16 = 0x0800

    private let wideFrom: UInt64
    private var pieces: [WholeFile.Piece] = []
    private var directory: [UInt8] = []
    private var position: UInt64 = 0
    private var count: UInt64 = 0

    init(wideFrom: UInt64) { self.wideFrom = wideFrom }

    mutating func append(name: String, _ contents: [WholeFile.Piece]) {
        let size = contents.reduce(0 as UInt64) { sum, piece in sum + piece.withBytes { UInt64($0.count) } }
        let crc = contents.reduce(0 as UInt32) { crc, piece in
            piece.withBytes { $0.isEmpty ? crc : Inflater.crc32($0, from: crc) }
        }
        let isWide = size >= wideFrom
        let isFar = position >= wideFrom
        let version: UInt16 = isWide || isFar ? 45 : 20
        let sizes = isWide ? UInt32.max : UInt32(size)
        func common(extraLength: Int) -> [UInt8] {
            little(version) + little(ZipWriter.flags) + little(UInt16(0)) + little(UInt16(0)) + little(ZipWriter.date) + little(crc)
                + little(sizes) + little(sizes) + little(UInt16(name.utf8.count)) + little(UInt16(extraLength))
        }
        let localExtra = isWide ? little(UInt16(1)) + little(UInt16(16)) + little(size) + little(size) : []
        let wideFields = (isWide ? little(size) + little(size) : []) + (isFar ? little(position) : [])
        let centralExtra = wideFields.isEmpty ? [] : little(UInt16(1)) + little(UInt16(wideFields.count)) + wideFields
        let header = little(UInt32(0x0403_4b50)) + common(extraLength: localExtra.count) + Array(name.utf8) + localExtra
        directory += little(UInt32(0x0201_4b50)) + little(version) + common(extraLength: centralExtra.count)
        // Comment length, disk, internal attributes; external attributes: a file that its owner may read and write.
        directory += little(UInt16(0)) + little(UInt16(0)) + little(UInt16(0)) + little(UInt32(0o100600 << 16))
        directory += little(isFar ? UInt32.max : UInt32(position)) + Array(name.utf8) + centralExtra
        pieces.append(.bytes(header))
        pieces += contents
        position += UInt64(header.count) + size
        count += 1
    }

    /// All pieces of the archive, the directory at the end.
    func finish() -> [WholeFile.Piece] {
        let size = UInt64(directory.count)
        var end: [UInt8] = []
        let isWide = position >= wideFrom || size >= wideFrom || count >= min(wideFrom, 0xffff)
        if isWide {
            end += little(UInt32(0x0606_4b50)) + little(UInt64(44)) + little(UInt16(45)) + little(UInt16(45)) + little(UInt32(0))
            end += little(UInt32(0)) + little(count) + little(count) + little(size) + little(position)
            end += little(UInt32(0x0706_4b50)) + little(UInt32(0)) + little(position + size) + little(UInt32(1))
        }
        let shortCount = isWide ? UInt16.max : UInt16(count)
        end += little(UInt32(0x0605_4b50)) + little(UInt16(0)) + little(UInt16(0)) + little(shortCount) + little(shortCount)
        end += little(isWide ? UInt32.max : UInt32(size)) + little(isWide ? UInt32.max : UInt32(position)) + little(UInt16(0))
        return pieces + [.bytes(directory), .bytes(end)]
    }
}

/// The bytes of an integer, least significant first.
private func little(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
