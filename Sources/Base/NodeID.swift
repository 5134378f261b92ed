/// A worker's name: its `--name`, else the compose service's name with the replica's, else host and port.
public struct NodeID: Sendable, Hashable, Comparable, Codable, ExpressibleByStringLiteral, CustomStringConvertible {
    public let name: String

    /// What the coordinator is called where links are listed; no worker may have this name.
    public static let coordinator: NodeID = "coordinator"

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
