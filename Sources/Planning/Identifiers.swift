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
