import Base
import Testing

@Suite("The directory of a zip archive")
struct ZipDirectoryTests {
    static func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

    /// Stored entries, and a directory whose parts can be changed before they are put together.
    struct Archive {
        var files: [UInt8] = []
        var directory: [UInt8] = []
        var count = 0
        /// What stands between the directory and the end record.
        var middle: [UInt8] = []
        var comment: [UInt8] = []

        init(_ names: [String] = ["a", "b"]) { for name in names { add(name, Array("content of \(name)".utf8)) } }

        /// - Parameter at: where the directory says that the entry is, if not where it is.
        mutating func add(_ name: String, _ content: [UInt8], at place: Int? = nil, isWide: Bool = false) {
            let common =
                little(UInt32(20)) + little(UInt16(0)) + little(UInt32(0)) + little(UInt32(7)) + little(UInt32(content.count))
                + little(isWide ? .max : UInt32(content.count)) + little(UInt16(name.utf8.count))
            let extra = isWide ? little(UInt16(1)) + little(UInt16(8)) + little(UInt64(content.count)) : []
            directory +=
                little(UInt32(0x0201_4b50)) + little(UInt16(20)) + common + little(UInt16(extra.count))
                + [UInt8](repeating: 0, count: 10) + little(UInt32(place ?? files.count)) + Array(name.utf8) + extra
            files += little(UInt32(0x0403_4b50)) + common + little(UInt16(0)) + Array(name.utf8) + content
            count += 1
        }

        /// The zip64 records, which go before what the short one says.
        func wide(count: Int? = nil, here: Int? = nil, offset: UInt64? = nil, record: Int? = nil) -> [UInt8] {
            let all = count ?? self.count
            let end =
                little(UInt32(0x0606_4b50)) + [UInt8](repeating: 0, count: 20) + little(UInt64(here ?? all)) + little(UInt64(all))
                + little(UInt64(directory.count)) + little(offset ?? UInt64(files.count))
            return end + little(UInt32(0x0706_4b50)) + little(UInt32(0))
                + little(UInt64(record ?? files.count + directory.count)) + little(UInt32(1))
        }

        func bytes(count: Int? = nil, here: Int? = nil, offset: Int? = nil, size: Int? = nil) -> [UInt8] {
            let all = UInt16(count ?? self.count)
            return files + directory + middle + little(UInt32(0x0605_4b50)) + little(UInt32(0))
                + little(here.map(UInt16.init) ?? all) + little(all) + little(UInt32(size ?? directory.count))
                + little(UInt32(offset ?? files.count)) + little(UInt16(comment.count)) + comment
        }
    }

    static func parse(
        _ bytes: [UInt8], end: ZipEnd.Rule = .closing, limit: Int = 10
    ) throws -> [ZipDirectory.Entry] {
        try bytes.withUnsafeBytes { try ZipDirectory(parsing: $0, end: end, maximumEntryCount: limit).entries }
    }

    static func names(_ bytes: [UInt8], end: ZipEnd.Rule = .closing) throws -> [String] { try parse(bytes, end: end).map(\.name) }

    @Test("entries and where their bytes are")
    func entries() throws {
        let archive = Archive()
        let bytes = archive.bytes()
        let entries = try Self.parse(bytes)
        #expect(entries.map(\.name) == ["a", "b"] && entries.map(\.byteCount) == [12, 12] && entries.allSatisfy { $0.crc == 7 })
        #expect(entries.map { String(decoding: bytes[$0.data], as: UTF8.self) } == ["content of a", "content of b"])
        #expect(try Self.parse(Archive([]).bytes()).isEmpty)
    }

    @Test("zip64, in an entry and at the end, goes before the short form")
    func wide() throws {
        var archive = Archive()
        archive.add("c", [1, 2, 3], isWide: true)
        archive.middle = archive.wide()
        // Both with the short form full, as numpy writes it, and with another number in it.
        for count in [0xffff, 1] {
            let entries = try Self.parse(archive.bytes(count: count))
            #expect(entries.map(\.name) == ["a", "b", "c"] && entries[2].byteCount == 3)
        }
    }

    @Test("which end is the end: libtorch's reader takes the last, Python the one whose comment closes the file")
    func ends() throws {
        let inner = Archive([]).bytes()
        var archive = Archive()
        archive.comment = inner + [UInt8(ascii: "!")]
        let bytes = archive.bytes()
        #expect(try Self.names(bytes, end: .closing) == ["a", "b"])
        // The comment's own record says that the archive is empty.
        #expect(try Self.names(bytes, end: .last) == [])
        for behind in [[UInt8(ascii: "\n")], [UInt8](repeating: 0, count: 100)] {
            for rule in [ZipEnd.Rule.closing, .last] {
                #expect(try Self.names(Archive().bytes() + behind, end: rule) == ["a", "b"])
            }
        }
    }

    struct Lie: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let error: ZipError
        let bytes: @Sendable (Archive) -> [UInt8]

        init(_ name: String, _ error: ZipError, _ bytes: @escaping @Sendable (Archive) -> [UInt8]) {
            testDescription = name
            self.error = error
            self.bytes = bytes
        }
    }

    static func changed(_ archive: Archive, _ change: (inout Archive) -> Void) -> [UInt8] {
        var copy = archive
        change(&copy)
        return copy.bytes()
    }

    static let lies = [
        Lie("no end", .noEnd) { $0.files + $0.directory },
        Lie("nothing", .noEnd) { _ in [] },
        Lie("cut short", .noEnd) { $0.bytes().dropLast() },
        Lie("several files", .spread(here: 1, all: 2)) { $0.bytes(here: 1) },
        Lie("a directory behind the end", .directoryOutside(offset: 1_000, byteCount: 94)) { $0.bytes(offset: 1_000) },
        Lie("a directory that is too long", .directoryOutside(offset: 86, byteCount: 95)) { $0.bytes(size: 95) },
        Lie("more entries than are taken", .tooManyEntries(11, limit: 10)) { $0.bytes(count: 11) },
        Lie("more entries than there is room for", .crowded(entries: 3, byteCount: 94)) { $0.bytes(count: 3) },
        Lie("fewer entries than there are", .otherLength) { $0.bytes(count: 1) },
        Lie("an entry that is none", .badEntry(number: 2)) { archive in changed(archive) { $0.directory[47] = 0 } },
        Lie("an entry without a name", .badEntry(number: 3)) { archive in changed(archive) { $0.add("", [1]) } },
        Lie("a long size that is not there", .badEntry(number: 1)) { archive in
            changed(archive) { for byte in 24..<28 { $0.directory[byte] = 0xff } }
        },
        Lie("data behind the directory", .outside(entry: "a", byteCount: 200, offset: 0)) { archive in
            changed(archive) { $0.directory[20] = 200 }
        },
        Lie("a header outside", .outside(entry: "c", byteCount: 1, offset: 9_999)) { archive in
            changed(archive) { $0.add("c", [1], at: 9_999) }
        },
        Lie("a header that is none", .misplaced(entry: "c")) { archive in changed(archive) { $0.add("c", [1], at: 3) } },
        Lie("entries with the same bytes", .overlap) { archive in
            changed(archive) { $0.add("c", Array("content of c".utf8), at: 0) }
        },
        Lie("a long end that is not there", .noWideEnd(offset: 5)) { archive in
            changed(archive) { $0.middle = $0.wide(record: 5) }
        },
        Lie("a long end behind its locator", .noWideEnd(offset: 250)) { archive in
            changed(archive) { $0.middle = $0.wide(record: 250) }
        },
        Lie("two counts in the long end", .spread(here: 1, all: 2)) { archive in changed(archive) { $0.middle = $0.wide(here: 1) }
        },
        Lie("a directory at 2^63", .directoryOutside(offset: -1, byteCount: 94)) { archive in
            changed(archive) { $0.middle = $0.wide(offset: 1 << 63) }
        },
        Lie("2^31 entries", .tooManyEntries(1 << 31, limit: 10)) { archive in
            changed(archive) { $0.middle = $0.wide(count: 1 << 31) }
        },
    ]

    @Test("what does not fit the file is refused", arguments: lies)
    func refused(_ lie: Lie) {
        #expect(throws: lie.error) { try Self.parse(lie.bytes(Archive())) }
    }
}
