public import Tensors

/// An input file of either kind, told apart by its first bytes and not by its name.
public enum ArrayFile: Sendable {
    /// A `.npy`: one array without a name.
    case single(Tensor)
    /// A `.npz`: arrays by name, in the file's order.
    case named([(name: String, tensor: Tensor)])

    public static func read(_ path: String, limit: Int = NPZ.defaultLimit) throws(ArrayError) -> ArrayFile {
        try decode(try WholeFile.read(path: path, limit: NPY.maximumFileByteCount), name: path, limit: limit)
    }

    /// As ``read(_:limit:)`` for a file in memory.
    package static func decode(_ storage: TensorStorage, name: String, limit: Int = NPZ.defaultLimit) throws(ArrayError)
        -> ArrayFile
    {
        let start = withExtendedLifetime(storage) { Array(storage.bytes.prefix(NPYHeader.magic.count)) }
        if start == NPYHeader.magic { return .single(try NPY.decode(storage, name: name)) }
        // Local header, or the end record of an archive without entries.
        if start.starts(with: [0x50, 0x4b, 3, 4]) || start.starts(with: [0x50, 0x4b, 5, 6]) {
            return .named(try NPZ.decode(storage, name: name, limit: limit))
        }
        throw ArrayError(
            .malformed, file: name, problem: "it is neither a .npy nor a .npz file", fix: "write it with numpy.save or numpy.savez")
    }
}
