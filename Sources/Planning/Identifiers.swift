/// A worker's name: its `--name`, else the compose service's name with the replica's, else host and port.
public struct NodeID: Sendable, Hashable, Comparable, Codable, ExpressibleByStringLiteral, CustomStringConvertible {
    public let name: String
    public init(_ name: String) { self.name = name }
    public init(stringLiteral value: String) { self.name = value }
    public init(from decoder: any Decoder) throws { self.name = try decoder.singleValueContainer().decode(String.self) }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(name)
    }

    public static func < (left: NodeID, right: NodeID) -> Bool { left.name < right.name }
    public var description: String { name }
}

/// Consecutive layers `[first, end)` of a model.
public struct LayerRange: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
    public let first: Int
    public let end: Int

    public init(_ first: Int, _ end: Int) {
        precondition(first <= end, "a layer range ends where it begins or later")
        self.first = first
        self.end = end
    }

    public var count: Int { end - first }
    public var indices: Range<Int> { first..<end }
    public func contains(_ layer: Int) -> Bool { indices.contains(layer) }

    public static func < (left: LayerRange, right: LayerRange) -> Bool { (left.first, left.end) < (right.first, right.end) }
    public var description: String { "\(first)..<\(end)" }

    /// For messages to people: `layers 0 to 10`, both of them included.
    var words: String { count == 1 ? "layer \(first)" : "layers \(first) to \(max(first, end - 1))" }
}

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
        return "\((Double(bytes) / 1_073_741_824).text(digits: 2)) GiB"
    }
}

extension Double {
    /// The number with at most `digits` decimals, without the formatter of a larger library.
    func text(digits: Int) -> String {
        guard isFinite else { return description }
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let rounded = (self * scale).rounded() / scale
        return rounded == rounded.rounded() && abs(rounded) < 1e15 ? "\(Int(rounded))" : "\(rounded)"
    }
}
