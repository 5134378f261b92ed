public import Tensors

/// The protocol's element types.
public enum Datatype: String, Sendable, Hashable, CaseIterable, Codable {
    case bool = "BOOL"
    case uint8 = "UINT8"
    case uint16 = "UINT16"
    case uint32 = "UINT32"
    case uint64 = "UINT64"
    case int8 = "INT8"
    case int16 = "INT16"
    case int32 = "INT32"
    case int64 = "INT64"
    case float16 = "FP16"
    case bfloat16 = "BF16"
    case float32 = "FP32"
    case float64 = "FP64"
    case bytes = "BYTES"

    public init(_ dtype: DType) {
        switch dtype {
        case .bool: self = .bool
        case .uint8: self = .uint8
        case .int32: self = .int32
        case .int64: self = .int64
        case .float16: self = .float16
        case .float32: self = .float32
        }
    }

    /// The same for tensors; `nil` where no tensor here has it.
    public var dtype: DType? { DType.allCases.first { Datatype($0) == self } }

    /// Bytes of one element; `nil` for BYTES, whose elements have a length each.
    public var byteWidth: Int? {
        switch self {
        case .bool, .uint8, .int8: 1
        case .uint16, .int16, .float16, .bfloat16: 2
        case .uint32, .int32, .float32: 4
        case .uint64, .int64, .float64: 8
        case .bytes: nil
        }
    }

    /// As a model's configuration calls it: `TYPE_FP32`.
    public var configurationName: String { self == .bytes ? "TYPE_STRING" : "TYPE_" + rawValue }
}
