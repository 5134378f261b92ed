import OpenInference
import Tensors

/// Texts of requests, and what comes of them.
enum Heads {
    static func parse(_ text: String) throws(OpenInferenceError) -> InferenceRequest {
        try InferenceRequest(parsing: Array(text.utf8))
    }

    /// A request with one input.
    static func request(shape: String = "[1]", datatype: String = "FP32", values: String = #""data":[1]"#, more: String = "")
        -> String
    {
        #"{"inputs":[{"name":"x","shape":\#(shape),"datatype":"\#(datatype)",\#(values)}]\#(more)}"#
    }

    /// The bytes that `data` comes to, read as the server does.
    static func bytes(_ data: String, _ datatype: Datatype, shape: [Int]) throws(OpenInferenceError) -> [UInt8] {
        let head = Array(request(shape: "\(shape)", datatype: datatype.rawValue, values: #""data":"# + data).utf8)
        let request = try InferenceRequest(parsing: head)
        guard case .text(let range) = request.inputs[0].values else { return [] }
        var bytes = [UInt8](repeating: 0xEE, count: request.inputs[0].elementCount * (datatype.byteWidth ?? 0))
        try bytes.withUnsafeMutableBufferPointer { buffer throws(OpenInferenceError) in
            try TensorText.read(range, of: head, datatype, shape: shape, into: UnsafeMutableRawBufferPointer(buffer))
        }
        return bytes
    }

    static func values<Element: BitwiseCopyable>(
        _ data: String, _ datatype: Datatype, shape: [Int], as type: Element.Type
    ) throws(OpenInferenceError) -> [Element] {
        let bytes = try bytes(data, datatype, shape: shape)
        return bytes.withUnsafeBytes { raw in
            (0..<raw.count / MemoryLayout<Element>.size).map {
                raw.loadUnaligned(fromByteOffset: $0 * MemoryLayout<Element>.size, as: Element.self)
            }
        }
    }

    /// One number.
    static func value<Element: BitwiseCopyable>(_ text: String, _ datatype: Datatype, as type: Element.Type)
        throws(OpenInferenceError) -> Element
    {
        try values("[\(text)]", datatype, shape: [1], as: type)[0]
    }

    static func error(_ body: () throws(OpenInferenceError) -> Void) -> OpenInferenceError? {
        do throws(OpenInferenceError) { try body() } catch { return error }
        return nil
    }
}

/// Numbers that a seed repeats (SplitMix64).
struct Seeded: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
