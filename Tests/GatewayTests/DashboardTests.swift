import Base
import Cluster
import Foundation
import Glibc
import Gateway
import Logging
import Synchronization
import Testing
import Wire

/// The dashboard's routes over sockets: its files, events, log-in and drains.
@Suite struct DashboardTests {
    typealias Row = ServerTests.Row

    @Test(arguments: cases) func dashboard(_ row: Row) async throws { try await offPool(row.run) }

    /// Counts how often it is asked, and keeps what it was asked to drain.
    final class Coordinator: GatewaySource, DrainSource {
        let events = RecentEvents()
        let reports = Atomic<Int>(0)
        let isSilent = Atomic<Bool>(false)
        let wishes = Mutex<[NodeDrain]>([])
        let outcome: DrainOutcome?

        init(_ outcome: DrainOutcome? = .done("w1 is drained")) { self.outcome = outcome }

        func isAlive() async -> Bool { !isSilent.load(ordering: .relaxed) }
        func readiness() async -> Readiness? { nil }
        func report() async -> GatewayReport? {
            let number = reports.add(1, ordering: .relaxed).newValue
            guard !isSilent.load(ordering: .relaxed), var report = try? Samples.report(plan: Samples.plan) else { return nil }
            report.statusDocument = Array("{\"number\":\(number)}".utf8)
            return report
        }

        func drain(_ wish: NodeDrain, limit: Duration) async -> DrainOutcome? {
            wishes.withLock { $0.append(wish) }
            return outcome
        }

        func happened(_ text: String) {
            events.add(ClusterHistory.Event(timeMs: 1, level: "info", event: text, node: nil, details: [:]))
        }
    }

    static func serving(
        _ coordinator: Coordinator = Coordinator(), access: AccessRules = Tokens.none, connections: Int = 256,
        _ body: (_ address: String) throws -> Void
    ) throws {
        var limits = GatewayLimits()
        limits.connections = connections
        limits.picture = .milliseconds(50)
        let routes = DashboardRoutes.all(coordinator, coordinator, coordinator.events, access: access, limits: limits)
        let server = try GatewayServer(
            host: "127.0.0.1", port: 0, routes: RouteTable(routes), access: access, allowsPublicPeers: false, limits: limits,
            logger: Logger(label: "test"))
        defer { server.stop() }
        try body(server.address)
    }

    static func ask(_ address: String, _ method: String, _ path: String, _ headers: [String] = [], body: String = "") throws
        -> String
    {
        let length = method == "POST" ? ["Content-Length: \(body.utf8.count)"] : []
        return try RawHTTP.once(address, AccessTests.request(method, path, ["Host: \(address)"] + headers + length) + body)
    }

    static func follow(_ address: String, _ headers: [String] = []) throws -> RawHTTP {
        let connection = try RawHTTP(address)
        connection.send((["GET /events HTTP/1.1", "Host: \(address)"] + headers + ["", ""]).joined(separator: "\r\n"))
        return connection
    }

    static let files = [
        "/": "text/html", "/dashboard.js": "text/javascript", "/dashboard.css": "text/css",
        "/dashboard-figures.js": "text/javascript",
        "/dashboard-drawings.js": "text/javascript", "/dashboard-views.js": "text/javascript",
        "/dashboard-icon.svg": "image/svg+xml",
    ]

    static let cases: [Row] = [
        Row("the page's files are open to all, and run and load nothing but themselves") {
            try serving(access: try Tokens.some()) { address in
                for (path, type) in files {
                    let reply = try ask(address, "GET", path)
                    #expect(reply.hasPrefix("HTTP/1.1 200 ") && reply.contains("Content-Type: \(type)"), "\(path)")
                    #expect(reply.contains("Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self';"))
                    #expect(reply.contains("frame-ancestors 'none'") && !reply.contains("unsafe"))
                    #expect(reply.contains("X-Content-Type-Options: nosniff\r\n") && reply.contains("Cache-Control: no-store\r\n"))
                    #expect(
                        !reply.contains("http://") || path == "/dashboard-icon.svg" || path == "/dashboard-drawings.js", "\(path)")
                    #expect(!reply.contains("innerHTML") && !reply.contains(" style=") && !reply.contains("onclick="), "\(path)")
                    let packed = try ask(address, "GET", path, ["Accept-Encoding: gzip, deflate, br"])
                    #expect(packed.contains("Content-Encoding: gzip\r\n") && packed.utf8.count < reply.utf8.count + 100, "\(path)")
                }
                let page = try ask(address, "GET", "/")
                for path in files.keys where path.hasSuffix(".css") || path == "/dashboard.js" {
                    #expect(page.contains("\"\(path.dropFirst())\""), "\(path)")
                }
            }
        },
        Row("events: who asks, what happened, and how it is, over and over; new events once") {
            let coordinator = Coordinator()
            coordinator.happened("before")
            try serving(coordinator) { address in
                let viewer = try follow(address)
                let start = try viewer.read { $0.contains("event: status\ndata: {\"number\":") }
                #expect(start.hasPrefix("HTTP/1.1 200 ") && start.contains("Content-Type: text/event-stream\r\n"), "\(start)")
                #expect(
                    start.contains("event: who\ndata: {\"can_drain\":false,\"can_log_in\":false,")
                        && start.contains("\"role\":\"anyone\""))
                #expect(start.contains(#""event":"before""#) && start.contains(#""recent":true"#), "\(start)")
                coordinator.happened("later")
                let more = try viewer.read { $0.contains("\"event\":\"later\"") && $0.contains("event: status") }
                #expect(more.contains("\"last\":2,\"recent\":false") && !more.contains("before"), "\(more)")
                #expect(more.ranges(of: "later").count == 1)
            }
        },
        Row("a second's bytes are made once for all, and none when nobody looks") {
            let coordinator = Coordinator()
            try serving(coordinator) { address in
                do {
                    let viewers = try (0..<10).map { _ in try follow(address) }
                    // All are told the same numbers: those of the reports, of which each is made once.
                    let seen = try viewers.map { viewer in
                        let text = try viewer.read { $0.contains("{\"number\":30}\n") }
                        return Set(text.matches(of: /"number":(\d+)/).compactMap { Int($0.1) })
                    }
                    #expect(seen.allSatisfy { numbers in (25...30).allSatisfy(numbers.contains) }, "\(seen)")
                }
                // They have closed; whoever serves finds that out, and ends.
                let deadline = ContinuousClock.now.advanced(by: .seconds(20))
                var (count, isQuiet) = (-1, false)
                while !isQuiet, ContinuousClock.now < deadline {
                    let now = coordinator.reports.load(ordering: .relaxed)
                    isQuiet = now == count
                    count = now
                    // Ten times the interval without a question means that none is asked any more.
                    _ = poll(nil, 0, 500)
                }
                #expect(isQuiet)
                let again = try follow(address)
                _ = try again.read { $0.contains("event: status") }
                #expect(coordinator.reports.load(ordering: .relaxed) > count)
            }
        },
        Row("viewers have a bound, which is said, and one who leaves makes room") {
            try serving(connections: 8) { address in
                var viewers = try (0..<2).map { _ in try follow(address) }
                for viewer in viewers { _ = try viewer.read { $0.contains("event: status") } }
                let refused = try ask(address, "GET", "/events")
                #expect(
                    refused.hasPrefix("HTTP/1.1 503 ") && refused.contains("2 viewers are connected, which is the limit"),
                    "\(refused)")
                viewers.removeFirst()
                let deadline = ContinuousClock.now.advanced(by: .seconds(10))
                var start = ""
                while !start.hasPrefix("HTTP/1.1 200 "), ContinuousClock.now < deadline {
                    start = try follow(address).read { $0.contains("\r\n\r\n") }
                }
                #expect(start.hasPrefix("HTTP/1.1 200 "))
            }
        },
        Row("a loop that does not answer: the connection lives, without figures") {
            let coordinator = Coordinator()
            coordinator.isSilent.store(true, ordering: .relaxed)
            try serving(coordinator) { address in
                let viewer = try follow(address)
                let text = try viewer.read { $0.contains(": the coordinator's loop does not answer\n\n") }
                #expect(!text.contains("event: status"))
                coordinator.isSilent.store(false, ordering: .relaxed)
                _ = try viewer.read { $0.contains("event: status") }
            }
        },
        Row("events need a token where there are tokens, and HEAD of them ends") {
            try serving(access: try Tokens.some()) { address in
                #expect(try ask(address, "GET", "/events").hasPrefix("HTTP/1.1 401 "))
                let viewer = try follow(address, ["Authorization: Bearer \(Tokens.client)"])
                let start = try viewer.read { $0.contains("event: status") }
                #expect(start.contains(#""label":"grafana""#) && start.contains(#""role":"client""#), "\(start)")
                #expect(start.contains(#""reason":"that takes an operator's token""#) && start.contains(#""can_log_in":true"#))
                let head = try ask(address, "HEAD", "/events", ["Authorization: Bearer \(Tokens.client)"])
                #expect(head.hasPrefix("HTTP/1.1 200 ") && !head.contains("event:"), "\(head)")
            }
        },
        Row("log in with JSON or a form, look with the cookie, drain with it, log out") {
            let coordinator = Coordinator()
            try serving(coordinator, access: try Tokens.some()) { address in
                let own = "Origin: http://\(address)"
                let json = try ask(address, "POST", "/login", [own], body: "{\"token\":\"\(Tokens.oper)\"}")
                #expect(json.hasPrefix("HTTP/1.1 200 ") && json.hasSuffix(#"{"label":"anna","role":"operator"}"#), "\(json)")
                let form = try ask(
                    address, "POST", "/login", [own, "Content-Type: application/x-www-form-urlencoded"],
                    body: "token=\(Tokens.client)")
                #expect(form.hasPrefix("HTTP/1.1 303 ") && form.contains("Location: /\r\n"), "\(form)")
                func cookie(_ reply: String) throws -> String {
                    let line = reply.split(separator: "\r\n").first { $0.hasPrefix("Set-Cookie: ") }
                    let value = try #require(line).dropFirst("Set-Cookie: ".count)
                    return "Cookie: \(value.prefix { $0 != ";" })"
                }
                let (oper, client) = (try cookie(json), try cookie(form))
                let start = try follow(address, [oper]).read { $0.contains("event: status") }
                #expect(start.contains(#""can_drain":true"#) && start.contains(#""label":"anna""#), "\(start)")
                func drain(_ headers: [String], _ body: String = "") throws -> String {
                    AccessTests.status(try ask(address, "POST", "/nodes/w%201/drain", headers, body: body))
                }
                #expect(
                    try drain([oper]) == "403" && drain([oper, "Origin: http://evil.example"]) == "403"
                        && drain([client, own]) == "403")
                #expect(try drain([own]) == "401")
                #expect(coordinator.wishes.withLock { $0 }.isEmpty)
                #expect(try drain([oper, own]) == "200" && drain([oper, own], #"{"force":true}"#) == "200")
                #expect(try drain(["Authorization: Bearer \(Tokens.oper)"], #"{"undo":true}"#) == "200")
                #expect(
                    try drain([oper, own], #"{"force":true,"undo":true}"#) == "400" && drain([oper, own], #"{"force":1}"#) == "400")
                #expect(try drain([oper, own], String(repeating: " ", count: 300)) == "413")
                let wishes = coordinator.wishes.withLock { $0 }
                #expect(wishes.allSatisfy { $0.node == "w 1" && $0.by == "operator:anna" })
                #expect(wishes.map { "\($0.undo) \($0.force)" } == ["false false", "false true", "true false"])
                let out = try ask(address, "POST", "/logout", [own, oper])
                #expect(out.hasPrefix("HTTP/1.1 200 ") && out.contains("Max-Age=0"), "\(out)")
                let foreign = try ask(address, "POST", "/logout", ["Origin: http://evil.example", oper])
                #expect(foreign.hasPrefix("HTTP/1.1 403 ") && !foreign.contains("Set-Cookie"), "\(foreign)")
            }
        },
        Row("what is no log-in") {
            try serving(access: try Tokens.some()) { address in
                for body in ["", "{}", "[]", "{\"token\":7}", "token=x", "\u{0}"] {
                    let reply = try ask(address, "POST", "/login", body: body)
                    #expect(reply.hasPrefix("HTTP/1.1 400 ") && reply.contains("the body has no token"), "\(body): \(reply)")
                }
                let wrong = try ask(address, "POST", "/login", body: "{\"token\":\"\(Tokens.unknown)\"}")
                #expect(
                    wrong.hasPrefix("HTTP/1.1 401 ") && !wrong.contains(Tokens.unknown) && !wrong.contains("Set-Cookie"), "\(wrong)"
                )
                #expect(try ask(address, "POST", "/login", body: String(repeating: "x", count: 2_000)).hasPrefix("HTTP/1.1 413 "))
                #expect(try ask(address, "GET", "/login").hasPrefix("HTTP/1.1 405 "))
            }
        },
        Row("what comes of a drain is said in HTTP's words") {
            let rows: [(DrainOutcome?, String, String)] = [
                (.done("w1 is drained"), "200", #""outcome":"w1 is drained""#),
                (.refused(.invalidArgument, "there is no node"), "404", "no node"),
                (.refused(.failedPrecondition, "the last node"), "409", "last"),
                (.refused(.cancelled, "taken back"), "409", "taken"),
                (.refused(.resourceExhausted, "64 wait"), "429", "64"), (nil, "202", "w1 is draining"),
            ]
            for (outcome, status, text) in rows {
                try serving(Coordinator(outcome), access: try Tokens.some()) { address in
                    let reply = try ask(address, "POST", "/nodes/w1/drain", ["Authorization: Bearer \(Tokens.oper)"])
                    #expect(AccessTests.status(reply) == status && reply.contains(text), "\(reply)")
                }
            }
            let silent = Coordinator(nil)
            silent.isSilent.store(true, ordering: .relaxed)
            try serving(silent, access: try Tokens.some()) { address in
                let reply = try ask(address, "POST", "/nodes/w1/drain", ["Authorization: Bearer \(Tokens.oper)"])
                #expect(AccessTests.status(reply) == "503", "\(reply)")
                let long = try ask(
                    address, "POST", "/nodes/\(String(repeating: "w", count: 2_000))/drain",
                    ["Authorization: Bearer \(Tokens.oper)"])
                #expect(AccessTests.status(long) == "404")
            }
        },
        Row("without tokens nobody drains") {
            let coordinator = Coordinator()
            try serving(coordinator) { address in
                let reply = try ask(address, "POST", "/nodes/w1/drain", ["Origin: http://\(address)"])
                #expect(reply.hasPrefix("HTTP/1.1 403 ") && reply.contains("--http-token-file"), "\(reply)")
                #expect(coordinator.wishes.withLock { $0 }.isEmpty)
            }
        },
        Row("who does not read loses the connection, and the others go on") {
            let coordinator = Coordinator()
            let filler = String(repeating: "x", count: 60_000)
            try serving(coordinator) { address in
                let slow = try follow(address)
                #expect(slow.hears(within: 10_000))
                let other = try follow(address)
                // More at a time than the kernel takes for a reader that stands, for as many times as may wait for one and some more.
                for _ in 0..<60 {
                    for _ in 0..<20 { coordinator.happened(filler) }
                    _ = try other.read { $0.contains("event: status") }
                }
                let numbers = try slow.readToEnd().matches(of: /"number":(\d+)/).compactMap { Int($0.1) }
                let reached = coordinator.reports.load(ordering: .relaxed)
                #expect((numbers.max() ?? 0) < reached - 5, "\(numbers.max() ?? 0) of \(reached)")
            }
        },
    ]
}
