extension Tensor {
    /// The items `range` along `dimension`. Along the first dimension it is a view; along another one the bytes are gathered.
    public func slice(dimension: Int, _ range: Range<Int>) throws(TensorError) -> Tensor {
        guard shape.indices.contains(dimension) else {
            throw TensorError(.invalidShape, "dimension \(dimension) does not exist in shape \(shape)")
        }
        guard range.lowerBound >= 0, range.upperBound <= shape[dimension] else {
            throw TensorError(.invalidShape, "items \(range) are not all in dimension \(dimension) of shape \(shape)")
        }
        var sliced = shape
        sliced[dimension] = range.count
        let geometry = BatchGeometry(shape: shape, dimension: dimension, byteWidth: dtype.byteWidth)
        if geometry.outerCount == 1 {
            return try Tensor(
                dtype: dtype, shape: sliced, storage: storage, byteOffset: byteOffset + range.lowerBound * geometry.itemByteCount)
        }
        let target = TensorStorage(byteCount: geometry.outerCount * range.count * geometry.itemByteCount)
        withUnsafeBytes { source in
            geometry.copy(
                items: range.count, from: source, at: range.lowerBound, to: target.mutableBytes, at: 0, targetItems: range.count)
        }
        return try Tensor(dtype: dtype, shape: sliced, storage: target)
    }

    /// Joins tensors along `dimension`; all other extents and the dtype must agree.
    public static func concatenate(_ parts: [Tensor], dimension: Int) throws(TensorError) -> Tensor {
        guard let first = parts.first else { throw TensorError(.invalidShape, "there is nothing to join") }
        guard first.shape.indices.contains(dimension) else {
            throw TensorError(.invalidShape, "dimension \(dimension) does not exist in shape \(first.shape)")
        }
        guard parts.count > 1 else { return first }
        var joined = first.shape
        joined[dimension] = 0
        for part in parts {
            var comparable = part.shape
            guard comparable.indices.contains(dimension) else {
                throw TensorError(
                    .invalidShape, "shapes \(first.shape) and \(part.shape) cannot be joined along dimension \(dimension)")
            }
            comparable[dimension] = first.shape[dimension]
            guard comparable == first.shape, part.dtype == first.dtype else {
                throw TensorError(
                    .invalidShape,
                    "\(first.dtype.name)\(first.shape) and \(part.dtype.name)\(part.shape) cannot be joined along dimension \(dimension)"
                )
            }
            joined[dimension] += part.shape[dimension]
        }
        let target = TensorStorage(byteCount: try byteCount(of: first.dtype, shape: joined))
        var position = 0
        for part in parts {
            let geometry = BatchGeometry(shape: part.shape, dimension: dimension, byteWidth: part.dtype.byteWidth)
            part.withUnsafeBytes { source in
                geometry.copy(
                    items: part.shape[dimension], from: source, at: 0, to: target.mutableBytes, at: position,
                    targetItems: joined[dimension])
            }
            position += part.shape[dimension]
        }
        return try Tensor(dtype: first.dtype, shape: joined, storage: target)
    }
}

/// How the items of one dimension lie in row-major memory: `outerCount` runs of items, each item `itemByteCount` long.
private struct BatchGeometry {
    let outerCount: Int
    let itemByteCount: Int
    let itemCount: Int

    init(shape: [Int], dimension: Int, byteWidth: Int) {
        outerCount = shape[..<dimension].reduce(1, *)
        itemByteCount = shape[(dimension + 1)...].reduce(1, *) * byteWidth
        itemCount = shape[dimension]
    }

    func copy(
        items: Int, from source: UnsafeRawBufferPointer, at first: Int, to target: UnsafeMutableRawBufferPointer, at position: Int,
        targetItems: Int
    ) {
        let run = items * itemByteCount
        guard run > 0 else { return }
        for outer in 0..<outerCount {
            let from = (outer * itemCount + first) * itemByteCount
            let to = (outer * targetItems + position) * itemByteCount
            target[to..<(to + run)].copyBytes(from: source[from..<(from + run)])
        }
    }
}
