internal import Base
public import Tensors

/// The classification extension: the best classes of each row in place of the tensor.
public enum Classification {
    /// The `count` best of each row of the last dimension as `value:index` or `value:index:label`, the best first; of equal values the one that
    /// stands first, and what is no number last.
    ///
    /// - Parameters:
    ///   - count: from 1 on; a row that is shorter gives what it has.
    ///   - labels: by class; those without one go without.
    /// - Returns: the tensor's shape with the last extent replaced, and its elements for a BYTES output.
    /// - Throws: ``OpenInferenceError`` for a tensor without rows of numbers, and for more elements than an answer may have.
    public static func rows(
        of tensor: Tensor, count: Int, labels: [String]?
    ) throws(OpenInferenceError) -> (shape: [Int], elements: [[UInt8]]) {
        switch tensor.dtype {
        case .float32: try rows(of: tensor, Float.self, count, labels)
        case .float16: try rows(of: tensor, Float16.self, count, labels)
        case .uint8: try rows(of: tensor, UInt8.self, count, labels)
        case .int32: try rows(of: tensor, Int32.self, count, labels)
        case .int64: try rows(of: tensor, Int64.self, count, labels)
        case .bool: throw OpenInferenceError(.invalid, "BOOL values are not ranked; ask for the output without classification")
        }
    }

    private static func rows<Score: TensorElement & Comparable & CustomStringConvertible & BitwiseCopyable>(
        of tensor: Tensor, _ type: Score.Type, _ count: Int, _ labels: [String]?
    ) throws(OpenInferenceError) -> (shape: [Int], elements: [[UInt8]]) {
        guard count > 0, let length = tensor.shape.last else {
            throw OpenInferenceError(
                .invalid,
                "classification needs a dimension of classes and a count from 1 on; ask for the output without classification")
        }
        let kept = min(count, length)
        let rowCount = tensor.shape.dropLast().reduce(1, *)
        guard rowCount.multipliedSaturating(by: kept) <= OpenInferenceLimits.elements else {
            throw OpenInferenceError(
                .tooLarge,
                "the \(kept) best of \(rowCount) rows are over the limit of \(OpenInferenceLimits.elements) classes in one answer; ask for fewer"
            )
        }
        var elements: [[UInt8]] = []
        if kept > 0 {
            elements.reserveCapacity(rowCount * kept)
            tensor.withUnsafeBytes { bytes in
                for row in 0..<rowCount {
                    let score = { (index: Int) in
                        bytes.loadUnaligned(fromByteOffset: (row * length + index) * MemoryLayout<Score>.size, as: Score.self)
                    }
                    for index in best(kept, of: length, score) {
                        let label = labels.flatMap { index < $0.count ? ":" + $0[index] : nil } ?? ""
                        elements.append(Array("\(score(index)):\(index)\(label)".utf8))
                    }
                }
            }
        }
        return (tensor.shape.dropLast() + [kept], elements)
    }

    /// The indices of the `count` largest. Few of many are kept in order as they come; where most are asked for, all are sorted.
    private static func best<Score: Comparable>(_ count: Int, of length: Int, _ score: (Int) -> Score) -> [Int] {
        // What is no number is less than every other. (A value differs from itself only then.)
        func isBefore(_ left: Int, _ right: Int) -> Bool {
            let (first, second) = (score(left), score(right))
            if first != first || second != second { return first == first || (second != second && left < right) }
            return first != second ? first > second : left < right
        }
        guard count <= fewest else { return Array((0..<length).sorted(by: isBefore).prefix(count)) }
        var kept: [Int] = []
        for index in 0..<length {
            if kept.count == count {
                guard let last = kept.last, isBefore(index, last) else { continue }
                kept.removeLast()
            }
            kept.insert(index, at: kept.firstIndex { isBefore(index, $0) } ?? kept.count)
        }
        return kept
    }

    private static let fewest = 16
}
