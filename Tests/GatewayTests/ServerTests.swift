import Gateway
import Glibc
import Logging
import Testing

/// The server around the routes: what goes over the socket, and the bounds.
@Suite struct ServerTests {
    /// A row that is run off Swift's pool.
    struct Row: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let run: @Sendable () throws -> Void

        init(_ name: String, _ run: @escaping @Sendable () throws -> Void) {
            testDescription = name
            self.run = run
        }
    }

    @Test(arguments: cases) func server(_ row: Row) async throws { try await offPool(row.run) }

    static func serving(
        _ routes: [Route], limits: GatewayLimits = GatewayLimits(), _ body: (String) throws -> Void
    ) throws {
        try withServer(routes, limits: limits) { try body($0.address) }
    }

    static func withServer(_ routes: [Route], limits: GatewayLimits, _ body: (GatewayServer) throws -> Void) throws {
        let server = try GatewayServer(
            host: "127.0.0.1", port: 0, routes: RouteTable(routes), access: Tokens.none, allowsPublicPeers: false, limits: limits,
            logger: Logger(label: "test"))
        defer { server.stop() }
        try body(server)
    }

    static func get(_ path: String, method: String = "GET", headers: String = "") -> String {
        "\(method) \(path) HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\(headers)\r\n"
    }

    static func keepAlive(_ path: String) -> String { "GET \(path) HTTP/1.1\r\nHost: test\r\n\r\n" }

    static let echo = Route(.post, "/echo", .open, maximumBodyBytes: 1_000) { request in
        HTTPReply(contentType: "application/octet-stream", body: request.body)
    }
    static let hello = Route(.get, "/hello", .open) { _ in HTTPReply(contentType: "text/plain", body: Array("hello".utf8)) }

    static let cases: [Row] = [
        Row("a reply has its length and type; a query is ignored; HEAD has the head of GET and no body") {
            try serving([hello]) { address in
                let reply = try RawHTTP.once(address, get("/hello?x=1"))
                #expect(reply.hasPrefix("HTTP/1.1 200 OK\r\n") && reply.hasSuffix("\r\n\r\nhello"), "\(reply)")
                #expect(reply.contains("Content-Length: 5\r\n") && reply.contains("Content-Type: text/plain\r\n"), "\(reply)")
                let head = try RawHTTP.once(address, get("/hello", method: "HEAD"))
                #expect(
                    head.hasPrefix("HTTP/1.1 200 OK\r\n") && head.contains("Content-Length: 5\r\n") && head.hasSuffix("\r\n\r\n"),
                    "\(head)")
            }
        },
        Row("unknown paths are 404, wrong methods 405 with Allow, both as JSON") {
            try serving([hello, echo]) { address in
                let unknown = try RawHTTP.once(address, get("/nowhere"))
                #expect(
                    unknown.hasPrefix("HTTP/1.1 404 ")
                        && unknown.hasSuffix(#"{"error":"there is no /nowhere; there is /echo, /hello"}"#))
                let wrong = try RawHTTP.once(address, get("/hello", method: "DELETE"))
                #expect(wrong.hasPrefix("HTTP/1.1 405 ") && wrong.contains("Allow: GET, HEAD\r\n"), "\(wrong)")
                #expect(wrong.hasSuffix(#"{"error":"/hello takes GET or HEAD, not DELETE"}"#), "\(wrong)")
                #expect(wrong.contains("Content-Type: application/json\r\n"))
                let long = try RawHTTP.once(address, get("/" + String(repeating: "x", count: 5_000)))
                #expect(long.hasPrefix("HTTP/1.1 404 ") && long.count < 600)
            }
        },
        Row("one connection serves many requests, pipelined ones in their order") {
            try serving([hello]) { address in
                let connection = try RawHTTP(address)
                for _ in 0..<3 {
                    connection.send(keepAlive("/hello"))
                    _ = try connection.read { $0.hasSuffix("hello") }
                }
                connection.send(keepAlive("/hello") + keepAlive("/nowhere") + get("/hello"))
                let replies = try connection.readToEnd()
                #expect(replies.ranges(of: "HTTP/1.1 ").count == 3 && replies.hasSuffix("hello"), "\(replies)")
                #expect(replies.ranges(of: " 404 ").count == 1)
            }
        },
        Row("a body at the limit is taken, one byte more is 413 and the connection's end, chunked as well") {
            try serving([echo]) { address in
                let full = String(repeating: "a", count: 1_000)
                let fits = try RawHTTP.once(address, get("/echo", method: "POST", headers: "Content-Length: 1000\r\n") + full)
                #expect(fits.hasPrefix("HTTP/1.1 200 ") && fits.hasSuffix("\r\n\r\n" + full), "\(fits)")
                // Without `Connection: close` from the client: the server ends it.
                let rows = [
                    "Content-Length: 1001\r\n\r\n" + full + "a",
                    "Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + full + "a\r\n0\r\n\r\n",
                ]
                for row in rows {
                    let refused = try RawHTTP.once(address, "POST /echo HTTP/1.1\r\nHost: test\r\n" + row)
                    #expect(
                        refused.hasPrefix("HTTP/1.1 413 ") && refused.contains("over the limit of 1000 bytes of POST /echo"),
                        "\(refused)")
                }
            }
        },
        Row("a body where none is taken is refused before it is read") {
            try serving([hello]) { address in
                // Announced and never sent: the answer does not wait for it.
                let connection = try RawHTTP(address)
                connection.send("GET /hello HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999999\r\n\r\n")
                let reply = try connection.readToEnd()
                #expect(reply.hasPrefix("HTTP/1.1 413 ") && reply.hasSuffix(#"{"error":"GET /hello takes no body"}"#), "\(reply)")
            }
        },
        Row("header lines above the bound end the connection, and no handler sees them") {
            try serving([hello]) { address in
                let many = (0..<200).map { "X-\($0): 1\r\n" }.joined()
                for headers in ["X: " + String(repeating: "x", count: 20_000) + "\r\n", many] {
                    let reply = try RawHTTP.once(address, get("/hello", headers: headers))
                    #expect(reply.hasPrefix("HTTP/1.1 400 ") && !reply.contains("hello"), "\(reply)")
                }
                #expect(try RawHTTP.once(address, get("/hello")).hasSuffix("hello"))
            }
        },
        Row("bytes that are no HTTP end their own connection only") {
            try serving([hello]) { address in
                let patient = try RawHTTP(address)
                var random: UInt64 = 7
                for round in 0..<20 {
                    let noise = (0..<(round * 100)).map { _ -> UInt8 in
                        random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                        return UInt8(truncatingIfNeeded: random >> 33)
                    }
                    let connection = try RawHTTP(address)
                    connection.send(noise + Array("\r\n\r\n".utf8))
                }
                patient.send(get("/hello"))
                #expect(try patient.readToEnd().hasSuffix("hello"))
            }
        },
        Row("who sends nothing, half a head, or half a body, is let go after the idle time") {
            var limits = GatewayLimits()
            limits.idle = .milliseconds(200)
            try serving([hello, echo], limits: limits) { address in
                for start in ["", "GET /hello HT", "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nabc"] {
                    let reply = try RawHTTP.once(address, start)
                    #expect(!reply.contains("200"), "\(start): \(reply)")
                }
                #expect(try RawHTTP.once(address, get("/hello")).hasSuffix("hello"))
            }
        },
        Row("a body that drips is given up at its deadline, however steadily it comes") {
            var limits = GatewayLimits()
            limits.body = .milliseconds(300)
            limits.linger = .milliseconds(100)
            try serving([echo], limits: limits) { address in
                let connection = try RawHTTP(address)
                connection.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 900\r\n\r\n")
                // A byte each 100 ms: all of them would take three hundred times the server's patience, which is long beside tests that compute.
                var sent = 0
                while sent < 899, !connection.hears(within: 100) {
                    connection.send("a")
                    sent += 1
                }
                #expect(sent < 899)
                let reply = try connection.readToEnd()
                #expect(reply.hasPrefix("HTTP/1.1 408 "), "\(reply)")
            }
        },
        Row("who does not read his reply is let go after the idle time, with what he has not taken") {
            var limits = GatewayLimits()
            limits.idle = .milliseconds(300)
            let large = Route(.get, "/large", .open) { _ in
                HTTPReply(contentType: "text/plain", body: Array(repeating: 65, count: 64 << 20))
            }
            try withServer([large], limits: limits) { server in
                let slow = try RawHTTP(server.address)
                slow.send(keepAlive("/large"))
                #expect(slow.hears(within: 10_000))
                let deadline = ContinuousClock.now.advanced(by: .seconds(10))
                while server.connectionCount > 0, ContinuousClock.now < deadline { _ = poll(nil, 0, 5) }
                #expect(server.connectionCount == 0)
                // What the kernel holds comes, the rest does not.
                #expect(try slow.readToEnd().utf8.count < 64 << 20)
            }
        },
        Row("connections over the bound wait, and are served when others end") {
            var limits = GatewayLimits()
            limits.connections = 2
            try serving([hello], limits: limits) { address in
                var held: [RawHTTP] = []
                for _ in 0..<2 {
                    held.append(try RawHTTP(address))
                    held.last?.send(keepAlive("/hello"))
                    _ = try held.last?.read { $0.hasSuffix("hello") }
                }
                let third = try RawHTTP(address)
                third.send(get("/hello"))
                held.removeFirst()
                #expect(try third.readToEnd().hasSuffix("hello"))
            }
        },
        Row("half-open heads make room for a probe at once, from their own address and in all") {
            var limits = GatewayLimits()
            limits.connections = 8
            limits.unfinishedPerAddress = 4
            // No deadline helps: a probe that waited for one would not be answered in this test.
            limits.head = .seconds(600)
            limits.idle = .seconds(600)
            try serving([hello], limits: limits) { address in
                let halves = try (0..<40).map { _ in try RawHTTP(address) }
                for half in halves { half.send("GET /hello HTTP/1.1\r\nHost: te") }
                for _ in 0..<5 { #expect(try RawHTTP.once(address, get("/hello")).hasSuffix("hello")) }
                // All but the last few are gone.
                #expect(halves.prefix(30).allSatisfy { $0.hears(within: 10_000) })
            }
        },
        Row("connections between two requests make room as well; who is being answered stays") {
            var limits = GatewayLimits()
            limits.connections = 4
            let slow = Route(.get, "/slow", .open) { _ in
                try? await Task.sleep(for: .milliseconds(500))
                return HTTPReply(contentType: "text/plain", body: Array("slow".utf8))
            }
            try serving([hello, slow], limits: limits) { address in
                let busy = try RawHTTP(address)
                busy.send(get("/slow"))
                var idle: [RawHTTP] = []
                for _ in 0..<6 {
                    let connection = try RawHTTP(address)
                    connection.send(keepAlive("/hello"))
                    _ = try connection.read { $0.hasSuffix("hello") }
                    idle.append(connection)
                }
                #expect(try RawHTTP.once(address, get("/hello")).hasSuffix("hello"))
                #expect(idle[0].hears(within: 10_000))
                #expect(try busy.readToEnd().hasSuffix("slow"))
            }
        },
        Row("a first head that drips is given up at its deadline, however steadily it comes") {
            var limits = GatewayLimits()
            limits.head = .milliseconds(300)
            try serving([hello], limits: limits) { address in
                let connection = try RawHTTP(address)
                connection.send("GET /hello HTTP/1.1\r\nX: ")
                var sent = 0
                while sent < 900, !connection.hears(within: 10) {
                    connection.send("a")
                    sent += 1
                }
                #expect(sent < 900)
            }
        },
        Row("a port in use is an error that names the option, the port and what to do; with port 0 the address says which it is") {
            try serving([hello]) { address in
                let port = try #require(address.split(separator: ":").last.flatMap { UInt16($0) })
                #expect(port != 0)
                let error = #expect(throws: GatewayError.self) {
                    _ = try GatewayServer(
                        host: "127.0.0.1", port: port, routes: RouteTable([hello]), access: Tokens.none, allowsPublicPeers: false,
                        logger: Logger(label: "test"))
                }
                #expect(
                    error?.message.hasPrefix("--http: cannot listen on \(address): port \(port) is in use; ") == true,
                    "\(error as Any)")
            }
        },
        Row("after stop() nobody listens") {
            let server = try GatewayServer(
                host: "127.0.0.1", port: 0, routes: RouteTable([hello]), access: Tokens.none, allowsPublicPeers: false,
                logger: Logger(label: "test"))
            #expect(try RawHTTP.once(server.address, get("/hello")).hasSuffix("hello"))
            server.stop()
            let end = ContinuousClock.now + .seconds(10)
            while (try? RawHTTP(server.address)) != nil, ContinuousClock.now < end {}
            #expect(throws: RawHTTP.Failure.self) { _ = try RawHTTP(server.address) }
        },
    ]
}
