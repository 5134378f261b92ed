internal import Base

/// How a request came.
package struct HTTPArrival: Sendable, Hashable {
    /// From this machine, and to an address that no other machine reaches.
    package let isLocal: Bool
    package let isEncrypted: Bool
    package let secondsSince1970: Int64

    /// - Parameters:
    ///   - local: the numeric address that it came to.
    ///   - peer: the numeric address that it came from.
    ///   - secondsSince1970: when it came. Without it every log-in is over.
    package init(local: String?, peer: String?, isEncrypted: Bool, secondsSince1970: Int64 = .max) {
        self.secondsSince1970 = secondsSince1970
        isLocal = [local, peer].allSatisfy { $0.flatMap { IPAddress($0) }?.isLoopback == true }
        self.isEncrypted = isEncrypted
    }
}

/// What a request says of itself that its access depends on: each header with all its values.
package struct HTTPClaims: Sendable, Hashable {
    package var hosts: [String]
    package var origins: [String]
    package var authorizations: [String]
    package var cookies: [String]
    /// The method is not one that only reads.
    package var changesSomething: Bool

    package init(
        hosts: [String], origins: [String] = [], authorizations: [String] = [], cookies: [String] = [],
        changesSomething: Bool = true
    ) {
        self.cookies = cookies
        self.changesSomething = changesSomething
        self.hosts = hosts
        self.origins = origins
        self.authorizations = authorizations
    }
}

/// Who may use what: a value that decides, request by request. The server around it carries out what it says.
public struct AccessRules: Sendable {
    package enum Decision: Sendable, Hashable {
        case allowed(HTTPCaller)
        case refused(HTTPReply)
    }

    /// `nil` where no file was given: then only this machine gets more than the open routes.
    package var tokens: HTTPTokens?
    /// `--http-insecure`.
    package var acceptsPlainTokens: Bool
    package var hosts: HostRules

    package init(tokens: HTTPTokens? = nil, acceptsPlainTokens: Bool = false, hosts: HostRules) {
        self.tokens = tokens
        self.acceptsPlainTokens = acceptsPlainTokens
        self.hosts = hosts
    }

    /// Reads the files of tokens.
    /// - Parameters:
    ///   - tokenFiles: none where this machine alone is served.
    ///   - acceptsPlainTokens: from other machines too.
    ///   - ownNames: names of this server: the machine's, and the host of its address.
    ///   - otherNames: more names that lead to it.
    /// - Throws: ``GatewayError`` that names file, line and fix.
    public init(
        tokenFiles: [String], acceptsPlainTokens: Bool, ownNames: [String?], otherNames: [String]
    ) throws(GatewayError) {
        self.init(
            tokens: tokenFiles.isEmpty ? nil : try HTTPTokens(reading: tokenFiles), acceptsPlainTokens: acceptsPlainTokens,
            hosts: HostRules(own: ownNames, given: otherNames))
    }

    /// Why a name cannot be one of `otherNames`; `nil` where it can.
    public static func problem(withHostName name: String) -> (problem: String, fix: String)? { HostRules.problem(withName: name) }

    /// - Parameter route: its method and path, for messages.
    package func decide(_ level: AccessLevel, route: String, _ arrival: HTTPArrival, _ claims: HTTPClaims) -> Decision {
        guard claims.hosts.count == 1, let host = claims.hosts.first, claims.authorizations.count <= 1, claims.origins.count <= 1
        else { return .refused(.error(400, Self.miscounted(claims))) }
        if level == .open { return .allowed(.anyone) }
        guard let tokens else { return withoutTokens(level, route, arrival, claims, host) }
        let credential = claims.authorizations.first.map(Credential.init)
        if credential != nil, !isSafeForTokens(arrival) { return .refused(.error(403, Self.plainToken)) }
        if case .bearer(let secret) = credential, let caller = tokens.caller(presenting: secret) {
            guard caller.role.reaches(level) else {
                return .refused(
                    .error(
                        403,
                        "\(route) takes an operator's token and this one is a client's; send one of a line amp4ec-http-operator:… of \(HTTPTokens.option)"
                    ))
            }
            return .allowed(caller)
        }
        if credential == nil,
            let decision = decide(cookiesOf: claims, tokens, level, route: route, arrival, host)
        {
            return decision
        }
        if let refusal = foreignOrigin(claims, arrival, host) { return .refused(refusal) }
        return .refused(unauthorized(level, route, credential, arrival))
    }

    /// Before this nobody had a token, and what was read on this machine is read still.
    private func withoutTokens(
        _ level: AccessLevel, _ route: String, _ arrival: HTTPArrival, _ claims: HTTPClaims, _ host: String
    ) -> Decision {
        guard level != .operator else {
            return .refused(
                .error(
                    403,
                    "\(route) takes an operator's token and this coordinator knows none; start it with \(HTTPTokens.option) FILE (amp4ec secret --http-token operator makes a line of it)"
                ))
        }
        guard arrival.isLocal else {
            return .refused(
                .error(
                    403,
                    "without tokens \(route) is for this coordinator's machine alone; start it with \(HTTPTokens.option) FILE (amp4ec secret --http-token client makes a line of it)"
                ))
        }
        guard hosts.allows(host) else {
            return .refused(
                .error(
                    403,
                    "the request is for the host \"\(Self.shortened(host))\", which is no name of this server; ask for it by address or as localhost, or start the coordinator with --http-host NAME"
                ))
        }
        if let refusal = foreignOrigin(claims, arrival, host) { return .refused(refusal) }
        return .allowed(.anyone)
    }

    /// Whether nobody between the two can read what is sent.
    func isSafeForTokens(_ arrival: HTTPArrival) -> Bool { arrival.isEncrypted || arrival.isLocal || acceptsPlainTokens }

    // MARK: Refusals

    static func miscounted(_ claims: HTTPClaims) -> String {
        switch claims.hosts.count {
        case 0: "the request has no Host header; send one: Host: ADDRESS:PORT"
        case 1: "the request has more than one \(claims.origins.count > 1 ? "Origin" : "Authorization") header; send it once"
        default: "the request has \(claims.hosts.count) Host headers; send one"
        }
    }

    static let plainToken =
        "a token came over plain HTTP, where others can read it; start the coordinator with --http-tls-cert and --http-tls-key, or with --http-insecure where the network is trusted, and make this token anew"

    /// A page of another site made the browser ask (CSRF): it has no token, or it would not need the browser.
    func foreignOrigin(_ claims: HTTPClaims, _ arrival: HTTPArrival, _ host: String) -> HTTPReply? {
        guard let origin = claims.origins.first else { return nil }
        guard origin.lowercased() != "\(arrival.isEncrypted ? "https" : "http")://\(host)".lowercased() else { return nil }
        return .error(
            403, "the request comes from a page of \(Self.shortened(origin)), which is not this server; send a token with it")
    }

    private func unauthorized(_ level: AccessLevel, _ route: String, _ credential: Credential?, _ arrival: HTTPArrival) -> HTTPReply
    {
        let problem =
            switch credential {
            case nil: "\(route) needs a token"
            case .bearer: "the token is none of those of \(HTTPTokens.option)"
            case .line: "the whole line of \(HTTPTokens.option) was sent; the token is its SECRET alone"
            case .other: "the Authorization header is not \"Bearer SECRET\""
            }
        let whose = level == .operator ? "an operator's" : "a client's or an operator's"
        let way = isSafeForTokens(arrival) ? "" : ", over TLS"
        var reply = HTTPReply.error(401, "\(problem); send \"Authorization: Bearer SECRET\" with \(whose) token\(way)")
        reply.headers["WWW-Authenticate"] = Self.challenge
        return reply
    }

    package static let challenge = #"Bearer realm="amp4ec""#

    /// What a stranger has written, short enough to be repeated to him.
    private static func shortened(_ text: String) -> String { text.count <= 80 ? text : text.prefix(80) + "…" }

    private enum Credential {
        case bearer(Substring)
        /// A line of the token file in place of its secret.
        case line
        case other

        init(_ header: String) {
            let scheme = header.prefix { $0 != " " }
            let secret = header[scheme.endIndex...].drop { $0 == " " }
            // No secret has a colon in it.
            let isLine = secret.hasPrefix("amp4ec-") && secret.contains(":")
            self = scheme.lowercased() != "bearer" || secret.isEmpty ? .other : isLine ? .line : .bearer(secret)
        }
    }
}
