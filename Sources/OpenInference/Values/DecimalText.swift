/// A decimal number as it stands in a text: ±digits × 10^exponent. Rounded to a binary format once, to the nearest and where two are as near to the
/// even one, as IEEE 754 has it: never by way of a wider format, which rounds twice.
///
/// Most numbers take one division or multiplication of 128 by 64 bits, which is exact: `digits` × 5^k fits for |k| ≤ 27, and the rest of 10^k is a
/// power of two. What is left (far exponents, more than 19 digits on the edge between two numbers) goes to the standard library as text.
struct DecimalText {
    var isNegative = false
    /// The first 19 digits from the first that is not 0: more do not fit.
    var digits: UInt64 = 0
    var exponent = 0
    /// Whether digits that are not 0 were cut off behind those.
    var isCut = false

    static let maximumDigits = 19

    /// 5^0 … 5^27, the last that fits.
    private static let powersOfFive: [UInt64] = (0...27).map { (0..<$0).reduce(1) { power, _ in power * 5 } }

    /// The nearest number of the format, without the sign; `nil` where the text has to be looked at again. Infinity is what is out of range.
    @inline(__always) func nearest(in format: BinaryFormat) -> UInt64? {
        guard digits != 0 else { return 0 }
        guard let low = Self.nearest(digits, exponent, hasMore: isCut, in: format) else { return nil }
        guard isCut else { return low }
        // The number lies between `digits` and one more: where both come to the same, so does it.
        return Self.nearest(digits + 1, exponent, hasMore: false, in: format) == low ? low : nil
    }

    /// - Parameter hasMore: the number is a little larger than `digits`.
    @inline(__always) private static func nearest(_ digits: UInt64, _ exponent: Int, hasMore: Bool, in format: BinaryFormat)
        -> UInt64?
    {
        guard exponent.magnitude < powersOfFive.count else { return nil }
        let power = powersOfFive[Int(exponent.magnitude)]
        let shift = digits.leadingZeroBitCount
        let left = digits << UInt64(shift)
        if exponent < 0 {
            let powerShift = power.leadingZeroBitCount
            let right = power << UInt64(powerShift)
            // The quotient has its highest bit set either way.
            let isWide = left >= right
            let dividend = isWide ? (high: left >> 1, low: left << 63) : (high: left, low: 0)
            let (quotient, remainder) = right.dividingFullWidth(dividend)
            return format.round(
                quotient, exponent: (isWide ? -63 : -64) - shift + powerShift + exponent, hasMore: hasMore || remainder != 0)
        }
        let (high, low) = left.multipliedFullWidth(by: power)
        let highShift = high.leadingZeroBitCount
        guard highShift < 64 else { return format.round(low, exponent: exponent - shift, hasMore: hasMore) }
        let significand = highShift == 0 ? high : high << UInt64(highShift) | low >> UInt64(64 - highShift)
        let rest = low << UInt64(highShift)
        return format.round(significand, exponent: 64 - highShift - shift + exponent, hasMore: hasMore || rest != 0)
    }
}

/// A binary floating-point format of IEEE 754.
struct BinaryFormat {
    /// Bits of the significand, the hidden one with them.
    let precision: Int
    /// The exponents of the smallest normal and of the largest number.
    let leastExponent: Int
    let greatestExponent: Int

    static let half = BinaryFormat(precision: 11, leastExponent: -14, greatestExponent: 15)
    static let single = BinaryFormat(precision: 24, leastExponent: -126, greatestExponent: 127)
    static let double = BinaryFormat(precision: 53, leastExponent: -1022, greatestExponent: 1023)

    /// The bit pattern of infinity.
    var infinity: UInt64 { UInt64(greatestExponent - leastExponent + 2) << UInt64(precision - 1) }

    /// The bit pattern nearest to `significand` × 2^`exponent`, which is a little more where `hasMore`.
    /// - Parameter significand: its highest bit is set.
    @inline(__always) func round(_ significand: UInt64, exponent: Int, hasMore: Bool) -> UInt64 {
        let magnitude = exponent + 63
        guard magnitude <= greatestExponent else { return infinity }
        // Below the smallest normal number there are fewer bits.
        let lost = 64 - precision + max(0, leastExponent - magnitude)
        guard lost <= 64 else { return 0 }
        let kept = lost == 64 ? 0 : significand >> UInt64(lost)
        let rest = lost == 64 ? significand : significand & (1 << UInt64(lost) - 1)
        let half: UInt64 = 1 << UInt64(lost - 1)
        let isUp = rest > half || rest == half && (hasMore || kept & 1 == 1)
        // The hidden bit raises the exponent by one, and so does a carry out of the significand.
        return UInt64(max(0, magnitude - leastExponent)) << UInt64(precision - 1) + kept + (isUp ? 1 : 0)
    }
}
