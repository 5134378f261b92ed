public import Base
internal import Glibc
public import Loops
internal import Tensors
public import Wire

/// One TCP connection that carries ``Message``s, opened by ``connect(loop:to:timeout:options:handler:)`` or by a ``Listener``.
///
/// It lives on its loop's thread, and the loop keeps it until it is closed. Calls to it never call back: what is sent is written at the end
/// of the wake, and everything that happens is told to the handler from a fresh stack.
public final class Connection: CustomStringConvertible {
    enum State {
        /// The TCP connect is under way.
        case connecting
        /// TLS opens, where there is TLS.
        case handshaking
        case open
        /// Writes what is queued, then waits for the peer's end. Nothing is delivered any more.
        case closing(CloseReason)
        case closed
    }

    /// Metadata of a stranger's first message. A hello is four names, below 2 KiB; an inventory stands in the answer to it.
    static let firstMetadataByteCount = 4 << 10
    /// Commands of a client without the right that are answered before its connection ends: an answer may wait unread.
    static let deniedAnswers = 16
    /// Bytes that a message is counted with beside its own: what it costs in the queue.
    private static let messageOverheadByteCount = 256

    public let loop: EventLoop
    /// Unique within the loop.
    public let id: UInt64
    public let isServer: Bool
    public let peerAddress: SocketAddress
    public internal(set) var localAddress: SocketAddress?
    /// Who is told; may be changed at any time (the role is known only after the hello). Let go of after `connectionClosed`.
    public var handler: (any ConnectionHandler)?
    /// When the last byte came: any byte of a peer counts as life.
    public internal(set) var lastReceived: Instant
    /// How long the message that is being delivered took from its head to its last byte.
    public internal(set) var receiveDuration: Duration = .zero
    /// Of the message that is being delivered or aborted: the name under which its payload was accepted (``PayloadDisposition``), `nil` where it
    /// has none.
    public internal(set) var ticket: UInt64?
    /// Of the message that is being admitted or delivered: where its tensors stand in the payload, `nil` where it carries none.
    public internal(set) var layout: PayloadLayout?
    /// Deadlines and limits may be changed while it is open; what the socket was set up with stays.
    public var options: ConnectionOptions {
        didSet { armDeadline() }
    }

    let channel: any ByteChannel
    var socket: Socket?
    var state: State = .connecting
    var sender = FrameSender()
    private(set) lazy var receiver = FrameReceiver(
        staging: loop.staging, incomingByteLimit: options.incomingByteLimit, delegate: self)
    var token: UInt64?
    var interest: IOReadiness = []
    /// What the channel waits for before it can read or write on; they cross over where TLS does.
    var readWaitsFor: SocketReadiness = .readable
    var writeWaitsFor: SocketReadiness?
    var isFlushScheduled = false
    /// What was read already is handled in a later turn.
    var isReadDeferred = false
    var hasWritingEnded = false
    var openedAt: Instant
    var hasFirstMessage = false
    var lastWriteProgress: Instant
    var closingSince: Instant
    var connectDeadline: Instant?
    var deadlineTimer: Timer?
    /// Messages that the peer's key does not allow.
    var deniedCount = 0
    /// It ended within TLS's handshake, and not because of its keys: the peer may be one that talks plain text.
    var mayTalkPlain: Bool { !isServer && channel.endedAsPlainPeersDo }
    /// Set by ``closeAfterFlush(_:)`` while the connection is still being opened.
    var closesOnceOpen: CloseReason?
    /// What a ``Listener`` counts with.
    var onEnd: (() -> Void)?
    /// What a ``Listener`` counts strangers with.
    var onFirstMessage: (() -> Void)?

    init(
        loop: EventLoop, peer: SocketAddress, isServer: Bool, options: ConnectionOptions, handler: (any ConnectionHandler)?
    ) {
        self.loop = loop
        self.id = loop.nextID()
        self.isServer = isServer
        self.peerAddress = peer
        self.options = options
        self.handler = handler
        channel = options.makeChannel(isServer, peer)
        openedAt = .current()
        lastReceived = openedAt
        lastWriteProgress = openedAt
        closingSince = openedAt
    }

    /// Opens a connection. Whatever comes of it is told to `handler`: `connectionOpened`, or `connectionClosed` with
    /// ``CloseReason/connectFailed(_:)``. Messages may be sent at once; they wait for the opening.
    @discardableResult
    public static func connect(
        loop: EventLoop, to address: SocketAddress, timeout: Duration, options: ConnectionOptions = ConnectionOptions(),
        handler: any ConnectionHandler
    ) -> Connection {
        let connection = Connection(loop: loop, peer: address, isServer: false, options: options, handler: handler)
        connection.startConnecting(timeout: timeout)
        return connection
    }

    /// Who the peer has proved to be; `nil` in plain text, and before the connection is open.
    public var peerIdentity: PeerIdentity? { channel.peerIdentity }
    /// The cipher suite of TLS, as RFC 8446 writes it; `nil` in plain text, and before the connection is open.
    public var cipherSuite: String? { channel.cipherSuite }

    public var description: String { "connection \(id) \(isServer ? "from" : "to") \(peerAddress)" }

    /// Whether messages can still be sent (they wait while it is being opened).
    public var isOpen: Bool {
        switch state {
        case .connecting, .handshaking, .open: closesOnceOpen == nil
        case .closing, .closed: false
        }
    }

    // MARK: Sending

    /// Queues a message. Its payload is not copied: it is written from where it stands, and kept alive until then.
    ///
    /// Where the queue is over ``ConnectionOptions/outgoingByteLimit`` the connection is closed as ``CloseReason/slowReader``: the peer's state
    /// is lost with it, memory is not. A message counts with at most a quarter of the limit, so that an archive does not shut out the messages
    /// behind it.
    /// - Parameters:
    ///   - tag: a name for ``cancelSend(tag:)``, unique among the messages in the queue.
    ///   - completion: called once, later, with what became of it. Without one, the handler is told of a message that breaks a bound of the
    ///     protocol.
    public func send(
        _ message: Message, payload: OutgoingPayload = .empty, tag: UInt64? = nil, completion: ((SendOutcome) -> Void)? = nil
    ) {
        guard isOpen else {
            if let completion { loop.defer { completion(.lost(.requested("the connection was closed before"))) } }
            return
        }
        do throws(WireError) {
            try message.check(totalPayloadByteCount: payload.byteCount)
            let encoded = try MessageCodec.encode(message)
            let size = Self.messageOverheadByteCount + encoded.metadata.count + payload.byteCount
            let weight = min(size, options.outgoingByteLimit / 4)
            guard sender.weight + weight <= options.outgoingByteLimit, sender.queuedMessageCount < WireLimits.queuedMessages else {
                let reason = CloseReason.slowReader(
                    queuedByteCount: sender.queuedByteCount, queuedMessageCount: sender.queuedMessageCount)
                if let completion { loop.defer { completion(.lost(reason)) } }
                return close(reason)
            }
            // The write deadline runs from when there is something to write.
            if sender.isEmpty { lastWriteProgress = loop.now }
            try sender.enqueue(encoded, payload: payload, weight: weight, userTag: tag, completion: completion)
        } catch {
            return loop.defer { [self] in
                if let completion { return completion(.refused(error)) }
                if let handler { handler.connection(self, cannotSend: message, error) } else { close(.wire(error)) }
            }
        }
        scheduleFlush()
    }

    /// Sends enough for the kernel to know the link's bandwidth before anything depends on it.
    public func sendProbe() { send(.linkProbe(LinkProbe()), payload: OutgoingPayload(Self.probeBytes)) }

    private static let probeBytes = TensorStorage(copying: [UInt8](repeating: 0, count: WireLimits.probeByteCount))

    /// Takes a message back: out of the queue, or, where part of it is under way, by telling the peer to forget it.
    ///
    /// Its completion gets ``SendOutcome/cancelled(wasStarted:)``. Nothing happens where it has been sent already.
    public func cancelSend(tag: UInt64) {
        guard let completion = sender.cancel(userTag: tag) else { return scheduleFlush() }
        loop.defer(completion)
        scheduleFlush()
    }

    // MARK: Receiving

    /// Lets go of an accepted payload at once; what is still to come of it is read over, and the message is not delivered.
    public func stopReceiving(ticket: UInt64) { receiver.discard(ticket: ticket) }

    /// Payload bytes that have come for an accepted message; `nil` when none is under way under that name.
    public func receivedByteCount(ticket: UInt64) -> Int? { receiver.receivedByteCount(ticket: ticket) }

    func scheduleFlush() {
        guard !isFlushScheduled, case .open = state else { return }
        isFlushScheduled = true
        loop.flushLater(self)
    }

    // MARK: Ending

    /// Ends the connection now: what is queued is dropped. `connectionClosed` follows.
    public func close(_ reason: CloseReason) { finish(reason) }

    /// Sends what is queued, then ends; for a last word such as ``Refused``. Nothing is delivered any more.
    ///
    /// It waits for the peer's own end (bounded by ``ConnectionOptions/closingTimeout``): closing with unread bytes would reset the
    /// connection, and the last word could be lost.
    public func closeAfterFlush(_ reason: CloseReason) {
        switch state {
        case .open:
            state = .closing(reason)
            closingSince = loop.now
            receiver.removeAll()
            if !isFlushScheduled {
                isFlushScheduled = true
                loop.flushLater(self)
            }
            armDeadline()
        case .connecting, .handshaking: closesOnceOpen = closesOnceOpen ?? reason
        case .closing, .closed: return
        }
    }

    /// Tells the peer why it is not wanted, and ends.
    public func refuse(_ code: StatusCode, _ message: String) {
        send(.refused(Refused(code: code, message: message)))
        closeAfterFlush(.requested(message))
    }

    /// Tells the peer why it is not wanted, as far as the kernel takes it at once, and ends now: its descriptor is free on return.
    ///
    /// For making room. Nobody waits for the peer here, so a word behind many queued bytes is lost.
    public func dismiss(_ code: StatusCode, _ message: String) {
        if case .connecting = state, let socket, !channel.speaksAtOnce(on: socket.rawValue) {
            // There is no time for a handshake; TLS has a word for it.
            return finish(.requested(message))
        }
        openUnheard()
        if case .open = state {
            // Written here and not in its turn, and what has come is read over: with unread bytes the kernel would reset the connection.
            refuse(code, message)
            flush()
        }
        finish(.requested(message))
    }

    // MARK: Figures

    public struct Counters: Sendable, Hashable {
        /// Bytes on the wire, heads included.
        public var receivedBytes: UInt64
        public var sentBytes: UInt64
        public var receivedMessages: UInt64
        public var sentMessages: UInt64
    }

    public var counters: Counters {
        Counters(
            receivedBytes: receiver.receivedByteCount, sentBytes: sender.sentByteCount,
            receivedMessages: receiver.receivedMessageCount, sentMessages: sender.sentMessageCount)
    }

    /// Bytes that wait to be written.
    public var queuedByteCount: Int { sender.queuedByteCount }
    public var queuedMessageCount: Int { sender.queuedMessageCount }

    /// What the kernel has measured of the way to the peer.
    public func path() -> PathFigures { socket?.path ?? PathFigures() }
}
