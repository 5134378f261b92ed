import Gateway
import Testing

/// Who may use what: each cell of the table.
@Suite struct AccessRulesTests {
    enum Credential: String, CaseIterable, Sendable {
        case none, client, oper, wrong, basic, line

        var header: [String] {
            switch self {
            case .none: []
            case .client: ["Bearer \(Tokens.client)"]
            case .oper: ["bearer  \(Tokens.oper)"]
            case .wrong: ["Bearer \(Tokens.unknown)"]
            case .basic: ["Basic YTpi"]
            case .line: ["Bearer amp4ec-http-client:\(Tokens.client):grafana"]
            }
        }
    }

    /// How a request comes, to a server of which kind.
    enum Way: String, CaseIterable, Sendable {
        case localPlain, remotePlain, remoteInsecure, remoteTLS, localTLS

        var arrival: HTTPArrival {
            switch self {
            case .localPlain: HTTPArrival(local: "127.0.0.1", peer: "127.0.0.1", isEncrypted: false)
            case .localTLS: HTTPArrival(local: "::1", peer: "::1", isEncrypted: true)
            case .remotePlain, .remoteInsecure: HTTPArrival(local: "10.0.0.1", peer: "10.0.0.2", isEncrypted: false)
            case .remoteTLS: HTTPArrival(local: "10.0.0.1", peer: "10.0.0.2", isEncrypted: true)
            }
        }
    }

    static func outcome(
        _ rules: AccessRules, _ level: AccessLevel, _ arrival: HTTPArrival, _ claims: HTTPClaims
    ) -> (text: String, reply: HTTPReply?) {
        switch rules.decide(level, route: "GET /x", arrival, claims) {
        case .allowed(let caller): ("\(caller)", nil)
        case .refused(let reply): ("\(reply.status)", reply)
        }
    }

    static func refusal(_ rules: AccessRules, _ level: AccessLevel, _ way: Way, _ claims: HTTPClaims) throws -> String {
        let reply = try #require(outcome(rules, level, way.arrival, claims).reply)
        return "\(reply.status) \(String(decoding: reply.body, as: UTF8.self))"
    }

    /// A row for each level and way; a column for each credential, in their order.
    static let withTokens: [AccessLevel: [Way: String]] = [
        .open: Dictionary(uniqueKeysWithValues: Way.allCases.map { ($0, "anyone anyone anyone anyone anyone anyone") }),
        .reader: [
            .localPlain: "401 client:grafana operator:anna 401 401 401",
            .remotePlain: "401 403 403 403 403 403",
            .remoteInsecure: "401 client:grafana operator:anna 401 401 401",
            .remoteTLS: "401 client:grafana operator:anna 401 401 401",
            .localTLS: "401 client:grafana operator:anna 401 401 401",
        ],
        .operator: [
            .localPlain: "401 403 operator:anna 401 401 401",
            .remotePlain: "401 403 403 403 403 403",
            .remoteInsecure: "401 403 operator:anna 401 401 401",
            .remoteTLS: "401 403 operator:anna 401 401 401",
            .localTLS: "401 403 operator:anna 401 401 401",
        ],
    ]

    static let withoutTokens: [AccessLevel: [Way: String]] = [
        .open: Dictionary(uniqueKeysWithValues: Way.allCases.map { ($0, "anyone anyone anyone anyone anyone anyone") }),
        .reader: [
            .localPlain: "anyone anyone anyone anyone anyone anyone",
            .remotePlain: "403 403 403 403 403 403",
            .remoteInsecure: "403 403 403 403 403 403",
            .remoteTLS: "403 403 403 403 403 403",
            .localTLS: "anyone anyone anyone anyone anyone anyone",
        ],
        .operator: Dictionary(uniqueKeysWithValues: Way.allCases.map { ($0, "403 403 403 403 403 403") }),
    ]

    @Test("every level, way and credential", arguments: [true, false]) func matrix(_ hasTokens: Bool) throws {
        for level in AccessLevel.allCases {
            for way in Way.allCases {
                let isInsecure = way == .remoteInsecure
                let rules =
                    hasTokens
                    ? try Tokens.some(acceptsPlain: isInsecure)
                    : AccessRules(acceptsPlainTokens: isInsecure, hosts: Tokens.hosts)
                let found = Credential.allCases.map { credential in
                    let claims = HTTPClaims(hosts: ["10.0.0.1:8080"], authorizations: credential.header)
                    let (text, reply) = Self.outcome(rules, level, way.arrival, claims)
                    #expect(
                        (reply?.headers["WWW-Authenticate"] == #"Bearer realm="amp4ec""#) == (reply?.status == 401),
                        "\(level) \(way) \(credential)")
                    let said = reply.map { String(decoding: $0.body, as: UTF8.self) } ?? ""
                    #expect(
                        !said.contains(Tokens.client) && !said.contains(Tokens.oper) && !said.contains(Tokens.unknown), "\(said)")
                    return text
                }
                let expected = (hasTokens ? Self.withTokens : Self.withoutTokens)[level]?[way]
                #expect(found.joined(separator: " ") == expected, "\(level) \(way)")
            }
        }
    }

    struct Saying: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var hasTokens = true
        var level = AccessLevel.reader
        var way = Way.localPlain
        var claims = HTTPClaims(hosts: ["localhost"])
        let status: Int
        let says: [String]
    }

    static let sayings = [
        Saying(
            testDescription: "no token", status: 401,
            says: ["GET /x needs a token; send \\\"Authorization: Bearer SECRET\\\" with a client's or an operator's token\"}"]),
        Saying(testDescription: "no token, operator's route", level: .operator, status: 401, says: ["with an operator's token"]),
        Saying(testDescription: "no token, where none may come", way: .remotePlain, status: 401, says: ["token, over TLS"]),
        Saying(
            testDescription: "wrong", claims: HTTPClaims(hosts: ["a"], authorizations: Credential.wrong.header), status: 401,
            says: ["the token is none of those of --http-token-file"]),
        Saying(
            testDescription: "Basic", claims: HTTPClaims(hosts: ["a"], authorizations: ["Basic YTpi"]), status: 401,
            says: ["the Authorization header is not \\\"Bearer SECRET\\\""]),
        Saying(
            testDescription: "a scheme alone", claims: HTTPClaims(hosts: ["a"], authorizations: ["Bearer"]), status: 401,
            says: ["the Authorization header is not"]),
        Saying(
            testDescription: "the whole line", claims: HTTPClaims(hosts: ["a"], authorizations: Credential.line.header),
            status: 401,
            says: ["the token is its SECRET alone"]),
        Saying(
            testDescription: "plain", way: .remotePlain, claims: HTTPClaims(hosts: ["a"], authorizations: Credential.client.header),
            status: 403, says: ["--http-tls-cert and --http-tls-key", "--http-insecure", "make this token anew"]),
        Saying(
            testDescription: "the role is not enough", level: .operator,
            claims: HTTPClaims(hosts: ["a"], authorizations: Credential.client.header), status: 403,
            says: ["GET /x takes an operator's token and this one is a client's"]),
        Saying(
            testDescription: "two tokens",
            claims: HTTPClaims(hosts: ["a"], authorizations: Credential.client.header + Credential.oper.header),
            status: 400, says: ["more than one Authorization header"]),
        Saying(
            testDescription: "another machine, no tokens", hasTokens: false, way: .remoteTLS, status: 403,
            says: ["for this coordinator's machine alone", "--http-token-file FILE", "amp4ec secret --http-token client"]),
        Saying(
            testDescription: "operator's route, no tokens", hasTokens: false, level: .operator, status: 403,
            says: ["this coordinator knows none", "--http-token-file FILE", "amp4ec secret --http-token operator"]),
        Saying(
            testDescription: "another name", hasTokens: false, claims: HTTPClaims(hosts: ["evil.example:8080"]), status: 403,
            says: ["\\\"evil.example:8080\\\"", "--http-host NAME"]),
        Saying(
            testDescription: "another page", hasTokens: false,
            claims: HTTPClaims(hosts: ["localhost"], origins: ["http://evil.example"]), status: 403,
            says: ["a page of http://evil.example"]),
        Saying(
            testDescription: "another page, with tokens about", claims: HTTPClaims(hosts: ["localhost"], origins: ["null"]),
            status: 403,
            says: ["a page of null"]),
        Saying(
            testDescription: "two origins", hasTokens: false,
            claims: HTTPClaims(hosts: ["localhost"], origins: ["http://localhost", "http://evil"]), status: 400,
            says: ["more than one Origin header"]),
        Saying(testDescription: "no Host", level: .open, claims: HTTPClaims(hosts: []), status: 400, says: ["no Host header"]),
        Saying(
            testDescription: "several Hosts", level: .open, claims: HTTPClaims(hosts: ["localhost", "localhost"]), status: 400,
            says: ["2 Host headers"]),
        Saying(
            testDescription: "what is repeated is short", hasTokens: false,
            claims: HTTPClaims(hosts: [String(repeating: "h", count: 9_000)]), status: 403, says: ["hhhh…"]),
    ]

    @Test("what a refusal says", arguments: sayings) func says(_ row: Saying) throws {
        let rules = row.hasTokens ? try Tokens.some() : Tokens.none
        let text = try Self.refusal(rules, row.level, row.way, row.claims)
        #expect(text.hasPrefix("\(row.status) {\"error\":\"") && text.utf8.count < 500, "\(text)")
        for part in row.says { #expect(text.contains(part), "\(text)") }
    }

    @Test("a request without a token comes by a name of this server, and from its own pages", arguments: [false, true])
    func originsAndHosts(_ isEncrypted: Bool) {
        let arrival = HTTPArrival(local: "127.0.0.1", peer: "127.0.0.1", isEncrypted: isEncrypted)
        func found(_ host: String, _ origin: String?) -> String {
            Self.outcome(Tokens.none, .reader, arrival, HTTPClaims(hosts: [host], origins: origin.map { [$0] } ?? [])).text
        }
        let (own, other) = isEncrypted ? ("https", "http") : ("http", "https")
        #expect(found("localhost:9101", nil) == "anyone" && found("LocalHost:9101", "\(own)://localhost:9101") == "anyone")
        #expect(found("[::1]:9101", "\(own)://[::1]:9101") == "anyone")
        #expect(found("localhost:9101", "\(other)://localhost:9101") == "403")
        #expect(found("localhost:9101", "\(own)://localhost:9102") == "403" && found("localhost", "\(own)://localhost/") == "403")
        // Its own name that leads here: Origin and Host agree, and the name gives it away.
        #expect(found("evil.example:9101", "\(own)://evil.example:9101") == "403")
    }

    @Test("a valid token needs neither: a page that has it was given it") func tokensStandAlone() throws {
        let claims = HTTPClaims(
            hosts: ["proxy.example"], origins: ["https://dashboard.example"], authorizations: Credential.client.header)
        #expect(Self.outcome(try Tokens.some(), .reader, Way.remoteTLS.arrival, claims).text == "client:grafana")
    }

    @Test(
        "local is what comes from this machine to an address that no other reaches",
        arguments: [
            ("127.0.0.1", "127.0.0.1", true), ("127.0.0.2", "127.0.0.9", true), ("::1", "::1", true),
            ("::ffff:127.0.0.1", "::ffff:127.0.0.1", true), ("127.0.0.1", "10.0.0.1", false), ("10.0.0.1", "127.0.0.1", false),
            // This machine by its address to others: so does a container's published port come.
            ("10.0.0.1", "10.0.0.1", false), ("172.17.0.2", "172.17.0.1", false), ("::ffff:10.0.0.1", "::ffff:127.0.0.1", false),
            ("0.0.0.0", "127.0.0.1", false), ("unknown", "127.0.0.1", false), (nil, "127.0.0.1", false), ("127.0.0.1", nil, false),
        ] as [(String?, String?, Bool)])
    func local(_ local: String?, _ peer: String?, _ isLocal: Bool) {
        #expect(HTTPArrival(local: local, peer: peer, isEncrypted: false).isLocal == isLocal)
    }

    @Test func namesOfThisServer() {
        for host in [
            "localhost", "LOCALHOST:1", "localhost.", "127.0.0.1", "127.0.0.1:9101", "192.168.1.4:80", "[::1]", "[fe80::1]:9101",
            "box",
            "BOX:9101", "metrics.example.org:443", "Metrics.Example.Org.",
        ] { #expect(Tokens.hosts.allows(host), "\(host)") }
        for host in [
            "", ":80", ".", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.1", "0x7f.0.0.1", "2130706433",
            "::1", "[::1", "[::1]x", "[localhost]", "[127.0.0.1]", "localhost:80:80", "localhost:x", "a@localhost", "localhost/",
            "metrics.example.org.evil", "local host", "xbox", "[]", "bo",
        ] { #expect(!Tokens.hosts.allows(host), "\(host)") }
    }

    @Test func valuesOfTheHostOption() {
        for name in ["a", "metrics.example.org", "my_box", "x-1.", String(repeating: "a", count: 253)] {
            #expect(AccessRules.problem(withHostName: name) == nil, "\(name)")
        }
        for (name, says) in [
            ("", "0 bytes"), (String(repeating: "a", count: 254), "254 bytes"), ("a:80", "no host's name"),
            ("http://a", "no host's name"), ("127.0.0.1", "always allowed"), ("[::1]", "always allowed"), ("::1", "always allowed"),
            ("*.a", "no host's name"), ("a b", "no host's name"), ("ä", "no host's name"),
        ] {
            let problem = AccessRules.problem(withHostName: name)
            #expect(problem?.problem.contains(says) == true && problem?.fix.isEmpty == false, "\(name): \(problem as Any)")
        }
    }
}
