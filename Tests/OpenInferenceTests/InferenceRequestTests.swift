import OpenInference
import Tensors
import Testing

@Suite("Infer requests")
struct InferenceRequestTests {
    @Test func everythingAtOnce() throws {
        let request = try Heads.parse(
            #"""
             { "id" : "4\u00e92" , "parameters" : { "timeout" : 5000000, "priority": 2, "binary_data_output": true, "sequence_id": 7 },
               "model_name" : "ignored", "nothing": [ null, {"a": [1.5e-3, "\ud83d\ude00"]}, -0 ],
               "inputs" : [ { "name": "x", "shape": [2, 3], "datatype": "FP32", "parameters": {"binary_data_size": 24, "other": {}} },
                            { "datatype": "BYTES", "name": "words", "data": ["a", "]["], "shape": [2] },
                            { "name": "z", "shape": [0, 9], "datatype": "INT64", "parameters": {"binary_data_size": 0} } ],
               "outputs": [ { "name": "y", "parameters": {"binary_data": false, "classification": 3} },
                            { "name": "w", "parameters": {"classification": 0} } ] }
            """#)
        #expect(request.id == "4é2")
        #expect(request.timeoutMicroseconds == 5_000_000)
        #expect(request.priority == 2)
        #expect(request.wantsBinaryOutputs)
        #expect(request.inputs.map(\.name) == ["x", "words", "z"])
        #expect(request.inputs.map(\.datatype) == [.float32, .bytes, .int64])
        #expect(request.inputs.map(\.shape) == [[2, 3], [2], [0, 9]])
        #expect(request.inputs.map(\.elementCount) == [6, 2, 0])
        #expect(request.inputs[0].values == .binary(byteCount: 24))
        #expect(request.binaryByteCount == 24)
        #expect(request.outputs.map(\.name) == ["y", "w"])
        #expect(request.outputs.map(\.isBinary) == [false, nil])
        #expect(request.outputs.map(\.classCount) == [3, nil])
    }

    @Test func theLeast() throws {
        let request = try Heads.parse(Heads.request())
        #expect(request.id == nil)
        #expect(request.timeoutMicroseconds == nil)
        #expect(request.priority == nil)
        #expect(!request.wantsBinaryOutputs)
        #expect(request.outputs.isEmpty)
        #expect(request.binaryByteCount == 0)
    }

    @Test func theDataRangeIsTheArray() throws {
        let text = Heads.request(shape: "[2]", datatype: "BYTES", values: #""data" : [ "]\"[", "b" ] , "later":1"#)
        let head = Array(text.utf8)
        let request = try InferenceRequest(parsing: head)
        guard case .text(let range) = request.inputs[0].values else { throw OpenInferenceError(.invalid, "no text") }
        #expect(String(decoding: head[range], as: UTF8.self) == #"[ "]\"[", "b" ]"#)
        #expect(try TensorText.strings(range, of: head, shape: [2]) == [Array("]\"[".utf8), Array("b".utf8)])
    }

    /// Zero means "none"; some clients send numbers as text.
    @Test(arguments: [
        ("0", nil), (#""0""#, nil), ("1", 1), (#""250""#, 250), ("18446744073709551615", UInt64.max),
        (#""18446744073709551615""#, .max),
    ])
    func timeouts(text: String, expected: UInt64?) throws {
        let request = try Heads.parse(Heads.request(more: #","parameters":{"timeout":\#(text),"priority":\#(text)}"#))
        #expect(request.timeoutMicroseconds == expected)
        #expect(request.priority == expected)
    }

    @Test func anEscapedKeyIsTheKey() throws {
        #expect(try Heads.parse(Heads.request(more: #","\u0069d":"7""#)).id == "7")
        let twice = Heads.error { () throws(OpenInferenceError) in
            _ = try Heads.parse(Heads.request(more: #","id":"1","\u0069d":"7""#))
        }
        #expect(twice?.message.contains("\"id\" twice") == true)
    }

    @Test func everyDatatypeIsRead() throws {
        for datatype in Datatype.allCases where datatype != .bytes {
            let width = try #require(datatype.byteWidth)
            let values = #""parameters":{"binary_data_size":\#(3 * width)}"#
            let request = try Heads.parse(Heads.request(shape: "[3]", datatype: datatype.rawValue, values: values))
            #expect(request.inputs[0].datatype == datatype)
            #expect(request.binaryByteCount == 3 * width)
            if let dtype = datatype.dtype {
                #expect(Datatype(dtype) == datatype)
                #expect(dtype.byteWidth == width)
            }
        }
        #expect(Datatype.allCases.compactMap(\.dtype).count == 6)
        #expect(Datatype.bytes.configurationName == "TYPE_STRING")
        #expect(Datatype.float32.configurationName == "TYPE_FP32")
    }

    /// As much as the limits allow, and one more.
    @Test func limits() throws {
        let nested = { (depth: Int) in
            Heads.request(more: ",\"a\":" + String(repeating: "[", count: depth) + String(repeating: "]", count: depth))
        }
        _ = try Heads.parse(nested(OpenInferenceLimits.depth - 1))
        refused(nested(OpenInferenceLimits.depth), .invalid, "nested more than 64 deep")

        let inputs = { (count: Int) in
            #"{"inputs":["#
                + (0..<count).map { #"{"name":"\#($0)","shape":[1],"datatype":"BOOL","data":[true]}"# }.joined(separator: ",")
                + "]}"
        }
        #expect(try Heads.parse(inputs(OpenInferenceLimits.tensors)).inputs.count == OpenInferenceLimits.tensors)
        refused(inputs(OpenInferenceLimits.tensors + 1), .tooLarge, "more than 64 inputs")

        let outputs = { (count: Int) in
            Heads.request(more: #","outputs":["# + (0..<count).map { #"{"name":"\#($0)"}"# }.joined(separator: ",") + "]")
        }
        #expect(try Heads.parse(outputs(OpenInferenceLimits.tensors)).outputs.count == OpenInferenceLimits.tensors)
        refused(outputs(OpenInferenceLimits.tensors + 1), .tooLarge, "more than 64 outputs")

        let members = { (count: Int) in "{" + (0..<count).map { "\"\($0)\":1," }.joined() + Heads.request().dropFirst() }
        _ = try Heads.parse(members(OpenInferenceLimits.members - 1))
        refused(members(OpenInferenceLimits.members), .tooLarge, "more than 64 members")

        let id = { (count: Int) in Heads.request(more: #","id":"\#(String(repeating: "i", count: count))""#) }
        #expect(try Heads.parse(id(OpenInferenceLimits.idByteCount)).id?.utf8.count == OpenInferenceLimits.idByteCount)
        refused(id(OpenInferenceLimits.idByteCount + 1), .tooLarge, "\"id\" has more than 1024 bytes")

        let name = { (count: Int) in Heads.request().replacing("\"x\"", with: "\"\(String(repeating: "n", count: count))\"") }
        #expect(try Heads.parse(name(255)).inputs[0].name.count == 255)
        refused(name(256), .tooLarge, "more than 255 bytes")
    }

    private func refused(
        _ text: String, _ code: OpenInferenceError.Code, _ says: String, _ location: SourceLocation = #_sourceLocation
    ) {
        let error = Heads.error { () throws(OpenInferenceError) in _ = try Heads.parse(text) }
        #expect(error?.code == code, sourceLocation: location)
        #expect(error?.message.contains(says) == true, "\(error?.message ?? "accepted")", sourceLocation: location)
    }
}
