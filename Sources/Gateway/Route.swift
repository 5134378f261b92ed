/// What a handler is given: one request, whole.
public struct HTTPRequestValue: Sendable, Hashable {
    public var method: HTTPMethod
    /// Without the query.
    public var path: String
    public var body: [UInt8]
    /// Who asks. It has the role that the route's ``AccessLevel`` takes; its label belongs into the log of what an operator did.
    public var caller: HTTPCaller

    public init(method: HTTPMethod, path: String, body: [UInt8] = [], caller: HTTPCaller = .anyone) {
        self.method = method
        self.path = path
        self.body = body
        self.caller = caller
    }
}

/// The methods that a route may have. `HEAD` is not among them: it is answered as `GET` without the body.
public enum HTTPMethod: String, Sendable, Hashable, CaseIterable {
    case get = "GET"
    case post = "POST"
}

/// What a handler answers.
public struct HTTPReply: Sendable, Hashable {
    public var status: Int
    public var contentType: String
    public var body: [UInt8]
    /// Beside the length and the type.
    public var headers: [String: String] = [:]

    public init(status: Int = 200, contentType: String, body: [UInt8]) {
        self.status = status
        self.contentType = contentType
        self.body = body
    }
}

/// One method on one path, and the value that answers it.
public struct Route: Sendable {
    public var method: HTTPMethod
    public var path: String
    /// Who may use it. Each route says so.
    public var access: AccessLevel
    /// A request with a longer body is refused before its handler sees it.
    public var maximumBodyBytes: Int
    public var handler: @Sendable (HTTPRequestValue) async -> HTTPReply

    public init(
        _ method: HTTPMethod, _ path: String, _ access: AccessLevel, maximumBodyBytes: Int = 0,
        handler: @escaping @Sendable (HTTPRequestValue) async -> HTTPReply
    ) {
        self.method = method
        self.path = path
        self.access = access
        self.maximumBodyBytes = maximumBodyBytes
        self.handler = handler
    }
}

/// Which route a request is for. A pure value: the server around it only carries bytes.
public struct RouteTable: Sendable {
    public enum Match: Sendable {
        case route(Route)
        case unknownPath
        /// The path is known, under these methods.
        case wrongMethod(allowed: [String])
    }

    private let routes: [String: [HTTPMethod: Route]]

    public init(_ routes: [Route]) {
        var table: [String: [HTTPMethod: Route]] = [:]
        for route in routes {
            precondition(table[route.path]?[route.method] == nil, "\(route.method.rawValue) \(route.path) is routed twice")
            table[route.path, default: [:]][route.method] = route
        }
        self.routes = table
    }

    /// - Parameter method: as it stands in the request; `HEAD` finds what `GET` does.
    public func match(method: String, path: String) -> Match {
        guard let known = routes[path] else { return .unknownPath }
        let wanted = method == "HEAD" ? HTTPMethod.get : HTTPMethod(rawValue: method)
        if let wanted, let route = known[wanted] { return .route(route) }
        var allowed = known.keys.map(\.rawValue)
        if known[.get] != nil { allowed.append("HEAD") }
        return .wrongMethod(allowed: allowed.sorted())
    }

    public var paths: [String] { routes.keys.sorted() }
    /// In the order of their paths and methods.
    public var all: [Route] {
        paths.flatMap { path in (routes[path] ?? [:]).values.sorted { $0.method.rawValue < $1.method.rawValue } }
    }
}
