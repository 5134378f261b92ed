/// What a handler is given: one request, and its body where the route has it read.
public struct HTTPRequestValue: Sendable, Hashable {
    public var method: HTTPMethod
    /// Without the query.
    public var path: String
    /// What stands in the path where the route has `{name}`, decoded.
    public var parameters: [String: String]
    public var headers: HTTPHeaders
    public var body: [UInt8]
    /// Who asks. It has the role that the route's ``AccessLevel`` takes; its label belongs into the log of what an operator did.
    public var caller: HTTPCaller
    /// How it came, and what it says of itself: for logging in and out.
    package var arrival: HTTPArrival?
    package var claims = HTTPClaims(hosts: [])

    public init(
        method: HTTPMethod, path: String, parameters: [String: String] = [:], headers: HTTPHeaders = HTTPHeaders(),
        body: [UInt8] = [],
        caller: HTTPCaller = .anyone
    ) {
        self.method = method
        self.path = path
        self.parameters = parameters
        self.headers = headers
        self.body = body
        self.caller = caller
    }
}

/// The methods that a route may have. `HEAD` is not among them: it is answered as `GET` without the body.
public enum HTTPMethod: String, Sendable, Hashable, CaseIterable {
    case get = "GET"
    case post = "POST"
}

/// A request's header lines. Names are the same in any case.
public struct HTTPHeaders: Sendable, Hashable {
    private var values: [String: [String]] = [:]

    public init(_ lines: [(name: String, value: String)] = []) {
        for line in lines { values[line.name.lowercased(), default: []].append(line.value) }
    }

    /// All values of a name, in their order.
    public func all(_ name: String) -> [String] { values[name.lowercased()] ?? [] }

    /// The value of a name; several are one list, as HTTP has it.
    public subscript(_ name: String) -> String? {
        let all = all(name)
        return all.isEmpty ? nil : all.joined(separator: ", ")
    }
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
