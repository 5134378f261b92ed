public import Tensors

/// numpy's `.npy` files: one array each.
public enum NPY {
    /// The largest array, and room for its header.
    public static let maximumFileByteCount = Tensor.maximumByteCount + (1 << 16)

    /// Reads a file that `numpy.save` wrote, in either memory order.
    public static func read(_ path: String) throws(ArrayError) -> Tensor {
        try decode(try WholeFile.read(path: path, limit: maximumFileByteCount), name: path)
    }

    /// Reads an array out of `storage`, which holds exactly one; C-order data that is aligned is not copied.
    /// - Parameters:
    ///   - name: the file, for messages.
    ///   - entry: the array inside a `.npz`.
    public static func decode(_ storage: TensorStorage, name: String, entry: String? = nil) throws(ArrayError) -> Tensor {
        func failure(_ code: ArrayError.Code, _ field: String, _ problem: String, _ fix: String) -> ArrayError {
            ArrayError(code, file: name, field: entry.map { "array \"\($0)\", \(field)" } ?? field, problem: problem, fix: fix)
        }
        let header = try withExtendedLifetime(storage) { () throws(ArrayError) in
            try NPYHeader(parsing: storage.bytes, fail: failure)
        }
        let available = storage.byteCount - header.dataOffset
        guard available == header.dataByteCount else {
            let problem = "\(header.dtype.name)\(header.shape) takes \(header.dataByteCount) bytes, but \(available) are there"
            throw failure(
                .malformed, "data", problem,
                available < header.dataByteCount ? "copy the file again: it is cut short" : "save one array in each .npy file")
        }
        let storage = header.isBigEndian ? littleEndian(storage, header) : storage
        if header.dtype == .bool { try checkBooleans(storage, from: header.dataOffset, failure) }
        do {
            let isView = header.dataOffset.isMultiple(of: NPYHeader.alignment)
            if header.isFortranOrder && header.shape.count > 1 {
                return try rowMajor(storage, header)
            }
            guard !isView else {
                return try Tensor(dtype: header.dtype, shape: header.shape, storage: storage, byteOffset: header.dataOffset)
            }
            let bytes = UnsafeRawBufferPointer(rebasing: storage.bytes[header.dataOffset...])
            return try Tensor(dtype: header.dtype, shape: header.shape, storage: TensorStorage(copying: bytes))
        } catch {
            throw failure(.malformed, "shape", error.message, "save the array again")
        }
    }

    /// Writes a file that `numpy.load` reads; an existing one is replaced in one step.
    public static func write(_ path: String, _ tensor: Tensor) throws(ArrayError) {
        try WholeFile.write(path: path, pieces: pieces(of: tensor))
    }

    /// The bytes that ``write(_:_:)`` writes.
    package static func encode(_ tensor: Tensor) -> [UInt8] { pieces(of: tensor).flatMap { $0.withBytes { [UInt8]($0) } } }

    static func pieces(of tensor: Tensor) -> [WholeFile.Piece] {
        [.bytes(NPYHeader.encode(dtype: tensor.dtype, shape: tensor.shape)), .tensor(tensor)]
    }

    /// A truth value other than 0 and 1 is undefined behaviour further down.
    private static func checkBooleans(
        _ storage: TensorStorage, from offset: Int, _ failure: (ArrayError.Code, String, String, String) -> ArrayError
    ) throws(ArrayError) {
        let odd = withExtendedLifetime(storage) { storage.bytes[offset...].first { $0 > 1 } }
        guard let odd else { return }
        throw failure(.malformed, "data", "a bool has the value \(odd)", "save array.view(numpy.uint8) != 0")
    }

    /// The same file with each element's bytes turned round.
    private static func littleEndian(_ storage: TensorStorage, _ header: NPYHeader) -> TensorStorage {
        let turned = TensorStorage(byteCount: storage.byteCount)
        func turn<Element: FixedWidthInteger>(_: Element.Type) {
            for offset in stride(from: header.dataOffset, to: storage.byteCount, by: MemoryLayout<Element>.size) {
                let element = storage.bytes.loadUnaligned(fromByteOffset: offset, as: Element.self)
                turned.mutableBytes.storeBytes(of: element.byteSwapped, toByteOffset: offset, as: Element.self)
            }
        }
        withExtendedLifetime(storage) {
            turned.mutableBytes.copyMemory(from: storage.bytes)
            switch header.dtype.byteWidth {
            case 2: turn(UInt16.self)
            case 4: turn(UInt32.self)
            case 8: turn(UInt64.self)
            default: break
            }
        }
        return turned
    }

    /// Brings column-major elements into row-major order: reads with strides, writes in sequence. O(elements × rank).
    private static func rowMajor(_ storage: TensorStorage, _ header: NPYHeader) throws(TensorError) -> Tensor {
        let shape = header.shape
        let width = header.dtype.byteWidth
        let target = TensorStorage(byteCount: header.dataByteCount)
        var strides: [Int] = []
        var stride = width
        for extent in shape {
            strides.append(stride)
            stride *= extent
        }
        withExtendedLifetime(storage) {
            var index = [Int](repeating: 0, count: shape.count)
            var source = header.dataOffset
            for position in Swift.stride(from: 0, to: header.dataByteCount, by: width) {
                (target.pointer + position).copyMemory(from: storage.pointer + source, byteCount: width)
                var dimension = shape.count - 1
                while dimension >= 0 {
                    index[dimension] += 1
                    source += strides[dimension]
                    if index[dimension] < shape[dimension] { break }
                    source -= strides[dimension] * shape[dimension]
                    index[dimension] = 0
                    dimension -= 1
                }
            }
        }
        return try Tensor(dtype: header.dtype, shape: shape, storage: target)
    }
}
