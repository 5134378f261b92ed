/// One request of a client: all inputs, in the model's order or by name.
public struct InferRequest: Sendable, Hashable {
    /// The client's own number, unique on its connection while outstanding.
    public var id: UInt64
    public var deadlineMilliseconds: UInt32
    /// Input names, one for each tensor; empty means the model's order.
    public var names: [String]
    public var tensors: [TensorHeader]
    public init(id: UInt64, deadlineMilliseconds: UInt32, names: [String], tensors: [TensorHeader]) {
        self.id = id
        self.deadlineMilliseconds = deadlineMilliseconds
        self.names = names
        self.tensors = tensors
    }
}

public struct InferReply: Sendable, Hashable {
    public var id: UInt64
    public var names: [String]
    public var tensors: [TensorHeader]
    public var timing: RequestTiming
    public init(id: UInt64, names: [String], tensors: [TensorHeader], timing: RequestTiming) {
        self.id = id
        self.names = names
        self.tensors = tensors
        self.timing = timing
    }
}

/// Where a request's time went, seen from the coordinator, in nanoseconds.
public struct RequestTiming: Sendable, Hashable {
    /// From admission to the first dispatch.
    public var queue: UInt64
    /// From admission to the reply.
    public var total: UInt64
    /// Micro-batches that were sent more than once.
    public var replays: UInt32
    /// From admission until the inputs were complete: the part of `queue` that is the network's, not the scheduler's.
    public var receive: UInt64
    /// The reply is that of an earlier equal request: no worker ran anything for this one.
    public var isCached: Bool
    public init(queue: UInt64 = 0, total: UInt64 = 0, replays: UInt32 = 0, isCached: Bool = false, receive: UInt64 = 0) {
        self.isCached = isCached
        self.queue = queue
        self.total = total
        self.replays = replays
        self.receive = receive
    }
}

public struct InferError: Sendable, Hashable {
    public var id: UInt64
    public var code: StatusCode
    public var message: String
    /// For ``StatusCode/resourceExhausted`` and ``StatusCode/unavailable``: when trying again makes sense; 0 means no hint.
    public var retryAfterMilliseconds: UInt32
    public init(id: UInt64, code: StatusCode, message: String, retryAfterMilliseconds: UInt32 = 0) {
        self.id = id
        self.code = code
        self.message = message
        self.retryAfterMilliseconds = retryAfterMilliseconds
    }
}

public struct CancelRequest: Sendable, Hashable {
    public var id: UInt64
    public init(id: UInt64) { self.id = id }
}

public struct StatusRequest: Sendable, Hashable {
    public var id: UInt64
    /// The history instead of the status. An older coordinator does not see it and answers with the status.
    public var history: HistoryRange?
    public init(id: UInt64, history: HistoryRange? = nil) {
        self.id = id
        self.history = history
    }
}

/// Which part of the nodes' history is wanted.
public struct HistoryRange: Sendable, Hashable {
    /// Empty: every node.
    public var node: String
    /// How far back; 0: as far as there is.
    public var sinceMilliseconds: UInt64
    /// Newest samples of each node, at most ``WireLimits/historySamples``; 0: the coordinator's choice.
    public var limit: UInt32
    public init(node: String = "", sinceMilliseconds: UInt64 = 0, limit: UInt32 = 0) {
        self.node = node
        self.sinceMilliseconds = sinceMilliseconds
        self.limit = limit
    }
}

public struct StatusReply: Sendable, Hashable {
    public var id: UInt64
    public init(id: UInt64) { self.id = id }
}

public struct ModelRequest: Sendable, Hashable {
    public var id: UInt64
    public init(id: UInt64) { self.id = id }
}

public struct ModelReply: Sendable, Hashable {
    public var id: UInt64
    public init(id: UInt64) { self.id = id }
}
