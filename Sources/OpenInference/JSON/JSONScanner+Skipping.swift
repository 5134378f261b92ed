extension JSONScanner {
    /// Moves over one value of any kind and checks its form; what is in it is nobody's here. Open containers are one bit each.
    mutating func skipValue() throws(OpenInferenceError) {
        var objects: UInt64 = 0
        var open = 0
        repeat {
            switch peek {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard depth + open < OpenInferenceLimits.depth else { throw tooDeep() }
                let isObject = peek == UInt8(ascii: "{")
                open += 1
                objects = objects << 1 | (isObject ? 1 : 0)
                advance(to: position + 1)
                if !take(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) {
                    try beforeValue(inObject: isObject)
                    continue
                }
                open -= 1
                objects >>= 1
            case UInt8(ascii: "\""): try skipString()
            case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): try number()
            default:
                guard literal("true") || literal("false") || literal("null") else {
                    throw error("a value (NaN and Infinity are none in JSON)")
                }
            }
            // Behind a value: what is full ends, what is not goes on.
            while open > 0 {
                let isObject = objects & 1 == 1
                if take(UInt8(ascii: ",")) {
                    try beforeValue(inObject: isObject)
                    break
                }
                guard take(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else {
                    throw error("a comma or \(isObject ? "}" : "]")")
                }
                open -= 1
                objects >>= 1
            }
        } while open > 0
    }

    private mutating func beforeValue(inObject isObject: Bool) throws(OpenInferenceError) {
        skipBlanks()
        guard isObject else { return }
        try skipString()
        guard take(UInt8(ascii: ":")) else { throw error("a colon") }
        skipBlanks()
    }

    /// Moves over a `data` value by its brackets and strings alone. ``TensorText`` checks every byte of it when it reads it, and a large tensor
    /// is not looked at twice.
    mutating func skipData() throws(OpenInferenceError) -> Range<Int> {
        let start = position
        guard peek == UInt8(ascii: "[") else {
            // The one value of a tensor without dimensions.
            if peek == UInt8(ascii: "{") { throw error("\"data\", an array,") }
            try skipValue()
            return start..<position
        }
        var open = 0
        repeat {
            var index = position
            while Self.isPlain[Int(byte(at: index))] { index += 1 }
            advance(to: index)
            switch peek {
            case UInt8(ascii: "["):
                open += 1
                guard depth + open <= OpenInferenceLimits.depth else { throw tooDeep() }
                advance(to: position + 1)
            case UInt8(ascii: "]"):
                open -= 1
                advance(to: position + 1)
            case UInt8(ascii: "\""): try skipString()
            default: throw error("a number, a string, true, false, a comma or ]")
            }
        } while open > 0
        return start..<position
    }

    /// Blanks, commas, and what numbers and literals are made of.
    private static let isPlain: [Bool] = (0...255).map { byte in
        switch byte {
        case 0x09, 0x0A, 0x0D, 0x20, 0x2B...0x2E, 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: false
        }
    }
}
