internal import Base

/// One tensor's `data`: where the elements stand within the brackets.
struct TextLayout {
    private let start: JSONScanner
    private let datatype: Datatype
    private let shape: [Int]
    private let count: Int

    init(_ scanner: JSONScanner, _ datatype: Datatype, _ shape: [Int]) {
        start = scanner
        self.datatype = datatype
        self.shape = shape
        count = InferenceRequest.elementCount(shape)
    }

    func read<Element: TextElement>(
        _ type: Element.Type, into target: UnsafeMutableRawBufferPointer
    ) throws(OpenInferenceError) {
        let width = MemoryLayout<Element>.size
        precondition(target.count == count.multipliedSaturating(by: width), "the target is as long as shape and type say")
        try rows { scanner, index throws(OpenInferenceError) in
            do throws(ElementProblem) {
                target.storeBytes(of: try Element(reading: &scanner), toByteOffset: index * width, as: Element.self)
            } catch { throw self.error(error, at: index, scanner) }
        }
    }

    /// Calls `element` for each in turn, with the scanner before it and its number from 0.
    @inline(__always) func rows(
        _ element: (inout JSONScanner, _ index: Int) throws(OpenInferenceError) -> Void
    ) throws(OpenInferenceError) {
        var scanner = start
        scanner.skipBlanks()
        if shape.isEmpty, scanner.peek != UInt8(ascii: "[") {
            try element(&scanner, 0)
        } else if isNested {
            try nested(&scanner, element)
        } else {
            var index = 0
            try row(&scanner, count, &index, element)
        }
        scanner.skipBlanks()
        guard scanner.position == scanner.end else { throw scanner.error("the end of \"data\"") }
    }

    /// Whether an array stands in the array. (The empty array of a tensor without elements is taken for a flat one.)
    private var isNested: Bool {
        var scanner = start
        return scanner.take(UInt8(ascii: "[")) && scanner.take(UInt8(ascii: "["))
    }

    /// One array of `length` elements.
    @inline(__always) private func row(
        _ scanner: inout JSONScanner, _ length: Int, _ index: inout Int,
        _ element: (inout JSONScanner, _ index: Int) throws(OpenInferenceError) -> Void
    ) throws(OpenInferenceError) {
        guard scanner.take(UInt8(ascii: "[")) else { throw mismatch(at: index, "an array", scanner) }
        let last = index + length
        while index < last {
            scanner.skipBlanks()
            guard scanner.peek != UInt8(ascii: "]") else { throw mismatch(at: index, "element \(index)", scanner) }
            try element(&scanner, index)
            index += 1
            if index < last, !scanner.take(UInt8(ascii: ",")) { throw mismatch(at: index, "a comma and element \(index)", scanner) }
        }
        guard scanner.take(UInt8(ascii: "]")) else { throw mismatch(at: index, "]", scanner) }
    }

    /// Arrays nested as the shape is. What is left to read of each dimension stands in a list, so that nothing calls itself.
    @inline(__always) private func nested(
        _ scanner: inout JSONScanner, _ element: (inout JSONScanner, _ index: Int) throws(OpenInferenceError) -> Void
    ) throws(OpenInferenceError) {
        let outer = shape.dropLast()
        guard let inner = shape.last, !outer.isEmpty else { throw mismatch(at: 0, "element 0", scanner) }
        var index = 0
        var left: [Int] = []
        repeat {
            // Down to a row, then up to the first array that is not full.
            while left.count < outer.count {
                guard scanner.take(UInt8(ascii: "[")) else { throw mismatch(at: index, "an array", scanner) }
                left.append(outer[left.count])
                if outer[left.count - 1] == 0 { break }
            }
            if left.last != 0 {
                try row(&scanner, inner, &index, element)
                left[left.count - 1] -= 1
            }
            while left.last == 0 {
                guard scanner.take(UInt8(ascii: "]")) else { throw mismatch(at: index, "]", scanner) }
                left.removeLast()
                if !left.isEmpty { left[left.count - 1] -= 1 }
            }
            if !left.isEmpty, !scanner.take(UInt8(ascii: ",")) { throw mismatch(at: index, "a comma", scanner) }
        } while !left.isEmpty
    }

    private func mismatch(at index: Int, _ wanted: String, _ scanner: JSONScanner) -> OpenInferenceError {
        OpenInferenceError(
            .invalid,
            "\(scanner.error("\(wanted) of \"data\"").message); shape \(shape) takes \(count) elements, in one flat array or nested as the shape is"
        )
    }

    private func error(_ problem: ElementProblem, at index: Int, _ scanner: JSONScanner) -> OpenInferenceError {
        let found = quoted(scanner.token)
        let name = datatype.rawValue
        let message =
            switch problem {
            case .noNumber where scanner.peek == UInt8(ascii: "["):
                "element \(index) of \"data\" is an array; shape \(shape) takes \(count) elements, in one flat array or nested as the shape is"
            case .noNumber:
                "element \(index) of \"data\" is \(found), which is no number in JSON; send a number"
                    + (datatype.isFloatingPoint ? " (NaN and infinity go in binary, with binary_data_size)" : "")
            case .noBoolean: "element \(index) of \"data\" is \(found), but BOOL takes true or false (or 1 or 0)"
            case .noInteger:
                "element \(index) of \"data\" is \(found), but \(name) takes integers; write it without point and exponent"
            case .outOfRange: "element \(index) of \"data\" is \(found), which is out of the range of \(name)"
            }
        return OpenInferenceError(.invalid, message)
    }
}

extension Datatype {
    var isFloatingPoint: Bool {
        switch self {
        case .float16, .bfloat16, .float32, .float64: true
        default: false
        }
    }
}

extension JSONScanner {
    /// What stands at the cursor, for a message.
    var token: String {
        var index = position
        while index < end, index - position < 64, byte(at: index) > 0x20, byte(at: index) != UInt8(ascii: ","),
            byte(at: index) != UInt8(ascii: "]")
        { index += 1 }
        return text(position..<index)
    }
}
