import Gateway
import Glibc
import Synchronization
import Tensors
import Testing
import Wire

/// What clients may do to inference over HTTP beside asking: go at any moment, hold connections, send slowly, announce much.
@Suite struct InferenceAbuseTests {
    typealias Row = ServerTests.Row

    @Test(arguments: cases) func abuse(_ row: Row) async throws { try await offPool(row.run) }

    static let cases: [Row] = [
        Row("a refusal leaves the connection open where the body is short, and ends it where it is long or waited for") {
            let error = InferError(id: 1, code: .resourceExhausted, message: "no room", retryAfterMilliseconds: 100)
            try serving(FakeInference(.refuses(error))) { address in
                let head = Array(
                    #"{"inputs":[{"name":"a","shape":[1000,2],"datatype":"FP32","parameters":{"binary_data_size":8000}},{"name":"id","shape":[1000],"datatype":"INT64","parameters":{"binary_data_size":8000}}]}"#
                        .utf8)
                let length = "Inference-Header-Content-Length: \(head.count)"
                let connection = try RawHTTP(address)
                for _ in 0..<3 {
                    connection.send(post(head + [UInt8](repeating: 0, count: 16_000), headers: [length], keepAlive: true))
                    let reply = try connection.read { $0.hasSuffix("}") }
                    #expect(reply.hasPrefix("HTTP/1.1 429 ") && !reply.contains("Connection: close"), "\(reply)")
                }
                let long = try RawHTTP(address)
                long.send(post(head + [UInt8](repeating: 0, count: 2 << 20), headers: [length], keepAlive: true))
                #expect(try long.readToEnd().contains("Connection: close"))
            }
        },
        Row("a body that never begins, and one that drips: 408 in time") {
            var limits = GatewayLimits()
            limits.body = .milliseconds(200)
            try serving(limits: limits) { address in
                for sent in [0, 30] {
                    let request = post(Array(#"{"inputs":[\#(inputs)]}"#.utf8), keepAlive: true)
                    let head = try #require(request.firstRange(of: Array("\r\n\r\n".utf8))).upperBound
                    let connection = try RawHTTP(address)
                    connection.send(Array(request[..<(head + sent)]))
                    let reply = try connection.read { $0.hasSuffix("}") }
                    #expect(
                        reply.hasPrefix("HTTP/1.1 408 ") && reply.contains("8192 bytes a second")
                            && reply.contains("Connection: close"), "\(reply)")
                }
            }
        },
        Row(
            "requests that do not come, on as many connections as there may be: a probe is answered, and who is one too many is told"
        ) {
            var limits = GatewayLimits()
            limits.connections = 8
            try serving(FakeInference(.waits), limits: limits) { address in
                let head = Array("POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n".utf8)
                let connections = try (0..<6).map { _ in try RawHTTP(address) }
                for connection in connections { connection.send(head) }
                let rest = try RawHTTP(address)
                var told = ""
                try waitUntil("one too many is told") {
                    rest.send(head + [UInt8](repeating: 32, count: 1_000))
                    told = (try? rest.read { $0.hasSuffix("}") }) ?? ""
                    return told.hasPrefix("HTTP/1.1 429 ")
                }
                #expect(told.contains("Retry-After: 1") && told.contains("send fewer at once"), "\(told)")
                for _ in 0..<20 {
                    #expect(try RawHTTP.once(address, ServerTests.get("/v2/health/live")).hasPrefix("HTTP/1.1 503 "))
                }
            }
        },
        Row("a connection whose request was refused before its body came is idle once that has come, and makes room") {
            var limits = GatewayLimits()
            limits.connections = 4
            try serving(limits: limits) { address in
                let request = post([UInt8](repeating: 32, count: 10), path: "/v2/models/other/infer", keepAlive: true)
                var connections: [RawHTTP] = []
                for _ in 0..<24 {
                    let connection = try RawHTTP(address)
                    connection.send(Array(request.dropLast(5)))
                    #expect(try connection.read { $0.hasSuffix("}") }.hasPrefix("HTTP/1.1 404 "))
                    connection.send([UInt8](repeating: 32, count: 5))
                    connections.append(connection)
                }
                #expect(try RawHTTP.once(address, ServerTests.get("/v2/health/live")).hasPrefix("HTTP/1.1 503 "))
            }
        },
        Row("a target that is no path, and a length beyond integers") {
            try serving { address in
                for target in ["v2", "*"] {
                    let reply = try once(
                        address, Array("GET \(target) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8))
                    #expect(reply.hasPrefix("HTTP/1.1 400 "), "\(target): \(reply)")
                }
                let head = "POST \(path) HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551615\r\n\r\n"
                let reply = try once(address, Array(head.utf8))
                #expect(reply.hasPrefix("HTTP/1.1 413 "), "\(reply)")
            }
        },
        Row("pictures: a place is asked for when they are here, and not for more than their bytes can be") {
            let preprocessing = ImagePreprocessing(resizeShorterSide: 2, cropSize: 2, interpolation: .bilinear, layout: .hwc)
            let spec = TensorSpec(name: "image", dtype: .uint8, shape: [.batch, .fixed(2), .fixed(2), .fixed(3)])
            let source = FakeInference(
                .refuses(InferError(id: 1, code: .resourceExhausted, message: "no room", retryAfterMilliseconds: 100)),
                manifest: ModelManifest(name: "sum model", inputs: [spec], outputs: [spec], preprocessing: preprocessing))
            try serving(source) { address in
                func head(_ count: Int, _ size: Int) -> [UInt8] {
                    Array(
                        #"{"inputs":[{"name":"image","shape":[\#(count)],"datatype":"BYTES","parameters":{"binary_data_size":\#(size)}}]}"#
                            .utf8)
                }
                let many = head(20_000, 100_000)
                let refused = try once(
                    address,
                    post(
                        many + [UInt8](repeating: 0, count: 100_000),
                        headers: ["Inference-Header-Content-Length: \(many.count)"]))
                #expect(refused.hasPrefix("HTTP/1.1 400 ") && refused.contains("cannot be in 100000 bytes"), "\(refused)")
                let one = head(1, 1_000)
                let whole = post(
                    one + [UInt8](repeating: 0, count: 1_000), headers: ["Inference-Header-Content-Length: \(one.count)"])
                let connection = try RawHTTP(address)
                connection.send(Array(whole.dropLast(10)))
                #expect(!connection.hears(within: 100) && source.state.withLock { $0.begun.isEmpty })
                connection.send(Array(whole.suffix(10)))
                #expect(try connection.readToEnd().hasPrefix("HTTP/1.1 429 "))
            }
        },
        Row("clients that go at any moment leave nothing behind") {
            let source = FakeInference()
            try serving(source) { address in
                let request = post(Array(#"{"inputs":[\#(inputs)]}"#.utf8), keepAlive: true)
                for round in 0..<300 {
                    let connection = try RawHTTP(address)
                    connection.send(round % 3 == 0 ? Array(request.dropLast(round % 40)) : request)
                    if round % 2 == 0 { connection.reset() } else { connection.endSending() }
                    if round % 5 == 0 { usleep(UInt32(round % 7) * 300) }
                }
                try waitUntil("all are ended") { source.openCount == 0 && source.state.withLock { $0.begun.count } > 0 }
            }
        },
        Row("a hundred connections of one address at once are all answered") {
            let source = FakeInference()
            try serving(source) { address in
                let connections = try (0..<100).map { _ in try RawHTTP(address) }
                let request = post(Array(#"{"inputs":[\#(inputs)]}"#.utf8))
                for connection in connections { connection.send(Array(request.dropLast(3))) }
                for connection in connections { connection.send(Array(request.suffix(3))) }
                for connection in connections { #expect(try connection.readToEnd().hasPrefix("HTTP/1.1 200 ")) }
            }
        },
    ]

    private typealias I = InferenceTests
    private static var path: String { I.path }
    private static var inputs: String { I.inputs }

    private static func serving(
        _ source: FakeInference = FakeInference(), limits: GatewayLimits = GatewayLimits(), _ body: (String) throws -> Void
    ) throws { try I.serving(source, limits: limits, body) }

    private static func post(_ body: [UInt8], path: String = path, headers: [String] = [], keepAlive: Bool = false) -> [UInt8] {
        I.post(body, path: path, headers: headers, keepAlive: keepAlive)
    }

    private static func once(_ address: String, _ request: [UInt8]) throws -> String { try I.once(address, request) }
    private static func waitUntil(_ what: String, _ condition: () -> Bool) throws { try I.waitUntil(what, condition) }
}
