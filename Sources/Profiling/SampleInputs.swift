public import Tensors

/// Inputs made up for measuring a model: seeded, so that two analyses see the same, and different for each item, so that items that
/// influence each other are seen.
public struct SampleInputs: Sendable {
    /// A free dimension (a sequence's length) is analysed at this extent.
    public static let freeExtent = 16

    public let specs: [TensorSpec]

    public init(specs: [TensorSpec]) { self.specs = specs }

    /// One tensor for each input, with `batch` items. Floats are in [0, 1), integers 0 or 1 (every vocabulary has those), bytes any.
    public func make(batch: Int, seed: UInt64 = 1) throws(TensorError) -> [Tensor] {
        var state = seed
        var tensors: [Tensor] = []
        for spec in specs {
            let shape = spec.concreteShape(batch: batch) { _ in Self.freeExtent }
            // Checked before anything is made: a declared shape may be of any size.
            let count = try Tensor.byteCount(of: spec.dtype, shape: shape) / spec.dtype.byteWidth
            func values<T>(_ make: (UInt64) -> T) -> [T] {
                (0..<count).map { _ in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return make(state >> 33)
                }
            }
            switch spec.dtype {
            case .float32: tensors.append(try Tensor(shape: shape, values: values { Float($0 & 0xFFFF) / 65_536 }))
            case .float16:
                let halves = values { UInt16(0x3800 + ($0 & 0x3FF)) }
                let storage = halves.withUnsafeBytes { TensorStorage(copying: $0) }
                tensors.append(try Tensor(dtype: .float16, shape: shape, storage: storage))
            case .uint8: tensors.append(try Tensor(shape: shape, values: values { UInt8(truncatingIfNeeded: $0) }))
            case .int32: tensors.append(try Tensor(shape: shape, values: values { Int32($0 & 1) }))
            case .int64: tensors.append(try Tensor(shape: shape, values: values { Int64($0 & 1) }))
            case .bool: tensors.append(try Tensor(shape: shape, values: values { $0 & 1 == 1 }))
            }
        }
        return tensors
    }
}
