internal import Base
internal import Glibc
internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import Shell

/// Between Hummingbird and the routes: bounds, refusals, and the translation of requests and replies.
struct GatewayResponder: HTTPResponder {
    struct Context: InitializableFromSource {
        /// Numeric addresses: the peer's, and ours that it chose.
        let peer: String
        let local: String?
        let channel: any Channel

        init(source: ApplicationRequestContextSource) {
            channel = source.channel
            peer = source.channel.remoteAddress?.ipAddress ?? "unknown"
            local = source.channel.localAddress?.ipAddress
        }
    }

    let routes: RouteTable
    let access: AccessRules
    let isEncrypted: Bool
    let allowsPublicPeers: Bool
    /// From a request's head to its last byte.
    let bodyLimit: Duration
    let gate: ConnectionGate

    @Sendable func respond(to request: Request, context: Context) async -> Response {
        if let refusal = PublicAddressPolicy.refusal(ofPeer: context.peer, insecure: allowsPublicPeers) {
            return refuse(.error(403, refusal), request)
        }
        guard request.head.path?.hasPrefix("/") == true else {
            return refuse(.error(400, "the request's target is not a path; send it as in GET /v2 HTTP/1.1"), request)
        }
        switch routes.match(method: request.method.rawValue, path: request.uri.path) {
        case .unknownPath:
            return refuse(
                .error(404, "there is no \(Self.shortened(request.uri.path)); there is \(routes.paths.joined(separator: ", "))"),
                request)
        case .wrongMethod(let allowed):
            var reply = HTTPReply.error(
                405,
                "\(Self.shortened(request.uri.path)) takes \(allowed.joined(separator: " or ")), not \(Self.shortened(request.method.rawValue))"
            )
            reply.headers["Allow"] = allowed.joined(separator: ", ")
            return refuse(reply, request)
        case .route(let route, let parameters):
            let caller: HTTPCaller
            let arrival = HTTPArrival(
                local: context.local, peer: context.peer, isEncrypted: isEncrypted, secondsSince1970: Int64(time(nil)))
            let claims = claims(of: request, route)
            switch access.decide(route.access, route: "\(route.method.rawValue) \(route.path)", arrival, claims) {
            case .allowed(let found): caller = found
            case .refused(let reply): return refuse(reply, request)
            }
            var value = HTTPRequestValue(
                method: route.method, path: request.uri.path, parameters: parameters, headers: Self.headers(request), caller: caller
            )
            (value.arrival, value.claims) = (arrival, claims)
            switch route.handler {
            case .whole(let limit, let handler):
                do throws(HTTPRefusal) { value.body = try await read(request, route, limit) } catch {
                    return refuse(error.reply, request)
                }
                return response(await handler(value), request)
            case .streamed(let handler): return await answer(value, request, gate.client(on: context.channel), handler)
            }
        }
    }

    private static func headers(_ request: Request) -> HTTPHeaders {
        HTTPHeaders(request.headers.map { ($0.name.rawName, $0.value) })
    }

    private static let expectation = HTTPField.Name("Expect")

    private func answer(
        _ value: HTTPRequestValue, _ request: Request, _ connection: ClientConnection,
        _ handler: @Sendable (HTTPExchange) async -> HTTPAnswer
    ) async -> Response {
        let progress = BodyProgress(isWhole: !Self.announcesBody(request))
        let exchange = HTTPExchange(
            request: value, contentLength: Self.contentLength(request), connection: connection,
            expectsWord: Self.expectation.flatMap { request.headers[$0] }?.lowercased() == "100-continue", body: request.body,
            progress: progress)
        let answer = await handler(exchange)
        connection.onDeparture(nil)
        connection.hold(answer.held)
        var response = response(answer.reply, request)
        // The library reads over what is left; where that is much, or may never come, the connection ends.
        let isRestShort =
            answer.reply.status != 408 && !exchange.expectsWord
            && exchange.contentLength.map { $0 <= Self.readOverByteCount } == true
        if !progress.isFinished, !isRestShort { response.headers[.connection] = CloseAfterReply.headerValue }
        if request.method != .head { response.body = Self.body(of: answer) }
        return response
    }

    /// A refused body that is read over, so that its connection can be used again: less than a new one costs both sides.
    private static let readOverByteCount = 1 << 20
    /// Larger replies are copied into the connection's buffers piece by piece.
    private static let replyPieceByteCount = 256 << 10

    private static func body(of answer: HTTPAnswer) -> ResponseBody {
        switch answer.more {
        case .parts(let parts):
            let count = parts.reduce(answer.reply.body.count) { $0 + $1.byteCount }
            if count <= replyPieceByteCount {
                var buffer = ByteBufferAllocator().buffer(capacity: count)
                buffer.writeBytes(answer.reply.body)
                for part in parts { part.withBytes { _ = buffer.writeBytes($0) } }
                return ResponseBody(byteBuffer: buffer)
            }
            return ResponseBody(contentLength: count) { writer in
                try await writer.write(ByteBuffer(bytes: answer.reply.body))
                for part in parts {
                    for start in stride(from: 0, to: part.byteCount, by: replyPieceByteCount) {
                        var buffer = ByteBufferAllocator().buffer(capacity: replyPieceByteCount)
                        let range = start..<min(start + replyPieceByteCount, part.byteCount)
                        part.withBytes { _ = buffer.writeBytes($0[range]) }
                        try await writer.write(buffer)
                    }
                }
                try await writer.finish(nil)
            }
        case .events(let events):
            return ResponseBody { writer in
                if !answer.reply.body.isEmpty { try await writer.write(ByteBuffer(bytes: answer.reply.body)) }
                for await event in events { try await writer.write(ByteBuffer(bytes: event)) }
                try await writer.finish(nil)
            }
        }
    }

    private static let host = HTTPField.Name("Host")

    private func claims(of request: Request, _ route: Route) -> HTTPClaims {
        // The library takes the first `Host` out of the headers, and leaves the others there.
        HTTPClaims(
            hosts: [request.head.authority].compactMap(\.self) + (Self.host.map { request.headers[values: $0] } ?? []),
            origins: request.headers[values: .origin], authorizations: request.headers[values: .authorization],
            cookies: request.headers[values: .cookie], changesSomething: route.method != .get)
    }

    /// An error, and the end of the connection where a body may follow that nobody reads.
    private func refuse(_ reply: HTTPReply, _ request: Request) -> Response {
        var response = response(reply, request)
        if Self.announcesBody(request) { response.headers[.connection] = CloseAfterReply.headerValue }
        return response
    }

    private func response(_ reply: HTTPReply, _ request: Request) -> Response {
        var headers = HTTPFields()
        headers[.contentType] = reply.contentType
        // What is shown is of this moment.
        headers[.cacheControl] = "no-store"
        for (name, value) in reply.headers {
            guard let name = HTTPField.Name(name) else { continue }
            headers[name] = value
        }
        let response = Response(
            status: .init(code: reply.status), headers: headers, body: ResponseBody(byteBuffer: ByteBuffer(bytes: reply.body)))
        return request.method == .head ? response.createHeadResponse() : response
    }

    // MARK: Bodies

    private struct HTTPRefusal: Error { let reply: HTTPReply }

    /// A length beyond integers is longer than everything.
    private static func contentLength(_ request: Request) -> Int? { request.headers[.contentLength].map { Int($0) ?? .max } }

    private static func announcesBody(_ request: Request) -> Bool {
        request.headers[.transferEncoding] != nil || request.headers[.contentLength].map { $0 != "0" } == true
    }

    private func read(_ request: Request, _ route: Route, _ limit: Int) async throws(HTTPRefusal) -> [UInt8] {
        func tooLong() -> HTTPRefusal {
            HTTPRefusal(
                reply: .error(
                    413,
                    limit == 0
                        ? "\(route.method.rawValue) \(route.path) takes no body"
                        : "the body is over the limit of \(limit) bytes of \(route.method.rawValue) \(route.path)"))
        }
        guard Self.announcesBody(request) else { return [] }
        if let announced = Self.contentLength(request), announced > limit { throw tooLong() }
        do {
            guard let buffer = try await collect(request.body, upTo: limit) else {
                throw HTTPRefusal(reply: .error(408, "the body was not complete within \(bodyLimit.optionText)"))
            }
            return Array(buffer.readableBytesView)
        } catch let refusal as HTTPRefusal {
            throw refusal
        } catch is NIOTooManyBytesError {
            throw tooLong()
        } catch {
            throw HTTPRefusal(reply: .error(400, "the body cannot be read: \(error)"))
        }
    }

    /// - Returns: `nil` when the body was not complete in time.
    private func collect(_ body: RequestBody, upTo limit: Int) async throws -> ByteBuffer? {
        try await withThrowingTaskGroup(of: ByteBuffer?.self) { group in
            group.addTask { try await body.collect(upTo: limit) }
            group.addTask {
                try await Task.sleep(for: bodyLimit)
                return nil
            }
            defer { group.cancelAll() }
            return try await group.next() ?? nil
        }
    }

    /// What a stranger has written, short enough to be repeated to him.
    private static func shortened(_ text: String) -> String { text.count <= 80 ? text : text.prefix(80) + "…" }
}
