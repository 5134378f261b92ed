import OpenInference
import Testing

/// What other servers have stumbled over, and what clients get wrong.
@Suite("Infer requests that are refused")
struct RequestRefusalTests {
    private static let big = "18446744073709551616"

    private static let shapes: [(String, OpenInferenceError.Code, String)] = [
        ("[4294967296,4294967296]", .tooLarge, "more than the"),
        ("[4611686018427387905,4]", .tooLarge, "more than the"),
        ("[9223372036854775807,9223372036854775807,9223372036854775807]", .tooLarge, "more than the"),
        ("[3,2305843009213693952,2,2]", .tooLarge, "more than the"),
        ("[0,9223372036854775807,9223372036854775807]", .tooLarge, "more than the"),
        ("[1073741825]", .tooLarge, "more than the 1073741824 elements of FP32"),
        ("[9223372036854775808]", .tooLarge, "over the limit of 9223372036854775807"),
        ("[\(big)]", .tooLarge, "more than 64 bits"),
        ("[-1]", .invalid, "an integer from 0 on"),
        ("[-0]", .invalid, "an integer from 0 on"),
        ("[2,-3]", .invalid, "dimension 1"),
        ("[1.0]", .invalid, "an integer from 0 on"),
        ("[1e3]", .invalid, "an integer from 0 on"),
        ("[01]", .invalid, "begins with 0"),
        ("[\"1\"]", .invalid, "dimension 0 of \"shape\""),
        ("[null]", .invalid, "dimension 0 of \"shape\""),
        ("[true]", .invalid, "dimension 0 of \"shape\""),
        ("[[1]]", .invalid, "dimension 0 of \"shape\""),
        ("3", .invalid, "\"shape\", an array"),
        ("{}", .invalid, "\"shape\", an array"),
        ("null", .invalid, "\"shape\", an array"),
        ("[1,]", .invalid, "dimension 1"),
        ("[1 2]", .invalid, "a comma or ]"),
        ("[1,1,1,1,1,1,1,1,1]", .tooLarge, "more than 8 dimensions"),
    ]

    @Test func shapesThatLie() {
        for (shape, code, says) in Self.shapes { refused(shape, Heads.request(shape: shape), code, says) }
    }

    private static let values: [(String, String, OpenInferenceError.Code, String)] = [
        ("neither", #""more":1"#, .invalid, "input \"x\": it has no values"),
        ("both", #""data":[1],"parameters":{"binary_data_size":4}"#, .invalid, "both"),
        ("a byte less", #""parameters":{"binary_data_size":3}"#, .invalid, "binary_data_size is 3, but FP32 [1] takes 4 bytes"),
        ("a byte more", #""parameters":{"binary_data_size":5}"#, .invalid, "binary_data_size is 5"),
        ("none", #""parameters":{"binary_data_size":0}"#, .invalid, "binary_data_size is 0"),
        ("a negative size", #""parameters":{"binary_data_size":-4}"#, .invalid, "an integer from 0 on"),
        ("a size with a point", #""parameters":{"binary_data_size":4.0}"#, .invalid, "an integer from 0 on"),
        ("a huge size", #""parameters":{"binary_data_size":18446744073709551615}"#, .tooLarge, "over the limit of 4294967296"),
        ("a larger size", #""parameters":{"binary_data_size":99999999999999999999}"#, .tooLarge, "more than 64 bits"),
        ("a size as text", #""parameters":{"binary_data_size":"4"}"#, .invalid, "\"binary_data_size\", an integer"),
        ("shared memory", #""parameters":{"shared_memory_region":"a"}"#, .unsupported, "no shared memory"),
        ("two sizes", #""parameters":{"binary_data_size":4,"binary_data_size":4}"#, .invalid, "twice"),
        ("two parameters", #""parameters":{},"parameters":{"binary_data_size":4}"#, .invalid, "twice"),
        ("two data", #""data":[1],"data":[2]"#, .invalid, "\"data\" twice"),
        ("two shapes", #""shape":[1],"data":[2]"#, .invalid, "\"shape\" twice"),
        ("two names", #""name":"x","data":[2]"#, .invalid, "\"name\" twice"),
        ("an object", #""data":{"a":1}"#, .invalid, "\"data\", an array"),
        ("objects", #""data":[{"a":1}]"#, .invalid, "'{'"),
        ("an open array", #""data":[1"#, .invalid, "'}' at byte"),
        ("an open string", #""data":["1]"#, .invalid, "ends where"),
        ("no data", #""data":"#, .invalid, "a value"),
    ]

    @Test func valuesThatContradict() {
        for (name, values, code, says) in Self.values { refused(name, Heads.request(values: values), code, says) }
        refused(
            "BYTES", Heads.request(datatype: "BYTES", values: #""parameters":{"binary_data_size":3}"#), .invalid, "at least 4 bytes"
        )
        refused(
            "no BYTES", Heads.request(shape: "[0]", datatype: "BYTES", values: #""parameters":{"binary_data_size":4}"#), .invalid,
            "at least 0 bytes")
        refused(
            "many BYTES", Heads.request(shape: "[1048577]", datatype: "BYTES"), .tooLarge, "more than the 1048576 elements of BYTES"
        )
    }

    private static let documents: [(String, String, OpenInferenceError.Code, String)] = [
        ("nothing", "", .invalid, "ends where the request, an object,"),
        ("blanks", " \n\t\r", .invalid, "ends where"),
        ("an array", "[]", .invalid, "'['"),
        ("null", "null", .invalid, "the request, an object,"),
        ("no inputs", "{}", .invalid, "no \"inputs\""),
        ("empty inputs", #"{"inputs":[]}"#, .invalid, "no \"inputs\""),
        ("inputs of null", #"{"inputs":null}"#, .invalid, "\"inputs\", an array"),
        ("an input of 1", #"{"inputs":[1]}"#, .invalid, "an input, an object,"),
        ("no name", #"{"inputs":[{"shape":[1],"datatype":"FP32","data":[1]}]}"#, .invalid, "no \"name\""),
        ("an empty name", #"{"inputs":[{"name":"","shape":[1],"datatype":"FP32","data":[1]}]}"#, .invalid, "empty name"),
        ("a name with a bell", #"{"inputs":[{"name":"a\u0007","shape":[1],"datatype":"FP32","data":[1]}]}"#, .invalid, "control"),
        ("no shape", #"{"inputs":[{"name":"x","datatype":"FP32","data":[1]}]}"#, .invalid, "input \"x\": it has no \"shape\""),
        ("no type", #"{"inputs":[{"name":"x","shape":[1],"data":[1]}]}"#, .invalid, "input \"x\": it has no \"datatype\""),
        ("an unknown type", Heads.request(datatype: "FLOAT"), .invalid, "datatype \"FLOAT\" is none of BOOL, UINT8"),
        ("a type in small letters", Heads.request(datatype: "fp32"), .invalid, "none of"),
        ("a long type", Heads.request(datatype: String(repeating: "F", count: 70)), .tooLarge, "more than 64 bytes"),
        ("two inputs", #"{"inputs":[\#(input),\#(input)]}"#, .invalid, "input \"x\" stands twice"),
        ("two lists", #"{"inputs":[\#(input)],"inputs":[\#(input)]}"#, .invalid, "\"inputs\" twice"),
        ("unknown ones twice", Heads.request(more: #","a":1,"a":2"#), .invalid, "\"a\" twice"),
        ("two outputs", Heads.request(more: #","outputs":[{"name":"y"},{"name":"y"}]"#), .invalid, "output \"y\" stands twice"),
        ("an output without a name", Heads.request(more: #","outputs":[{}]"#), .invalid, "no \"name\""),
        ("an output that is text", Heads.request(more: #","outputs":["y"]"#), .invalid, "an output, an object,"),
        ("binary_data as number", output(#""binary_data":1"#), .invalid, "\"binary_data\", true or false"),
        ("negative classes", output(#""classification":-1"#), .invalid, "an integer from 0 on"),
        ("shared memory", output(#""shared_memory_region":"r""#), .unsupported, "no shared memory"),
        ("an id that is a number", Heads.request(more: #","id":7"#), .invalid, "\"id\", a string"),
        ("a negative timeout", parameter(#""timeout":-1"#), .invalid, "an integer from 0 on"),
        ("a timeout with a point", parameter(#""timeout":1.5"#), .invalid, "an integer from 0 on"),
        ("a large timeout", parameter(#""timeout":18446744073709551616"#), .tooLarge, "more than 64 bits"),
        ("a timeout of words", parameter(#""timeout":"soon""#), .invalid, "\"timeout\" is \"soon\""),
        ("a signed timeout", parameter(#""timeout":"+1""#), .invalid, "\"timeout\" is \"+1\""),
        ("an empty timeout", parameter(#""timeout":"""#), .invalid, "\"timeout\" is \"\""),
        ("a large text", parameter(#""timeout":"18446744073709551616""#), .invalid, "from 0 to"),
        ("parameters of null", Heads.request(more: #","parameters":null"#), .invalid, "\"parameters\", an object,"),
        ("something behind", Heads.request() + " x", .invalid, "Inference-Header-Content-Length"),
        ("a second document", Heads.request() + Heads.request(), .invalid, "the end of the JSON"),
        ("a byte order mark", "\u{feff}" + Heads.request(), .invalid, "the request, an object,"),
        ("a comma too many", Heads.request(more: ","), .invalid, "a key of the request"),
        ("a comment", "/* */" + Heads.request(), .invalid, "'/'"),
        ("single quotes", "{'inputs':[]}", .invalid, "a key of the request"),
        ("no colon", #"{"id" "7"}"#, .invalid, "a colon"),
    ]

    private static let input = #"{"name":"x","shape":[1],"datatype":"FP32","data":[1]}"#
    private static func output(_ parameter: String) -> String {
        Heads.request(more: #","outputs":[{"name":"y","parameters":{\#(parameter)}}]"#)
    }
    private static func parameter(_ text: String) -> String { Heads.request(more: #","parameters":{\#(text)}"#) }

    @Test func documentsThatAreWrong() {
        for (name, text, code, says) in Self.documents { refused(name, text, code, says) }
    }

    /// Values that nobody reads must be JSON too.
    @Test(arguments: [
        "NaN", "Infinity", "-Infinity", "nan", "+1", ".5", "1.", "1e", "1e+", "01", "-", "0x1", "--1", "tru", "nul", "[1,]", "[,1]",
        "[1 2]", "[",
        "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{1:2}", "{\"a\":1]", "[1}", "\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"",
        "\"\\ud83d\"",
        "\"\\ude00\"", "\"\\ud83d\\u0041\"", "\"\\ud83dx\"", "\"\n\"", "\"\u{1}\"", "\"\\\"", "]", "}", "'a'", "undefined", "",
    ])
    func unknownMembersThatAreNoJSON(text: String) {
        refused(text, Heads.request(more: ",\"a\":\(text)"), .invalid, "JSON")
    }

    @Test(arguments: [
        "null", "true", "false", "0", "-0", "-0.0", "1E5", "1e+5", "1.25e-07", "12345678901234567890123", "\"\"",
        "\"\\u0000\\/\\b\"", "[]", "{}",
        "[[],{}]", "{\"a\":{\"a\":[1,\"]\"]}}", " [ 1 , { \"b\" : null } ] ", "\"\\ud83d\\ude00é\"",
    ])
    func unknownMembersThatAreJSON(text: String) throws {
        _ = try Heads.parse(Heads.request(more: ",\"a\":\(text)"))
    }

    /// Deeper than any stack: in a member that is skipped, in `data`, in the protocol's own objects.
    @Test func depthCostsNothing() {
        for open in ["[", "{\"a\":", "[[{\"a\":["] {
            let deep = String(repeating: open, count: 250_000)
            refused(open, Heads.request(more: ",\"a\":\(deep)"), .invalid, "nested more than 64 deep")
            refused(open, deep, .invalid, "JSON")
            refused(open, "{\"inputs\":\(deep)", .invalid, "JSON")
        }
        let deep = String(repeating: "[", count: 250_000) + "1" + String(repeating: "]", count: 250_000)
        refused("data", Heads.request(values: "\"data\":\(deep)"), .invalid, "nested more than 64 deep")
        refused("shape", Heads.request(shape: deep), .invalid, "dimension 0")
    }

    @Test func bytesThatAreNoUTF8() {
        let tails: [[UInt8]] = [[0xFF], [0xC3], [0xC0, 0x80], [0xED, 0xA0, 0xBD], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82]]
        for tail in tails {
            let head = Array(Heads.request(more: ",\"id\":\"").utf8) + tail + Array("\"}".utf8)
            let error = Heads.error { () throws(OpenInferenceError) in _ = try InferenceRequest(parsing: head) }
            #expect(error?.message.contains("not valid UTF-8") == true, "\(tail)")
        }
    }

    /// What is cut anywhere is refused, and what is changed anywhere ends.
    @Test func everyPrefixIsRefused() throws {
        let text = Heads.request(
            shape: "[2]", values: #""data":[1.5e3,-2],"parameters":{"a":"\u00e9\\"}"#,
            more: #","id":"é","parameters":{"timeout":"5"},"outputs":[{"name":"y","parameters":{"classification":2}}]"#)
        let head = Array(text.utf8)
        _ = try InferenceRequest(parsing: head)
        var refusedCount = 0
        for length in 0..<head.count {
            if Heads.error({ () throws(OpenInferenceError) in _ = try InferenceRequest(parsing: Array(head[..<length])) }) != nil {
                refusedCount += 1
            }
        }
        #expect(refusedCount == head.count)
        var accepted = 0
        for index in head.indices {
            for byte in UInt8.min...UInt8.max {
                var changed = head
                changed[index] = byte
                if let request = try? InferenceRequest(parsing: changed) {
                    accepted += 1
                    for case .text(let range) in request.inputs.map(\.values) { #expect(range.upperBound <= changed.count) }
                }
            }
        }
        #expect(accepted > head.count)
    }

    /// Names go into messages, and messages into terminals.
    @Test func messagesAreShortAndPlain() {
        let name = String(repeating: "\\u001b[2J", count: 20)
        let error = Heads.error { () throws(OpenInferenceError) in
            _ = try Heads.parse(Heads.request().replacing("\"x\"", with: "\"\(name)\""))
        }
        #expect(error?.message.unicodeScalars.allSatisfy { $0.value >= 0x20 } == true)
        #expect((error?.message.count ?? 0) < 600)
    }

    private func refused(_ name: String, _ text: String, _ code: OpenInferenceError.Code, _ says: String) {
        let error = Heads.error { () throws(OpenInferenceError) in _ = try Heads.parse(text) }
        #expect(error?.code == code, "\(name.prefix(80)): \(error?.message ?? "accepted")")
        #expect(error?.message.contains(says) == true, "\(name.prefix(80)): \(error?.message ?? "accepted")")
    }
}
