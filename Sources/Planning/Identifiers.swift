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
