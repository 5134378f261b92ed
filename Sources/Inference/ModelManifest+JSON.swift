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
            throw InferenceError(.unsupported, "\(Self.fileName) in the archive: \(Self.explain(error)); export the model again")
        }
        guard !inputs.isEmpty, !outputs.isEmpty else {
            throw InferenceError(
                .unsupported, "\(Self.fileName) in the archive declares no inputs or no outputs; export the model again")
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
        switch error {
        case DecodingError.keyNotFound(let key, let context):
            "\(place(context))\"\(key.stringValue)\" is missing"
        case DecodingError.typeMismatch(let type, let context), DecodingError.valueNotFound(let type, let context):
            "\(place(context))it must be \(words(for: type))"
        case DecodingError.dataCorrupted(let context):
            if context.codingPath.isEmpty {
                "it is not JSON"
            } else if let value = context.debugDescription.firstRange(of: "invalid String value ") {
                "\(place(context))\"\(context.debugDescription[value.upperBound...])\" is none of its values"
            } else {
                "\(place(context))\(context.debugDescription)"
            }
        case let error as TensorError: error.message
        default: "\(error)"
        }
    }

    /// `inputs[0].shape: `; nothing for the whole.
    private static func place(_ context: DecodingError.Context) -> String {
        var path = ""
        for key in context.codingPath {
            if let index = key.intValue { path += "[\(index)]" } else { path += (path.isEmpty ? "" : ".") + key.stringValue }
        }
        return path.isEmpty ? "" : "\(path): "
    }

    private static func words(for type: any Any.Type) -> String {
        if type is String.Type { return "a text" }
        if type is any BinaryInteger.Type { return "a whole number" }
        if type is any BinaryFloatingPoint.Type { return "a number" }
        return "\(type)".hasPrefix("Array") ? "a list" : "an object of names and values"
    }
}
