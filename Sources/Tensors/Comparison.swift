/// How far two results are apart.
public enum Comparison {
    /// Largest absolute difference by the reference's largest magnitude; infinite where shapes, types or exact values differ.
    public static func relativeError(_ actual: [Tensor], _ reference: [Tensor]) -> Double {
        guard actual.count == reference.count else { return .infinity }
        var worst = 0.0
        for (left, right) in zip(actual, reference) {
            guard left.dtype == right.dtype, left.shape == right.shape else { return .infinity }
            guard let leftValues = left.values(as: Float.self), let rightValues = right.values(as: Float.self) else {
                if left.isBitIdentical(to: right) { continue }
                return .infinity
            }
            var scale: Float = 0
            var difference: Float = 0
            for (a, b) in zip(leftValues, rightValues) {
                if a.isNaN != b.isNaN { return .infinity }
                if a.isNaN { continue }
                scale = max(scale, abs(b))
                difference = max(difference, abs(a - b))
            }
            if difference > 0 { worst = max(worst, scale > 0 ? Double(difference / scale) : .infinity) }
        }
        return worst
    }
}
