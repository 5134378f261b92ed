public import Tensors

/// Inputs for measuring a model: of an example where there is one, else made up. They are seeded, so that two analyses see the same, and
/// different for each item, so that items that influence each other are seen.
public struct SampleInputs: Sendable {
    /// A free dimension (a sequence's length) is analysed at this extent first.
    public static let freeExtent = MadeUpForm.usual.freeExtent

    public let specs: [TensorSpec]
    /// How inputs without an example are made up.
    public let form: MadeUpForm
    public let example: ExampleInputs?

    public init(specs: [TensorSpec], form: MadeUpForm = .usual) {
        self.specs = specs
        self.form = form
        example = nil
    }

    public init(_ example: ExampleInputs) {
        specs = example.specs
        form = .usual
        self.example = example
    }

    /// What can be tried for these inputs, in this order.
    static func candidates(specs: [TensorSpec], example: ExampleInputs?) -> [SampleInputs] {
        if let example { return [SampleInputs(example)] }
        return MadeUpForm.candidates(for: specs).map { SampleInputs(specs: specs, form: $0) }
    }

    /// One tensor for each input, with `batch` items. Floats are in [0, 1), integers 0 or 1 (every vocabulary has those), bytes any; or all
    /// of it as the example has it, whose items come in turn.
    public func make(batch: Int, seed: UInt64 = 1) throws(TensorError) -> [Tensor] {
        if let example { return try Self.make(example, batch: batch, first: Int(truncatingIfNeeded: (seed &- 1) % 1_024)) }
        var state = seed
        var tensors: [Tensor] = []
        for spec in specs {
            let shape = spec.concreteShape(batch: batch) { _ in form.freeExtent }
            // Checked before anything is made: a declared shape may be of any size.
            let count = try Tensor.byteCount(of: spec.dtype, shape: shape) / spec.dtype.byteWidth
            let range = form.range(of: spec)
            let rises = form.rises(spec)
            func values<T>(_ make: (UInt64) -> T) -> [T] {
                (0..<count).map { _ in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return make(state >> 33)
                }
            }
            func integers<T: FixedWidthInteger>(_ type: T.Type) -> [T] {
                var drawn = values { T(truncatingIfNeeded: range.lowerBound + Int($0 % UInt64(range.count))) }
                guard !rises else { return (0..<count).map { T(truncatingIfNeeded: $0) } }
                // The range's ends are always among them: that a model takes a form is no matter of luck.
                if let last = drawn.indices.last {
                    drawn[last] = T(truncatingIfNeeded: range.lowerBound)
                    drawn[0] = T(truncatingIfNeeded: range.upperBound)
                }
                return drawn
            }
            switch spec.dtype {
            case .float32: tensors.append(try Tensor(shape: shape, values: values { Float($0 & 0xFFFF) / 65_536 }))
            case .float16:
                let halves = values { UInt16(0x3800 + ($0 & 0x3FF)) }
                let storage = halves.withUnsafeBytes { TensorStorage(copying: $0) }
                tensors.append(try Tensor(dtype: .float16, shape: shape, storage: storage))
            case .uint8: tensors.append(try Tensor(shape: shape, values: integers(UInt8.self)))
            case .int32: tensors.append(try Tensor(shape: shape, values: integers(Int32.self)))
            case .int64: tensors.append(try Tensor(shape: shape, values: integers(Int64.self)))
            case .bool: tensors.append(try Tensor(shape: shape, values: integers(UInt8.self).map { $0 != 0 }))
            }
        }
        return tensors
    }

    private static func make(_ example: ExampleInputs, batch: Int, first: Int) throws(TensorError) -> [Tensor] {
        var tensors: [Tensor] = []
        for (position, spec) in example.specs.enumerated() {
            guard let dimension = spec.batchDimension else {
                tensors.append(example.tensors[position])
                continue
            }
            var items: [Tensor] = []
            for index in 0..<batch { items.append(try example.item(first % example.count + index, at: position)) }
            tensors.append(try Tensor.concatenate(items, dimension: dimension))
        }
        return tensors
    }
}
