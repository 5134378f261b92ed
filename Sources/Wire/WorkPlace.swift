/// Asks a worker where a micro-batch is.
public struct WorkQuestion: Sendable, Hashable {
    public var key: WorkKey
    /// The process that passes it on to the worker; `nil`: the coordinator.
    public var from: IncarnationID?
    public init(key: WorkKey, from: IncarnationID?) {
        self.key = key
        self.from = from
    }
}

/// Where a micro-batch is, as one worker of its route says.
///
/// Bytes are counted from the start of a connection at both of its ends. So a receiver that has had as many as the sender had written when it
/// passed a micro-batch on has had all of it, however much lies between them in kernels and on the wire.
public struct WorkPlace: Sendable, Hashable {
    public enum State: Sendable, Hashable, CaseIterable {
        case unknown
        case held
        case passedOn
        /// It is not here, and was not passed on within the time that is remembered.
        case absent
    }
    public var key: WorkKey
    public var state: State
    /// Bytes that the connection on which it goes on had carried: when it was passed on, or by now.
    public var sentBytes: UInt64
    /// Bytes that have come on the connection by which it comes.
    public var receivedBytes: UInt64
    /// How far back what was passed on is remembered.
    public var rememberedMilliseconds: UInt32

    public init(
        key: WorkKey, state: State, sentBytes: UInt64 = 0, receivedBytes: UInt64 = 0, rememberedMilliseconds: UInt32 = 0
    ) {
        self.key = key
        self.state = state
        self.sentBytes = sentBytes
        self.receivedBytes = receivedBytes
        self.rememberedMilliseconds = rememberedMilliseconds
    }
}
