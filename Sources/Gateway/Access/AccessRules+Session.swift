internal import Base

/// Logging in with a token, and what a browser may do with the cookie that it gets for it.
extension AccessRules {
    package enum LoginOutcome: Sendable, Hashable {
        /// With the `Set-Cookie` line.
        case done(HTTPCaller, cookie: String)
        case refused(HTTPReply)
    }

    /// - Parameter secret: what the person has typed or pasted.
    package func logIn(with secret: some StringProtocol, _ arrival: HTTPArrival, _ claims: HTTPClaims) -> LoginOutcome {
        guard let host = claims.hosts.first else { return .refused(.error(400, Self.miscounted(claims))) }
        if let refusal = foreignOrigin(claims, arrival, host) { return .refused(refusal) }
        guard let tokens else {
            return .refused(
                .error(
                    403,
                    "this coordinator knows no tokens; start it with \(HTTPTokens.option) FILE (amp4ec secret --http-token operator makes a line of it)"
                ))
        }
        guard isSafeForTokens(arrival) else { return .refused(.error(403, Self.plainToken)) }
        guard let token = tokens.token(presenting: secret) else {
            let isLine = secret.hasPrefix("amp4ec-") && secret.contains(":")
            var reply = HTTPReply.error(
                401,
                isLine
                    ? "the whole line of \(HTTPTokens.option) was sent; the token is its SECRET alone"
                    : "the token is none of those of \(HTTPTokens.option)")
            reply.headers["WWW-Authenticate"] = Self.challenge
            return .refused(reply)
        }
        let value = SessionCookie.value(for: token, until: arrival.secondsSince1970 + SessionCookie.lifetimeSeconds)
        return .done(token.caller, cookie: line(value, seconds: SessionCookie.lifetimeSeconds, arrival, host))
    }

    /// The line that takes the cookie away; nothing else ends.
    package func logOut(_ arrival: HTTPArrival, _ claims: HTTPClaims) -> LoginOutcome {
        guard let host = claims.hosts.first else { return .refused(.error(400, Self.miscounted(claims))) }
        if let refusal = foreignOrigin(claims, arrival, host) { return .refused(refusal) }
        return .done(.anyone, cookie: line("", seconds: 0, arrival, host))
    }

    private func line(_ value: String, seconds: Int64, _ arrival: HTTPArrival, _ host: String) -> String {
        let name = SessionCookie.name(host: host, isEncrypted: arrival.isEncrypted)
        return SessionCookie.line(name, value, seconds: seconds, isEncrypted: arrival.isEncrypted)
    }

    /// What a request gets that brings a cookie and no token; `nil` where the cookie is none of ours, or over.
    func decide(
        cookiesOf claims: HTTPClaims, _ tokens: HTTPTokens, _ level: AccessLevel, route: String, _ arrival: HTTPArrival,
        _ host: String
    ) -> Decision? {
        let name = SessionCookie.name(host: host, isEncrypted: arrival.isEncrypted)
        let values = SessionCookie.values(named: name, in: claims.cookies)
        guard !values.isEmpty else { return nil }
        guard isSafeForTokens(arrival) else { return .refused(.error(403, Self.plainToken)) }
        let callers = values.compactMap { SessionCookie.caller(presenting: $0, at: arrival.secondsSince1970, tokens.all) }
        guard let caller = callers.first else { return nil }
        // A browser sends the cookie by itself: whose page made it ask is what counts.
        if let refusal = foreignOrigin(claims, arrival, host) { return .refused(refusal) }
        guard !claims.changesSomething || !claims.origins.isEmpty else {
            return .refused(
                .error(
                    403,
                    "\(route) changes something, and a request with a cookie must say which page made it (Origin); send a token in place of the cookie"
                ))
        }
        guard caller.role.reaches(level) else {
            return .refused(
                .error(403, "\(route) takes an operator's token and this log-in is a client's; log in with an operator's token"))
        }
        return .allowed(caller)
    }
}
