public import Base

/// From a worker that dialled the coordinator (`--coordinator`), after the welcome. The coordinator dials back.
public struct Register: Sendable, Hashable {
    public var name: NodeID
    /// `host:port`, most likely first.
    public var addresses: [String]
    public init(name: NodeID, addresses: [String]) {
        self.name = name
        self.addresses = addresses
    }
}

/// The coordinator knows the worker now. The connection stays open: its end tells either side that the other has gone.
public struct Registered: Sendable, Hashable {
    public var name: NodeID
    public init(name: NodeID) { self.name = name }
}

/// From a worker that was told to end. It goes on working, so that nothing waits while a plan without it is loaded, until ``Released``.
public struct Leaving: Sendable, Hashable {
    /// Why, for people.
    public var message: String
    public init(message: String) { self.message = message }
}

/// To a worker that is leaving: no plan uses it any more, and nothing of it is under way.
public struct Released: Sendable, Hashable {
    public init() {}
}

/// Takes a worker out of plans, or back.
public struct DrainRequest: Sendable, Hashable {
    public var id: UInt64
    public var node: NodeID
    public var undo: Bool
    /// Also where no plan is possible without it.
    public var force: Bool
    public init(id: UInt64, node: NodeID, undo: Bool, force: Bool) {
        self.id = id
        self.node = node
        self.undo = undo
        self.force = force
    }
}

/// Sent once it is done: nothing runs on the node any more, or it takes part again.
public struct DrainReply: Sendable, Hashable {
    public var id: UInt64
    /// What came of it, for people.
    public var message: String
    public init(id: UInt64, message: String) {
        self.id = id
        self.message = message
    }
}
