internal import Base
internal import Tensors

extension JSONWriter {
    mutating func output(_ output: InferenceReply.Output) throws(OpenInferenceError) {
        raw("{")
        key("name")
        string(output.name)
        raw(",")
        key("datatype")
        switch output.values {
        case .tensor(let tensor):
            string(Datatype(tensor.dtype).rawValue)
            shape(tensor.shape)
            if output.isBinary { binarySize(tensor.byteCount) } else { try data(tensor, output.name) }
        case .bytes(let extents, let elements):
            string(Datatype.bytes.rawValue)
            shape(extents)
            if output.isBinary {
                binarySize(elements.reduce(0) { $0 + BytesElements.lengthByteCount + $1.count })
            } else {
                try data(elements, output.name)
            }
        }
        raw("}")
    }

    private mutating func shape(_ extents: [Int]) {
        raw(",")
        key("shape")
        raw("[")
        for (index, extent) in extents.enumerated() { raw(index == 0 ? "\(extent)" : ",\(extent)") }
        raw("]")
    }

    private mutating func binarySize(_ byteCount: Int) {
        raw(",")
        key("parameters")
        raw("{")
        key("binary_data_size")
        raw("\(byteCount)}")
    }

    /// Flat, row-major.
    private mutating func data(_ tensor: Tensor, _ name: String) throws(OpenInferenceError) {
        raw(",")
        key("data")
        raw("[")
        switch tensor.dtype {
        case .uint8: integers(tensor, UInt8.self)
        case .int32: integers(tensor, Int32.self)
        case .int64: integers(tensor, Int64.self)
        case .float32: try decimals(tensor, Float.self, name)
        case .float16: try decimals(tensor, Float16.self, name)
        case .bool:
            elements(tensor, UInt8.self) { writer, value, index in
                if index > 0 { writer.byte(UInt8(ascii: ",")) }
                writer.raw(value == 0 ? "false" : "true")
            }
        }
        raw("]")
    }

    private mutating func data(_ elements: [[UInt8]], _ name: String) throws(OpenInferenceError) {
        raw(",")
        key("data")
        raw("[")
        for (index, element) in elements.enumerated() {
            guard (try? UTF8Span(validating: element.span)) != nil else {
                throw OpenInferenceError(
                    .invalid, "output \(quoted(name)): element \(index) is no text in UTF-8, which JSON needs; ask for binary_data")
            }
            if index > 0 { byte(UInt8(ascii: ",")) }
            string(utf8: element)
        }
        raw("]")
    }

    @inline(__always) private mutating func elements<Element: BitwiseCopyable, E: Error>(
        _ tensor: Tensor, _ type: Element.Type, _ write: (inout JSONWriter, Element, _ index: Int) throws(E) -> Void
    ) throws(E) {
        let width = MemoryLayout<Element>.size
        reserve(tensor.elementCount.multipliedSaturating(by: Self.usualByteCount(width)))
        try tensor.withUnsafeBytes { bytes throws(E) in
            for index in 0..<tensor.elementCount {
                try write(&self, bytes.loadUnaligned(fromByteOffset: index * width, as: Element.self), index)
            }
        }
    }

    /// Room for an element and its comma; the array grows where they are longer.
    private static func usualByteCount(_ width: Int) -> Int { 2 + 2 * width }

    /// Many at a time, from a buffer: an array that grows by a byte looks each time whether it may.
    private mutating func integers<Element: FixedWidthInteger & BitwiseCopyable>(_ tensor: Tensor, _ type: Element.Type) {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.integersAtOnce * Self.longestInteger) { buffer in
            var count = 0
            elements(tensor, type) { writer, value, index in
                if index > 0 {
                    buffer[count] = UInt8(ascii: ",")
                    count += 1
                }
                count = Self.write(value, to: buffer, at: count)
                if buffer.count - count < Self.longestInteger {
                    writer.raw(UnsafeBufferPointer(rebasing: buffer[..<count]))
                    count = 0
                }
            }
            raw(UnsafeBufferPointer(rebasing: buffer[..<count]))
        }
    }

    private static let integersAtOnce = 512
    /// A comma, a sign and 19 digits.
    private static let longestInteger = 21

    /// - Returns: where the next one goes.
    @inline(__always) private static func write(
        _ value: some FixedWidthInteger, to buffer: UnsafeMutableBufferPointer<UInt8>, at start: Int
    ) -> Int {
        var start = start
        if value < 0 {
            buffer[start] = UInt8(ascii: "-")
            start += 1
        }
        var rest = UInt64(value.magnitude)
        var end = start
        repeat {
            buffer[end] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
            end += 1
        } while rest > 0
        buffer[start..<end].reverse()
        return end
    }

    private mutating func decimals<Element: DecimalElement>(
        _ tensor: Tensor, _ type: Element.Type, _ name: String
    ) throws(OpenInferenceError) {
        try elements(tensor, type) { writer, value, index throws(OpenInferenceError) in
            guard value.isFinite else {
                throw OpenInferenceError(
                    .invalid,
                    "output \(quoted(name)): element \(index) is \(value.isNaN ? "NaN" : "infinite"), which JSON has no number for; "
                        + "ask for binary_data in the output's parameters")
            }
            if index > 0 { writer.byte(UInt8(ascii: ",")) }
            // The shortest text that reads as this number again.
            writer.raw(value.description)
        }
    }
}
