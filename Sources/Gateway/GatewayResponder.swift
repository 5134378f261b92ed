internal import Base
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

        init(source: ApplicationRequestContextSource) {
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

    @Sendable func respond(to request: Request, context: Context) async -> Response {
        if let refusal = PublicAddressPolicy.refusal(ofPeer: context.peer, insecure: allowsPublicPeers) {
            return refuse(.error(403, refusal), request)
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
        case .route(let route):
            let caller: HTTPCaller
            switch decide(route, request, context) {
            case .allowed(let found): caller = found
            case .refused(let reply): return refuse(reply, request)
            }
            let body: [UInt8]
            do throws(HTTPRefusal) { body = try await read(request, route) } catch { return refuse(error.reply, request) }
            let value = HTTPRequestValue(method: route.method, path: route.path, body: body, caller: caller)
            return response(await route.handler(value), request)
        }
    }

    private static let host = HTTPField.Name("Host")

    private func decide(_ route: Route, _ request: Request, _ context: Context) -> AccessRules.Decision {
        // The library takes the first `Host` out of the headers, and leaves the others there.
        let claims = HTTPClaims(
            hosts: [request.head.authority].compactMap(\.self) + (Self.host.map { request.headers[values: $0] } ?? []),
            origins: request.headers[values: .origin], authorizations: request.headers[values: .authorization])
        return access.decide(
            route.access, route: "\(route.method.rawValue) \(route.path)",
            HTTPArrival(local: context.local, peer: context.peer, isEncrypted: isEncrypted), claims)
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

    private static func announcesBody(_ request: Request) -> Bool {
        request.headers[.transferEncoding] != nil || request.headers[.contentLength].map { $0 != "0" } == true
    }

    private func read(_ request: Request, _ route: Route) async throws(HTTPRefusal) -> [UInt8] {
        let limit = route.maximumBodyBytes
        func tooLong() -> HTTPRefusal {
            HTTPRefusal(
                reply: .error(
                    413,
                    limit == 0
                        ? "\(route.method.rawValue) \(route.path) takes no body"
                        : "the body is over the limit of \(limit) bytes of \(route.method.rawValue) \(route.path)"))
        }
        guard Self.announcesBody(request) else { return [] }
        if let announced = request.headers[.contentLength].flatMap({ Int($0) }), announced > limit { throw tooLong() }
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
