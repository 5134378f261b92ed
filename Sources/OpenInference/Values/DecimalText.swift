/// A decimal number as it stands in a text: ±digits × 10^exponent. Rounded to a binary format once, to the nearest and where two are as near to the
/// even one, as IEEE 754 has it: never by way of a wider format, which rounds twice.
///
/// Most numbers take one division or multiplication of 128 by 64 bits, which is exact: `digits` × 5^k fits for |k| ≤ 27, and the rest of 10^k is a
/// power of two. Further exponents and more than 19 digits give two bounds; where both round to the same, so does what lies between. What is left
/// (one in some hundred for double precision, hardly any for the others) is compared digit by digit, or goes to the standard library.
struct DecimalText {
    var isNegative = false
    /// The first 19 digits from the first that is not 0: more do not fit.
    var digits: UInt64 = 0
    var exponent = 0
    /// Whether digits that are not 0 were cut off behind those.
    var isCut = false

    static let maximumDigits = 19

    /// The nearest number of the format, without the sign; `nil` where the text has to be looked at again. Infinity is what is out of range.
    @inline(__always) func nearest(in format: BinaryFormat) -> UInt64? {
        guard digits != 0 else { return 0 }
        guard exponent.magnitude < PowersOfFive.exact.count else { return nearestFarAway(in: format) }
        let low = nearest(digits, hasMore: isCut, in: format)
        guard isCut else { return low }
        // The number lies between `digits` and one more.
        return nearest(digits + 1, hasMore: false, in: format) == low ? low : nil
    }

    /// - Parameter hasMore: the number is a little larger than `digits`.
    @inline(__always) private func nearest(_ digits: UInt64, hasMore: Bool, in format: BinaryFormat) -> UInt64 {
        let power = PowersOfFive.exact[Int(exponent.magnitude)]
        let shift = digits.leadingZeroBitCount
        let left = digits << UInt64(shift)
        guard exponent < 0 else {
            return format.round(left.multipliedFullWidth(by: power), exponent: exponent - shift, hasMore: hasMore)
        }
        let powerShift = power.leadingZeroBitCount
        let right = power << UInt64(powerShift)
        // The quotient has its highest bit set either way.
        let isWide = left >= right
        let dividend = isWide ? (high: left >> 1, low: left << 63) : (high: left, low: 0)
        let (quotient, remainder) = right.dividingFullWidth(dividend)
        return format.round(
            quotient, exponent: (isWide ? -63 : -64) - shift + powerShift + exponent, hasMore: hasMore || remainder != 0)
    }

    @inline(never) private func nearestFarAway(in format: BinaryFormat) -> UInt64? {
        guard exponent >= PowersOfFive.least else { return 0 }
        guard exponent <= PowersOfFive.greatest else { return format.infinity }
        let power = PowersOfFive.near(exponent)
        let shift = digits.leadingZeroBitCount
        let left = UInt128(digits << UInt64(shift))
        let (least, greatest) = (UInt128(power.significand), UInt128(power.significand) + 2)
        // The power lies between these, the digits between `left` and, where they were cut, one more: the number between `low` and `high`.
        let low = left * least
        let (high, isOver) = low.addingReportingOverflow(left * 2 + (isCut ? greatest << UInt128(shift) : 0))
        guard !isOver else { return nil }
        let place = exponent + power.exponent - shift
        let pattern = format.round(Self.halves(of: low), exponent: place, hasMore: true)
        return format.round(Self.halves(of: high), exponent: place, hasMore: false) == pattern ? pattern : nil
    }

    private static func halves(of value: UInt128) -> (high: UInt64, low: UInt64) {
        (UInt64(truncatingIfNeeded: value >> 64), UInt64(truncatingIfNeeded: value))
    }
}

/// Powers of five: those that 64 bits hold, and the first 64 bits of the others.
private enum PowersOfFive {
    /// 5^0 … 5^27.
    static let exact: [UInt64] = (0...27).map { (0..<$0).reduce(1) { power, _ in power * 5 } }

    /// With 19 digits, a smaller exponent of ten is less than half of the smallest number, and a greater one more than the largest, of any format here.
    static let least = -344
    static let greatest = 308

    struct Near {
        /// Rounded down, its highest bit set: the power is at least this, and less than this and two more, times 2^exponent.
        let significand: UInt64
        let exponent: Int
    }

    static func near(_ power: Int) -> Near { table[power - least] }

    /// Made in 128 bits. Each step loses less than 2^-123 of the value, all of them less than 2^-114, which is nothing beside one in 64 bits.
    private static let table: [Near] = {
        var negative = [Near(significand: 1 << 63, exponent: -63)]
        var (value, exponent) = (UInt128(1) << 127, -127)
        for _ in 1...(-least) {
            value /= 5
            normalize()
            negative.append(near())
        }
        (value, exponent) = (UInt128(1) << 127, -127)
        var positive: [Near] = []
        for _ in 1...greatest {
            // Room for a factor that is less than eight.
            value = (value >> 3) * 5
            exponent += 3
            normalize()
            positive.append(near())
        }
        return negative.reversed() + positive

        func normalize() {
            let shift = value.leadingZeroBitCount
            value <<= UInt128(shift)
            exponent -= shift
        }
        func near() -> Near { Near(significand: UInt64(truncatingIfNeeded: value >> 64), exponent: exponent + 64) }
    }()
}
