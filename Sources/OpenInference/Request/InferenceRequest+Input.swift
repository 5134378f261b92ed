internal import Tensors

extension InferenceRequest.Input {
    /// What stands in an input's object, before it is put together.
    private struct Parts {
        var name: String?
        var datatype: String?
        var shape: [Int]?
        var text: Range<Int>?
        var binaryByteCount: UInt64?
    }

    init(reading scanner: inout JSONScanner) throws(OpenInferenceError) {
        var parts = Parts()
        try scanner.object("an input") { scanner, key throws(OpenInferenceError) in
            switch key {
            case "name": parts.name = try scanner.tensorName("an input's name")
            case "datatype": parts.datatype = String(decoding: try scanner.string("\"datatype\"", limit: 64), as: UTF8.self)
            case "shape": parts.shape = try scanner.shape()
            case "data": parts.text = try scanner.skipData()
            case "parameters":
                try scanner.object("an input's parameters") { scanner, key throws(OpenInferenceError) in
                    guard key != "binary_data_size" else {
                        parts.binaryByteCount = try scanner.count("\"binary_data_size\"")
                        return
                    }
                    try OpenInferenceError.refuseSharedMemory(key, "send \"data\", or the bytes with binary_data_size")
                    try scanner.skipValue()
                }
            default: try scanner.skipValue()
            }
        }
        try self.init(parts)
    }

    private init(_ parts: Parts) throws(OpenInferenceError) {
        guard let name = parts.name else { throw OpenInferenceError(.invalid, "an input has no \"name\"; give it one") }
        func invalid(_ message: String) -> OpenInferenceError { OpenInferenceError(.invalid, message).ofInput(name) }
        guard let typeName = parts.datatype else { throw invalid("it has no \"datatype\"; say which, such as FP32") }
        guard let datatype = Datatype(rawValue: typeName) else {
            throw invalid("datatype \(quoted(typeName)) is none of \(Datatype.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        guard let shape = parts.shape else { throw invalid("it has no \"shape\"; send its extents, such as [1, 3]") }
        let byteCount: Int
        do throws(OpenInferenceError) { byteCount = try Self.byteCount(datatype, shape) } catch { throw error.ofInput(name) }
        let values: Values
        switch (parts.text, parts.binaryByteCount) {
        case (nil, nil): throw invalid("it has no values; send \"data\", or the bytes behind the JSON with binary_data_size")
        case (.some, .some): throw invalid("it has both \"data\" and binary_data_size; send one of them")
        case (.some(let text), nil): values = .text(text)
        case (nil, .some(let declared)):
            let takes = "\(datatype.rawValue) \(shape) takes \(datatype == .bytes ? "at least " : "")\(byteCount) bytes"
            guard let size = Int(exactly: declared), size <= Tensor.maximumByteCount else {
                throw OpenInferenceError(
                    .tooLarge, "binary_data_size is \(declared), over the limit of \(Tensor.maximumByteCount); \(takes)"
                ).ofInput(name)
            }
            guard datatype == .bytes ? size >= byteCount && (byteCount > 0 || size == 0) : size == byteCount else {
                throw invalid("binary_data_size is \(size), but \(takes); send as many bytes as that")
            }
            values = .binary(byteCount: size)
        }
        self.init(name: name, datatype: datatype, shape: shape, values: values)
    }

    /// The bytes of all elements; for BYTES those of their lengths alone.
    private static func byteCount(_ datatype: Datatype, _ shape: [Int]) throws(OpenInferenceError) -> Int {
        let width = datatype.byteWidth ?? BytesElements.lengthByteCount
        let limit = datatype == .bytes ? OpenInferenceLimits.elements : Tensor.maximumByteCount / width
        // Zero extents make the product zero whatever stands beside them, so the rest must be bounded on its own.
        let count = InferenceRequest.elementCount(shape.filter { $0 > 1 })
        guard count <= limit else {
            throw OpenInferenceError(
                .tooLarge, "shape \(shape) has more than the \(limit) elements of \(datatype.rawValue) that one input may have")
        }
        return InferenceRequest.elementCount(shape) * width
    }
}

extension JSONScanner {
    fileprivate mutating func shape() throws(OpenInferenceError) -> [Int] {
        var shape: [Int] = []
        try array("\"shape\"") { scanner throws(OpenInferenceError) in
            guard shape.count < Tensor.maximumRank else {
                throw OpenInferenceError(.tooLarge, "\"shape\" has more than \(Tensor.maximumRank) dimensions; send fewer")
            }
            let extent = try scanner.count("dimension \(shape.count) of \"shape\"")
            guard let extent = Int(exactly: extent) else {
                throw OpenInferenceError(
                    .tooLarge, "dimension \(shape.count) of \"shape\" is \(extent), over the limit of \(Int.max)")
            }
            shape.append(extent)
        }
        return shape
    }
}
