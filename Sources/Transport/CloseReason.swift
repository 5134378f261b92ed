public import Base
public import Loops
public import Tensors
public import Wire

/// Why a connection ended, in terms to act on; `description` is for logs and for people.
public enum CloseReason: Sendable, Hashable, CustomStringConvertible {
    /// This process wanted it.
    case requested(String)
    /// The peer ended it between two messages.
    case peerClosed
    /// The peer ended it in the middle of a message.
    case peerClosedInMessage
    /// It was never opened.
    case connectFailed(SystemError)
    /// The peer or the network broke it.
    case failed(SystemError)
    /// The peer sent what cannot be understood.
    case wire(WireError)
    /// The peer takes its messages too slowly: the queue reached its limit.
    case slowReader(queuedByteCount: Int, queuedMessageCount: Int)
    /// The peer took not one byte for this long.
    case writeStalled(Duration)
    /// No whole message came in time after the connection was opened.
    case firstMessageTimeout(Duration)
    /// A message was begun and not continued.
    case partialMessageTimeout(Duration)
    /// Nothing came for this long.
    case idleTimeout(Duration)
    /// The loop ended.
    case loopEnded

    public var description: String {
        switch self {
        case .requested(let why): why
        case .peerClosed: "the peer closed the connection"
        case .peerClosedInMessage: "the peer closed the connection in the middle of a message"
        case .connectFailed(let error): error.message
        case .failed(let error): error.message
        case .wire(let error): error.message
        case .slowReader(let bytes, let messages):
            "the peer reads too slowly: \(messages) messages of \(bytes) bytes are waiting for it, which is over the limit"
        case .writeStalled(let span): "the peer has taken no byte of what is queued for it for \(span.optionText)"
        case .firstMessageTimeout(let span): "no message came within \(span.optionText) of the connection's opening"
        case .partialMessageTimeout(let span): "a message was begun and not continued for \(span.optionText)"
        case .idleTimeout(let span): "nothing came from the peer for \(span.optionText)"
        case .loopEnded: "the process is ending"
        }
    }
}

/// What became of a message that was given to ``Connection/send(_:payload:tag:completion:)``.
public enum SendOutcome: Sendable, Hashable {
    /// The kernel has its last byte. `transferDuration` is the time since the first one, so 0 for what fits into one write.
    case written(at: Instant, transferDuration: Duration)
    /// ``Connection/cancelSend(tag:)`` came before the end. Where `wasStarted`, the peer is told to forget the beginning.
    case cancelled(wasStarted: Bool)
    /// It breaks a bound of the protocol: nothing was sent.
    case refused(WireError)
    /// The connection ended first. Whether the peer has it is unknown.
    case lost(CloseReason)
}

/// What to do with a payload that is about to come.
public enum PayloadDisposition: Sendable {
    /// Read it into this storage, which has at least the payload's length. It belongs to the connection until the message is delivered.
    ///
    /// `ticket` is the handler's own name for what it admitted, unique among the messages that the connection is receiving: delivery and abort
    /// repeat it (``Connection/ticket``). So a payload reaches the admission that it was read for, whatever number the peer wrote into it.
    case accept(TensorStorage, ticket: UInt64 = 0)
    /// Read it and forget it: the message is not delivered.
    case discard
    /// The peer must not send this.
    case close(CloseReason)
}

/// What a connection tells its owner, always on the loop's thread and never from within a call to the connection.
///
/// Order: `connectionOpened`, then any number of messages, then `connectionClosed` exactly once (also where it never opened).
public protocol ConnectionHandler: AnyObject {
    func connectionOpened(_ connection: Connection)
    /// The metadata of a message with a payload has come: give the memory for it before any payload byte is read. The bounds of the protocol
    /// and of the connection are checked already; the handler's own budget is not. Also asked for tensors that take no bytes.
    func connection(_ connection: Connection, willReceive message: Message, payloadByteCount: Int) -> PayloadDisposition
    /// A message is whole and its checksums are right. `payload` is the accepted storage, `nil` only for kinds that carry no tensors.
    func connection(_ connection: Connection, didReceive message: Message, payload: TensorStorage?)
    /// The sender gave up a message that ``connection(_:willReceive:payloadByteCount:)`` accepted: its storage is free.
    func connection(_ connection: Connection, didAbort message: Message)
    /// A message that was sent without a completion breaks a bound of the protocol: nothing of it was sent. By default the connection ends, so that
    /// nothing is lost silently; who says the same again and again, or speaks for others, says so in the log and goes on.
    func connection(_ connection: Connection, cannotSend message: Message, _ error: WireError)
    /// No callback follows. Incomplete messages are lost.
    func connectionClosed(_ connection: Connection, reason: CloseReason)
}

extension ConnectionHandler {
    public func connectionOpened(_ connection: Connection) {}
    public func connection(_ connection: Connection, didAbort message: Message) {}
    public func connection(_ connection: Connection, cannotSend message: Message, _ error: WireError) {
        connection.close(.wire(error))
    }
}
