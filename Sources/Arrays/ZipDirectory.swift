/// The central directory of a zip archive, read with every bound checked before it is used.
///
/// Source: PKWARE's APPNOTE 6.3, sections 4.3 and 4.5 (zip64, which numpy always writes).
struct ZipDirectory {
    struct Entry {
        let name: String
        let isDeflated: Bool
        let crc: UInt32
        /// The stored (perhaps compressed) bytes in the archive.
        let data: Range<Int>
        let uncompressedByteCount: Int
        /// Why its data cannot be read, though all is in order: said by who wants to read it.
        let obstacle: Obstacle?
    }

    struct Obstacle {
        let problem: String
        let fix: String
    }

    /// More arrays than any model has inputs.
    static let maximumEntryCount = 4_096
    private static let endLength = 22
    /// An archive's comment is at most 65,535 bytes long.
    private static let maximumCommentLength = 0xffff
    private static let unknown32: UInt32 = 0xffff_ffff

    let entries: [Entry]

    private struct End {
        let entryCount: Int
        let directory: Range<Int>
    }

    init(parsing bytes: UnsafeRawBufferPointer, fail: (ArrayError.Code, String?, String, String) -> ArrayError) throws(ArrayError) {
        let damaged = "copy the file again, or write it again with numpy.savez"
        guard let end = try ZipDirectory.findEnd(bytes, damaged: damaged, fail) else {
            throw fail(.malformed, nil, "its zip directory is missing or cut short", damaged)
        }
        guard end.entryCount <= ZipDirectory.maximumEntryCount else {
            throw fail(
                .tooLarge, nil, "its \(end.entryCount) arrays are over the limit of \(ZipDirectory.maximumEntryCount)",
                "save fewer arrays")
        }
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[..<end.directory.upperBound]), at: end.directory.lowerBound)
        var entries: [Entry] = []
        for number in 0..<end.entryCount {
            guard let entry = try ZipDirectory.entry(&reader, in: bytes, before: end.directory.lowerBound, damaged: damaged, fail)
            else {
                throw fail(.malformed, nil, "entry \(number + 1) of its zip directory is damaged", damaged)
            }
            entries.append(entry)
        }
        guard reader.offset == end.directory.upperBound else {
            throw fail(.malformed, nil, "its zip directory has another length than it says", damaged)
        }
        // Overlapping entries are how a small archive pretends to hold petabytes.
        let sorted = entries.map(\.data).sorted { $0.lowerBound < $1.lowerBound }
        guard zip(sorted, sorted.dropFirst()).allSatisfy({ $0.upperBound <= $1.lowerBound }) else {
            throw fail(.malformed, nil, "entries overlap", damaged)
        }
        self.entries = entries
    }

    /// The end record, and the zip64 one where it says so.
    private static func findEnd(
        _ bytes: UnsafeRawBufferPointer, damaged: String, _ fail: (ArrayError.Code, String?, String, String) -> ArrayError
    ) throws(ArrayError) -> End? {
        let lowest = max(0, bytes.count - endLength - maximumCommentLength)
        var found: Int?
        // What a transfer put behind the archive is no damage, and Python reads such files, too.
        var followed: Int?
        for offset in stride(from: bytes.count - endLength, through: lowest, by: -1) {
            var reader = ByteReader(bytes, at: offset)
            guard reader.integer(UInt32.self) == 0x0605_4b50 else { continue }
            var comment = ByteReader(bytes, at: offset + 20)
            guard let length: UInt16 = comment.integer() else { continue }
            if offset + endLength + Int(length) == bytes.count {
                found = offset
                break
            }
            if followed == nil, offset + endLength + Int(length) < bytes.count { followed = offset }
        }
        guard let found = found ?? followed else { return nil }
        var reader = ByteReader(bytes, at: found + 4)
        guard let disk: UInt16 = reader.integer(), let directoryDisk: UInt16 = reader.integer(),
            let countHere: UInt16 = reader.integer(), let count: UInt16 = reader.integer(), let size: UInt32 = reader.integer(),
            let offset: UInt32 = reader.integer()
        else { return nil }
        if count == 0xffff || countHere == 0xffff || size == unknown32 || offset == unknown32 {
            return findEnd64(bytes, locatorAt: found - 20)
        }
        guard disk == 0, directoryDisk == 0, countHere == count else {
            throw fail(.unsupported, nil, "the archive is spread over several files", damaged)
        }
        return end(entryCount: Int(count), offset: Int(offset), size: Int(size), limit: found)
    }

    private static func findEnd64(_ bytes: UnsafeRawBufferPointer, locatorAt locator: Int) -> End? {
        var reader = ByteReader(bytes, at: locator)
        guard reader.integer(UInt32.self) == 0x0706_4b50, reader.integer(UInt32.self) == 0,
            let position: UInt64 = reader.integer(), let start = Int(exactly: position), start < locator
        else { return nil }
        var record = ByteReader(bytes, at: start)
        guard record.integer(UInt32.self) == 0x0606_4b50, record.take(20) != nil, let countHere: UInt64 = record.integer(),
            let count: UInt64 = record.integer(), let size: UInt64 = record.integer(), let offset: UInt64 = record.integer(),
            countHere == count, let entryCount = Int(exactly: count), let size = Int(exactly: size),
            let offset = Int(exactly: offset)
        else { return nil }
        return end(entryCount: entryCount, offset: offset, size: size, limit: start)
    }

    private static func end(entryCount: Int, offset: Int, size: Int, limit: Int) -> End? {
        guard offset <= limit, size <= limit - offset else { return nil }
        return End(entryCount: entryCount, directory: offset..<(offset + size))
    }

    /// One record of the directory; `nil` where it is cut short or points outside.
    private static func entry(
        _ reader: inout ByteReader, in bytes: UnsafeRawBufferPointer, before directory: Int, damaged: String,
        _ fail: (ArrayError.Code, String?, String, String) -> ArrayError
    ) throws(ArrayError) -> Entry? {
        guard reader.integer(UInt32.self) == 0x0201_4b50, reader.take(4) != nil, let flags: UInt16 = reader.integer(),
            let method: UInt16 = reader.integer(), reader.take(4) != nil, let crc: UInt32 = reader.integer(),
            let compressed: UInt32 = reader.integer(), let uncompressed: UInt32 = reader.integer(),
            let nameLength: UInt16 = reader.integer(), let extraLength: UInt16 = reader.integer(),
            let commentLength: UInt16 = reader.integer(), reader.take(8) != nil, let local: UInt32 = reader.integer(),
            let nameBytes = reader.take(Int(nameLength)), let extra = reader.take(Int(extraLength)),
            reader.take(Int(commentLength)) != nil
        else { return nil }
        // Old tools write names in the code page of their machine: nobody asks for such an array, and the others are fine.
        let name = String(decoding: nameBytes, as: UTF8.self)
        guard !name.isEmpty else { return nil }
        let obstacle: Obstacle? =
            if flags & 1 != 0 {
                Obstacle(problem: "it is encrypted", fix: "write it without a password")
            } else if method != 0, method != 8 {
                Obstacle(
                    problem: "compression method \(method) is neither stored nor deflate", fix: "use numpy.savez_compressed")
            } else {
                nil
            }
        var wide = Zip64Extra(extra)
        guard let uncompressedCount = wide.resolve(uncompressed), let compressedCount = wide.resolve(compressed),
            let localOffset = wide.resolve(local)
        else { return nil }
        guard let data = dataRange(bytes, local: localOffset, count: compressedCount, before: directory) else {
            throw fail(.malformed, name, "its data lies outside the file", damaged)
        }
        return Entry(
            name: name, isDeflated: method == 8, crc: crc, data: data, uncompressedByteCount: uncompressedCount, obstacle: obstacle)
    }

    /// Follows the local header, whose name and extra field have lengths of their own.
    private static func dataRange(_ bytes: UnsafeRawBufferPointer, local: Int, count: Int, before directory: Int) -> Range<Int>? {
        guard local < directory else { return nil }
        var reader = ByteReader(bytes, at: local)
        guard reader.integer(UInt32.self) == 0x0403_4b50, reader.take(22) != nil, let nameLength: UInt16 = reader.integer(),
            let extraLength: UInt16 = reader.integer(), reader.take(Int(nameLength) + Int(extraLength)) != nil
        else { return nil }
        guard reader.offset <= directory, count <= directory - reader.offset else { return nil }
        return reader.offset..<(reader.offset + count)
    }
}

/// The zip64 extra field (id 1): 64-bit values for those of the record's fields that are all ones, in the record's order.
private struct Zip64Extra {
    private var reader: ByteReader?

    init(_ extra: UnsafeRawBufferPointer) {
        var fields = ByteReader(extra)
        while let id: UInt16 = fields.integer(), let size: UInt16 = fields.integer(), let body = fields.take(Int(size)) {
            if id == 1 {
                reader = ByteReader(body)
                return
            }
        }
    }

    mutating func resolve(_ value: UInt32) -> Int? {
        guard value == UInt32.max else { return Int(value) }
        return reader?.integer(UInt64.self).flatMap { Int(exactly: $0) }
    }
}
