import Foundation
import Gateway
import Glibc
import Logging
import Shell
import Testing

/// HTTPS: what is agreed on, what is turned away, and that the bounds hold before, in and after the handshake.
@Suite struct TLSServerTests {
    typealias Row = ServerTests.Row

    @Test(arguments: cases) func server(_ row: Row) async throws { try await offPool(row.run) }

    static func certificate() throws -> GatewayTLS {
        let folder = try TestFolder()
        return try GatewayTLS(
            certificateFile: try folder.write("cert.pem", TestCertificate.certificate, mode: 0o644),
            keyFile: try folder.write("key.pem", TestCertificate.key))
    }

    static func withServer(
        _ routes: [Route] = [ServerTests.hello], _ limits: GatewayLimits = GatewayLimits(), _ body: (GatewayServer) throws -> Void
    ) throws {
        let server = try GatewayServer(
            host: "127.0.0.1", port: 0, routes: RouteTable(routes), access: Tokens.none, tls: try certificate(),
            allowsPublicPeers: false, limits: limits, logger: Logger(label: "test"))
        defer { server.stop() }
        try body(server)
    }

    /// Fails where connections are kept.
    static func becomesEmpty(_ server: GatewayServer) -> Bool {
        let deadline = ContinuousClock.now.advanced(by: .seconds(10))
        while server.connectionCount > 0, ContinuousClock.now < deadline { _ = poll(nil, 0, 5) }
        return server.connectionCount == 0
    }

    static let get = ServerTests.get("/hello")
    /// The first bytes of a record with a handshake of 512 bytes.
    static let startOfHandshake: [UInt8] = [22, 3, 1, 2, 0, 1, 0, 1, 252]

    static let cases: [Row] = [
        Row("a request and its reply, in TLS 1.2 and 1.3; 1.1 is refused") {
            try withServer { server in
                for version in [TLSClient.TLSVersionNumber.tls12, .tls13] {
                    let client = try TLSClient(server.address, versions: version...version)
                    client.send(get)
                    let reply = try client.readToEnd()
                    #expect(reply.hasPrefix("HTTP/1.1 200 OK\r\n") && reply.hasSuffix("\r\n\r\nhello"), "\(version): \(reply)")
                }
                let old = try TLSClient(server.address, versions: .tls11 ... .tls11)
                old.send(get)
                #expect(throws: (any Error).self) { try old.readToEnd() }
                #expect(becomesEmpty(server))
            }
        },
        Row("many requests on one connection, and a reply of many records") {
            let large = Route(.get, "/large", .open) { _ in
                HTTPReply(contentType: "text/plain", body: Array(repeating: 65, count: 8 << 20))
            }
            try withServer([ServerTests.hello, large]) { server in
                let client = try TLSClient(server.address)
                client.send(ServerTests.keepAlive("/hello") + ServerTests.keepAlive("/hello") + ServerTests.get("/large"))
                let replies = try client.readToEnd()
                #expect(replies.ranges(of: "HTTP/1.1 200 OK").count == 3 && replies.hasSuffix("AAAA"))
                #expect(replies.utf8.count > 8 << 20)
            }
        },
        Row("a body that is too long is answered, and the connection ends") {
            try withServer([ServerTests.echo]) { server in
                let client = try TLSClient(server.address)
                client.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 99999999\r\n\r\nabc")
                let reply = try client.readToEnd()
                #expect(reply.hasPrefix("HTTP/1.1 413 "), "\(reply)")
                #expect(becomesEmpty(server))
            }
        },
        Row("plain HTTP is told to use https, and its connection ends") {
            try withServer { server in
                for request in [get, ServerTests.get("/hello", method: "POST", headers: "Content-Length: 5\r\n") + "abcde"] {
                    let reply = try RawHTTP.once(server.address, request)
                    #expect(reply.hasPrefix("HTTP/1.1 400 Bad Request\r\n") && reply.contains("Connection: close\r\n"), "\(reply)")
                    #expect(
                        reply.hasSuffix(#"{"error":"this port speaks HTTPS; write https:// in place of http://"}"#), "\(reply)")
                }
                #expect(becomesEmpty(server))
            }
        },
        Row("what is neither ends without an answer, and TLS at a port of plain HTTP gets no further") {
            try withServer { server in
                for bytes in ["\u{0}\u{1}\u{2}", "get /hello HTTP/1.1\r\n\r\n"] {
                    let reply = try RawHTTP.once(server.address, bytes)
                    #expect(reply == "")
                }
                #expect(becomesEmpty(server))
            }
            try ServerTests.serving([ServerTests.hello]) { address in
                let client = try TLSClient(address)
                client.send(get)
                #expect(throws: (any Error).self) { try client.readToEnd() }
            }
        },
        Row("who never ends the handshake is let go after the time of a head, whether it is silent or drips") {
            var limits = GatewayLimits()
            limits.head = .milliseconds(300)
            limits.idle = .seconds(600)
            limits.linger = .seconds(600)
            try withServer([ServerTests.hello], limits) { server in
                let silent = try RawHTTP(server.address)
                let half = try RawHTTP(server.address)
                half.send(startOfHandshake)
                let dripping = try RawHTTP(server.address)
                dripping.send(startOfHandshake)
                var sent = 0
                while sent < 900, !dripping.hears(within: 10) {
                    dripping.send([0])
                    sent += 1
                }
                #expect(sent < 900)
                // The end comes at once then: nobody waits for their farewell.
                #expect(silent.hears(within: 5_000) && half.hears(within: 5_000))
                #expect(becomesEmpty(server))
            }
        },
        Row("who ends the handshake and sends half a head has the same time, from the connection's start") {
            var limits = GatewayLimits()
            limits.head = .milliseconds(500)
            limits.idle = .seconds(600)
            try withServer([ServerTests.hello], limits) { server in
                let client = try TLSClient(server.address)
                client.send("GET /hello HT")
                #expect(!client.readToEndOrNothing().contains("200"))
                #expect(becomesEmpty(server))
            }
        },
        Row("between two requests the idle time holds") {
            var limits = GatewayLimits()
            limits.idle = .milliseconds(300)
            try withServer([ServerTests.hello], limits) { server in
                let client = try TLSClient(server.address)
                client.send(ServerTests.keepAlive("/hello"))
                #expect(try client.readToEnd().hasSuffix("hello"))
                #expect(becomesEmpty(server))
            }
        },
        Row("handshakes that nobody ends make room for a probe at once") {
            var limits = GatewayLimits()
            limits.connections = 8
            limits.unfinishedPerAddress = 4
            // No deadline helps: a probe that waited for one would not be answered in this test.
            limits.head = .seconds(600)
            limits.idle = .seconds(600)
            limits.linger = .seconds(600)
            try withServer([ServerTests.hello], limits) { server in
                let halves = try (0..<40).map { _ in try RawHTTP(server.address) }
                for half in halves { half.send(startOfHandshake) }
                for _ in 0..<5 { #expect(try TLSClient.once(server.address, get).hasSuffix("hello")) }
                // All but the last few are gone.
                #expect(halves.prefix(30).allSatisfy { $0.hears(within: 10_000) })
            }
        },
        Row("who gives way to others is gone at once, though it never says goodbye") {
            var limits = GatewayLimits()
            limits.connections = 4
            limits.head = .seconds(600)
            limits.idle = .seconds(600)
            limits.linger = .seconds(600)
            try withServer([ServerTests.hello], limits) { server in
                // More than are accepted at once, each with its reply and deaf from then on: they could fill the server with farewells.
                var deaf: [TLSClient] = []
                for _ in 0..<2 * (limits.connections + GatewayLimits.spareConnections) {
                    let client = try TLSClient(server.address, reads: false)
                    client.send(ServerTests.keepAlive("/hello"))
                    try client.waitForReply()
                    deaf.append(client)
                }
                #expect(try TLSClient.once(server.address, get).hasSuffix("hello"))
                #expect(deaf.count == 40)
            }
        },
        Row("a scanner's bytes end its own connections only, and nothing is kept of them") {
            var limits = GatewayLimits()
            limits.head = .milliseconds(500)
            try withServer([ServerTests.hello], limits) { server in
                let seed = UInt64.random(in: 0 ... .max)
                var random = SeededBits(seed)
                var scanners: [RawHTTP] = []
                for round in 0..<60 {
                    let noise = (0..<random.below(2_000)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                    let scanner = try RawHTTP(server.address)
                    // A third begins as a handshake does.
                    scanner.send((round % 3 == 0 ? startOfHandshake : []) + noise)
                    scanners.append(scanner)
                }
                #expect(try TLSClient.once(server.address, get).hasSuffix("hello"), "seed \(seed)")
                for scanner in scanners { #expect(scanner.hears(within: 10_000), "seed \(seed)") }
                #expect(becomesEmpty(server), "seed \(seed)")
            }
        },
        Row("who does not read his reply is let go after the idle time") {
            var limits = GatewayLimits()
            limits.idle = .milliseconds(300)
            let large = Route(.get, "/large", .open) { _ in
                HTTPReply(contentType: "text/plain", body: Array(repeating: 65, count: 64 << 20))
            }
            try withServer([large], limits) { server in
                let slow = try TLSClient(server.address, reads: false)
                slow.send(ServerTests.keepAlive("/large"))
                try slow.waitForReply()
                #expect(becomesEmpty(server))
            }
        },
    ]

    // MARK: Files

    struct Bad: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var certificate = TestCertificate.certificate
        var key = TestCertificate.key
        var mode = 0o600
        let says: String
    }

    static let bad = [
        Bad(
            testDescription: "no certificate", certificate: "text",
            says: "--http-tls-cert: CERT: it holds no certificate; give a PEM file"),
        Bad(testDescription: "empty", certificate: "", says: "--http-tls-cert: CERT: it holds no certificate"),
        Bad(
            testDescription: "the key as certificate", certificate: TestCertificate.key,
            says: "--http-tls-cert: CERT: it holds no certificate"),
        Bad(
            testDescription: "a torn certificate",
            certificate: "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",
            says: "--http-tls-cert: CERT: a certificate in it cannot be read; give a PEM file"),
        Bad(
            testDescription: "the certificate as key", key: TestCertificate.certificate,
            says: "--http-tls-key: KEY: it holds no private key; give a PEM file with the certificate's key"),
        Bad(
            testDescription: "a torn key", key: "-----BEGIN PRIVATE KEY-----\nMIGH\n-----END PRIVATE KEY-----\n",
            says: "--http-tls-key: KEY: the key in it cannot be read"),
        Bad(
            testDescription: "a pass phrase", key: TestCertificate.encryptedKey,
            says: "--http-tls-key: KEY: it has a pass phrase; write it without one: openssl pkey -in KEY -out key.pem"),
        Bad(
            testDescription: "another certificate's key", key: TestCertificate.oldKey,
            says: "--http-tls-key: KEY: it is not the key of the first certificate of CERT; give the two"),
        Bad(
            testDescription: "a key that others read", mode: 0o640,
            says: "--http-tls-key: KEY: other users can read it; type: chmod 600 KEY"),
    ]

    @Test("a bad file is named, with the fix", arguments: bad) func badFile(_ row: Bad) throws {
        let folder = try TestFolder()
        let certificate = try folder.write("cert.pem", row.certificate, mode: 0o644)
        let key = try folder.write("key.pem", row.key, mode: row.mode)
        let error = try #require(throws: GatewayError.self) { try GatewayTLS(certificateFile: certificate, keyFile: key) }
        let text = error.message.replacingOccurrences(of: certificate, with: "CERT").replacingOccurrences(of: key, with: "KEY")
        #expect(text.hasPrefix(row.says) && error.exitStatus == .badData, "\(text)")
    }

    @Test func absentFilesAndTheEndOfValidity() throws {
        let folder = try TestFolder()
        let key = try folder.write("key.pem", TestCertificate.oldKey)
        let absent = "\(folder.path)/absent"
        let error = try #require(throws: GatewayError.self) { try GatewayTLS(certificateFile: absent, keyFile: key) }
        #expect(error.message == "--http-tls-cert: \(absent): it cannot be opened (No such file or directory); correct the path")
        let old = try GatewayTLS(certificateFile: try folder.write("old.pem", TestCertificate.oldCertificate), keyFile: key)
        // 1 February 2020 and 1 January 2120.
        #expect(old.endOfValidity == 1_580_515_200)
        #expect(try Self.certificate().endOfValidity == 4_733_510_400)
    }
}
