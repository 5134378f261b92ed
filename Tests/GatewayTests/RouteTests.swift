import Cluster
import Gateway
import Testing

/// Which route answers, and what the operators' pages say.
@Suite struct RouteTests {
    @Test(arguments: cases) func routes(_ row: Case) async throws { try await row.run() }

    static func reply(_ source: any GatewaySource, _ path: String) async -> (status: Int, type: String, text: String)? {
        guard case .route(let route, _) = RouteTable(OperatorRoutes.all(source)).match(method: "GET", path: path) else {
            return nil
        }
        guard case .whole(_, let handler) = route.handler else { return nil }
        let reply = await handler(HTTPRequestValue(method: .get, path: path))
        return (reply.status, reply.contentType, String(decoding: reply.body, as: UTF8.self))
    }

    static let cases: [Case] = [
        Case("the table: HEAD finds what GET does, a wrong method learns the right ones, an unknown path nothing") {
            let table = RouteTable([
                Route(.get, "/a", .open) { _ in .error(500, "") }, Route(.post, "/a", .open) { _ in .error(500, "") },
                Route(.post, "/b", .open) { _ in .error(500, "") },
            ])
            func found(_ method: String, _ path: String) -> String {
                switch table.match(method: method, path: path) {
                case .route(let route, _): "\(route.method.rawValue) \(route.path)"
                case .unknownPath: "unknown"
                case .wrongMethod(let allowed): allowed.joined(separator: ",")
                }
            }
            #expect(found("GET", "/a") == "GET /a" && found("HEAD", "/a") == "GET /a" && found("POST", "/a") == "POST /a")
            #expect(found("DELETE", "/a") == "GET,HEAD,POST" && found("GET", "/b") == "POST" && found("HEAD", "/b") == "POST")
            #expect(found("GET", "/a/") == "unknown" && found("GET", "/A") == "unknown" && found("GET", "") == "unknown")
        },
        Case("a loop that does not answer: 503 everywhere, with the reason") {
            for path in ["/healthz", "/readyz", "/metrics", "/status"] {
                let reply = try #require(await reply(FakeSource(nil), path))
                #expect(reply.status == 503 && reply.type == "application/json", "\(path)")
                #expect(
                    reply.text.contains("\"error\":\"the coordinator's loop has not answered within 2 s\""),
                    "\(path): \(reply.text)")
            }
        },
        Case("live is not ready: without a plan healthz says 200 and readyz 503, naming who is missing and why no plan is possible")
        {
            let source = FakeSource(try Samples.report())
            let live = try #require(await reply(source, "/healthz"))
            #expect(live.status == 200 && live.text == #"{"live":true}"#)
            let ready = try #require(await reply(source, "/readyz"))
            #expect(ready.status == 503)
            for part in [
                #""error":"w2: refused at 10.0.0.2:9000""#, #""plan_failure":"no node has the memory""#, #""ready":false"#,
                #""missing":[{"cause":"refused at 10.0.0.2:9000","name":"w2","state":"lost"}]"#,
            ] { #expect(ready.text.contains(part), "\(part) in \(ready.text)") }
        },
        Case("ready: 200") {
            let ready = try #require(await reply(FakeSource(try Samples.report(plan: Samples.plan)), "/readyz"))
            #expect(ready.status == 200 && ready.text.contains(#""ready":true"#) && !ready.text.contains("error"))
        },
        Case("metrics in the text format's type, status as JSON") {
            let source = FakeSource(try Samples.report(plan: Samples.plan))
            let metrics = try #require(await reply(source, "/metrics"))
            #expect(metrics.status == 200 && metrics.type == "text/plain; version=0.0.4; charset=utf-8")
            #expect(metrics.text.contains("\namp4ec_ready 1\n") && metrics.text.contains("\nprocess_cpu_seconds_total "))
            let status = try #require(await reply(source, "/status"))
            #expect(status.status == 200 && status.type == "application/json" && status.text.contains(#""state":"serving""#))
        },
        Case("an error's text may hold anything") {
            let reply = HTTPReply.error(400, "a \"quoted\"\nline")
            #expect(String(decoding: reply.body, as: UTF8.self) == #"{"error":"a \"quoted\"\nline"}"#)
        },
    ]
}
