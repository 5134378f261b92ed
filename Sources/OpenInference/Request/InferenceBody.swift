internal import Base

/// How a request's body is made up, by its `Inference-Header-Content-Length`.
public enum InferenceBody: Sendable, Hashable {
    /// No such header: all of it is JSON.
    case json
    /// The header says 0: no JSON, one input's bytes alone.
    case raw
    /// So many bytes of JSON, and binary tensors behind them.
    case mixed(headByteCount: Int)

    /// - Parameters:
    ///   - header: its value; `nil` where there is none.
    ///   - bodyByteCount: bytes of the body as the header counts them (inflated); `nil` where they are not known yet.
    public init(header: String?, bodyByteCount: Int?) throws(OpenInferenceError) {
        guard let header else {
            self = .json
            return
        }
        let digits = Array(header.utf8)
        guard !digits.isEmpty, digits.allSatisfy({ $0 &- 0x30 <= 9 }) else {
            throw OpenInferenceError(
                .invalid, "Inference-Header-Content-Length is \(quoted(header)); send the number of bytes of the JSON, in digits")
        }
        let count = digits.reduce(0) { $0.multipliedSaturating(by: 10).addedSaturating(to: Int($1 - 0x30)) }
        if let bodyByteCount, count > bodyByteCount {
            throw OpenInferenceError(
                .invalid,
                "Inference-Header-Content-Length is \(quoted(header)), but the body has \(bodyByteCount) bytes; send the bytes of the JSON alone"
            )
        }
        self = count == 0 ? .raw : .mixed(headByteCount: count)
    }
}
