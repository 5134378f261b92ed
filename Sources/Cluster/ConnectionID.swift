/// A shell's name for one of its connections. Never used again within a process.
public struct ConnectionID: Sendable, Hashable, Comparable {
    public let number: UInt64
    public init(_ number: UInt64) { self.number = number }
    public static func < (left: ConnectionID, right: ConnectionID) -> Bool { left.number < right.number }
}

/// The coordinator's number for a request, unique within its session.
public struct RequestID: Sendable, Hashable, Comparable {
    public let number: UInt64
    public init(_ number: UInt64) { self.number = number }
    public static func < (left: RequestID, right: RequestID) -> Bool { left.number < right.number }
}
