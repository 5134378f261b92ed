internal import CTorch
package import Tensors

/// Looks at an archive's directory before libtorch sees the file.
///
/// libtorch takes memory by the sizes that an archive declares, and its messages about wrong files speak of its insides. So the zip
/// directory is read here: every size must fit the bytes that are there, and a file that is something else (a pickle, a state_dict, a
/// newer format) is named as what it is. Reference: PKWARE APPNOTE 6.3.10, sections 4.3.12 to 4.3.16.
package struct ArchiveInspector {
    /// A model of ten thousand tensors has about as many entries; a directory beyond this is an attack on our time.
    static let maximumEntryCount = 1 << 20
    /// Deflate cannot do better than 1032 to 1.
    static let maximumInflation = 1_032
    /// Only code and debug records are compressed; libtorch's largest are a few MiB.
    static let maximumCompressedEntryByteCount = 64 << 20
    /// All compressed entries together.
    static let maximumInflatedByteCount = 512 << 20
    /// A version record is one small number.
    static let maximumVersionByteCount = 16

    static let exportHint = "export it with scripts/export-model"

    private let bytes: UnsafeRawBufferPointer

    /// - Throws: an ``InferenceError`` that says what is wrong with the file.
    package static func check(_ archive: TensorStorage) throws(InferenceError) {
        try withExtendedLifetime(archive) { () throws(InferenceError) in try ArchiveInspector(bytes: archive.bytes).check() }
    }

    private func check() throws(InferenceError) {
        let entries = try directory()
        try checkSizes(entries)
        // What torch.export.save writes, now and before version 2.8.
        if entries.contains(where: { $0.name.hasSuffix("/archive_format") || $0.name == "serialized_exported_program.json" }) {
            throw InferenceError(
                .notTorchScript,
                "it is a program of torch.export (.pt2), not TorchScript; give torch.export.load(FILE).module() to scripts/export-model"
            )
        }
        guard let pickle = entries.first(where: { $0.isRecord("data.pkl") }) else {
            throw InferenceError(
                .notTorchScript, "it is a zip archive of \(entries.count) entries, but not one that torch saved; \(Self.exportHint)"
            )
        }
        let root = pickle.name.dropLast("data.pkl".count)
        if let version = try version(entries, root: root), version > amp_torch_runtime_archive_format() {
            throw InferenceError(
                .newerArchive,
                "it has archive format \(version), but this libtorch (\(TorchEngine.libtorchVersion)) reads up to \(amp_torch_runtime_archive_format()); \(Self.exportHint) and the same torch version"
            )
        }
        guard entries.contains(where: { $0.name.hasPrefix("\(root)code/") }),
            entries.contains(where: { $0.name == "\(root)constants.pkl" })
        else {
            throw InferenceError(
                .notTorchScript,
                "it holds a state_dict or an eager module, which is no TorchScript and has no graph; \(Self.exportHint)")
        }
    }

    private func checkSizes(_ entries: [Entry]) throws(InferenceError) {
        var stored = 0
        var inflated = 0
        for entry in entries {
            guard entry.storedByteCount >= 0, entry.byteCount >= 0, entry.offset >= 0,
                entry.offset <= bytes.count - Zip.localHeaderByteCount,
                entry.storedByteCount <= bytes.count - Zip.localHeaderByteCount - entry.offset
            else {
                throw absurd("entry \"\(entry.name)\" declares \(entry.storedByteCount) bytes at \(entry.offset)")
            }
            stored += entry.storedByteCount
            guard stored <= bytes.count else {
                throw absurd("the entries up to \"\(entry.name)\" declare \(stored) bytes together")
            }
            guard read32(entry.offset) == Zip.localHeaderSignature else {
                throw InferenceError(.truncated, "entry \"\(entry.name)\" is not where the directory says; copy the file again")
            }
            if entry.isCompressed {
                guard entry.byteCount <= Self.maximumCompressedEntryByteCount,
                    entry.byteCount <= entry.storedByteCount * Self.maximumInflation
                else {
                    throw absurd(
                        "entry \"\(entry.name)\" declares to inflate from \(entry.storedByteCount) to \(entry.byteCount) bytes")
                }
                inflated += entry.byteCount
                guard inflated <= Self.maximumInflatedByteCount else {
                    throw absurd("its entries inflate to more than \(Self.maximumInflatedByteCount) bytes")
                }
            } else if entry.byteCount != entry.storedByteCount {
                throw absurd("entry \"\(entry.name)\" is stored in \(entry.storedByteCount) bytes and declares \(entry.byteCount)")
            }
        }
    }

    private func absurd(_ what: String) -> InferenceError {
        InferenceError(.absurdSizes, "\(what), but the file has \(bytes.count); it is damaged or forged: \(Self.exportHint)")
    }

    /// The archive format's number, where there is a record of it.
    private func version(_ entries: [Entry], root: Substring) throws(InferenceError) -> UInt64? {
        let names = ["\(root).data/version", "\(root)version"]
        guard let entry = entries.first(where: { names.contains($0.name) }), !entry.isCompressed else { return nil }
        guard entry.byteCount <= Self.maximumVersionByteCount else {
            throw absurd("its version record declares \(entry.byteCount) bytes")
        }
        let start = entry.offset + Zip.localHeaderByteCount + read16(entry.offset + 26) + read16(entry.offset + 28)
        guard start <= bytes.count, entry.byteCount <= bytes.count - start else {
            throw absurd("its version record starts at \(start)")
        }
        let digits = bytes[start..<(start + entry.byteCount)].filter { $0 != UInt8(ascii: "\n") }
        return UInt64(String(decoding: digits, as: UTF8.self))
    }

    // MARK: The zip directory

    private struct Entry {
        var name: String
        var isCompressed: Bool
        var storedByteCount: Int
        var byteCount: Int
        var offset: Int

        /// Is it `name` in the archive's root folder?
        func isRecord(_ record: String) -> Bool {
            name.hasSuffix("/\(record)") && name.utf8.count(where: { $0 == UInt8(ascii: "/") }) == 1
        }
    }

    private enum Zip {
        static let localHeaderSignature = 0x0403_4b50
        static let localHeaderByteCount = 30
        static let directorySignature = 0x0201_4b50
        static let directoryHeaderByteCount = 46
        static let endSignature = 0x0605_4b50
        static let endByteCount = 22
        static let maximumCommentByteCount = 0xffff
        static let end64Signature = 0x0606_4b50
        static let end64ByteCount = 56
        static let locator64Signature = 0x0706_4b50
        static let locator64ByteCount = 20
        static let extra64 = 1
        static let isIn64 = 0xffff_ffff
    }

    private func directory() throws(InferenceError) -> [Entry] {
        guard bytes.count >= Zip.endByteCount, read32(0) == Zip.localHeaderSignature else { throw notAnArchive() }
        guard let end = findEnd() else {
            throw InferenceError(.truncated, "it ends after \(bytes.count) bytes without its directory; copy or download it again")
        }
        var count = read16(end + 10)
        var size = read32(end + 12)
        var start = read32(end + 16)
        let locator = end - Zip.locator64ByteCount
        if locator >= 0, read32(locator) == Zip.locator64Signature {
            let end64 = read64(locator + 8)
            guard end64 >= 0, end64 <= bytes.count - Zip.end64ByteCount, read32(end64) == Zip.end64Signature else {
                throw absurd("its directory's end is declared at \(end64)")
            }
            count = read64(end64 + 32)
            size = read64(end64 + 40)
            start = read64(end64 + 48)
        }
        guard start >= 0, size >= 0, start <= bytes.count, size <= bytes.count - start else {
            throw absurd("its directory declares \(size) bytes at \(start)")
        }
        guard count > 0, count <= Self.maximumEntryCount, count <= size / Zip.directoryHeaderByteCount else {
            throw absurd("its directory declares \(count) entries in \(size) bytes")
        }
        var entries: [Entry] = []
        entries.reserveCapacity(count)
        var position = start
        for _ in 0..<count { entries.append(try entry(at: &position, end: start + size)) }
        return entries
    }

    private func entry(at position: inout Int, end: Int) throws(InferenceError) -> Entry {
        guard end - position >= Zip.directoryHeaderByteCount, read32(position) == Zip.directorySignature else {
            throw absurd("its directory is broken at \(position)")
        }
        let nameCount = read16(position + 28)
        let extraCount = read16(position + 30)
        let next = position + Zip.directoryHeaderByteCount + nameCount + extraCount + read16(position + 32)
        guard next <= end else { throw absurd("its directory has an entry up to \(next)") }
        let nameStart = position + Zip.directoryHeaderByteCount
        var entry = Entry(
            name: String(decoding: bytes[nameStart..<(nameStart + nameCount)], as: UTF8.self),
            isCompressed: read16(position + 10) != 0, storedByteCount: read32(position + 20), byteCount: read32(position + 24),
            offset: read32(position + 42))
        try widen(&entry, extra: (nameStart + nameCount)..<(nameStart + nameCount + extraCount))
        position = next
        return entry
    }

    /// Sizes that do not fit 32 bits stand in an extra field, in this order, each only where its short form is full.
    private func widen(_ entry: inout Entry, extra: Range<Int>) throws(InferenceError) {
        var field = extra.lowerBound
        while extra.upperBound - field >= 4 {
            let end = field + 4 + read16(field + 2)
            guard end <= extra.upperBound else { return }
            if read16(field) == Zip.extra64 {
                var position = field + 4
                func wide(_ short: Int) throws(InferenceError) -> Int {
                    guard short == Zip.isIn64 else { return short }
                    guard end - position >= 8 else { throw absurd("entry \"\(entry.name)\" lacks its long sizes") }
                    defer { position += 8 }
                    return read64(position)
                }
                entry.byteCount = try wide(entry.byteCount)
                entry.storedByteCount = try wide(entry.storedByteCount)
                entry.offset = try wide(entry.offset)
                return
            }
            field = end
        }
    }

    private func findEnd() -> Int? {
        let last = bytes.count - Zip.endByteCount
        let first = max(0, last - Zip.maximumCommentByteCount)
        return stride(from: last, through: first, by: -1).first { read32($0) == Zip.endSignature }
    }

    /// What people take for a model's file.
    private static let known: [(beginning: [UInt8], what: String, fix: String)] = [
        (
            Array("version https://git-lfs".utf8), "a pointer of Git LFS, which stands for the file",
            "fetch the file with git lfs pull"
        ),
        (Array("<".utf8), "a web page, perhaps a server's error", "download it again, from the address of the file itself"),
        ([0x1f, 0x8b], "a gzip file", "unpack it with gunzip"),
    ]

    private func notAnArchive() -> InferenceError {
        // Protocol 2 and later pickles begin with 0x80 and the protocol's number.
        if bytes.count >= 2, bytes[0] == 0x80, (2...5).contains(bytes[1]) {
            return InferenceError(
                .notAnArchive, "it is a pickle (an old torch.save), which is no TorchScript archive; \(Self.exportHint)")
        }
        if bytes.count < Zip.endByteCount, bytes.starts(with: [0x50, 0x4b, 0x03, 0x04]) {
            return InferenceError(.truncated, "it ends after \(bytes.count) bytes; copy or download it again")
        }
        if let other = Self.known.first(where: { bytes.starts(with: $0.beginning) }) {
            return InferenceError(.notAnArchive, "it is \(other.what), not a TorchScript archive; \(other.fix)")
        }
        return InferenceError(.notAnArchive, "it is no TorchScript archive (it does not begin like a zip file); \(Self.exportHint)")
    }

    private func read16(_ position: Int) -> Int {
        Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt16.self)))
    }
    private func read32(_ position: Int) -> Int {
        Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
    }
    /// Values beyond `Int` become -1, which every check refuses.
    private func read64(_ position: Int) -> Int {
        Int(exactly: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))) ?? -1
    }
}
