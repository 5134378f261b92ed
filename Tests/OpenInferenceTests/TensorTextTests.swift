import OpenInference
import Testing

@Suite("Tensors as text: where elements stand")
struct TensorTextTests {
    @Test func flatAndNestedAreTheSame() throws {
        let flat = try Heads.values("[1,2,3,4,5,6,7,8,9,10,11,12]", .int32, shape: [2, 3, 2], as: Int32.self)
        #expect(flat == Array(1...12))
        let nested = try Heads.values(
            " [ [[1,2],[3,4],[5,6]] ,\n[[7,8], [9,10],\t[11,12] ] ] ", .int32, shape: [2, 3, 2], as: Int32.self)
        #expect(nested == flat)
        #expect(try Heads.values("[[1,2],[3,4]]", .uint8, shape: [2, 2], as: UInt8.self) == [1, 2, 3, 4])
        #expect(try Heads.values("[[[[[[[[5]]]]]]]]", .uint8, shape: [1, 1, 1, 1, 1, 1, 1, 1], as: UInt8.self) == [5])
        #expect(try Heads.values("[5]", .uint8, shape: [1, 1, 1, 1, 1, 1, 1, 1], as: UInt8.self) == [5])
    }

    @Test func noDimensionsAndNoElements() throws {
        #expect(try Heads.values("7", .int64, shape: [], as: Int64.self) == [7])
        #expect(try Heads.values("[7]", .int64, shape: [], as: Int64.self) == [7])
        for (shape, text) in [
            ([0], "[]"), ([0, 3], "[]"), ([2, 0], "[[],[]]"), ([2, 0], "[ ]"), ([2, 0, 3], "[[],[]]"),
            ([2, 2, 0], "[[[],[]],[[],[]]]"),
            ([1, 0, 5, 2], "[[]]"),
        ] { #expect(try Heads.bytes(text, .float32, shape: shape).isEmpty, "\(shape) \(text)") }
    }

    @Test func booleans() throws {
        #expect(try Heads.bytes("[true,false,1,0]", .bool, shape: [4]) == [1, 0, 1, 0])
        for text in ["2", "-1", "1.0", "01", "10", "\"true\"", "True", "truey", "null", "[true]"] {
            #expect(
                Heads.error { () throws(OpenInferenceError) in _ = try Heads.bytes("[\(text)]", .bool, shape: [1]) } != nil,
                "\(text)")
        }
    }

    @Test func strings() throws {
        let text = #"[["a","\u00e9\n"],["","😀\ud83d\ude00"]]"#
        let head = Array(text.utf8)
        let expected = [Array("a".utf8), Array("é\n".utf8), [], Array("😀😀".utf8)]
        #expect(try TensorText.strings(0..<head.count, of: head, shape: [2, 2]) == expected)
        for text in ["[1]", "[\"a\",\"b\"]", "[null]", "[[\"a\"]]", "[\"\\ud83d\"]", "[\"a\"", "[]", "\"a\"", "[\"a\"] "] {
            let head = Array(text.utf8)
            let error = Heads.error { () throws(OpenInferenceError) in
                _ = try TensorText.strings(0..<head.count, of: head, shape: [1])
            }
            #expect((error == nil) == (text == "[\"a\"] "), "\(text)")
        }
    }

    private static let wrong: [(String, [Int], String)] = [
        ("[1,2,3]", [4], "element 3"),
        ("[1,2,3,4,5]", [4], "where ] of \"data\" should stand"),
        ("[]", [1], "element 0"),
        ("[1]", [0], "] of"),
        ("[[1,2],[3,4]]", [4], "shape [4] takes 4 elements"),
        ("[[1,2,3,4]]", [2, 2], "] of"),
        ("[[1,2],[3,4],[5,6]]", [2, 3], "element 2"),
        ("[[1,2],3,4]", [2, 2], "an array of"),
        ("[1,2,[3,4]]", [2, 2], "element 2 of \"data\" is an array"),
        ("[[1,2],[3,4],[5,6]]", [2, 2], "] of"),
        ("[[1,2]]", [2, 2], "a comma of"),
        ("[[1,2][3,4]]", [2, 2], "a comma of"),
        ("[[1,2],]", [2, 2], "an array of"),
        ("[[],[]]", [2, 2], "element 0"),
        ("[[]]", [0, 3], "] of"),
        ("[[[1,2],[3,4]]]", [2, 2], "element 0 of \"data\" is an array"),
        ("[1,2,3,4,]", [4], "] of"),
        ("[1,,2,3]", [4], "element 1"),
        ("[,1,2,3]", [4], "element 0"),
        ("[1 2 3 4]", [4], "a comma and element 1"),
        ("[1]", [], ""),
        ("[]", [], "element 0"),
        ("[1,2]", [], "] of"),
        ("[[1]]", [], "shape [] takes 1 elements"),
        ("5", [1], "an array of"),
    ]

    @Test func elementsThatStandElsewhere() {
        for (text, shape, says) in Self.wrong where !says.isEmpty {
            let error = Heads.error { () throws(OpenInferenceError) in _ = try Heads.bytes(text, .int64, shape: shape) }
            #expect(error?.code == .invalid, "\(text) as \(shape)")
            #expect(error?.message.contains(says) == true, "\(text) as \(shape): \(error?.message ?? "accepted")")
        }
    }

    private static let noNumbers = [
        "NaN", "nan", "Infinity", "-Infinity", "inf", "null", "true", "\"1\"", "+1", ".5", "-.5", "5.", "1.e3", "1e", "1e+", "1E-",
        "01", "-01", "00",
        "0x10", "--1", "1-", "1_000", "1,5x", "-", "e5", "1.2.3", "1e5.5", "1e5e5", "1f", "١",
    ]

    @Test func textsThatAreNoNumbers() {
        for text in Self.noNumbers {
            for datatype in [Datatype.float16, .float32, .float64, .int8, .int64, .uint64] {
                let error = Heads.error { () throws(OpenInferenceError) in _ = try Heads.bytes("[\(text)]", datatype, shape: [1]) }
                #expect(error?.code == .invalid, "\(text) as \(datatype)")
            }
        }
        let error = Heads.error { () throws(OpenInferenceError) in _ = try Heads.bytes("[0,NaN]", .float32, shape: [2]) }
        #expect(error?.message.contains("element 1 of \"data\" is \"NaN\"") == true)
        #expect(error?.message.contains("binary_data_size") == true)
        #expect(error?.ofInput("x").message.hasPrefix("input \"x\": element 1") == true)
    }

    @Test func typesWithoutText() {
        #expect(
            Heads.error { () throws(OpenInferenceError) in _ = try Heads.bytes("[1]", .bfloat16, shape: [1]) }?.code == .unsupported
        )
        let error = Heads.error { () throws(OpenInferenceError) in
            try TensorText.read(
                0..<3, of: Array("[1]".utf8), .bytes, shape: [1], into: UnsafeMutableRawBufferPointer(start: nil, count: 0))
        }
        #expect(error?.code == .invalid)
    }
}
