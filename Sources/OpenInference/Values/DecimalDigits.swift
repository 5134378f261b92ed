/// All digits of a number that is hard to round: ±digits × 10^power, in a length that is bounded whatever the text's is.
struct DecimalDigits {
    /// More than any number or midpoint between two has (767, of double precision): behind them it matters only whether anything is left.
    private static let limit = 800

    /// ASCII, from the first that is not 0.
    private var digits: [UInt8] = []
    private let power: Int

    /// - Parameter range: where the number stands, whose form has been checked.
    @inline(never) init(_ scanner: JSONScanner, _ range: Range<Int>, _ decimal: DecimalText) {
        guard decimal.isCut else {
            digits = Array("\(decimal.digits)".utf8)
            power = decimal.exponent
            return
        }
        var hasMore = false
        for index in range {
            let byte = scanner.byte(at: index)
            if byte | 0x20 == UInt8(ascii: "e") { break }
            guard byte &- 0x30 <= 9, !digits.isEmpty || byte != UInt8(ascii: "0") else { continue }
            if digits.count < Self.limit { digits.append(byte) } else { hasMore = hasMore || byte != UInt8(ascii: "0") }
        }
        if hasMore { digits.append(UInt8(ascii: "1")) }
        power = decimal.exponent + DecimalText.maximumDigits - digits.count
    }

    /// For the standard library.
    var text: Substring { (String(decoding: digits, as: UTF8.self) + "e\(power)")[...] }

    /// -1, 0 or 1: less than `value` × 10^`power`, equal, or more.
    func compare(with value: UInt128, power otherPower: Int) -> Int {
        let others = Array("\(value)".utf8)
        // Where the point stands tells, unless it is the same place.
        let (place, otherPlace) = (digits.count + power, others.count + otherPower)
        guard place == otherPlace else { return place < otherPlace ? -1 : 1 }
        for index in 0..<max(digits.count, others.count) {
            let digit = index < digits.count ? digits[index] : UInt8(ascii: "0")
            let other = index < others.count ? others[index] : UInt8(ascii: "0")
            if digit != other { return digit < other ? -1 : 1 }
        }
        return 0
    }
}
