/// An unsigned decimal number such as `12` or `1.25`, kept as digits, so that `0.1s` is exactly 100 ms and no rounding creeps in.
struct DecimalNumber {
    /// 18 digits always fit 64 bits, and no option needs more.
    private static let maximumDigits = 18

    /// All digits without the point.
    private let digits: Int
    /// 10 to the number of digits after the point.
    private let scale: Int

    init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard (1...2).contains(parts.count), parts.allSatisfy({ !$0.isEmpty && $0.utf8.allSatisfy(DecimalNumber.isDigit) }) else {
            return nil
        }
        let joined = parts.joined()
        guard joined.count <= DecimalNumber.maximumDigits, let digits = Int(joined) else { return nil }
        self.digits = digits
        self.scale = parts.count == 2 ? (0..<parts[1].count).reduce(1) { power, _ in power * 10 } : 1
    }

    /// The product, where it is a whole number that fits.
    func times(_ factor: Int) -> Int? {
        let product = Int128(digits) * Int128(factor)
        let (quotient, remainder) = product.quotientAndRemainder(dividingBy: Int128(scale))
        return remainder == 0 ? Int(exactly: quotient) : nil
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}
