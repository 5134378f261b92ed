internal import Base
public import Tensors

/// An input file of either kind, told apart by its first bytes and not by its name.
public enum ArrayFile: Sendable {
    /// A `.npy`: one array without a name.
    case single(Tensor)
    /// A `.npz`: arrays by name, in the file's order; `others` are names of what was not wanted, and not looked at.
    case named([(name: String, tensor: Tensor)], others: [String])

    /// - Parameter wanted: names of the arrays to read out of a `.npz`; all of them where it is `nil`.
    public static func read(
        _ path: String, wanting wanted: Set<String>? = nil, limit: Int = NPZ.defaultLimit
    ) throws(ArrayError) -> ArrayFile {
        try decode(try WholeFile.read(path: path, limit: NPY.maximumFileByteCount), name: path, wanting: wanted, limit: limit)
    }

    /// As ``read(_:wanting:limit:)`` for a file in memory.
    package static func decode(
        _ storage: TensorStorage, name: String, wanting wanted: Set<String>? = nil, limit: Int = NPZ.defaultLimit
    ) throws(ArrayError) -> ArrayFile {
        let start = withExtendedLifetime(storage) { Array(storage.bytes.prefix(NPYHeader.magic.count)) }
        if start == NPYHeader.magic { return .single(try NPY.decode(storage, name: name)) }
        // Local header, or the end record of an archive without entries.
        if start.starts(with: [0x50, 0x4b, 3, 4]) || start.starts(with: [0x50, 0x4b, 5, 6]) {
            let contents = try NPZ.contents(of: storage, name: name, wanting: wanted, limit: limit)
            if contents.arrays.isEmpty, contents.others.contains(where: { $0.hasSuffix("/data.pkl") }) {
                throw ArrayError(
                    .unsupported, file: name, problem: "it is a file of torch.save, which holds no numpy arrays",
                    fix: "write arrays instead: numpy.savez(FILE, name=tensor.numpy())")
            }
            return .named(contents.arrays, others: contents.others)
        }
        guard !start.isEmpty else {
            throw ArrayError(.malformed, file: name, problem: "the file is empty", fix: "write it with numpy.save or numpy.savez")
        }
        guard !withExtendedLifetime(storage, { storage.bytes.starts(with: GitLFSPointer.firstBytes) }) else {
            throw ArrayError(
                .malformed, file: name, problem: "it is \(GitLFSPointer.description)", fix: GitLFSPointer.fix)
        }
        throw ArrayError(
            .malformed, file: name, problem: "it is neither a .npy nor a .npz file", fix: "write it with numpy.save or numpy.savez")
    }
}
