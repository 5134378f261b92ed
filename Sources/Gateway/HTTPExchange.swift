internal import HTTPTypes
internal import HummingbirdCore
internal import NIOCore
internal import NIOHTTPTypes
internal import Synchronization
public import Tensors

/// A request whose body comes while its handler works.
///
/// ## Concurrency model
/// Used by one handler. What it shares with the connection (whether the client is still there) is under a mutex.
public struct HTTPExchange: Sendable {
    /// Without a body.
    public let request: HTTPRequestValue
    /// Of its body as it is sent; `nil` where it comes in chunks.
    public let contentLength: Int?
    public let connection: ClientConnection
    /// The client waits for our word before it sends its body.
    let expectsWord: Bool
    let body: RequestBody
    let progress: BodyProgress

    /// What reads the body as it comes. Made once.
    func makeReader() -> HTTPBodyReader {
        if expectsWord { connection.sayContinue() }
        return HTTPBodyReader(body.makeAsyncIterator(), progress)
    }
}

/// Gives a body piece by piece to its one user.
final class HTTPBodyReader {
    private var iterator: RequestBody.AsyncIterator
    private let progress: BodyProgress

    init(_ iterator: RequestBody.AsyncIterator, _ progress: BodyProgress) {
        self.iterator = iterator
        self.progress = progress
    }

    /// - Returns: `nil` after the last piece.
    /// - Throws: where the body breaks off.
    func next() async throws -> ByteBuffer? {
        if let piece = try await iterator.next() { return piece }
        // A cancelled reader is told of an end, too.
        try Task.checkCancellation()
        progress.finish()
        return nil
    }
}

/// Whether a body was read to its end: if not, the connection cannot carry another request.
final class BodyProgress: Sendable {
    private let isWhole: Atomic<Bool>

    init(isWhole: Bool) { self.isWhole = Atomic(isWhole) }
    var isFinished: Bool { isWhole.load(ordering: .acquiring) }
    func finish() { isWhole.store(true, ordering: .releasing) }
}

/// A reply that may be more than bytes that are there.
public struct HTTPAnswer: Sendable {
    public enum More: Sendable {
        /// Follow the reply's own body, written out of their memory.
        case parts([Part])
        /// The reply has no length: what comes is sent as it comes, until there is no more, or the client has gone.
        case events(AsyncStream<[UInt8]>)
    }

    public enum Part: Sendable {
        case bytes([UInt8])
        case tensor(Tensor)

        var byteCount: Int {
            switch self {
            case .bytes(let bytes): bytes.count
            case .tensor(let tensor): tensor.byteCount
            }
        }

        func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
            switch self {
            case .bytes(let bytes): bytes.withUnsafeBytes(body)
            case .tensor(let tensor): tensor.withUnsafeBytes(body)
            }
        }
    }

    public var reply: HTTPReply
    public var more: More
    /// Let go of when the reply's last byte is written, or its connection has ended.
    public var held: (any AnyObject & Sendable)?

    public init(_ reply: HTTPReply, parts: [Part] = [], held: (any AnyObject & Sendable)? = nil) {
        self.reply = reply
        more = .parts(parts)
        self.held = held
    }

    /// - Parameter events: a reply that has no end of its own.
    public init(_ reply: HTTPReply, events: AsyncStream<[UInt8]>) {
        self.reply = reply
        more = .events(events)
    }
}

/// The connection that a request came on, as far as its handler has to do with it.
///
/// ## Concurrency model
/// Its state is under a mutex; what is told of the end is called outside it, on the connection's thread or the caller's.
public final class ClientConnection: Sendable {
    private struct State {
        /// It has ended its side.
        var hasGone = false
        /// The connection is closed: no reply is written on it any more.
        var hasEnded = false
        var onDeparture: (@Sendable () -> Void)?
        var held: (any AnyObject & Sendable)?
    }

    private let state = Mutex(State())
    private let channel: (any Channel)?
    private let placing: @Sendable () -> Bool

    /// - Parameter takePlace: whether there is one, at the table of all connections.
    init(_ channel: (any Channel)?, takePlace: @escaping @Sendable () -> Bool = { true }) {
        self.channel = channel
        placing = takePlace
    }

    /// Calls back, once, when the client has gone: at once where it has. Replaces what was to be called before; `nil` calls nobody.
    public func onDeparture(_ action: (@Sendable () -> Void)?) {
        let hasGone = state.withLock { state in
            state.onDeparture = state.hasGone ? nil : action
            return state.hasGone
        }
        if hasGone { action?() }
    }

    /// It is known who asks, and others bound how long the request may take: the connection is not one that gives way.
    /// - Returns: `false` where as many requests as may be are like this.
    public func takePlace() -> Bool { placing() }

    /// Ends the connection at once.
    public func end() { if let channel { FrontDoor.end(channel) } }

    func depart() {
        let action = state.withLock { state in
            state.hasGone = true
            return state.onDeparture.take()
        }
        action?()
    }

    /// Kept until the reply that is written next is out; not at all where there will be none.
    func hold(_ object: (any AnyObject & Sendable)?) {
        // What was held is let go of outside the lock: that may do anything.
        let old = state.withLock { state in
            let old = state.held
            state.held = state.hasEnded ? nil : object
            return old
        }
        withExtendedLifetime(old) {}
    }

    /// The connection is closed.
    func closed() {
        let old = state.withLock { state in
            state.hasEnded = true
            return state.held.take()
        }
        withExtendedLifetime(old) {}
        depart()
    }
    func takeHeld() -> (any AnyObject & Sendable)? { state.withLock { $0.held.take() } }

    /// The client may send its body (RFC 9110, 10.1.1).
    func sayContinue() {
        channel?.writeAndFlush(HTTPResponsePart.head(HTTPResponse(status: .continue)), promise: nil)
    }
}
