import Gateway
import Testing

/// Cookies in place of tokens: who gets one, whose it is, and what it is good for.
@Suite struct SessionTests {
    static let now: Int64 = 1_800_000_000
    static let host = "127.0.0.1:9101"
    static let own = "http://127.0.0.1:9101"

    static func arrival(_ seconds: Int64 = now, isEncrypted: Bool = false, local: String = "127.0.0.1") -> HTTPArrival {
        HTTPArrival(local: local, peer: local, isEncrypted: isEncrypted, secondsSince1970: seconds)
    }

    /// The `name=value` that a browser would send back.
    static func cookie(
        _ rules: AccessRules, _ secret: String, _ arrival: HTTPArrival = arrival(), host: String = host, origin: String? = nil
    ) throws -> String {
        let claims = HTTPClaims(hosts: [host], origins: origin.map { [$0] } ?? [])
        guard case .done(_, let line) = rules.logIn(with: secret, arrival, claims) else { throw Refused() }
        return String(line.prefix { $0 != ";" })
    }

    struct Refused: Error {}

    static func found(
        _ rules: AccessRules, _ level: AccessLevel, _ cookies: [String], at seconds: Int64 = now, origin: String? = own,
        changes: Bool = true, host: String = host
    ) -> String {
        let claims = HTTPClaims(
            hosts: [host], origins: origin.map { [$0] } ?? [], cookies: cookies, changesSomething: changes)
        return AccessRulesTests.outcome(rules, level, arrival(seconds), claims).text
    }

    @Test("a cookie is its token's caller, as long as it counts and the token is there") func whose() throws {
        let rules = try Tokens.some()
        let (client, oper) = (try Self.cookie(rules, Tokens.client), try Self.cookie(rules, Tokens.oper))
        #expect(Self.found(rules, .reader, [client]) == "client:grafana" && Self.found(rules, .reader, [oper]) == "operator:anna")
        #expect(Self.found(rules, .operator, [oper]) == "operator:anna" && Self.found(rules, .operator, [client]) == "403")
        // Among others, and behind one of ours that is over.
        #expect(Self.found(rules, .reader, ["theme=dark; \(client); x=y"]) == "client:grafana")
        #expect(Self.found(rules, .reader, ["amp4ec-session-9101=1.2.3", oper]) == "operator:anna")
        // Twelve hours, and no second more.
        let end = Self.now + SessionCookie.lifetimeSeconds
        #expect(Self.found(rules, .reader, [client], at: end - 1) == "client:grafana")
        #expect(Self.found(rules, .reader, [client], at: end) == "401")
        // Read again from the same file, as after a restart; without the token; with the token in another role or under another name.
        #expect(Self.found(try Tokens.some(), .operator, [oper]) == "operator:anna")
        for line in [
            "amp4ec-http-client:\(Tokens.client)", "amp4ec-http-operator:\(Tokens.oper):bert",
            "amp4ec-http-client:\(Tokens.oper):anna",
        ] {
            let others = AccessRules(tokens: try HTTPTokens(parsing: [("f", Array(line.utf8))]), hosts: Tokens.hosts)
            #expect(Self.found(others, .reader, [oper]) == "401", "\(line)")
        }
        #expect(Self.found(Tokens.none, .operator, [oper]) == "403")
    }

    @Test("no byte of it can be changed") func forged() throws {
        let rules = try Tokens.some()
        let cookie = try Self.cookie(rules, Tokens.oper)
        let parts = cookie.split(separator: ".")
        #expect(parts.count == 3)
        let later = Self.now + SessionCookie.lifetimeSeconds + 1
        for forged in [
            "\(parts[0]).\(later).\(parts[2])", "\(parts[0]).+\(parts[1]).\(parts[2])", "\(parts[0]).0\(parts[1]).\(parts[2])",
            "\(parts[0]).\(parts[1]).", "\(parts[0]).\(parts[1])", "\(cookie).", "\(cookie)A", "amp4ec-session-9101=",
            "amp4ec-session-9101=\(Tokens.oper)", "amp4ec-session-9101=2.\(parts[1]).\(parts[2])",
        ] { #expect(Self.found(rules, .reader, [forged]) == "401", "\(forged)") }
        for index in parts[2].utf8.indices {
            let code = parts[2][..<index] + (parts[2][index] == "A" ? "B" : "A") + parts[2][parts[2].index(after: index)...]
            #expect(Self.found(rules, .reader, ["\(parts[0]).\(parts[1]).\(code)"]) == "401")
        }
        #expect(!cookie.contains(Tokens.oper))
    }

    @Test("a page of another site cannot use it; what changes something must say whose page it is of") func origins() throws {
        let rules = try Tokens.some()
        let oper = try Self.cookie(rules, Tokens.oper)
        #expect(Self.found(rules, .reader, [oper], origin: nil, changes: false) == "operator:anna")
        for level in [AccessLevel.reader, .operator] {
            #expect(Self.found(rules, level, [oper], origin: nil) == "403")
            for foreign in ["http://evil.example", "null", "https://127.0.0.1:9101", "http://127.0.0.1:9102", "http://127.0.0.1"] {
                #expect(Self.found(rules, level, [oper], origin: foreign) == "403", "\(foreign)")
                #expect(Self.found(rules, level, [oper], origin: foreign, changes: false) == "403", "\(foreign)")
            }
        }
        // A token in the header is no browser's doing, and a wrong one is not made good by a cookie.
        let both = HTTPClaims(
            hosts: [Self.host], authorizations: ["Bearer \(Tokens.unknown)"], cookies: [oper], changesSomething: false)
        #expect(AccessRulesTests.outcome(rules, .reader, Self.arrival(), both).text == "401")
    }

    @Test("its name has the port, and over TLS the prefix that browsers know; its line keeps it from scripts and other sites")
    func lines() throws {
        let rules = try Tokens.some(acceptsPlain: true)
        func line(_ isEncrypted: Bool, _ host: String) throws -> String {
            let outcome = rules.logIn(with: Tokens.client, Self.arrival(isEncrypted: isEncrypted), HTTPClaims(hosts: [host]))
            guard case .done(_, let line) = outcome else { throw Refused() }
            return line
        }
        let plain = try line(false, "localhost:9101")
        #expect(
            plain.hasPrefix("amp4ec-session-9101=1.") && plain.hasSuffix("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict"),
            "\(plain)")
        let secret = try line(true, "[::1]:9443")
        #expect(secret.hasPrefix("__Host-amp4ec-session-9443=1.") && secret.hasSuffix("; SameSite=Strict; Secure"), "\(secret)")
        #expect(!secret.contains("Domain") && !plain.contains("Secure"))
        #expect(try line(false, "box").hasPrefix("amp4ec-session=1."))
        // Another coordinator of this host has another one.
        let cookie = try Self.cookie(rules, Tokens.client, host: "127.0.0.1:9102")
        #expect(Self.found(rules, .reader, [cookie], changes: false) == "401")
        #expect(Self.found(rules, .reader, [cookie], origin: nil, changes: false, host: "127.0.0.1:9102") == "client:grafana")
        guard case .done(let caller, let gone) = rules.logOut(Self.arrival(), HTTPClaims(hosts: [Self.host])) else {
            throw Refused()
        }
        #expect(caller == .anyone && gone.hasPrefix("amp4ec-session-9101=; Path=/; Max-Age=0;"), "\(gone)")
    }

    @Test("neither token nor cookie goes over plain HTTP between machines") func plain() throws {
        let cookie = try Self.cookie(try Tokens.some(), Tokens.oper)
        for accepts in [false, true] {
            let rules = try Tokens.some(acceptsPlain: accepts)
            let arrival = HTTPArrival(local: "10.0.0.1", peer: "10.0.0.2", isEncrypted: false, secondsSince1970: Self.now)
            let claims = HTTPClaims(hosts: [Self.host], cookies: [cookie], changesSomething: false)
            #expect(AccessRulesTests.outcome(rules, .reader, arrival, claims).text == (accepts ? "operator:anna" : "403"))
            switch rules.logIn(with: Tokens.oper, arrival, HTTPClaims(hosts: [Self.host])) {
            case .done: #expect(accepts)
            case .refused(let reply): #expect(!accepts && reply.status == 403)
            }
        }
    }

    @Test("who gets none") func refused() throws {
        func said(_ rules: AccessRules, _ secret: String, _ claims: HTTPClaims = HTTPClaims(hosts: [Self.host])) -> String {
            guard case .refused(let reply) = rules.logIn(with: secret, Self.arrival(), claims) else { return "done" }
            return "\(reply.status) \(String(decoding: reply.body, as: UTF8.self))"
        }
        let rules = try Tokens.some()
        #expect(said(rules, Tokens.unknown).hasPrefix("401 ") && said(rules, "").hasPrefix("401 "))
        let line = said(rules, "amp4ec-http-client:\(Tokens.client):grafana")
        #expect(line.contains("the token is its SECRET alone") && !line.contains(Tokens.client), "\(line)")
        #expect(said(Tokens.none, Tokens.client).contains("--http-token-file FILE"))
        #expect(said(rules, Tokens.client, HTTPClaims(hosts: [Self.host], origins: ["http://evil.example"])).hasPrefix("403 "))
        #expect(said(rules, Tokens.client, HTTPClaims(hosts: [Self.host], origins: [Self.own])) == "done")
    }
}
