import OpenInference
import Tensors
import Testing

@Suite("How bodies are made up")
struct InferenceBodyTests {
    @Test func theHeaderSays() throws {
        #expect(try InferenceBody(header: nil, bodyByteCount: 5) == .json)
        #expect(try InferenceBody(header: "0", bodyByteCount: 5) == .raw)
        #expect(try InferenceBody(header: "000", bodyByteCount: 0) == .raw)
        #expect(try InferenceBody(header: "5", bodyByteCount: 5) == .mixed(headByteCount: 5))
        #expect(try InferenceBody(header: "0012", bodyByteCount: nil) == .mixed(headByteCount: 12))
        #expect(try InferenceBody(header: "99999999999999999999999", bodyByteCount: nil) == .mixed(headByteCount: .max))
    }

    @Test(arguments: [
        "6", "99999999999", "9223372036854775808", "18446744073709551621", "-1", "+5", "5.0", "0x5", "", " 5", "5,5", "five", "٥",
        "1e1",
    ])
    func headersThatLie(header: String) {
        let error = Heads.error { () throws(OpenInferenceError) in _ = try InferenceBody(header: header, bodyByteCount: 5) }
        #expect(error?.code == .invalid)
        #expect(error?.message.contains("Inference-Header-Content-Length") == true)
    }

    private static let bodies: [(String, Int, [Int]?)] = [
        ("x:float32[N,2,3]", 24, [1, 2, 3]), ("x:float32[N,2,3]", 48, [2, 2, 3]), ("x:float32[N,2,3]", 23, nil),
        ("x:float32[N,2,3]", 0, [0, 2, 3]),
        ("x:int64[N,T]", 80, [1, 10]), ("x:int64[N,T]", 81, nil), ("x:int64[N,T]", 0, [1, 0]), ("x:int64[N,T,S]", 80, nil),
        ("x:bool[]", 1, []),
        ("x:uint8[T,3]", 9, [3, 3]), ("x:uint8[0,T]", 0, [0, 1]), ("x:uint8[0,T]", 1, nil),
        ("x:float32[4294967296,4294967296,T]", 7, nil),
    ]

    @Test func bodiesWithoutJSON() throws {
        for (text, byteCount, shape) in Self.bodies {
            let spec = try TensorSpec(parsing: text)
            let request = try? InferenceRequest(rawByteCount: byteCount, for: [spec])
            #expect(request?.inputs.map(\.shape) == shape.map { [$0] }, "\(text) \(byteCount)")
            guard let request else { continue }
            #expect(request.wantsBinaryOutputs)
            #expect(request.binaryByteCount == byteCount)
            #expect(request.inputs.map(\.datatype) == [Datatype(spec.dtype)])
        }
        let spec = try TensorSpec(parsing: "x:uint8[1]")
        for inputs in [[], [spec, spec]] {
            #expect(
                Heads.error { () throws(OpenInferenceError) in _ = try InferenceRequest(rawByteCount: 1, for: inputs) }?.code
                    == .invalid)
        }
    }
}
