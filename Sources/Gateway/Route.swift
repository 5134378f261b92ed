internal import Base

/// One method on one path, and the value that answers it.
public struct Route: Sendable {
    public enum Handler: Sendable {
        /// Is given the whole body; a longer one than `maximumBodyBytes` is refused before.
        case whole(maximumBodyBytes: Int, @Sendable (HTTPRequestValue) async -> HTTPReply)
        /// Reads the body itself, and bounds it.
        case streamed(@Sendable (HTTPExchange) async -> HTTPAnswer)
    }

    public var method: HTTPMethod
    /// Segments may be `{name}`: then one of any text stands there.
    public var path: String
    /// Who may use it. Each route says so.
    public var access: AccessLevel
    public var handler: Handler

    public init(
        _ method: HTTPMethod, _ path: String, _ access: AccessLevel, maximumBodyBytes: Int = 0,
        handler: @escaping @Sendable (HTTPRequestValue) async -> HTTPReply
    ) {
        self.init(method, path, access, .whole(maximumBodyBytes: maximumBodyBytes, handler))
    }

    public init(_ method: HTTPMethod, _ path: String, _ access: AccessLevel, _ handler: Handler) {
        self.method = method
        self.path = path
        self.access = access
        self.handler = handler
    }
}

/// Which route a request is for. A pure value: the server around it only carries bytes.
public struct RouteTable: Sendable {
    public enum Match: Sendable {
        /// With what stands in place of the path's `{name}`s.
        case route(Route, parameters: [String: String])
        case unknownPath
        /// The path is known, under these methods.
        case wrongMethod(allowed: [String])
    }

    private struct Pattern: Sendable {
        let segments: [Substring]
        let path: String
    }

    private let routes: [String: [HTTPMethod: Route]]
    /// Paths with `{name}` in them, by their number of segments.
    private let patterns: [Int: [Pattern]]

    public init(_ routes: [Route]) {
        var table: [String: [HTTPMethod: Route]] = [:]
        var patterns: [Int: [Pattern]] = [:]
        for route in routes {
            precondition(table[route.path]?[route.method] == nil, "\(route.method.rawValue) \(route.path) is routed twice")
            if table[route.path] == nil, route.path.contains("{") {
                let segments = Self.segments(route.path)
                patterns[segments.count, default: []].append(Pattern(segments: segments, path: route.path))
            }
            table[route.path, default: [:]][route.method] = route
        }
        self.routes = table
        self.patterns = patterns
    }

    private static func segments(_ path: String) -> [Substring] { path.split(separator: "/", omittingEmptySubsequences: false) }

    /// - Parameters:
    ///   - method: as it stands in the request; `HEAD` finds what `GET` does.
    ///   - path: as it stands in the request, without the query.
    public func match(method: String, path: String) -> Match {
        guard let (known, parameters) = find(path) else { return .unknownPath }
        let wanted = method == "HEAD" ? HTTPMethod.get : HTTPMethod(rawValue: method)
        if let wanted, let route = known[wanted] { return .route(route, parameters: parameters) }
        var allowed = known.keys.map(\.rawValue)
        if known[.get] != nil { allowed.append("HEAD") }
        return .wrongMethod(allowed: allowed.sorted())
    }

    /// A path without `{name}` before one with it.
    private func find(_ path: String) -> ([HTTPMethod: Route], [String: String])? {
        if !path.contains("{"), let known = routes[path] { return (known, [:]) }
        let segments = Self.segments(path)
        for pattern in patterns[segments.count] ?? [] {
            if let parameters = Self.parameters(of: segments, in: pattern), let known = routes[pattern.path] {
                return (known, parameters)
            }
        }
        return nil
    }

    private static func parameters(of segments: [Substring], in pattern: Pattern) -> [String: String]? {
        var parameters: [String: String] = [:]
        for (wanted, segment) in zip(pattern.segments, segments) {
            if wanted.hasPrefix("{") {
                guard let text = PercentDecoding.decode(segment), !text.isEmpty else { return nil }
                parameters[String(wanted.dropFirst().dropLast())] = text
            } else if wanted != segment {
                return nil
            }
        }
        return parameters
    }

    public var paths: [String] { routes.keys.sorted() }
    /// In the order of their paths and methods.
    public var all: [Route] {
        paths.flatMap { path in (routes[path] ?? [:]).values.sorted { $0.method.rawValue < $1.method.rawValue } }
    }
}

/// `%41` in a path is `A`.
enum PercentDecoding {
    /// - Returns: `nil` where it is no text.
    static func decode(_ segment: Substring) -> String? {
        guard segment.contains("%") else { return String(segment) }
        var bytes: [UInt8] = []
        var rest = segment.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else { return nil }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
