import Gateway
import Glibc
import Logging
import Testing

/// Routes over sockets: which credential opens which, in plain text and in TLS.
@Suite struct AccessTests {
    typealias Row = ServerTests.Row

    @Test(arguments: cases) func access(_ row: Row) async throws { try await offPool(row.run) }

    /// The operators' pages, inference, and a route that changes something.
    static func routes() throws -> [Route] {
        let source = FakeSource(try Samples.report(plan: Samples.plan))
        let inference = InferenceRoutes.all(FakeInference(), source, limits: GatewayLimits(), logger: Logger(label: "test"))
        return OperatorRoutes.all(source) + inference + [
            Route(.post, "/change", .operator, maximumBodyBytes: 100) { request in
                HTTPReply(contentType: "text/plain", body: Array("\(request.caller)".utf8))
            },
            Route(.get, "/who", .reader) { request in
                HTTPReply(contentType: "text/plain", body: Array("\(request.caller)".utf8))
            },
        ]
    }

    /// - Parameter ask: sends a request, and gives the whole reply.
    static func serving(
        _ access: AccessRules, isEncrypted: Bool = false, host: String = "127.0.0.1",
        _ body: (_ address: String, _ ask: (String) throws -> String) throws -> Void
    ) throws {
        let server = try GatewayServer(
            host: host, port: 0, routes: RouteTable(try routes()), access: access,
            tls: isEncrypted ? try TLSServerTests.certificate() : nil, allowsPublicPeers: !host.hasPrefix("127."),
            logger: Logger(label: "test"))
        defer { server.stop() }
        let address = server.address
        try body(address) { isEncrypted ? try TLSClient.once(address, $0) : try RawHTTP.once(address, $0) }
    }

    static func request(_ method: String, _ path: String, _ headers: [String]) -> String {
        ([("\(method) \(path) HTTP/1.1")] + headers + ["Connection: close", "", ""]).joined(separator: "\r\n")
    }

    static func status(_ reply: String) -> String { String(reply.split(separator: " ").dropFirst().first ?? "none") }

    /// For each route: without a token, with a client's, an operator's, a wrong one.
    static let withTokens: [String: String] = Dictionary(
        uniqueKeysWithValues: open.map { ($0, "200 200 200 200") } + readers.map { ($0, "401 200 200 401") }
            + inferences.map { ($0, "401 400 400 401") } + operators.map { ($0, "401 403 \($1) 401") })
    static let withoutTokens: [String: String] = Dictionary(
        uniqueKeysWithValues: (open + readers).map { ($0, "200 200 200 200") } + inferences.map { ($0, "400 400 400 400") }
            + operators.map { ($0.0, "403 403 403 403") })
    private static let open = ["GET /healthz", "GET /readyz", "GET /openapi.json", "GET /v2/health/live", "GET /v2/health/ready"]
    private static let models = ["/v2/models/{model}", "/v2/models/{model}/versions/{version}"]
    private static let readers =
        ["GET /metrics", "GET /status", "GET /who", "GET /v2", "GET /v2/models/stats", "POST /v2/repository/index"]
        + models.flatMap { ["GET \($0)", "GET \($0)/ready", "GET \($0)/config", "GET \($0)/stats"] }
    /// Their body is empty, which only those learn who may ask.
    private static let inferences = models.map { "POST \($0)/infer" }
    private static let operators = [
        ("POST /change", "200"), ("POST /v2/repository/models/{model}/load", "501"),
        ("POST /v2/repository/models/{model}/unload", "501"),
    ]
    static let credentials =
        [[], ["Authorization: Bearer \(Tokens.client)"], ["Authorization: Bearer \(Tokens.oper)"]]
        + [["Authorization: Bearer \(Tokens.unknown)"]]

    static func matrix(_ access: AccessRules, isEncrypted: Bool, host: String = "127.0.0.1", _ expected: [String: String]) throws {
        try serving(access, isEncrypted: isEncrypted, host: host) { address, ask in
            let routes = RouteTable(try Self.routes()).all.map { ($0.method.rawValue, $0.path) }
            #expect(Set(routes.map { "\($0) \($1)" }) == Set(expected.keys), "every route has its row")
            for (method, pattern) in routes {
                let path = pattern.replacing("{model}", with: "sum%20model").replacing("{version}", with: "1")
                let replies = try credentials.map { try ask(request(method, path, ["Host: \(address)"] + $0)) }
                #expect(replies.map(status).joined(separator: " ") == expected["\(method) \(pattern)"], "\(method) \(path)")
                for reply in replies {
                    #expect(!reply.lowercased().contains("access-control-"), "\(reply)")
                    #expect(
                        reply.contains("WWW-Authenticate: Bearer realm=\"amp4ec\"\r\n") == (status(reply) == "401"), "\(reply)")
                    #expect(status(reply) == "200" || reply.contains(#"{"error":""#), "\(reply)")
                }
                // HEAD is GET without the body, and no way around.
                if method == "GET" {
                    let heads = try credentials.map { try ask(request("HEAD", path, ["Host: \(address)"] + $0)) }
                    #expect(heads.map(status) == replies.map(status), "HEAD \(path)")
                }
            }
        }
    }

    static let cases: [Row] = [
        Row("every route and credential: plain, with tokens") { try matrix(try Tokens.some(), isEncrypted: false, withTokens) },
        Row("every route and credential: TLS, with tokens") { try matrix(try Tokens.some(), isEncrypted: true, withTokens) },
        Row("every route and credential: plain, without tokens") { try matrix(Tokens.none, isEncrypted: false, withoutTokens) },
        Row("every route and credential: TLS, without tokens") { try matrix(Tokens.none, isEncrypted: true, withoutTokens) },
        Row("every route and credential: another loopback address") {
            try matrix(Tokens.none, isEncrypted: false, host: "127.0.0.2", withoutTokens)
            try matrix(try Tokens.some(), isEncrypted: false, host: "127.0.0.2", withTokens)
        },
        Row("every route and credential: an address that others reach, where this machine has one") {
            guard let own = ownAddress() else { return }
            try matrix(
                Tokens.none, isEncrypted: false, host: own,
                withoutTokens.mapValues { _ in "403 403 403 403" }.merging(
                    withTokens.filter { $0.value.hasPrefix("200") }, uniquingKeysWith: { $1 }))
            try matrix(
                try Tokens.some(), isEncrypted: false, host: own,
                withTokens.mapValues { $0.hasPrefix("200") ? $0 : "401 403 403 403" })
            try matrix(try Tokens.some(acceptsPlain: true), isEncrypted: false, host: own, withTokens)
            try matrix(try Tokens.some(), isEncrypted: true, host: own, withTokens)
        },
        Row("a handler learns who asks") {
            try serving(try Tokens.some()) { address, ask in
                let client = try ask(request("GET", "/who", ["Host: a"] + credentials[1]))
                #expect(client.hasSuffix("\r\n\r\nclient:grafana"), "\(client)")
                let person = try ask(request("POST", "/change", ["Host: a"] + credentials[2]))
                #expect(person.hasSuffix("\r\n\r\noperator:anna"), "\(person)")
            }
            try serving(Tokens.none) { address, ask in
                let reply = try ask(request("GET", "/who", ["Host: \(address)"]))
                #expect(reply.hasSuffix("\r\n\r\nanyone"), "\(reply)")
            }
        },
        Row("who is refused sends no body: the connection ends") {
            try serving(try Tokens.some()) { address, _ in
                let connection = try RawHTTP(address)
                connection.send("POST /change HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n")
                let reply = try connection.readToEnd()
                #expect(status(reply) == "401", "\(reply)")
            }
        },
        Row("Host: one, and a name of this server") {
            try serving(Tokens.none) { address, ask in
                for (headers, expected) in [
                    (["Host: \(address)"], "200"), (["Host: localhost"], "200"), (["Host: metrics.example.org:443"], "200"),
                    (["Host: evil.example"], "403"), (["Host: localhost.evil.example"], "403"), (["Host:"], "403"), ([], "400"),
                    (["Host: localhost", "Host: localhost"], "400"), (["Host: localhost", "Host: evil.example"], "400"),
                    (["Host: localhost, evil.example"], "403"),
                ] {
                    let reply = try ask(request("GET", "/status", headers))
                    #expect(status(reply) == expected, "\(headers): \(reply)")
                    #expect(expected != "403" || reply.contains("--http-host"), "\(reply)")
                    // Probes may ask by any name.
                    let probe = try ask(request("GET", "/healthz", headers))
                    #expect(status(probe) == (expected == "400" ? "400" : "200"), "\(headers): \(probe)")
                }
                // The name in the first line counts for nothing.
                let absolute = try ask(request("GET", "http://localhost/status", ["Host: evil.example"]))
                #expect(status(absolute) == "403", "\(absolute)")
            }
        },
        Row("Origin: this server's own, or a token") {
            try serving(try Tokens.some()) { address, ask in
                let foreign = ["Host: \(address)", "Origin: http://evil.example"]
                for (credential, expected) in [(0, "403"), (3, "403"), (1, "403"), (2, "200")] {
                    let reply = try ask(request("POST", "/change", foreign + credentials[credential]))
                    #expect(status(reply) == expected, "\(reply)")
                }
            }
            try serving(Tokens.none) { address, ask in
                for (origin, expected) in [
                    ("http://\(address)", "200"), ("https://\(address)", "403"), ("http://evil.example", "403"), ("null", "403"),
                    ("", "403"),
                ] {
                    let reply = try ask(request("GET", "/status", ["Host: \(address)", "Origin: \(origin)"]))
                    #expect(status(reply) == expected, "\(origin): \(reply)")
                }
                // A browser that asks whether a page may: it is told nothing that lets it.
                let preflight = try ask(
                    request(
                        "OPTIONS", "/status",
                        ["Host: \(address)", "Origin: http://evil.example", "Access-Control-Request-Method: POST"]))
                #expect(status(preflight) == "405" && !preflight.lowercased().contains("access-control-"), "\(preflight)")
            }
        },
        Row("wrong tokens cost no more than requests do, and whoever is right is served among them") {
            try serving(try Tokens.some()) { address, ask in
                let connection = try RawHTTP(address)
                for round in 0..<200 {
                    let secret = String(repeating: "A", count: round * 60)
                    connection.send("GET /who HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer \(secret)\r\n\r\n")
                    let reply = try connection.read { $0.contains("\r\n\r\n") && $0.hasSuffix("}") }
                    #expect(status(reply) == "401", "\(reply)")
                }
                let right = try ask(request("GET", "/who", ["Host: a"] + credentials[1]))
                #expect(status(right) == "200", "\(right)")
            }
        },
    ]

    /// An IPv4 address of this machine that is not loopback.
    static func ownAddress() -> String? {
        var first: UnsafeMutablePointer<ifaddrs>?
        guard getifaddrs(&first) == 0 else { return nil }
        defer { freeifaddrs(first) }
        var next = first
        while let item = next?.pointee {
            next = item.ifa_next
            guard let address = item.ifa_addr, address.pointee.sa_family == sa_family_t(AF_INET) else { continue }
            let bits = address.withMemoryRebound(to: sockaddr_in.self, capacity: 1) {
                UInt32(bigEndian: $0.pointee.sin_addr.s_addr)
            }
            let text = [24, 16, 8, 0].map { "\(bits >> $0 & 0xFF)" }.joined(separator: ".")
            if bits >> 24 != 127 { return text }
        }
        return nil
    }
}
