internal import HTTPTypes
internal import NIOCore
internal import NIOHTTPTypes

/// Gives the library's own refusals a text: what its parser cannot read it answers with 400 and nothing else.
final class RefusalText: ChannelOutboundHandler, RemovableChannelHandler {
    typealias OutboundIn = HTTPResponsePart
    typealias OutboundOut = HTTPResponsePart

    private static let reply = HTTPReply.error(
        400,
        "this is no HTTP/1.1 request that can be read: check the method, the lines of the head and their length, and the chunks of the body"
    )

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        guard case .head(var head) = unwrapOutboundIn(data), head.status == .badRequest, head.headerFields[.contentLength] == "0",
            head.headerFields[.contentType] == nil
        else { return context.write(data, promise: promise) }
        head.headerFields[.contentType] = Self.reply.contentType
        head.headerFields[.contentLength] = "\(Self.reply.body.count)"
        context.write(wrapOutboundOut(.head(head)), promise: promise)
        context.write(wrapOutboundOut(.body(ByteBuffer(bytes: Self.reply.body))), promise: nil)
    }
}
