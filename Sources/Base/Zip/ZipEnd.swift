/// What the end of a zip archive says of its directory.
package struct ZipEnd: Sendable, Hashable {
    /// Which of several places that look like an end record is meant.
    package enum Rule: Sendable, Hashable {
        /// The last one, whatever stands behind it. libtorch's reader takes this one, and whoever looks at an archive before it must look
        /// at the same directory.
        case last
        /// The one whose comment ends with the file, else the last: what a transfer put behind an archive is no damage.
        case closing
    }

    package let entryCount: Int
    package let directory: Range<Int>

    private static let signature: UInt32 = 0x0605_4b50
    private static let wideSignature: UInt32 = 0x0606_4b50
    private static let locatorSignature: UInt32 = 0x0706_4b50
    private static let length = 22
    private static let locatorLength = 20
    /// An archive's comment is at most 65,535 bytes long.
    private static let maximumCommentLength = 0xffff

    init(of bytes: UnsafeRawBufferPointer, _ rule: Rule) throws(ZipError) {
        guard let place = ZipEnd.place(in: bytes, rule) else { throw .noEnd }
        var reader = ByteReader(bytes, at: place + 4)
        guard let disk: UInt16 = reader.integer(), let directoryDisk: UInt16 = reader.integer(),
            let here: UInt16 = reader.integer(), let all: UInt16 = reader.integer(), let size: UInt32 = reader.integer(),
            let offset: UInt32 = reader.integer()
        else { throw .noEnd }
        // The long form goes before the short one wherever there is one: so read libtorch and Python.
        var locator = ByteReader(bytes, at: place - ZipEnd.locatorLength)
        if locator.integer(UInt32.self) == ZipEnd.locatorSignature {
            self = try ZipEnd.wide(&locator, bytes, before: place - ZipEnd.locatorLength)
            return
        }
        guard disk == 0, directoryDisk == 0, here == all else { throw .spread(here: Int(here), all: Int(all)) }
        try self.init(entryCount: Int(all), offset: Int(offset), byteCount: Int(size), before: place)
    }

    private init(entryCount: Int, offset: Int, byteCount: Int, before limit: Int) throws(ZipError) {
        guard entryCount >= 0, offset >= 0, byteCount >= 0, offset <= limit, byteCount <= limit - offset else {
            throw .directoryOutside(offset: offset, byteCount: byteCount)
        }
        self.entryCount = entryCount
        directory = offset..<(offset + byteCount)
    }

    private static func place(in bytes: UnsafeRawBufferPointer, _ rule: Rule) -> Int? {
        let highest = bytes.count - length
        var last: Int?
        for offset in stride(from: highest, through: max(0, highest - maximumCommentLength), by: -1) {
            var reader = ByteReader(bytes, at: offset)
            guard reader.integer(UInt32.self) == signature else { continue }
            if rule == .last { return offset }
            var comment = ByteReader(bytes, at: offset + 20)
            guard let count: UInt16 = comment.integer() else { continue }
            let end = offset + length + Int(count)
            if end == bytes.count { return offset }
            if last == nil, end < bytes.count { last = offset }
        }
        return last
    }

    /// - Parameter locator: behind its signature.
    private static func wide(
        _ locator: inout ByteReader, _ bytes: UnsafeRawBufferPointer, before limit: Int
    ) throws(ZipError) -> ZipEnd {
        guard let disk: UInt32 = locator.integer(), let position: UInt64 = locator.integer() else { throw .noEnd }
        let start = number(position)
        var record = ByteReader(bytes, at: start)
        guard start < limit, record.integer(UInt32.self) == wideSignature, record.take(20) != nil,
            let here: UInt64 = record.integer(), let all: UInt64 = record.integer(), let size: UInt64 = record.integer(),
            let offset: UInt64 = record.integer()
        else { throw .noWideEnd(offset: start) }
        guard disk == 0, here == all else { throw .spread(here: number(here), all: number(all)) }
        return try ZipEnd(entryCount: number(all), offset: number(offset), byteCount: number(size), before: start)
    }

    /// Values beyond `Int` become -1, which every check refuses.
    private static func number(_ value: UInt64) -> Int { Int(exactly: value) ?? -1 }
}
