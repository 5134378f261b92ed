import Foundation
import OpenInference
import Tensors
import Testing

@Suite("Answers")
struct InferenceReplyTests {
    private func head(_ outputs: [InferenceReply.Output], id: String? = nil) throws(OpenInferenceError) -> String {
        let reply = InferenceReply(model: "m", version: "1", id: id, parameters: [], outputs: outputs)
        return String(decoding: try reply.head(), as: UTF8.self)
    }

    @Test func everythingAtOnce() throws {
        let tensor = try Tensor(shape: [2, 2], values: [1.5, -0.0, 1e-10, 3] as [Float])
        let words = InferenceReply.Values.bytes(shape: [2], elements: [Array("a\"\\\n\u{7F}é".utf8), []])
        let reply = InferenceReply(
            model: "mobile\"net", version: "7", id: "4\u{1}2",
            parameters: [("attempts", .int(-3)), ("from", .string("é")), ("cached", .bool(true))],
            outputs: [
                .init(name: "y", values: .tensor(tensor), isBinary: false),
                .init(name: "b", values: .tensor(tensor), isBinary: true),
                .init(name: "w", values: words, isBinary: false), .init(name: "v", values: words, isBinary: true),
            ])
        let expected =
            #"{"id":"4\u00012","model_name":"mobile\"net","model_version":"7","parameters":{"attempts":-3,"from":"é","cached":true},"#
            + #""outputs":[{"name":"y","datatype":"FP32","shape":[2,2],"data":[1.5,-0.0,1e-10,3.0]},"#
            + #"{"name":"b","datatype":"FP32","shape":[2,2],"parameters":{"binary_data_size":16}},"#
            + #"{"name":"w","datatype":"BYTES","shape":[2],"data":["a\"\\\u000a\u007fé",""]},"#
            + #"{"name":"v","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":15}}]}"#
        #expect(String(decoding: try reply.head(), as: UTF8.self) == expected)
        #expect(reply.hasBinary)
        let parts = reply.binaryParts.map { part in part.withUnsafeBytes { Array($0) } }
        #expect(parts.count == 2)
        #expect(parts[0] == Array(tensor.bytes))
        #expect(parts[1] == [7, 0, 0, 0] + Array("a\"\\\n\u{7F}é".utf8) + [0, 0, 0, 0])
        #expect(reply.binaryParts.map(\.byteCount) == [16, 15])
    }

    @Test func theLeast() throws {
        let reply = InferenceReply(model: "m", version: "1", id: nil, parameters: [], outputs: [])
        #expect(String(decoding: try reply.head(), as: UTF8.self) == #"{"model_name":"m","model_version":"1","outputs":[]}"#)
        #expect(!reply.hasBinary)
        #expect(reply.binaryParts.isEmpty)
    }

    @Test func everyType() throws {
        let tensors: [(Tensor, String)] = [
            (try Tensor(shape: [2], values: [UInt8.min, .max]), #""UINT8","shape":[2],"data":[0,255]"#),
            (try Tensor(shape: [2], values: [Int32.min, .max]), #""INT32","shape":[2],"data":[-2147483648,2147483647]"#),
            (
                try Tensor(shape: [4], values: [Int64.min, .max, -10, 100]),
                #""INT64","shape":[4],"data":[-9223372036854775808,9223372036854775807,-10,100]"#
            ),
            (try Tensor(shape: [2], values: [true, false]), #""BOOL","shape":[2],"data":[true,false]"#),
            (
                try Tensor(shape: [3], values: [0.1, -65504, 6e-08] as [Float16]),
                #""FP16","shape":[3],"data":[0.1,-65504.0,6e-08]"#
            ),
            (try Tensor(shape: [], values: [Int32(5)]), #""INT32","shape":[],"data":[5]"#),
            (try Tensor(shape: [0, 3], values: [Float]()), #""FP32","shape":[0,3],"data":[]"#),
        ]
        for (tensor, expected) in tensors {
            let text = try head([.init(name: "y", values: .tensor(tensor), isBinary: false)])
            #expect(text.contains(#"{"name":"y","datatype":"# + expected + "}"), "\(text)")
        }
    }

    @Test(arguments: [Float.nan, -.nan, .infinity, -.infinity])
    func whatJSONHasNoNumberFor(value: Float) throws {
        for tensor in [try Tensor(shape: [2], values: [0, value]), try Tensor(shape: [2], values: [0, Float16(value)])] {
            let error = Heads.error { () throws(OpenInferenceError) in
                _ = try head([.init(name: "y", values: .tensor(tensor), isBinary: false)])
            }
            #expect(error?.code == .invalid)
            #expect(error?.message.contains("output \"y\": element 1 is") == true)
            #expect(error?.message.contains("ask for binary_data") == true)
            #expect(try head([.init(name: "y", values: .tensor(tensor), isBinary: true)]).contains("binary_data_size"))
        }
    }

    @Test func bytesThatAreNoText() {
        let output = InferenceReply.Output(name: "y", values: .bytes(shape: [1], elements: [[0xFF]]), isBinary: false)
        let error = Heads.error { () throws(OpenInferenceError) in _ = try head([output]) }
        #expect(error?.message.contains("element 0 is no text in UTF-8") == true)
    }

    /// Any numbers, written as an answer's `data` and read as a request's: the same bits.
    @Test func writtenAndReadAgain() throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = Seeded(seed)
        let count = 40_000
        let singles =
            (0..<count).map { _ in finite { Float(bitPattern: random.next()) } } + [
                .leastNonzeroMagnitude, -0.0, .greatestFiniteMagnitude,
            ]
        let unit = (0..<count).map { _ in Float.random(in: -1...1, using: &random) }
        let halves = (UInt16.min...UInt16.max).map(Float16.init(bitPattern:)).filter(\.isFinite)
        let longs =
            (0..<count).map { _ in Int64(truncatingIfNeeded: random.next()) >> Int64.random(in: 0...63, using: &random) } + [
                .min, .max,
            ]
        let tensors = [
            try Tensor(shape: [singles.count], values: singles), try Tensor(shape: [2, count / 2], values: unit),
            try Tensor(shape: [halves.count], values: halves), try Tensor(shape: [longs.count], values: longs),
            try Tensor(shape: [count], values: longs.prefix(count).map { Int32(truncatingIfNeeded: $0) }),
            try Tensor(shape: [count], values: longs.prefix(count).map { UInt8(truncatingIfNeeded: $0) }),
            try Tensor(shape: [count], values: longs.prefix(count).map { $0 > 0 }),
        ]
        for tensor in tensors {
            let text = try head([.init(name: "y", values: .tensor(tensor), isBinary: false)])
            let data = try #require(text.firstRange(of: "\"data\":"))
            let again = try Heads.bytes(String(text[data.upperBound...].dropLast(3)), Datatype(tensor.dtype), shape: tensor.shape)
            #expect(again == Array(tensor.bytes), "seed \(seed): \(tensor.dtype.name)")
        }
    }

    /// Another reader of JSON (Foundation's) finds the same numbers.
    @Test func anotherReaderFindsTheSame() throws {
        struct Reply: Decodable {
            struct Output: Decodable { let data: [Double] }
            let outputs: [Output]
        }
        var random = Seeded(18)
        let values = (0..<5_000).map { _ in finite { Float(bitPattern: random.next()) } }
        let tensor = try Tensor(shape: [values.count], values: values)
        let text = try head([.init(name: "y", values: .tensor(tensor), isBinary: false)])
        let read = try JSONDecoder().decode(Reply.self, from: Data(text.utf8))
        #expect(read.outputs[0].data.map { Float($0) } == values)
    }

    private func finite(_ draw: () -> Float) -> Float {
        while true {
            let value = draw()
            if value.isFinite { return value }
        }
    }
}

extension Float {
    fileprivate init(bitPattern: UInt64) { self.init(bitPattern: UInt32(truncatingIfNeeded: bitPattern)) }
}
