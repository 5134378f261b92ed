/// A floating-point type whose numbers are read from decimal text.
protocol DecimalElement: TextElement, BinaryFloatingPoint, LosslessStringConvertible {
    static var format: BinaryFormat { get }
    init(pattern: UInt64, isNegative: Bool)
    /// What ``DecimalText/nearest(in:)`` left open.
    /// - Returns: without the sign; infinity where it is out of range.
    static func nearest(_ decimal: DecimalText, _ digits: DecimalDigits) -> Self
}

extension TextElement where Self: DecimalElement {
    @inline(__always) init(reading scanner: inout JSONScanner) throws(ElementProblem) {
        let start = scanner.position
        let decimal = try DecimalText(reading: &scanner)
        if let pattern = decimal.nearest(in: Self.format) {
            guard pattern < Self.format.infinity else { throw .outOfRange }
            self.init(pattern: pattern, isNegative: decimal.isNegative)
        } else {
            self = try Self.read(decimal, DecimalDigits(scanner, start..<scanner.position, decimal))
        }
    }

    @inline(never) private static func read(_ decimal: DecimalText, _ digits: DecimalDigits) throws(ElementProblem) -> Self {
        let value = nearest(decimal, digits)
        guard value.isFinite else { throw .outOfRange }
        return decimal.isNegative ? -value : value
    }
}

extension Float: DecimalElement {
    static var format: BinaryFormat { .single }
    init(pattern: UInt64, isNegative: Bool) { self.init(bitPattern: UInt32(pattern) | (isNegative ? 1 << 31 : 0)) }
    /// The standard library's reading rounds once for this type.
    static func nearest(_ decimal: DecimalText, _ digits: DecimalDigits) -> Float { Float(digits.text) ?? .infinity }
}

extension Double: DecimalElement {
    static var format: BinaryFormat { .double }
    init(pattern: UInt64, isNegative: Bool) { self.init(bitPattern: pattern | (isNegative ? 1 << 63 : 0)) }
    static func nearest(_ decimal: DecimalText, _ digits: DecimalDigits) -> Double { Double(digits.text) ?? .infinity }
}

extension Float16: DecimalElement {
    static var format: BinaryFormat { .half }
    init(pattern: UInt64, isNegative: Bool) { self.init(bitPattern: UInt16(pattern) | (isNegative ? 1 << 15 : 0)) }

    /// The standard library reads a `Float` first and rounds twice, so the number is compared with the midpoint that it is near to.
    static func nearest(_ decimal: DecimalText, _ digits: DecimalDigits) -> Float16 {
        var lower = decimal
        lower.isCut = false
        guard let pattern = lower.nearest(in: format) else {
            // Only powers beyond 10^27 leave anything open, and 19 digits times these are below every half, or above.
            return decimal.exponent < 0 ? 0 : .infinity
        }
        let low = UInt16(pattern)
        guard low < Float16.infinity.bitPattern else { return .infinity }
        // A midpoint is a whole number of 2^-25, and that is 5^25 × 10^-25.
        let middle = UInt128(units(low) + units(low + 1)) * 298_023_223_876_953_125
        switch digits.compare(with: middle, power: -25) {
        case ..<0: return Float16(bitPattern: low)
        case 0: return Float16(bitPattern: low + (low & 1))
        default: return Float16(bitPattern: low + 1)
        }
    }

    /// The value of a bit pattern in units of 2^-24, the smallest number. (Infinity's is the power of two that is too large.)
    private static func units(_ pattern: UInt16) -> UInt64 {
        let (exponent, fraction) = (UInt64(pattern >> 10), UInt64(pattern & 1023))
        return exponent == 0 ? fraction : (1024 + fraction) << (exponent - 1)
    }
}
