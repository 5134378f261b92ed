internal import Base
internal import CTorch
package import Tensors

/// Looks at an archive's directory before libtorch sees the file.
///
/// libtorch takes memory by the sizes that an archive declares, and its messages about wrong files speak of its insides. So the zip
/// directory is read here: every size must fit the bytes that are there, and a file that is something else (a pickle, a state_dict, a
/// newer format) is named as what it is.
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

    /// Of a zip file whose first entry is at its start, as torch writes them.
    private static let beginning: [UInt8] = [0x50, 0x4b, 0x03, 0x04]
    /// An end record.
    private static let leastByteCount = 22

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

    /// What the directory itself has not checked: what entries declare to become.
    private func checkSizes(_ entries: [ZipDirectory.Entry]) throws(InferenceError) {
        var inflated = 0
        for entry in entries {
            if entry.isCompressed {
                guard entry.byteCount <= Self.maximumCompressedEntryByteCount,
                    entry.byteCount <= entry.data.count * Self.maximumInflation
                else {
                    throw absurd(
                        "entry \"\(entry.name)\" declares to inflate from \(entry.data.count) to \(entry.byteCount) bytes")
                }
                inflated += entry.byteCount
                guard inflated <= Self.maximumInflatedByteCount else {
                    throw absurd("its entries inflate to more than \(Self.maximumInflatedByteCount) bytes")
                }
            } else if entry.byteCount != entry.data.count {
                throw absurd("entry \"\(entry.name)\" is stored in \(entry.data.count) bytes and declares \(entry.byteCount)")
            }
        }
    }

    private func absurd(_ what: String) -> InferenceError {
        InferenceError(.absurdSizes, "\(what), but the file has \(bytes.count); it is damaged or forged: \(Self.exportHint)")
    }

    /// The archive format's number, where there is a record of it.
    private func version(_ entries: [ZipDirectory.Entry], root: Substring) throws(InferenceError) -> UInt64? {
        let names = ["\(root).data/version", "\(root)version"]
        guard let entry = entries.first(where: { names.contains($0.name) }), !entry.isCompressed else { return nil }
        guard entry.byteCount <= Self.maximumVersionByteCount else {
            throw absurd("its version record declares \(entry.byteCount) bytes")
        }
        let digits = bytes[entry.data].filter { $0 != UInt8(ascii: "\n") }
        return UInt64(String(decoding: digits, as: UTF8.self))
    }

    private func directory() throws(InferenceError) -> [ZipDirectory.Entry] {
        guard bytes.count >= Self.leastByteCount, bytes.starts(with: Self.beginning) else { throw notAnArchive() }
        do throws(ZipError) {
            let entries = try ZipDirectory(parsing: bytes, end: .last, maximumEntryCount: Self.maximumEntryCount).entries
            guard !entries.isEmpty else { throw .crowded(entries: 0, byteCount: 0) }
            return entries
        } catch {
            throw refusal(error)
        }
    }

    private func refusal(_ error: ZipError) -> InferenceError {
        switch error {
        case .noEnd:
            InferenceError(.truncated, "it ends after \(bytes.count) bytes without its directory; copy or download it again")
        case .misplaced(let entry):
            InferenceError(.truncated, "entry \"\(entry)\" is not where the directory says; copy the file again")
        case .noWideEnd(let offset): absurd("its directory's end is declared at \(offset)")
        case .spread(let here, let all): absurd("its directory declares \(all) entries, \(here) of them in this file")
        case .directoryOutside(let offset, let count): absurd("its directory declares \(count) bytes at \(offset)")
        case .tooManyEntries(let count, let limit): absurd("its directory declares \(count) entries, over the limit of \(limit)")
        case .crowded(let entries, let count): absurd("its directory declares \(entries) entries in \(count) bytes")
        case .badEntry(let number): absurd("its directory is broken at entry \(number)")
        case .outside(let entry, let count, let offset): absurd("entry \"\(entry)\" declares \(count) bytes at \(offset)")
        case .otherLength: absurd("its directory's entries do not end where it declares")
        case .overlap: absurd("its entries declare the same bytes twice")
        }
    }

    /// What people take for a model's file.
    private static let known: [(beginning: [UInt8], what: String, fix: String)] = [
        (GitLFSPointer.firstBytes, GitLFSPointer.description, GitLFSPointer.fix),
        (Array("<".utf8), "a web page, perhaps a server's error", "download it again, from the address of the file itself"),
        ([0x1f, 0x8b], "a gzip file", "unpack it with gunzip"),
    ]

    private func notAnArchive() -> InferenceError {
        // Protocol 2 and later pickles begin with 0x80 and the protocol's number.
        if bytes.count >= 2, bytes[0] == 0x80, (2...5).contains(bytes[1]) {
            return InferenceError(
                .notAnArchive, "it is a pickle (an old torch.save), which is no TorchScript archive; \(Self.exportHint)")
        }
        if bytes.count < Self.leastByteCount, bytes.starts(with: Self.beginning) {
            return InferenceError(.truncated, "it ends after \(bytes.count) bytes; copy or download it again")
        }
        if let other = Self.known.first(where: { bytes.starts(with: $0.beginning) }) {
            return InferenceError(.notAnArchive, "it is \(other.what), not a TorchScript archive; \(other.fix)")
        }
        return InferenceError(.notAnArchive, "it is no TorchScript archive (it does not begin like a zip file); \(Self.exportHint)")
    }
}

extension ZipDirectory.Entry {
    fileprivate var isCompressed: Bool { method != 0 }

    /// Is it `name` in the archive's root folder?
    fileprivate func isRecord(_ record: String) -> Bool {
        name.hasSuffix("/\(record)") && name.utf8.count(where: { $0 == UInt8(ascii: "/") }) == 1
    }
}
