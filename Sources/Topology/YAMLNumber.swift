/// A number as compose's YAML library reads a text without quotes: `0777` and `0o777` are 511, `0x2329` and `9_001` are 9001, and `09001`,
/// which is no octal number, is a fraction that happens to be whole.
///
/// go-yaml 3 takes what Go's own `ParseInt` takes with base 0, without underscores, and after that what looks like a decimal fraction.
enum YAMLNumber: Hashable {
    case integer(Int)
    case fraction(Double)

    /// `nil` where the text is no number.
    init?(_ text: String) {
        guard let first = text.utf8.first,
            Self.isDigit(first) || [UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: ".")].contains(first)
        else { return nil }
        let plain = text.replacing("_", with: "")
        if let integer = Self.integer(plain) {
            self = .integer(integer)
        } else if let fraction = Self.decimal(plain) {
            self = .fraction(fraction)
        } else {
            return nil
        }
    }

    var value: Double {
        switch self {
        case .integer(let number): Double(number)
        case .fraction(let number): number
        }
    }

    /// `nil` for what is no whole number.
    var whole: Int? {
        switch self {
        case .integer(let number): number
        case .fraction(let number): Int(exactly: number)
        }
    }

    private static func integer(_ text: String) -> Int? {
        let sign = text.hasPrefix("-") ? "-" : ""
        let digits = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : text[...]
        // The type's own reading takes one more sign.
        guard let first = digits.utf8.first, isDigit(first) else { return nil }
        for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] where digits.lowercased().hasPrefix(prefix) {
            let rest = digits.dropFirst(2)
            return rest.hasPrefix("-") || rest.hasPrefix("+") ? nil : Int("\(sign)\(rest)", radix: radix)
        }
        return Int("\(sign)\(digits)", radix: digits.count > 1 && digits.hasPrefix("0") ? 8 : 10)
    }

    /// A decimal number with or without a point and an exponent; `nil` for every other text.
    static func decimal(_ text: String) -> Double? {
        let unsigned = text.hasPrefix("-") || text.hasPrefix("+") ? text.dropFirst() : text[...]
        let parts = unsigned.split(maxSplits: 1, omittingEmptySubsequences: false) { $0 == "e" || $0 == "E" }
        let digits = parts[0].split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        let (whole, decimals) = (digits[0], digits.count > 1 ? digits[1] : "")
        guard (whole + decimals).utf8.allSatisfy(isDigit), !(whole.isEmpty && decimals.isEmpty) else { return nil }
        var exponent: Substring = "0"
        if parts.count > 1 {
            exponent = parts[1]
            let power = exponent.hasPrefix("-") || exponent.hasPrefix("+") ? exponent.dropFirst() : exponent
            guard !power.isEmpty, power.utf8.allSatisfy(isDigit) else { return nil }
        }
        let sign = text.hasPrefix("-") ? "-" : ""
        guard let number = Double("\(sign)\(whole.isEmpty ? "0" : whole).\(decimals.isEmpty ? "0" : decimals)e\(exponent)"),
            number.isFinite
        else { return nil }
        return number
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
