extension JSONScanner {
    /// A string's bytes, escapes resolved, in UTF-8 (which the whole text was checked for).
    mutating func string(_ what: String, limit: Int) throws(OpenInferenceError) -> [UInt8] {
        guard peek == UInt8(ascii: "\"") else { throw error("\(what), a string,") }
        advance(to: position + 1)
        var decoded: [UInt8] = []
        while true {
            let byte = try stringByte()
            if byte == UInt8(ascii: "\"") { return decoded }
            if byte == UInt8(ascii: "\\") {
                decoded.append(contentsOf: UTF8.encode(try escape()).map { Array($0) } ?? [])
            } else {
                decoded.append(byte)
            }
            guard decoded.count <= limit else {
                throw OpenInferenceError(.tooLarge, "\(what) has more than \(limit) bytes; send a shorter one")
            }
        }
    }

    /// Moves over a string, whose form is checked.
    mutating func skipString() throws(OpenInferenceError) {
        guard peek == UInt8(ascii: "\"") else { throw error("a string") }
        advance(to: position + 1)
        while true {
            switch try stringByte() {
            case UInt8(ascii: "\""): return
            case UInt8(ascii: "\\"): _ = try escape()
            default: continue
            }
        }
    }

    @inline(__always) private mutating func stringByte() throws(OpenInferenceError) -> UInt8 {
        let byte = peek
        guard byte >= 0x20 else {
            throw error(position < end ? "an escape of that control character" : "the end of a string")
        }
        advance(to: position + 1)
        return byte
    }

    /// What stands behind a backslash.
    private mutating func escape() throws(OpenInferenceError) -> Unicode.Scalar {
        let byte = peek
        guard byte != UInt8(ascii: "u") else {
            advance(to: position + 1)
            return try unicodeEscape()
        }
        let plain: Unicode.Scalar? =
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): Unicode.Scalar(byte)
            case UInt8(ascii: "b"): "\u{8}"
            case UInt8(ascii: "f"): "\u{C}"
            case UInt8(ascii: "n"): "\n"
            case UInt8(ascii: "r"): "\r"
            case UInt8(ascii: "t"): "\t"
            default: nil
            }
        guard let plain else { throw error("one of the escapes \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u") }
        advance(to: position + 1)
        return plain
    }

    /// Behind `\u`: a scalar, or two halves of one.
    private mutating func unicodeEscape() throws(OpenInferenceError) -> Unicode.Scalar {
        let start = position
        let first = try hexadecimal()
        if let scalar = Unicode.Scalar(UInt32(first)) { return scalar }
        if UTF16.isLeadSurrogate(first), peek == UInt8(ascii: "\\"), byte(at: position + 1) == UInt8(ascii: "u") {
            advance(to: position + 2)
            let second = try hexadecimal()
            if UTF16.isTrailSurrogate(second),
                let scalar = Unicode.Scalar(0x10000 + (UInt32(first) & 0x3FF) << 10 + UInt32(second) & 0x3FF)
            {
                return scalar
            }
        }
        throw OpenInferenceError(
            .invalid, "the JSON has half of a surrogate pair at byte \(start): \\u escapes above \\uffff go in two halves")
    }

    private mutating func hexadecimal() throws(OpenInferenceError) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(peek)).hexDigitValue else { throw error("four hexadecimal digits") }
            value = value << 4 | UInt16(digit)
            advance(to: position + 1)
        }
        return value
    }
}
