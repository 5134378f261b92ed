internal import Tensors

/// What made-up inputs look like where a model does not take every number: lengths are at least 1, offsets rise from 0, a picture must not
/// vanish in five poolings. Forms are tried one after another until the model takes one.
public struct MadeUpForm: Sendable, Hashable, CustomStringConvertible {
    public enum Integers: Sendable, Hashable {
        case within(ClosedRange<Int>)
        /// 0, 1, 2… where an input has one dimension; 0 and 1 elsewhere.
        case rising
    }

    public var integers: Integers
    /// A free dimension (a sequence's length) has this extent.
    public var freeExtent: Int

    public init(integers: Integers, freeExtent: Int) {
        self.integers = integers
        self.freeExtent = freeExtent
    }

    /// Tried first: every vocabulary has a 0 and a 1.
    public static let usual = MadeUpForm(integers: .within(0...1), freeExtent: 16)

    /// Lengths; one length for all; offsets; indices into something of one element.
    private static let integers: [Integers] = [.within(0...1), .within(1...2), .within(1...1), .rising, .within(0...0)]
    /// Larger for pictures and convolutions over time, smaller for models with a longest sequence.
    private static let freeExtents = [16, 64, 256, 4, 1]
    /// Larger inputs are not made up beyond the first form: what a model makes of them may be a hundred times as large.
    static let maximumByteCount = 64 << 20

    /// All that differ for these inputs.
    static func candidates(for specs: [TensorSpec]) -> [MadeUpForm] {
        let hasIntegers = specs.contains { $0.dtype != .float32 && $0.dtype != .float16 }
        let isFree = specs.contains { spec in spec.shape.contains { if case .free = $0 { true } else { false } } }
        return (isFree ? freeExtents : [usual.freeExtent]).flatMap { extent in
            (hasIntegers ? integers : [usual.integers]).map { MadeUpForm(integers: $0, freeExtent: extent) }
        }
    }

    /// What integers of an input are made up within.
    func range(of spec: TensorSpec) -> ClosedRange<Int> {
        // Bytes are mostly pixels.
        if spec.dtype == .uint8, integers == Self.usual.integers { return 0...255 }
        return if case .within(let range) = integers { range } else { 0...1 }
    }

    func rises(_ spec: TensorSpec) -> Bool { integers == .rising && spec.shape.count == 1 && spec.dtype != .bool }

    public var description: String {
        let numbers =
            switch integers {
            case .within(let range) where range.count == 1: "integers \(range.lowerBound)"
            case .within(let range): "integers \(range.lowerBound) and \(range.upperBound)"
            case .rising: "rising integers"
            }
        return "\(numbers), free dimensions of \(freeExtent)"
    }

    /// What was tried, in few words.
    static func summary(of forms: [MadeUpForm], for specs: [TensorSpec]) -> String {
        var parts: [String] = []
        var seen: Set<String> = []
        for form in forms {
            let numbers = String(form.description.prefix { $0 != "," })
            if seen.insert(numbers).inserted { parts.append(numbers) }
        }
        if !specs.contains(where: { $0.dtype != .float32 && $0.dtype != .float16 }) { parts = ["numbers from 0 to 1"] }
        let isFree = specs.contains { spec in spec.shape.contains { if case .free = $0 { true } else { false } } }
        var extents: [String] = []
        for form in forms where isFree && !extents.contains("\(form.freeExtent)") { extents.append("\(form.freeExtent)") }
        let sizes = extents.isEmpty ? "" : "; free dimensions of \(extents.joined(separator: ", "))"
        return parts.joined(separator: ", ") + sizes
    }
}
