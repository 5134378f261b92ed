internal import Base
internal import Tensors

/// The header of a `.npy` array: a magic, a version, and a Python dictionary with the keys `descr`, `fortran_order` and `shape`.
///
/// Source: numpy's format description, versions 1.0, 2.0 and 3.0 (`numpy.lib.format`). Only that dictionary is read, never Python.
struct NPYHeader {
    static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)
    /// numpy refuses longer headers too.
    static let maximumTextLength = 10_000
    /// numpy starts the data at a multiple of this.
    static let alignment = 64

    let dtype: DType
    let shape: [Int]
    let isFortranOrder: Bool
    let isBigEndian: Bool
    /// Where the elements begin.
    let dataOffset: Int
    /// Size of the elements, checked against the tensor's limits.
    let dataByteCount: Int

    /// - Parameter fail: makes the error for a header's field.
    init(
        parsing bytes: UnsafeRawBufferPointer,
        fail: (_ code: ArrayError.Code, _ field: String, _ problem: String, _ fix: String) -> ArrayError
    ) throws(ArrayError) {
        let damaged = "write the file again with numpy.save"
        var reader = ByteReader(bytes)
        guard let magic = reader.take(NPYHeader.magic.count), magic.elementsEqual(NPYHeader.magic) else {
            throw fail(.malformed, "magic", "it is not a .npy array", "give an array that numpy.save or numpy.savez wrote")
        }
        guard let major: UInt8 = reader.integer(), let minor: UInt8 = reader.integer() else {
            throw fail(.malformed, "version", "the file is cut short", damaged)
        }
        guard (1...3).contains(major), minor == 0 else {
            throw fail(.unsupported, "version", "version \(major).\(minor) is none of 1.0, 2.0 and 3.0", "save it with numpy.save")
        }
        let length: Int? = major == 1 ? reader.integer(UInt16.self).map(Int.init) : reader.integer(UInt32.self).map(Int.init)
        guard let length else { throw fail(.malformed, "header", "the file is cut short", damaged) }
        guard length <= NPYHeader.maximumTextLength else {
            throw fail(
                .tooLarge, "header", "its \(length) bytes are over the limit of \(NPYHeader.maximumTextLength)",
                "save a plain array without structured fields")
        }
        guard let text = reader.take(length) else { throw fail(.malformed, "header", "the file is cut short", damaged) }
        var parser = PythonLiteral(Array(text))
        guard let fields = parser.headerDictionary() else {
            throw fail(.malformed, "header", "it is not a dictionary of descr, fortran_order and shape", damaged)
        }
        dtype = try NPYHeader.dtype(fields.descr) { problem, fix in fail(.unsupported, "dtype", problem, fix) }
        shape = fields.shape
        isFortranOrder = fields.isFortranOrder
        isBigEndian = fields.descr?.hasPrefix(">") == true && dtype.byteWidth > 1
        dataOffset = reader.offset
        do {
            dataByteCount = try Tensor.byteCount(of: dtype, shape: fields.shape)
        } catch {
            throw fail(.tooLarge, "shape", error.message, "save a smaller array")
        }
    }

    private static func dtype(_ descr: String?, fail: (String, String) -> ArrayError) throws(ArrayError) -> DType {
        guard let descr else {
            throw fail("the array has named fields (a structured dtype)", "save each field as an array of its own")
        }
        let supported = DType.allCases.map(\.name).joined(separator: ", ")
        // The order of an element's bytes comes first; numpy takes none for this machine's own.
        let code = descr.first.map { "<>=|".contains($0) } == true ? descr.dropFirst() : descr[...]
        // Not numpy's own writing, but it reads the name, too, and "float32 is not supported" would be no help.
        if let named = DType.allCases.first(where: { $0.name == code }) { return named }
        switch code {
        case "f4": return .float32
        case "f2": return .float16
        case "i4": return .int32
        case "i8": return .int64
        case "u1": return .uint8
        case "b1", "?": return .bool
        case "f8": throw fail("float64 is not supported", "convert it with array.astype(numpy.float32)")
        case "i1", "i2", "u2": throw fail("\"\(descr)\" is not supported", "convert it with array.astype(numpy.int32)")
        case "u4", "u8": throw fail("\"\(descr)\" is not supported", "convert it with array.astype(numpy.int64)")
        case "O": throw fail("the array holds Python objects, which are never loaded", "save an array of numbers: \(supported)")
        default: throw fail("\"\(descr.prefix(32))\" is not supported", "convert it to one of \(supported)")
        }
    }

    /// The bytes of a version 1.0 header for a C-order array, padded so that the elements start aligned.
    static func encode(dtype: DType, shape: [Int]) -> [UInt8] {
        let descr =
            switch dtype {
            case .float32: "<f4"
            case .float16: "<f2"
            case .uint8: "|u1"
            case .int32: "<i4"
            case .int64: "<i8"
            case .bool: "|b1"
            }
        let tuple = shape.count == 1 ? "(\(shape[0]),)" : "(\(shape.map(String.init).joined(separator: ", ")))"
        let text = "{'descr': '\(descr)', 'fortran_order': False, 'shape': \(tuple), }"
        let fixed = magic.count + 4
        let total = (fixed + text.utf8.count + 1 + alignment - 1) / alignment * alignment
        let length = UInt16(total - fixed)
        let padding = [UInt8](repeating: 0x20, count: total - fixed - text.utf8.count - 1)
        return magic + [1, 0, UInt8(length & 0xff), UInt8(length >> 8)] + Array(text.utf8) + padding + [0x0a]
    }
}
