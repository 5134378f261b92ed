internal import FoundationEssentials
public import Tensors

extension ModelManifest {
    /// Reads the extra file of an archive.
    public init(json: UnsafeRawBufferPointer) throws(InferenceError) {
        guard json.count <= Self.maximumByteCount else {
            throw InferenceError(
                .absurdSizes,
                "\(Self.fileName) has \(json.count) bytes, over the limit of \(Self.maximumByteCount); shorten its labels")
        }
        do {
            self = try JSONDecoder().decode(ModelManifest.self, from: Data(json))
        } catch {
            throw InferenceError(.unsupported, "\(Self.fileName) in the archive: \(Self.explain(error)); export the model anew")
        }
        guard !inputs.isEmpty, !outputs.isEmpty else {
            throw InferenceError(
                .unsupported, "\(Self.fileName) in the archive declares no inputs or no outputs; export the model anew")
        }
    }

    /// As the exporter writes it.
    public func json() throws(InferenceError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        do { return [UInt8](try encoder.encode(self)) } catch {
            throw InferenceError(.internalError, "\(Self.fileName) cannot be written: \(error)")
        }
    }

    private static func explain(_ error: any Error) -> String {
        func path(_ context: DecodingError.Context) -> String {
            context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
        }
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            return "field \"\(key.stringValue)\" is missing in \"\(path(context))\""
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            return "field \"\(path(context))\": \(context.debugDescription)"
        case DecodingError.dataCorrupted(let context):
            return "field \"\(path(context))\": \(context.debugDescription)"
        case let error as TensorError: return error.message
        default: return "\(error)"
        }
    }
}
