internal import Base
public import Tensors

/// numpy's `.npz` files: a zip archive of named arrays.
public enum NPZ {
    /// The sum of all arrays of one file when nothing else is said: one tensor's largest size.
    public static let defaultLimit = Tensor.maximumByteCount
    /// More than any model has inputs.
    private static let maximumArrayCount = 4_096

    /// Reads a file that `numpy.savez` or `numpy.savez_compressed` wrote, the arrays in the file's order.
    /// - Parameter limit: bytes of all arrays together, uncompressed; checked before memory is taken.
    public static func read(_ path: String, limit: Int = defaultLimit) throws(ArrayError) -> [(name: String, tensor: Tensor)] {
        try decode(try WholeFile.read(path: path, limit: NPY.maximumFileByteCount), name: path, limit: limit)
    }

    /// As ``read(_:limit:)`` for an archive in memory.
    /// - Parameter wanted: names of the arrays to read; the others are left alone, whatever they hold. All of them where it is `nil`.
    public static func decode(
        _ storage: TensorStorage, name file: String, wanting wanted: Set<String>? = nil, limit: Int = defaultLimit
    ) throws(ArrayError) -> [(name: String, tensor: Tensor)] {
        try contents(of: storage, name: file, wanting: wanted, limit: limit).arrays
    }

    private static func refusal(_ error: ZipError, _ file: String) -> ArrayError {
        func damaged(_ problem: String, entry: String? = nil, _ code: ArrayError.Code = .malformed) -> ArrayError {
            ArrayError(
                code, file: file, field: entry, problem: problem, fix: "copy the file again, or write it again with numpy.savez")
        }
        return switch error {
        case .noEnd, .noWideEnd, .directoryOutside: damaged("its zip directory is missing or cut short")
        case .spread: damaged("the archive is spread over several files", .unsupported)
        case .tooManyEntries(let count, let limit):
            ArrayError(
                .tooLarge, file: file, problem: "its \(count) arrays are over the limit of \(limit)", fix: "save fewer arrays")
        case .crowded(let entries, let count): damaged("its zip directory has \(count) bytes for \(entries) entries")
        case .badEntry(let number): damaged("entry \(number) of its zip directory is damaged")
        case .outside(let entry, _, _), .misplaced(let entry): damaged("its data lies outside the file", entry: entry)
        case .otherLength: damaged("its zip directory has another length than it says")
        case .overlap: damaged("entries overlap")
        }
    }

    /// - Returns: what was read, and the names of the entries that were not.
    static func contents(
        of storage: TensorStorage, name file: String, wanting wanted: Set<String>?, limit: Int
    ) throws(ArrayError) -> (arrays: [(name: String, tensor: Tensor)], others: [String]) {
        try withExtendedLifetime(storage) { () throws(ArrayError) in
            let directory: ZipDirectory
            do throws(ZipError) {
                directory = try ZipDirectory(parsing: storage.bytes, end: .closing, maximumEntryCount: maximumArrayCount)
            } catch {
                throw refusal(error, file)
            }
            var arrays: [(name: String, tensor: Tensor)] = []
            var others: [String] = []
            var seen = Set<String>()
            var remaining = limit
            for entry in directory.entries {
                let hasSuffix = entry.name.hasSuffix(".npy")
                let name = hasSuffix ? String(entry.name.dropLast(4)) : entry.name
                guard wanted.map({ $0.contains(name) }) ?? true else {
                    others.append(name)
                    continue
                }
                guard hasSuffix || wanted != nil else {
                    throw ArrayError(
                        .unsupported, file: file, field: "entry \"\(entry.name)\"", problem: "it is not an array",
                        fix: "write the file with numpy.savez")
                }
                // What has the suffix is the array of that name.
                if !hasSuffix, directory.entries.contains(where: { $0.name == name + ".npy" }) {
                    others.append(entry.name)
                    continue
                }
                guard seen.insert(name).inserted else {
                    throw ArrayError(
                        .malformed, file: file, field: "array \"\(name)\"", problem: "it stands twice", fix: "write each array once"
                    )
                }
                guard entry.byteCount <= remaining else {
                    throw ArrayError(
                        .tooLarge, file: file, field: "array \"\(name)\"",
                        problem:
                            "it declares \(entry.byteCount) bytes, and the arrays of one file may have \(limit) together",
                        fix: "split the file")
                }
                remaining -= entry.byteCount
                let content = try contents(of: entry, storage, file)
                // numpy tells arrays by how they begin, and reads those that another tool packed without the suffix.
                guard hasSuffix || withExtendedLifetime(content, { content.bytes.starts(with: NPYHeader.magic) }) else {
                    others.append(name)
                    continue
                }
                arrays.append((name, try NPY.decode(content, name: file, entry: name)))
            }
            return (arrays, others)
        }
    }

    private static func contents(of entry: ZipDirectory.Entry, _ archive: TensorStorage, _ file: String) throws(ArrayError)
        -> TensorStorage
    {
        func damaged(_ problem: String) -> ArrayError {
            ArrayError(
                .malformed, file: file, field: "array \"\(entry.arrayName)\"", problem: problem,
                fix: "copy the file again, or write it again")
        }
        func unsupported(_ problem: String, _ fix: String) -> ArrayError {
            ArrayError(.unsupported, file: file, field: "array \"\(entry.arrayName)\"", problem: problem, fix: fix)
        }
        guard !entry.isEncrypted else { throw unsupported("it is encrypted", "write it without a password") }
        guard entry.method == 0 || entry.isDeflated else {
            throw unsupported(
                "compression method \(entry.method) is neither stored nor deflate", "use numpy.savez_compressed")
        }
        let source = UnsafeRawBufferPointer(rebasing: archive.bytes[entry.data])
        let count = entry.byteCount
        guard entry.isDeflated ? count / Inflater.maximumRatio <= source.count : count == source.count else {
            throw damaged("\(source.count) bytes in the file cannot hold the declared \(count)")
        }
        let storage = entry.isDeflated ? TensorStorage(byteCount: count) : TensorStorage(copying: source)
        if entry.isDeflated && !Inflater.inflate(source, into: storage.mutableBytes) {
            throw damaged("its compressed data is damaged, or is not the declared \(count) bytes")
        }
        guard Inflater.crc32(storage.bytes) == entry.crc else { throw damaged("its checksum does not match") }
        return storage
    }

    /// Writes a file that `numpy.load` reads (stored, not compressed); an existing one is replaced in one step.
    public static func write(_ path: String, _ arrays: [(name: String, tensor: Tensor)]) throws(ArrayError) {
        try write(path, arrays, wideFrom: UInt64(UInt32.max))
    }

    /// - Parameter wideFrom: sizes and offsets from here on are written as zip64; a test sets it low.
    package static func write(
        _ path: String, _ arrays: [(name: String, tensor: Tensor)], wideFrom: UInt64
    ) throws(ArrayError) {
        var writer = ZipWriter(wideFrom: wideFrom)
        var seen = Set<String>()
        for (name, tensor) in arrays {
            guard seen.insert(name).inserted, !name.isEmpty, name.utf8.count <= ZipWriter.maximumNameLength else {
                throw ArrayError(
                    .malformed, file: path, field: name, problem: "an array's name is empty, too long or stands twice",
                    fix: "give each array a name of its own")
            }
            writer.append(name: name + ".npy", NPY.pieces(of: tensor))
        }
        try WholeFile.write(path: path, pieces: writer.finish())
    }
}

extension ZipDirectory.Entry {
    fileprivate var isDeflated: Bool { method == 8 }
    /// What messages call it.
    fileprivate var arrayName: String { name.hasSuffix(".npy") ? String(name.dropLast(4)) : name }
}
