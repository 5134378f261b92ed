public import Tensors

/// numpy's `.npz` files: a zip archive of named arrays.
public enum NPZ {
    /// The sum of all arrays of one file when nothing else is said: one tensor's largest size.
    public static let defaultLimit = Tensor.maximumByteCount

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

    /// - Returns: what was read, and the names of the entries that were not.
    static func contents(
        of storage: TensorStorage, name file: String, wanting wanted: Set<String>?, limit: Int
    ) throws(ArrayError) -> (arrays: [(name: String, tensor: Tensor)], others: [String]) {
        try withExtendedLifetime(storage) { () throws(ArrayError) in
            let directory = try ZipDirectory(parsing: storage.bytes) { code, entry, problem, fix in
                ArrayError(code, file: file, field: entry, problem: problem, fix: fix)
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
                guard entry.uncompressedByteCount <= remaining else {
                    throw ArrayError(
                        .tooLarge, file: file, field: "array \"\(name)\"",
                        problem:
                            "it declares \(entry.uncompressedByteCount) bytes, and the arrays of one file may have \(limit) together",
                        fix: "split the file")
                }
                remaining -= entry.uncompressedByteCount
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
        if let obstacle = entry.obstacle {
            throw ArrayError(
                .unsupported, file: file, field: "array \"\(entry.arrayName)\"", problem: obstacle.problem, fix: obstacle.fix)
        }
        let source = UnsafeRawBufferPointer(rebasing: archive.bytes[entry.data])
        let count = entry.uncompressedByteCount
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
    /// What messages call it.
    fileprivate var arrayName: String { name.hasSuffix(".npy") ? String(name.dropLast(4)) : name }
}
