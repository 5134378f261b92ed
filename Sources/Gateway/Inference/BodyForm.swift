internal import OpenInference

/// How a body is made up, by its headers.
struct BodyForm: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        /// A JSON head, and what stands behind it.
        case tensors
        /// One tensor.
        case raw
        /// One JPEG or PNG file.
        case picture
    }

    let kind: Kind
    /// `nil` where all of the body is one thing: JSON, a tensor, a picture.
    let headByteCount: Int?
    let coding: ContentCoding?

    static let headLengthField = "Inference-Header-Content-Length"

    init(_ headers: HTTPHeaders) throws(InferenceRefusal) {
        do throws(OpenInferenceError) { coding = try ContentCoding.ofBody(headers["Content-Encoding"]) } catch {
            throw InferenceRefusal(ofBody: error)
        }
        let type = headers["Content-Type"].map { $0.prefix { $0 != ";" }.lowercased() } ?? ""
        let isPicture = ["image/jpeg", "image/png"].contains(type)
        do throws(OpenInferenceError) {
            switch try InferenceBody(header: headers[Self.headLengthField], bodyByteCount: nil) {
            case .json: (kind, headByteCount) = (isPicture ? .picture : .tensors, nil)
            case .raw: (kind, headByteCount) = (isPicture ? .picture : .raw, nil)
            case .mixed(let count): (kind, headByteCount) = (.tensors, count)
            }
        } catch { throw InferenceRefusal(error) }
    }
}

/// Where a request stands in its caller's trace (W3C Trace Context, version 00).
struct TraceContext: Sendable, Hashable {
    let text: String
    let traceID: String

    /// - Returns: `nil` where there is none, or what there is has not the form.
    init?(_ header: String?) {
        guard let header, header.utf8.count == 55 else { return nil }
        let parts = header.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.utf8.count) == [2, 32, 16, 2], parts[0] != "ff",
            parts.allSatisfy({ $0.utf8.allSatisfy { Self.digits.contains($0) } }),
            !parts[1].allSatisfy({ $0 == "0" }), !parts[2].allSatisfy({ $0 == "0" })
        else { return nil }
        text = header
        traceID = String(parts[1])
    }

    private static let digits = Set("0123456789abcdef".utf8)
}
