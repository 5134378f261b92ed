public import Tensors

/// Batches whose items have forms of their own.
extension SampleInputs {
    /// Integers are made up within this: every vocabulary has a 0 and a 1.
    static let highestInteger: UInt64 = 1

    /// One tensor for each input; item i of the batch has the form `forms[i]`, and an input without a batch that of the first item.
    public func make(forms: [ItemForm], seed: UInt64 = 1) throws(TensorError) -> [Tensor] {
        var tensors: [Tensor] = []
        for (position, spec) in specs.enumerated() {
            var items: [Tensor] = []
            for (index, form) in (spec.batchDimension == nil ? Array(forms.prefix(1)) : forms).enumerated() {
                // An item stays as it is whatever its neighbours are.
                let own = seed &* 1_000_003 &+ UInt64(index) &* 8_191 &+ UInt64(position) &* 131
                items.append(try Self.item(spec, form, seed: own))
            }
            tensors.append(
                try spec.batchDimension.map { dimension throws(TensorError) in
                    try Tensor.concatenate(items, dimension: dimension)
                } ?? items[0])
        }
        return tensors
    }

    /// The batch with one item exchanged.
    func replacing(_ item: Int, of tensors: [Tensor], by form: ItemForm, seed: UInt64) throws(TensorError) -> [Tensor] {
        var replaced: [Tensor] = []
        for (position, (tensor, spec)) in zip(tensors, specs).enumerated() {
            guard let dimension = spec.batchDimension else {
                replaced.append(tensor)
                continue
            }
            let other = try Self.item(spec, form, seed: seed &* 1_000_003 &+ 77 &+ UInt64(position) &* 131)
            let parts = [
                try tensor.slice(dimension: dimension, 0..<item), other,
                try tensor.slice(dimension: dimension, (item + 1)..<tensor.shape[dimension]),
            ]
            replaced.append(try Tensor.concatenate(parts.filter { $0.shape[dimension] > 0 }, dimension: dimension))
        }
        return replaced
    }

    private static func item(_ spec: TensorSpec, _ form: ItemForm, seed: UInt64) throws(TensorError) -> Tensor {
        let shape = spec.concreteShape(batch: 1) { _ in freeExtent }
        let count = shape.reduce(1, *)
        var state = seed
        func random() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        let peak = count > 0 ? Int(random() % UInt64(count)) : 0
        func integers<T: FixedWidthInteger>(_ type: T.Type, highest: UInt64) -> [T] {
            (0..<count).map { T(truncatingIfNeeded: form.integer(random, at: $0, peak: peak, highest: highest)) }
        }
        switch spec.dtype {
        case .float32:
            return try Tensor(shape: shape, values: (0..<count).map { form.float(random, at: $0, peak: peak) })
        case .float16:
            return try Tensor(shape: shape, values: (0..<count).map { form.half(random, at: $0, peak: peak) })
        case .uint8: return try Tensor(shape: shape, values: integers(UInt8.self, highest: 255))
        case .int32: return try Tensor(shape: shape, values: integers(Int32.self, highest: highestInteger))
        case .int64: return try Tensor(shape: shape, values: integers(Int64.self, highest: highestInteger))
        case .bool: return try Tensor(shape: shape, values: integers(UInt8.self, highest: 1).map { $0 == 1 })
        }
    }
}
