/// `POST /login` and `POST /logout`: a browser's token becomes a cookie, as an event stream carries no bearer header.
struct LoginRoutes: Sendable {
    /// A token has 86 characters at most.
    static let bodyLimit = 1_024

    let access: AccessRules

    /// Open: the token is what is proved here.
    var routes: [Route] {
        [
            Route(.post, "/login", .open, maximumBodyBytes: Self.bodyLimit) { logIn($0) },
            Route(.post, "/logout", .open, maximumBodyBytes: Self.bodyLimit) { logOut($0) },
        ]
    }

    private struct Body: Decodable { let token: String }
    private struct Answer: Encodable {
        let role: String
        let label: String?
    }

    private static let formType = "application/x-www-form-urlencoded"

    private func logIn(_ request: HTTPRequestValue) -> HTTPReply {
        let isForm = Self.isForm(request)
        let found = isForm ? Self.token(inForm: request.body) : (try? JSONBody.decode(request.body) as Body)?.token
        guard let arrival = request.arrival, let secret = found else {
            return .error(400, #"the body has no token; send {"token":"SECRET"} as JSON, or token=SECRET as a form"#)
        }
        return reply(to: access.logIn(with: secret, arrival, request.claims), isForm: isForm)
    }

    private func logOut(_ request: HTTPRequestValue) -> HTTPReply {
        guard let arrival = request.arrival else { return .error(400, "nothing is known of the request") }
        return reply(to: access.logOut(arrival, request.claims), isForm: Self.isForm(request))
    }

    private func reply(to outcome: AccessRules.LoginOutcome, isForm: Bool) -> HTTPReply {
        switch outcome {
        case .refused(let reply): return reply
        case .done(let caller, let cookie):
            var reply = HTTPReply.json(Answer(role: caller.role.rawValue, label: caller.label), status: isForm ? 303 : 200)
            if isForm { reply.headers["Location"] = "/" }
            reply.headers["Set-Cookie"] = cookie
            return reply
        }
    }

    private static func isForm(_ request: HTTPRequestValue) -> Bool {
        request.headers["Content-Type"]?.lowercased().hasPrefix(formType) == true
    }

    private static func token(inForm body: [UInt8]) -> String? {
        let text = String(decoding: body, as: UTF8.self)
        let field = text.split(separator: "&").first { $0.hasPrefix("token=") }
        return field.flatMap { PercentDecoding.decode($0.dropFirst("token=".count)) }
    }
}
