/// The element type of a tensor. Raw values are the wire's and the partition archive's numbers: they never change meaning.
public enum DType: UInt8, Sendable, Hashable, CaseIterable, Codable {
    case float32 = 1
    case float16 = 2
    case uint8 = 3
    case int32 = 4
    case int64 = 5
    case bool = 6

    /// Bytes of one element.
    public var byteWidth: Int {
        switch self {
        case .uint8, .bool: 1
        case .float16: 2
        case .float32, .int32: 4
        case .int64: 8
        }
    }

    /// The name that manifests, `--input` and messages use.
    public var name: String {
        switch self {
        case .float32: "float32"
        case .float16: "float16"
        case .uint8: "uint8"
        case .int32: "int32"
        case .int64: "int64"
        case .bool: "bool"
        }
    }

    public init?(name: some StringProtocol) {
        guard let match = DType.allCases.first(where: { $0.name == name }) else { return nil }
        self = match
    }

    public init(from decoder: any Decoder) throws {
        let name = try decoder.singleValueContainer().decode(String.self)
        guard let match = DType(name: name) else {
            throw TensorError(
                .unsupportedType,
                "dtype \"\(name)\" is not supported; use one of \(DType.allCases.map(\.name).joined(separator: ", "))")
        }
        self = match
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(name)
    }
}
