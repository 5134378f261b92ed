internal import Tensors

/// A tensor's `data` in JSON, row-major: one flat array, or arrays nested as the shape is.
public enum TensorText {
    /// Writes exactly the tensor's bytes, little-endian, without loss: integers as they stand, floating-point numbers rounded once.
    ///
    /// - Parameters:
    ///   - text: where the value stands in `head` (``InferenceRequest/Input/Values``).
    ///   - shape: checked by the request, and `target` as long as shape and type say.
    /// - Throws: ``OpenInferenceError`` that names the element; the caller adds the input (``OpenInferenceError/ofInput(_:)``).
    public static func read(
        _ text: Range<Int>, of head: [UInt8], _ datatype: Datatype, shape: [Int], into target: UnsafeMutableRawBufferPointer
    ) throws(OpenInferenceError) {
        try head.withUnsafeBufferPointer { bytes throws(OpenInferenceError) in
            let layout = TextLayout(JSONScanner(bytes, in: text), datatype, shape)
            switch datatype {
            case .bool: try layout.read(BooleanElement.self, into: target)
            case .uint8: try layout.read(UInt8.self, into: target)
            case .uint16: try layout.read(UInt16.self, into: target)
            case .uint32: try layout.read(UInt32.self, into: target)
            case .uint64: try layout.read(UInt64.self, into: target)
            case .int8: try layout.read(Int8.self, into: target)
            case .int16: try layout.read(Int16.self, into: target)
            case .int32: try layout.read(Int32.self, into: target)
            case .int64: try layout.read(Int64.self, into: target)
            case .float16: try layout.read(Float16.self, into: target)
            case .float32: try layout.read(Float.self, into: target)
            case .float64: try layout.read(Double.self, into: target)
            case .bfloat16:
                throw OpenInferenceError(
                    .unsupported, "\"data\" cannot hold BF16; send it in binary (binary_data_size), or as FP32")
            case .bytes:
                throw OpenInferenceError(.invalid, "BYTES elements are strings, and no tensor holds them; send numbers")
            }
        }
    }

    /// The elements of a BYTES input: strings, as the UTF-8 bytes that they are.
    public static func strings(_ text: Range<Int>, of head: [UInt8], shape: [Int]) throws(OpenInferenceError) -> [[UInt8]] {
        try head.withUnsafeBufferPointer { bytes throws(OpenInferenceError) in
            var elements: [[UInt8]] = []
            let layout = TextLayout(JSONScanner(bytes, in: text), .bytes, shape)
            try layout.rows { scanner, index throws(OpenInferenceError) in
                elements.append(try scanner.string("element \(index)", limit: Tensor.maximumByteCount))
            }
            return elements
        }
    }
}
