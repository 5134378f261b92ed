/// A number of bytes, which prints itself in the unit that a reader thinks in.
public struct ByteCount: Sendable, Hashable, Comparable, Codable, ExpressibleByIntegerLiteral, CustomStringConvertible {
    public let bytes: Int
    public init(_ bytes: Int) { self.bytes = bytes }
    public init(integerLiteral value: Int) { self.bytes = value }
    public init(from decoder: any Decoder) throws { self.bytes = try decoder.singleValueContainer().decode(Int.self) }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(bytes)
    }

    public static let zero = ByteCount(0)
    public static func mebibytes(_ count: Int) -> ByteCount { ByteCount(count << 20) }

    /// Sums saturate: a plan over absurd sizes is refused for lack of memory, it does not trap.
    public static func + (left: ByteCount, right: ByteCount) -> ByteCount {
        let (sum, overflow) = left.bytes.addingReportingOverflow(right.bytes)
        return ByteCount(overflow ? Int.max : sum)
    }
    public static func - (left: ByteCount, right: ByteCount) -> ByteCount {
        let (difference, overflow) = left.bytes.subtractingReportingOverflow(right.bytes)
        return ByteCount(overflow ? (left.bytes < 0 ? Int.min : Int.max) : difference)
    }
    public static func * (left: ByteCount, factor: Double) -> ByteCount {
        let product = Double(left.bytes) * factor
        return ByteCount(Int(exactly: product.rounded(.up)) ?? Int.max)
    }
    public static func < (left: ByteCount, right: ByteCount) -> Bool { left.bytes < right.bytes }

    public var description: String {
        let magnitude = bytes.magnitude
        if magnitude < 1 << 10 { return "\(bytes) B" }
        if magnitude < 1 << 20 { return "\((Double(bytes) / 1024).text(digits: 1)) KiB" }
        if magnitude < 1 << 30 { return "\((Double(bytes) / 1_048_576).text(digits: 1)) MiB" }
        if magnitude < 1 << 40 { return "\((Double(bytes) / 1_073_741_824).text(digits: 2)) GiB" }
        return "\((Double(bytes) / 1_099_511_627_776).text(digits: 2)) TiB"
    }
}
