/// A cursor over JSON text from outside (RFC 8259): every byte is looked at once, nothing is built that was not asked for, and nothing
/// calls itself, so that depth costs no stack.
///
/// `bytes` must outlive the scanner. No read is outside them: all go through `peek` and `byte(at:)`.
struct JSONScanner {
    private let bytes: UnsafeBufferPointer<UInt8>
    private(set) var position: Int
    let end: Int
    /// Objects and arrays that are open around the cursor.
    private(set) var depth = 0

    init(_ bytes: UnsafeBufferPointer<UInt8>, in range: Range<Int>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "the range is one of this text")
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    /// The byte at the cursor; 0, which JSON has nowhere, at the end.
    var peek: UInt8 {
        @inline(__always) get { position < end ? bytes[position] : 0 }
    }

    @inline(__always) func byte(at index: Int) -> UInt8 { index < end ? bytes[index] : 0 }

    @inline(__always) mutating func advance(to index: Int) { position = index }

    func text(_ range: Range<Int>) -> String { String(decoding: UnsafeBufferPointer(rebasing: bytes[range]), as: UTF8.self) }

    @inline(__always) mutating func skipBlanks() {
        while peek <= 0x20 {
            guard isBlank(peek) else { return }
            position += 1
        }
    }

    /// Moves over `byte` and says so, where it is the next after blanks.
    @inline(__always) mutating func take(_ byte: UInt8) -> Bool {
        skipBlanks()
        guard peek == byte else { return false }
        position += 1
        return true
    }

    func error(_ wanted: String) -> OpenInferenceError {
        guard position < end else { return OpenInferenceError(.invalid, "the JSON ends where \(wanted) should stand") }
        return OpenInferenceError(
            .invalid, "the JSON has \(describe(peek)) at byte \(position), where \(wanted) should stand")
    }

    private func describe(_ byte: UInt8) -> String {
        (0x21...0x7E).contains(byte) ? "'\(Unicode.Scalar(byte))'" : "the byte \(byte)"
    }

    @inline(__always) private func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 }

    // MARK: Containers

    /// Reads an object: `member` is called with each key, the cursor before its value, and must move over that.
    mutating func object(
        _ what: String, _ member: (inout JSONScanner, _ key: String) throws(OpenInferenceError) -> Void
    ) throws(OpenInferenceError) {
        guard take(UInt8(ascii: "{")) else { throw error("\(what), an object,") }
        try enter()
        var keys: [String] = []
        if !take(UInt8(ascii: "}")) {
            repeat {
                skipBlanks()
                let key = String(decoding: try string("a key of \(what)", limit: OpenInferenceLimits.nameByteCount), as: UTF8.self)
                guard !keys.contains(key) else {
                    throw OpenInferenceError(.invalid, "\(what) has \(quoted(key)) twice; send it once")
                }
                guard keys.count < OpenInferenceLimits.members else {
                    throw OpenInferenceError(.tooLarge, "\(what) has more than \(OpenInferenceLimits.members) members; send fewer")
                }
                keys.append(key)
                guard take(UInt8(ascii: ":")) else { throw error("a colon") }
                skipBlanks()
                try member(&self, key)
            } while take(UInt8(ascii: ","))
            guard take(UInt8(ascii: "}")) else { throw error("a comma or }") }
        }
        depth -= 1
    }

    /// Reads an array: `element` is called with the cursor before each value, and must move over that.
    mutating func array(
        _ what: String, _ element: (inout JSONScanner) throws(OpenInferenceError) -> Void
    ) throws(OpenInferenceError) {
        guard take(UInt8(ascii: "[")) else { throw error("\(what), an array,") }
        try enter()
        if !take(UInt8(ascii: "]")) {
            repeat {
                skipBlanks()
                try element(&self)
            } while take(UInt8(ascii: ","))
            guard take(UInt8(ascii: "]")) else { throw error("a comma or ]") }
        }
        depth -= 1
    }

    private mutating func enter() throws(OpenInferenceError) {
        depth += 1
        guard depth <= OpenInferenceLimits.depth else { throw tooDeep() }
    }

    func tooDeep() -> OpenInferenceError {
        OpenInferenceError(.invalid, "the JSON is nested more than \(OpenInferenceLimits.depth) deep; send it flatter")
    }

    // MARK: Scalars

    mutating func boolean(_ what: String) throws(OpenInferenceError) -> Bool {
        if literal("true") { return true }
        if literal("false") { return false }
        throw error("\(what), true or false,")
    }

    /// Moves over a literal and says so, where it stands here.
    mutating func literal(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard end - position >= count else { return false }
        for index in 0..<count where bytes[position + index] != word.utf8Start[index] { return false }
        position += count
        return true
    }

    /// An integer from 0 on. Others (`-1`, `1.0`, `1e3`) are refused: these are counts.
    mutating func count(_ what: String) throws(OpenInferenceError) -> UInt64 {
        let start = position
        guard peek == UInt8(ascii: "-") || isDigit(peek) else { throw error("\(what), an integer,") }
        let range = try number()
        var value: UInt64 = 0
        for index in start..<range.upperBound {
            let digit = UInt64(bytes[index] &- 0x30)
            guard digit <= 9 else {
                throw OpenInferenceError(
                    .invalid, "\(what) is \(quoted(text(range))); write an integer from 0 on, without point or exponent")
            }
            let (product, isOver) = value.multipliedReportingOverflow(by: 10)
            let (sum, isOverToo) = product.addingReportingOverflow(digit)
            guard !isOver, !isOverToo else {
                throw OpenInferenceError(.tooLarge, "\(what) is \(quoted(text(range))), which is more than 64 bits hold")
            }
            value = sum
        }
        return value
    }

    /// Moves over a number, whose form is checked.
    @discardableResult
    mutating func number() throws(OpenInferenceError) -> Range<Int> {
        let start = position
        if peek == UInt8(ascii: "-") { position += 1 }
        if peek == UInt8(ascii: "0") { position += 1 } else { try digits() }
        if peek == UInt8(ascii: ".") {
            position += 1
            try digits()
        }
        if peek | 0x20 == UInt8(ascii: "e") {
            position += 1
            if peek == UInt8(ascii: "+") || peek == UInt8(ascii: "-") { position += 1 }
            try digits()
        }
        guard !isDigit(peek) else { throw error("the end of a number that begins with 0") }
        return start..<position
    }

    private mutating func digits() throws(OpenInferenceError) {
        guard isDigit(peek) else { throw error("a digit") }
        while isDigit(peek) { position += 1 }
    }

    @inline(__always) private func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 <= 9 }
}
