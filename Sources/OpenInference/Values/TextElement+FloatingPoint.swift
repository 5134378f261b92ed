/// A floating-point type whose numbers are read from decimal text.
protocol DecimalElement: TextElement, BinaryFloatingPoint, LosslessStringConvertible {
    static var format: BinaryFormat { get }
    init(pattern: UInt64, isNegative: Bool)
    init?(_ text: Substring)
}

extension Float16: DecimalElement {
    static var format: BinaryFormat { .half }
    init(pattern: UInt64, isNegative: Bool) { self.init(bitPattern: UInt16(pattern) | (isNegative ? 1 << 15 : 0)) }
}

extension Float: DecimalElement {
    static var format: BinaryFormat { .single }
    init(pattern: UInt64, isNegative: Bool) { self.init(bitPattern: UInt32(pattern) | (isNegative ? 1 << 31 : 0)) }
}

extension Double: DecimalElement {
    static var format: BinaryFormat { .double }
    init(pattern: UInt64, isNegative: Bool) { self.init(bitPattern: pattern | (isNegative ? 1 << 63 : 0)) }
}

extension TextElement where Self: DecimalElement {
    @inline(__always) init(reading scanner: inout JSONScanner) throws(ElementProblem) {
        let start = scanner.position
        let decimal = try DecimalText(reading: &scanner)
        if let pattern = decimal.nearest(in: Self.format) {
            guard pattern < Self.format.infinity else { throw .outOfRange }
            self.init(pattern: pattern, isNegative: decimal.isNegative)
        } else {
            self = try Self.read(text: scanner.shortened(start..<scanner.position, decimal))
        }
    }

    @inline(never) private static func read(text: String) throws(ElementProblem) -> Self {
        guard let value = Self(text[...]), value.isFinite else { throw .outOfRange }
        return value
    }
}

extension DecimalText {
    /// Reads a number in JSON's form and moves the scanner over it.
    @inline(__always) init(reading scanner: inout JSONScanner) throws(ElementProblem) {
        var index = scanner.position
        if scanner.byte(at: index) == UInt8(ascii: "-") {
            isNegative = true
            index += 1
        }
        let first = index
        var count = 0
        while case let digit = scanner.byte(at: index) &- 0x30, digit <= 9 {
            if count < Self.maximumDigits {
                digits = digits &* 10 &+ UInt64(digit)
                if digits != 0 { count += 1 }
            } else {
                exponent += 1
                isCut = isCut || digit != 0
            }
            index += 1
        }
        guard index > first, index == first + 1 || scanner.byte(at: first) != UInt8(ascii: "0") else { throw .noNumber }
        if scanner.byte(at: index) == UInt8(ascii: ".") {
            index += 1
            let start = index
            while case let digit = scanner.byte(at: index) &- 0x30, digit <= 9 {
                if count < Self.maximumDigits {
                    digits = digits &* 10 &+ UInt64(digit)
                    exponent -= 1
                    if digits != 0 { count += 1 }
                } else {
                    isCut = isCut || digit != 0
                }
                index += 1
            }
            guard index > start else { throw .noNumber }
        }
        if scanner.byte(at: index) | 0x20 == UInt8(ascii: "e") {
            index += 1
            let sign = scanner.byte(at: index)
            if sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") { index += 1 }
            let start = index
            var power = 0
            while case let digit = scanner.byte(at: index) &- 0x30, digit <= 9 {
                // Further than any text has digits that could bring it back.
                if power < 1 << 48 { power = power * 10 + Int(digit) }
                index += 1
            }
            guard index > start else { throw .noNumber }
            exponent += sign == UInt8(ascii: "-") ? -power : power
        }
        scanner.advance(to: index)
    }
}

extension JSONScanner {
    /// More digits than any number or midpoint between two has (767, of double precision): behind them it matters only whether anything is left.
    private static let longestSignificand = 800

    /// The number that stands at `range`, in a form of bounded length.
    fileprivate func shortened(_ range: Range<Int>, _ decimal: DecimalText) -> String {
        var text = decimal.isNegative ? "-" : ""
        var count = 0
        var power = decimal.exponent + (decimal.isCut ? DecimalText.maximumDigits : 0)
        guard decimal.isCut else { return text + "\(decimal.digits)e\(power)" }
        var hasMore = false
        for index in range {
            let byte = byte(at: index)
            if byte | 0x20 == UInt8(ascii: "e") { break }
            guard byte &- 0x30 <= 9, count > 0 || byte != UInt8(ascii: "0") else { continue }
            if count < Self.longestSignificand {
                text.unicodeScalars.append(Unicode.Scalar(byte))
                count += 1
            } else {
                hasMore = hasMore || byte != UInt8(ascii: "0")
            }
        }
        if hasMore {
            text += "1"
            count += 1
        }
        power -= count
        return text + "e\(power)"
    }
}
