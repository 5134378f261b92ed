internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes

/// Ends the connection after a reply that says so, which Hummingbird does only where the request asked for it.
///
/// Without this, whoever was refused for a body that is too long could go on sending it, and we would go on reading.
final class CloseAfterReply: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    static let headerValue = "close"

    private let linger: TimeAmount
    private var isLast = false

    /// - Parameter linger: how long what still comes is read.
    init(linger: Duration) { self.linger = TimeAmount(linger) }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        switch unwrapOutboundIn(data) {
        case .head(let head):
            isLast = head.headerFields[.connection] == Self.headerValue
            context.write(data, promise: promise)
        case .end where isLast:
            context.writeAndFlush(data, promise: promise)
            // Only our direction first: closing with bytes unread resets the connection, and a reset may overtake the reply.
            context.close(mode: .output, promise: nil)
            let channel = context.channel
            context.eventLoop.scheduleTask(in: linger) { FrontDoor.end(channel) }
        default:
            context.write(data, promise: promise)
        }
    }
}
