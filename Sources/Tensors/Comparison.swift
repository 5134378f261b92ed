/// How far two results are apart.
public enum Comparison {
    /// Largest absolute difference by the reference's largest magnitude; infinite where shapes, types or exact values differ.
    public static func relativeError(_ actual: [Tensor], _ reference: [Tensor]) -> Double {
        guard actual.count == reference.count else { return .infinity }
        var worst = 0.0
        for (left, right) in zip(actual, reference) {
            guard left.dtype == right.dtype, left.shape == right.shape else { return .infinity }
            guard let leftValues = floats(left), let rightValues = floats(right) else {
                if left.isBitIdentical(to: right) { continue }
                return .infinity
            }
            var scale: Float = 0
            var difference: Float = 0
            for (a, b) in zip(leftValues, rightValues) {
                if a.isNaN != b.isNaN { return .infinity }
                if a.isNaN { continue }
                // Everything is small beside them: they must be the same, and say nothing about the rest.
                if a.isInfinite || b.isInfinite {
                    guard a == b else { return .infinity }
                    continue
                }
                scale = max(scale, abs(b))
                difference = max(difference, abs(a - b))
            }
            if difference > 0 { worst = max(worst, scale > 0 ? Double(difference / scale) : .infinity) }
        }
        return worst
    }

    /// Values that rounding may move a little; `nil` for integers and truth values, which are right or wrong.
    private static func floats(_ tensor: Tensor) -> [Float]? {
        switch tensor.dtype {
        case .float32: tensor.values(as: Float.self)
        case .float16: tensor.values(as: Float16.self)?.map { Float($0) }
        case .uint8, .int32, .int64, .bool: nil
        }
    }
}
