public import Tensors

/// Batches whose items have forms of their own.
extension SampleInputs {
    /// Where the integers of an item come from.
    public enum Integers: Sendable, Hashable {
        /// Drawn within the range in which they are made up, or which the example has.
        case drawn
        /// The example's own: some models take no others (offsets, spans).
        case kept
    }

    /// Integers are drawn first; those of an example where the model refuses that.
    var kindsOfIntegers: [Integers] { example == nil ? [.drawn] : [.drawn, .kept] }

    /// One tensor for each input; item i of the batch has the form `forms[i]`, and an input without a batch that of the first item.
    public func make(forms: [ItemForm], seed: UInt64 = 1, integers: Integers = .drawn) throws(TensorError) -> [Tensor] {
        var tensors: [Tensor] = []
        for (position, spec) in specs.enumerated() {
            if let example, spec.batchDimension == nil, integers == .kept {
                tensors.append(example.tensors[position])
                continue
            }
            var items: [Tensor] = []
            for (index, form) in (spec.batchDimension == nil ? Array(forms.prefix(1)) : forms).enumerated() {
                // An item stays as it is whatever its neighbours are.
                let own = seed &* 1_000_003 &+ UInt64(index) &* 8_191 &+ UInt64(position) &* 131
                items.append(try item(position, form, Place(item: index, number: index), seed: own, integers))
            }
            tensors.append(
                try spec.batchDimension.map { dimension throws(TensorError) in
                    try Tensor.concatenate(items, dimension: dimension)
                } ?? items[0])
        }
        return tensors
    }

    /// The batch with one item exchanged.
    func replacing(
        _ item: Int, of tensors: [Tensor], by form: ItemForm, seed: UInt64, integers: Integers = .drawn
    ) throws(TensorError) -> [Tensor] {
        var replaced: [Tensor] = []
        for (position, (tensor, spec)) in zip(tensors, specs).enumerated() {
            guard let dimension = spec.batchDimension else {
                replaced.append(tensor)
                continue
            }
            let place = Place(item: item, number: item + tensor.shape[dimension])
            let other = try self.item(
                position, form, place, seed: seed &* 1_000_003 &+ 77 &+ UInt64(position) &* 131, integers)
            let parts = [
                try tensor.slice(dimension: dimension, 0..<item), other,
                try tensor.slice(dimension: dimension, (item + 1)..<tensor.shape[dimension]),
            ]
            replaced.append(try Tensor.concatenate(parts.filter { $0.shape[dimension] > 0 }, dimension: dimension))
        }
        return replaced
    }

    /// Where an item stands in the batch, and which of the example's items it is.
    private struct Place {
        let item: Int
        let number: Int
    }

    private func item(
        _ position: Int, _ form: ItemForm, _ place: Place, seed: UInt64, _ integers: Integers
    ) throws(TensorError) -> Tensor {
        let spec = specs[position]
        let isFloat = spec.dtype == .float32 || spec.dtype == .float16
        // What the example has is a scale of its own.
        if let example, isFloat ? form == .unit : integers == .kept { return try example.item(place.number, at: position) }
        let shape =
            example?.shape(at: position, items: 1) ?? spec.concreteShape(batch: 1) { _ in self.form.freeExtent }
        let count = shape.reduce(1, *)
        let range = example?.range(at: position) ?? self.form.range(of: spec)
        // Far above what any vocabulary has, and below what a difference of two integers may be.
        let highest = min(UInt64(bitPattern: Int64(range.upperBound &- range.lowerBound)), UInt64(Int32.max))
        let rises = example == nil && self.form.rises(spec)
        var state = seed
        func random() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state >> 33
        }
        let peak = count > 0 ? Int(random() % UInt64(count)) : 0
        func numbers<T: FixedWidthInteger>(_ type: T.Type) -> [T] {
            (0..<count).map { index in
                let drawn = range.lowerBound &+ Int(form.integer(random, at: index, peak: peak, highest: highest))
                return T(truncatingIfNeeded: rises ? (spec.batchDimension == nil ? index : place.item) : drawn)
            }
        }
        switch spec.dtype {
        case .float32:
            return try Tensor(shape: shape, values: (0..<count).map { form.float(random, at: $0, peak: peak) })
        case .float16:
            return try Tensor(shape: shape, values: (0..<count).map { form.half(random, at: $0, peak: peak) })
        case .uint8: return try Tensor(shape: shape, values: numbers(UInt8.self))
        case .int32: return try Tensor(shape: shape, values: numbers(Int32.self))
        case .int64: return try Tensor(shape: shape, values: numbers(Int64.self))
        case .bool: return try Tensor(shape: shape, values: numbers(UInt8.self).map { $0 != 0 })
        }
    }
}
