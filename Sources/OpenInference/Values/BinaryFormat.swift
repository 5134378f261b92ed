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

    /// The same for 128 bits that are not 0.
    @inline(__always) func round(_ product: (high: UInt64, low: UInt64), exponent: Int, hasMore: Bool) -> UInt64 {
        let shift = product.high.leadingZeroBitCount
        guard shift < 64 else {
            let lowShift = product.low.leadingZeroBitCount
            return round(product.low << UInt64(lowShift), exponent: exponent - lowShift, hasMore: hasMore)
        }
        let significand = shift == 0 ? product.high : product.high << UInt64(shift) | product.low >> UInt64(64 - shift)
        let rest = product.low << UInt64(shift)
        return round(significand, exponent: exponent + 64 - shift, hasMore: hasMore || rest != 0)
    }
}
