/// Where a node stands.
public enum NodeState: Sendable, Hashable, CaseIterable {
    /// Listed; not yet answering, or answering and not yet with both connections.
    case joining
    case ready
    /// Silent for a while: no new work, its work is replayed elsewhere; it comes back by answering.
    case suspect
    case lost
    /// It goes, or is taken out, and what it has ends first.
    case draining
    /// Nothing runs on it and no plan uses it; it stays connected.
    case drained

    public var name: String { "\(self)" }

    /// What the log says when a node comes to be in it.
    var logMessage: String {
        switch self {
        case .joining: "node is joining"
        case .ready: "node is ready"
        case .suspect: "node is suspect"
        case .lost: "node is lost"
        case .draining: "node is draining"
        case .drained: "node is drained"
        }
    }
}
