/// The central directory of a zip archive, read with every bound checked before it is used: model files and `.npz` alike.
///
/// Entries lie inside the file, before the directory, and do not overlap, so all stored bytes together are no more than the file has.
/// What an entry says of its size when unpacked is not checked here: the bound on that is the reader's.
/// Source: PKWARE's APPNOTE 6.3, sections 4.3 and 4.5 (zip64, which numpy and torch always write).
package struct ZipDirectory: Sendable {
    package struct Entry: Sendable, Hashable {
        package let name: String
        /// 0 is stored, 8 is deflate.
        package let method: UInt16
        package let isEncrypted: Bool
        package let crc: UInt32
        /// The stored (perhaps compressed) bytes in the archive.
        package let data: Range<Int>
        /// Its size when unpacked, as declared.
        package let byteCount: Int
    }

    private static let entrySignature: UInt32 = 0x0201_4b50
    private static let localSignature: UInt32 = 0x0403_4b50
    /// Of a record of the directory, without name, extra field and comment.
    private static let entryLength = 46

    package let entries: [Entry]

    /// - Parameter maximumEntryCount: more are refused before memory is taken for them.
    package init(parsing bytes: UnsafeRawBufferPointer, end rule: ZipEnd.Rule, maximumEntryCount: Int) throws(ZipError) {
        let end = try ZipEnd(of: bytes, rule)
        guard end.entryCount <= maximumEntryCount else {
            throw .tooManyEntries(end.entryCount, limit: maximumEntryCount)
        }
        guard end.entryCount <= end.directory.count / ZipDirectory.entryLength else {
            throw .crowded(entries: end.entryCount, byteCount: end.directory.count)
        }
        var reader = ByteReader(UnsafeRawBufferPointer(rebasing: bytes[..<end.directory.upperBound]), at: end.directory.lowerBound)
        var entries: [Entry] = []
        entries.reserveCapacity(end.entryCount)
        for number in 0..<end.entryCount {
            guard let entry = try ZipDirectory.entry(&reader, in: bytes, before: end.directory.lowerBound) else {
                throw .badEntry(number: number + 1)
            }
            entries.append(entry)
        }
        guard reader.offset == end.directory.upperBound else { throw .otherLength }
        // Overlapping entries are how a small archive pretends to hold petabytes.
        let sorted = entries.map(\.data).sorted { $0.lowerBound < $1.lowerBound }
        guard zip(sorted, sorted.dropFirst()).allSatisfy({ $0.upperBound <= $1.lowerBound }) else { throw .overlap }
        self.entries = entries
    }

    /// One record of the directory; `nil` where it is cut short.
    private static func entry(
        _ reader: inout ByteReader, in bytes: UnsafeRawBufferPointer, before directory: Int
    ) throws(ZipError) -> Entry? {
        guard reader.integer(UInt32.self) == entrySignature, reader.take(4) != nil, let flags: UInt16 = reader.integer(),
            let method: UInt16 = reader.integer(), reader.take(4) != nil, let crc: UInt32 = reader.integer(),
            let stored: UInt32 = reader.integer(), let unpacked: UInt32 = reader.integer(),
            let nameLength: UInt16 = reader.integer(), let extraLength: UInt16 = reader.integer(),
            let commentLength: UInt16 = reader.integer(), reader.take(8) != nil, let local: UInt32 = reader.integer(),
            let nameBytes = reader.take(Int(nameLength)), let extra = reader.take(Int(extraLength)),
            reader.take(Int(commentLength)) != nil
        else { return nil }
        // Old tools write names in the code page of their machine: nobody asks for such an entry, and the others are fine.
        let name = String(decoding: nameBytes, as: UTF8.self)
        guard !name.isEmpty else { return nil }
        var wide = WideSizes(extra)
        guard let byteCount = wide.resolve(unpacked), let storedByteCount = wide.resolve(stored), let offset = wide.resolve(local)
        else { return nil }
        let data = try dataRange(of: name, bytes, local: offset, count: storedByteCount, before: directory)
        return Entry(name: name, method: method, isEncrypted: flags & 1 != 0, crc: crc, data: data, byteCount: byteCount)
    }

    /// Follows the local header, whose name and extra field have lengths of their own.
    private static func dataRange(
        of name: String, _ bytes: UnsafeRawBufferPointer, local: Int, count: Int, before directory: Int
    ) throws(ZipError) -> Range<Int> {
        let outside = ZipError.outside(entry: name, byteCount: count, offset: local)
        guard local < directory else { throw outside }
        var reader = ByteReader(bytes, at: local)
        guard reader.integer(UInt32.self) == localSignature else { throw .misplaced(entry: name) }
        guard reader.take(22) != nil, let nameLength: UInt16 = reader.integer(), let extraLength: UInt16 = reader.integer(),
            reader.take(Int(nameLength) + Int(extraLength)) != nil, reader.offset <= directory,
            count <= directory - reader.offset
        else { throw outside }
        return reader.offset..<(reader.offset + count)
    }
}

/// The zip64 extra field (id 1): 64-bit values for those of the record's fields that are all ones, in the record's order.
private struct WideSizes {
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
