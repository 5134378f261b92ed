internal import HummingbirdCore
internal import Logging
internal import NIOCore

/// The first handler of each connection, between the socket and everything else: it ends the connection at once when it is told to, and where
/// the server speaks TLS it turns away who does not.
///
/// A close that comes from behind a TLS handler waits for the other side's word. Whoever gives way to others must not have that time.
final class FrontDoor: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer

    /// Goes out through all handlers to this one.
    private enum Order: Sendable { case end }
    /// Goes in to all others: why the connection ends is said.
    enum Notice: Sendable { case refused }

    private enum State {
        case passing
        /// TLS, and nothing has come.
        case waiting
        /// What still comes is read over.
        case refused
    }

    private var state: State
    private let linger: TimeAmount
    private let logger: Logger

    init(isEncrypted: Bool, linger: Duration, logger: Logger) {
        state = isEncrypted ? .waiting : .passing
        self.linger = TimeAmount(linger)
        self.logger = logger
    }

    /// Closes the connection and waits for nobody.
    static func end(_ channel: any Channel) { channel.triggerUserOutboundEvent(Order.end, promise: nil) }

    func triggerUserOutboundEvent(context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?) {
        guard event is Order else { return context.triggerUserOutboundEvent(event, promise: promise) }
        context.close(promise: nil)
        promise?.succeed()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch state {
        case .passing: context.fireChannelRead(data)
        case .refused: break
        case .waiting:
            let bytes = unwrapInboundIn(data)
            guard let first = bytes.getInteger(at: bytes.readerIndex, as: UInt8.self) else { return }
            guard first != Self.handshakeRecord else {
                state = .passing
                return context.fireChannelRead(data)
            }
            state = .refused
            refuse(context, first)
        }
    }

    /// The type of a TLS record with a part of a handshake, with which every connection begins.
    private static let handshakeRecord: UInt8 = 22

    /// A request in plain text gets an answer in plain text, anything else none.
    private func refuse(_ context: ChannelHandlerContext, _ first: UInt8) {
        let isRequest = (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(first)
        logger.debug(
            "\(isRequest ? "plain HTTP" : "no TLS") at the port of https; the connection ends",
            metadata: ["peer": "\(context.remoteAddress?.ipAddress ?? "unknown")"])
        context.fireUserInboundEventTriggered(Notice.refused)
        guard isRequest else { return context.close(promise: nil) }
        context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: Self.plainReply)), promise: nil)
        // Our direction first: closing with bytes unread resets the connection, and a reset may overtake the reply.
        context.close(mode: .output, promise: nil)
        let channel = context.channel
        context.eventLoop.scheduleTask(in: linger) { Self.end(channel) }
    }

    private static let plainReply: [UInt8] = {
        let reply = HTTPReply.error(400, "this port speaks HTTPS; write https:// in place of http://")
        let head = [
            "HTTP/1.1 400 Bad Request", "Content-Type: \(reply.contentType)", "Content-Length: \(reply.body.count)",
            "Cache-Control: no-store", "Connection: close", "", "",
        ]
        return Array(head.joined(separator: "\r\n").utf8) + reply.body
    }()
}

/// Connections of which the first handler is a ``FrontDoor``.
struct GuardedChannel<Base: ServerChildChannel>: ServerChildChannel {
    typealias Value = Base.Value

    let base: Base
    let door: @Sendable () -> FrontDoor

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(door()) }
            .flatMap { base.setup(channel: channel, logger: logger) }
    }

    func handle(value: Value, logger: Logger) async { await base.handle(value: value, logger: logger) }
}
