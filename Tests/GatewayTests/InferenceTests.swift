import Foundation
import Gateway
import Glibc
import Logging
import OpenInference
import Synchronization
import Tensors
import Testing
import Wire

/// Inference over HTTP, from the socket to the answer, before a coordinator that is made up.
@Suite struct InferenceTests {
    typealias Row = ServerTests.Row

    @Test(arguments: cases) func inference(_ row: Row) async throws { try await offPool(row.run) }

    static let path = "/v2/models/sum%20model/infer"

    static func serving(
        _ source: FakeInference = FakeInference(), limits: GatewayLimits = GatewayLimits(), _ body: (String) throws -> Void
    ) throws {
        let routes = InferenceRoutes.all(source, FakeSource(nil), limits: limits, logger: Logger(label: "test"))
        try ServerTests.serving(routes, limits: limits, body)
    }

    static func post(_ body: [UInt8], path: String = path, headers: [String] = [], keepAlive: Bool = false) -> [UInt8] {
        let lines =
            ["POST \(path) HTTP/1.1", "Host: localhost", "Content-Length: \(body.count)"] + (keepAlive ? [] : ["Connection: close"])
            + headers
        return Array((lines.joined(separator: "\r\n") + "\r\n\r\n").utf8) + body
    }

    static func once(_ address: String, _ request: [UInt8]) throws -> String {
        let connection = try RawHTTP(address)
        connection.send(request)
        return try connection.readToEnd()
    }

    static func post(_ address: String, _ json: String, headers: [String] = []) throws -> String {
        try once(address, post(Array(json.utf8), headers: headers))
    }

    static func binary(_ values: [some Any]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

    static let inputs =
        #"{"name":"a","shape":[2,2],"datatype":"FP32","data":[1.5,2,3,4]},{"name":"id","shape":[2],"datatype":"INT64","data":[10,20]}"#

    static let cases: [Row] =
        [
            Row("JSON in, JSON out: the id comes back, names count and not their order") {
                try serving { address in
                    let reply = try post(address, #"{"id":"q7","inputs":[\#(inputs)]}"#)
                    #expect(reply.hasPrefix("HTTP/1.1 200 ") && reply.contains("Content-Type: application/json\r\n"), "\(reply)")
                    #expect(
                        reply.hasSuffix(
                            #"{"id":"q7","model_name":"sum model","model_version":"1","outputs":[{"name":"sum","datatype":"FP32","shape":[2,2],"data":[11.5,12.0,23.0,24.0]},{"name":"same","datatype":"INT64","shape":[2],"data":[10,20]}]}"#
                        ), "\(reply)")
                    let turned = try post(
                        address,
                        #"{"inputs":[{"name":"id","shape":[1],"datatype":"INT64","data":[9007199254740993]},{"name":"a","shape":[1,2],"datatype":"FP32","data":[[0,1]]}],"outputs":[{"name":"same"}]}"#
                    )
                    #expect(
                        turned.hasSuffix(#""outputs":[{"name":"same","datatype":"INT64","shape":[1],"data":[9007199254740993]}]}"#),
                        "\(turned)")
                }
            },
            Row("binary in and out, mixed with JSON, in pieces of every size; the connection is kept") {
                try serving { address in
                    let head = Array(
                        #"{"inputs":[{"name":"id","shape":[2],"datatype":"INT64","parameters":{"binary_data_size":16}},{"name":"a","shape":[2,2],"datatype":"FP32","parameters":{"binary_data_size":16}}],"outputs":[{"name":"same"},{"name":"sum","parameters":{"binary_data":true}}]}"#
                            .utf8)
                    let body = head + binary([Int64(10), 20]) + binary([Float(1.5), 2, 3, 4])
                    let request = post(body, headers: ["Inference-Header-Content-Length: \(head.count)"], keepAlive: true)
                    let connection = try RawHTTP(address)
                    let wanted = binary([Float(11.5), 12, 23, 24])
                    for step in [1, 7, 100, request.count] {
                        for start in stride(from: 0, to: request.count, by: step) {
                            connection.send(Array(request[start..<min(start + step, request.count)]))
                        }
                        let reply = try connection.readBytes { $0.suffix(16) == wanted[...] }
                        let text = String(decoding: reply.dropLast(16), as: UTF8.self)
                        #expect(
                            text.contains("Content-Type: application/octet-stream\r\n")
                                && text.contains("Inference-Header-Content-Length: "))
                        #expect(
                            text.hasSuffix(
                                #"{"name":"sum","datatype":"FP32","shape":[2,2],"parameters":{"binary_data_size":16}}]}"#),
                            "\(text)")
                    }
                }
            },
            Row("compressed both ways; a body that inflates beyond the limit ends at it") {
                var limits = GatewayLimits()
                limits.inferenceBody = 1 << 20
                try serving(limits: limits) { address in
                    let many = (0..<2_000).map { "\($0)" }.joined(separator: ",")
                    let json =
                        #"{"inputs":[{"name":"a","shape":[1000,2],"datatype":"FP32","data":[\#(many)]},{"name":"id","shape":[1000],"datatype":"INT64","data":[\#((0..<1_000).map { _ in "0" }.joined(separator: ","))]}]}"#
                    for coding in ["gzip", "deflate"] {
                        let body = try Zip.compressed(Array(json.utf8), coding)
                        let reply = try RawHTTP(address)
                        reply.send(post(body, headers: ["Content-Encoding: \(coding)", "Accept-Encoding: \(coding)"]))
                        let bytes = try reply.readBytesToEnd()
                        let end = try #require(bytes.firstRange(of: Array("\r\n\r\n".utf8)))
                        let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
                        #expect(head.hasPrefix("HTTP/1.1 200 ") && head.contains("Content-Encoding: \(coding)"), "\(head)")
                        let text = String(decoding: try Zip.inflated(Array(bytes[end.upperBound...]), coding), as: UTF8.self)
                        #expect(text.contains(#""shape":[1000,2],"data":[0.0,1.0,2.0,3.0"#), "\(text.prefix(200))")
                    }
                    let bomb = try Zip.compressed([UInt8](repeating: 32, count: 3 << 20), "gzip")
                    let refused = try once(address, post(bomb, headers: ["Content-Encoding: gzip"]))
                    #expect(refused.hasPrefix("HTTP/1.1 413 ") && refused.contains("1 MiB"), "\(refused)")
                    let unknown = try post(address, "{}", headers: ["Content-Encoding: br"])
                    #expect(unknown.hasPrefix("HTTP/1.1 415 ") && unknown.contains("gzip"), "\(unknown)")
                }
            },
            Row("the deadline is the client's, rounded up to milliseconds") {
                let source = FakeInference()
                try serving(source) { address in
                    _ = try post(address, #"{"parameters":{"timeout":1500001,"priority":1},"inputs":[\#(inputs)]}"#)
                    #expect(source.state.withLock { $0.begun.first?.deadlineMilliseconds } == 1_501)
                }
            },
            Row("a place is refused: 429 with Retry-After, 503, 504, 400, each as JSON") {
                for (code, hint, status, retry) in [
                    (StatusCode.resourceExhausted, UInt32(1_200), 429, "2"), (.unavailable, 100, 503, "1"),
                    (.deadlineExceeded, 0, 504, nil),
                    (.invalidArgument, 0, 400, nil), (.internalError, 0, 500, nil),
                ] as [(StatusCode, UInt32, Int, String?)] {
                    let error = InferError(id: 1, code: code, message: "no room", retryAfterMilliseconds: hint)
                    try serving(FakeInference(.refuses(error))) { address in
                        let reply = try post(address, #"{"inputs":[\#(inputs)]}"#)
                        #expect(reply.hasPrefix("HTTP/1.1 \(status) ") && reply.hasSuffix(#"{"error":"no room"}"#), "\(reply)")
                        #expect(reply.contains("Retry-After: \(retry ?? "")") == (retry != nil), "\(reply)")
                    }
                }
            },
            Row("the coordinator ends a request whose body still comes: the reply says why") {
                let error = InferError(id: 1, code: .deadlineExceeded, message: "too late", retryAfterMilliseconds: 0)
                let source = FakeInference(.endsAfter(1, error))
                try serving(source) { address in
                    let head = Array(
                        #"{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}},{"name":"id","shape":[1],"datatype":"INT64","data":[1]}]}"#
                            .utf8)
                    let connection = try RawHTTP(address)
                    let whole = post(
                        head + [0, 0, 0, 0, 0, 0, 0, 0], headers: ["Inference-Header-Content-Length: \(head.count)"],
                        keepAlive: true)
                    connection.send(Array(whole.dropLast(4)))
                    let reply = try connection.read { $0.hasSuffix("}") }
                    #expect(reply.hasPrefix("HTTP/1.1 504 ") && reply.hasSuffix(#"{"error":"too late"}"#), "\(reply)")
                    try waitUntil("it is ended") { source.endedCount == 1 }
                }
            },
            Row("a client that goes while it is computed ends its request, and only its own") {
                let source = FakeInference(.waits)
                try serving(source) { address in
                    let staying = try RawHTTP(address)
                    staying.send(post(Array(#"{"inputs":[\#(inputs)]}"#.utf8)))
                    do {
                        let leaving = try RawHTTP(address)
                        leaving.send(post(Array(#"{"inputs":[\#(inputs)]}"#.utf8)))
                        try waitUntil("both are computed") { source.state.withLock { $0.completed } == 2 }
                        #expect(source.endedCount == 0)
                    }
                    try waitUntil("one is ended") { source.endedCount == 1 }
                    #expect(!staying.hears(within: 50) && source.endedCount == 1)
                }
            },
            Row("pipelined requests are answered in their order") {
                try serving { address in
                    let connection = try RawHTTP(address)
                    var requests: [UInt8] = []
                    for id in 0..<20 { requests += post(Array(#"{"id":"r\#(id).","inputs":[\#(inputs)]}"#.utf8), keepAlive: true) }
                    connection.send(requests)
                    let text = try connection.read { $0.contains(#""id":"r19.""#) && $0.hasSuffix("}") }
                    let order = text.split(separator: #""id":"r"#).dropFirst().map { Int($0.prefix { $0 != "." }) }
                    #expect(order == Array(0..<20))
                }
            },
            Row("100-continue is said before the body is read, and not to whom it is not owed") {
                try serving { address in
                    let body = Array(#"{"inputs":[\#(inputs)]}"#.utf8)
                    let request = post(body, headers: ["Expect: 100-continue"])
                    let connection = try RawHTTP(address)
                    connection.send(Array(request.dropLast(body.count)))
                    let word = try connection.read { $0.hasSuffix("\r\n\r\n") }
                    #expect(word == "HTTP/1.1 100 Continue\r\n\r\n", "\(word)")
                    connection.send(body)
                    let reply = try connection.readToEnd()
                    #expect(reply.hasPrefix("HTTP/1.1 200 "), "\(reply)")
                    let refused = try RawHTTP(address)
                    refused.send(post([], path: "/v2/models/other/infer", headers: ["Expect: 100-continue"]))
                    let no = try refused.readToEnd()
                    #expect(no.hasPrefix("HTTP/1.1 404 "), "\(no)")
                }
            },
            Row("what the library's parser refuses has a text too") {
                try serving { address in
                    for request in [
                        "FOO /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n",
                        "POST /v2 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 18446744073709551616\r\n\r\n", "\u{1}\r\n\r\n",
                    ] {
                        let reply = try once(address, Array(request.utf8))
                        #expect(
                            reply.hasPrefix("HTTP/1.1 400 ") && reply.contains(#"{"error":"this is no HTTP/1.1 request"#),
                            "\(reply)")
                    }
                }
            },
            Row("a traceparent comes back; one that is none does not") {
                try serving { address in
                    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
                    let reply = try post(address, #"{"inputs":[\#(inputs)]}"#, headers: ["traceparent: \(trace)"])
                    #expect(reply.contains("traceparent: \(trace)\r\n"), "\(reply)")
                    let none = try post(address, #"{"inputs":[\#(inputs)]}"#, headers: ["traceparent: 00-x-y-01"])
                    #expect(!none.contains("traceparent"), "\(none)")
                }
            },
            Row("classes in place of numbers") {
                try serving { address in
                    let reply = try post(
                        address, #"{"inputs":[\#(inputs)],"outputs":[{"name":"sum","parameters":{"classification":1}}]}"#)
                    #expect(
                        reply.hasSuffix(#"{"name":"sum","datatype":"BYTES","shape":[2,1],"data":["12.0:1:one","24.0:1:one"]}]}"#),
                        "\(reply)")
                }
            },
        ] + refusals

    /// What is refused without a word to the coordinator, but for the last, and does not end the server.
    static let refusals: [Row] = [
        ("no JSON", "x", [], 400, "JSON"), ("an empty body", "", [], 400, ""),
        ("no inputs", "{}", [], 400, "input"),
        (
            "an unknown input", #"{"inputs":[{"name":"b","shape":[1],"datatype":"FP32","data":[1]}]}"#, [], 400,
            #"it takes \"a\", \"id\""#
        ),
        (
            "a missing input", #"{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","data":[1,2]}]}"#, [], 400,
            #"\"id\" is missing"#
        ),
        ("another type", #"{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP64","data":[1,2]}]}"#, [], 400, "takes FP32"),
        (
            "another shape", #"{"inputs":[{"name":"a","shape":[1,3],"datatype":"FP32","data":[1,2,3]}]}"#, [], 400,
            "takes shape [N,2]"
        ),
        (
            "a shape whose product overflows",
            #"{"inputs":[{"name":"a","shape":[4611686018427387904,2],"datatype":"FP32","data":[]}]}"#, [], 400, ""
        ),
        ("too few values", #"{"inputs":[{"name":"a","shape":[2,2],"datatype":"FP32","data":[1,2,3]}]}"#, [], 400, ""),
        (
            "an unknown output", #"{"inputs":[\#(inputs)],"outputs":[{"name":"z"}]}"#, [], 400, #"it gives \"sum\", \"same\""#
        ),
        ("a head longer than the body", "{}", ["Inference-Header-Content-Length: 99999999999"], 400, "fewer than"),
        ("a head of a negative length", "{}", ["Inference-Header-Content-Length: -1"], 400, "Inference-Header-Content-Length"),
        ("a head of no number", "{}", ["Inference-Header-Content-Length: 1e2"], 400, "Inference-Header-Content-Length"),
        (
            "a head of a length beyond integers", "{}", ["Inference-Header-Content-Length: 99999999999999999999"], 400,
            "Inference-Header"
        ),
        ("a raw body for two inputs", "12345678", ["Inference-Header-Content-Length: 0"], 400, "2 inputs"),
        ("a picture where there is none to be", "123", ["Content-Type: image/jpeg"], 400, "does not say how a picture"),
        (
            "binary parts without the header",
            #"{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}},{"name":"id","shape":[1],"datatype":"INT64","data":[1]}]}12345678"#,
            [], 400, ""
        ),
        (
            "fewer bytes than announced",
            #"{"inputs":[{"name":"a","shape":[1,2],"datatype":"FP32","parameters":{"binary_data_size":8}},{"name":"id","shape":[1],"datatype":"INT64","data":[1]}]}"#
                + "1234", ["Inference-Header-Content-Length: 149"], 400, "fewer"
        ),
        ("depth", String(repeating: "[", count: 250_000), [], 400, ""),
    ].map { name, body, headers, status, part in
        Row("refused: \(name)") {
            try serving { address in
                let reply = try post(address, body, headers: headers)
                #expect(
                    reply.hasPrefix("HTTP/1.1 \(status) ") && reply.contains(#"{"error":""#)
                        && (part.isEmpty || reply.contains(part)), "\(reply)")
                let next = try post(address, #"{"inputs":[\#(inputs)]}"#)
                #expect(next.hasPrefix("HTTP/1.1 200 "), "\(next)")
            }
        }
    }

    /// Bodies in both codings.
    enum Zip {
        static func compressed(_ bytes: [UInt8], _ coding: String) throws -> [UInt8] {
            let coding = try #require(ContentCoding(rawValue: coding))
            return bytes.withUnsafeBytes { BodyDeflater.encode([$0], coding) }
        }

        static func inflated(_ bytes: [UInt8], _ coding: String) throws -> [UInt8] {
            let inflater = try BodyInflater(try #require(ContentCoding(rawValue: coding)), limit: 1 << 30)
            var plain: [UInt8] = []
            let input = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
            defer { input.deallocate() }
            input.copyBytes(from: bytes)
            try inflater.decode(UnsafeRawBufferPointer(input)) { plain.append(contentsOf: $0) }
            try inflater.finish()
            return plain
        }
    }

    static func waitUntil(_ what: String, _ condition: () -> Bool) throws {
        let end = ContinuousClock.now + .seconds(10)
        while !condition() {
            guard ContinuousClock.now < end else { throw RawHTTP.Failure(description: "not in time: \(what)") }
            usleep(1_000)
        }
    }
}
