internal import Glibc
public import Inference
public import Tensors

/// Whether a request may be cut into micro-batches: only where no item of a batch can see another.
///
/// Three questions, each of which can only forbid (docs/batching.md):
/// 1. The graph: does a branch, a loop's count, a number or a size come from what stands in the items? Is there a value of the whole batch
///    (a mean, an extreme), or an operator in training mode?
/// 2. Exchanges: one item of a batch is replaced by others of very different scale, sign and form. The other items' rows must stay equal
///    **bit for bit**: shapes and kernels are the same, so that there is nothing to forgive.
/// 3. The whole against its parts, which take other kernels: within ``tolerance``.
///
/// An input that the model refuses is no evidence. What cannot be found out forbids too.
public struct BatchCheck {
    /// Different batch sizes take different kernels: this much of rounding is none of the items' influence on each other.
    public static let tolerance = 1e-5
    /// Batches in which items are exchanged: a first, a middle and a last item, and the smallest batch that there is.
    static let sizes = (small: 2, large: 3)
    /// Exchanges beyond the ones that are always tried go on for this long: small models get all of them.
    static let patience = Duration.milliseconds(300)

    let model: TorchModel
    let samples: SampleInputs
    let inputs: [TensorSpec]
    let outputs: [TensorSpec]

    public init(model: TorchModel, samples: SampleInputs, inputs: [TensorSpec], outputs: [TensorSpec]) {
        self.model = model
        self.samples = samples
        self.inputs = inputs
        self.outputs = outputs
    }

    /// - Parameter microBatch: the size of the parts that are planned.
    public func verdict(microBatch: Int) throws -> BatchVerdict {
        if let why = Self.undivided(inputs, outputs) { return .undivided(why) }
        if let why = try model.contentDependence(batched: batched) { return .dependent(why) }
        do {
            if let why = try mixing() { return .dependent(why) }
            if let why = try exchanges() { return .dependent(why) }
            if let why = try parts(microBatch: microBatch) { return .dependent(why) }
        } catch let shapes as Undivided {
            return .undivided(shapes.why)
        } catch let inconclusive as Inconclusive {
            return .inconclusive("it could not be found out whether items influence each other: \(inconclusive.why)")
        }
        return .independent
    }

    /// Why there is nothing to cut along.
    static func undivided(_ inputs: [TensorSpec], _ outputs: [TensorSpec]) -> String? {
        guard inputs.contains(where: { $0.batchDimension != nil }) else { return "no input declares a batch dimension N" }
        return outputs.first { $0.batchDimension == nil }.map {
            "output \"\($0.name)\" has no batch dimension N, so parts of it cannot be joined"
        }
    }

    struct Inconclusive: Error { let why: String }
    static let remedy = "give real ones with --example FILE.npz"
    /// The outputs are not as they are declared, so that no parts of them can be joined.
    struct Undivided: Error { let why: String }

    /// Two digits are all that an error's size tells: 1.4e-05. (Foundation's formats would bring 40 MB of languages into each program.)
    private static func short(_ error: Double) -> String {
        guard error.isNormal, error > 0 else { return "\(error)" }
        var power = Int(log10(error).rounded(.down))
        var digits = Int((error / pow(10, Double(power)) * 10).rounded())
        if digits == 100 { (digits, power) = (10, power + 1) }
        let sign = power < 0 ? "-" : "+"
        return "\(digits / 10).\(digits % 10)e\(sign)\(power.magnitude < 10 ? "0" : "")\(power.magnitude)"
    }

    private var batched: [Bool] { inputs.map { $0.batchDimension != nil } }

    // MARK: The graph

    private func mixing() throws -> String? {
        let (small, large) = (Self.sizes.small, Self.sizes.large)
        do {
            return try model.batchMixing(
                batched: batched, small: samples.make(batch: small, seed: 7), large: samples.make(batch: large, seed: 7))
        } catch let error as InferenceError {
            for size in [small, large] where (try? run(samples.make(batch: size, seed: 7))) == nil {
                guard (try? run(samples.make(batch: 1, seed: 7))) != nil else { break }
                return rejected(size, error)
            }
            throw Inconclusive(why: "the model refuses the inputs that were made up for it (\(error.message)); \(Self.remedy)")
        }
    }

    // MARK: Exchanges

    /// An item of one batch in another form.
    private struct Exchange: Hashable {
        let item: Int
        let form: ItemForm
    }

    /// A batch with the exchanges that are tried in it.
    private struct Series {
        let forms: [ItemForm]
        /// Tried always.
        let essential: [Exchange]

        init(_ forms: [ItemForm], _ essential: [(Int, ItemForm)]) {
            self.forms = forms
            self.essential = essential.map { Exchange(item: $0.0, form: $0.1) }
        }

        var others: [Exchange] {
            let all = ItemForm.allCases.flatMap { form in forms.indices.map { Exchange(item: $0, form: form) } }
            return all.filter { !essential.contains($0) }
        }
    }

    /// Batches of one scale and of several; in each one the item changes in every direction.
    private static let series = [
        Series([.unit, .unit], [(0, .large), (1, .large), (0, .zeros), (1, .spike)]),
        Series(
            [.normal, .large, .unit],
            [(0, .huge), (1, .huge), (2, .huge), (0, .negative), (1, .zeros), (2, .dip), (1, .unit)]),
        Series([.normal, .normal, .normal], [(0, .large), (2, .large), (1, .small), (0, .repeated)]),
    ]

    private func exchanges() throws -> String? {
        let clock = ContinuousClock()
        let start = clock.now
        var tried = 0
        var refusal = ""
        for (number, series) in Self.series.enumerated() {
            let seed = UInt64(number + 11)
            guard let (batch, reference, integers) = try firstTaken(series.forms, seed: seed, &refusal) else { continue }
            // Where nothing but NaN comes out, nothing can be seen.
            guard tellsSomething(reference) else { continue }
            for exchange in series.essential + series.others {
                if clock.now - start > Self.patience, !series.essential.contains(exchange) { break }
                let changed = try samples.replacing(
                    exchange.item, of: batch, by: exchange.form, seed: seed, integers: integers)
                // The same input shows nothing.
                guard !equal(changed, batch) else { continue }
                let got: [Tensor]
                do { got = try run(changed) } catch is InferenceError { continue }
                tried += 1
                if let why = try influence(of: exchange.item, got, reference, items: series.forms.count) { return why }
            }
            guard let again = try? run(batch), equal(again, reference) else {
                return "two runs of the same batch differ: the model draws random numbers or keeps something between runs"
            }
        }
        if tried == 0 {
            let why = refusal.isEmpty ? "nothing but NaN comes out, or no other input can be made up" : refusal
            throw Inconclusive(why: "no input that was made up for the model shows anything (\(why)); \(Self.remedy)")
        }
        return nil
    }

    /// Is there a row besides that of `item` in which the two differ?
    private func influence(of item: Int, _ got: [Tensor], _ reference: [Tensor], items: Int) throws -> String? {
        guard got.map(\.shape) == reference.map(\.shape) else {
            return "items influence each other: an item decides the size of the others' outputs"
        }
        for (index, spec) in outputs.enumerated() {
            guard let dimension = spec.batchDimension, got[index].shape.indices.contains(dimension),
                got[index].shape[dimension] == items
            else {
                throw Undivided(
                    why:
                        "output \"\(spec.name)\" of a batch of \(items) has the shape \(got[index].shape), so parts of it cannot be joined"
                )
            }
            for range in [0..<item, (item + 1)..<items] where !range.isEmpty {
                let (own, wanted) = (
                    try got[index].slice(dimension: dimension, range), try reference[index].slice(dimension: dimension, range)
                )
                guard own.isBitIdentical(to: wanted) else {
                    let error = Comparison.relativeError([own], [wanted])
                    return
                        "items influence each other: where item \(item) of \(items) is exchanged, others change in output \"\(spec.name)\" by \(Self.short(error)) (relative)"
                }
            }
        }
        return nil
    }

    /// A batch that the model takes, and what it gives for it: of drawn integers, else of the example's.
    private func firstTaken(
        _ forms: [ItemForm], seed: UInt64, _ refusal: inout String
    ) throws -> (batch: [Tensor], reference: [Tensor], integers: SampleInputs.Integers)? {
        for integers in samples.kindsOfIntegers {
            let batch = try samples.make(forms: forms, seed: seed, integers: integers)
            do {
                // The first run warms up, the second is what later ones must equal.
                _ = try run(batch)
                return (batch, try run(batch), integers)
            } catch let error as InferenceError {
                refusal = error.message
            }
        }
        return nil
    }

    private func tellsSomething(_ outputs: [Tensor]) -> Bool {
        outputs.contains { tensor in tensor.values(as: Float.self)?.contains { $0.isFinite } ?? (tensor.byteCount > 0) }
    }

    private func equal(_ left: [Tensor], _ right: [Tensor]) -> Bool {
        left.count == right.count && zip(left, right).allSatisfy { $0.isBitIdentical(to: $1) }
    }

    // MARK: The whole and its parts

    private func parts(microBatch: Int) throws -> String? {
        let sizes = microBatch > 1 ? [(microBatch * 2, microBatch), (microBatch, 1)] : [(2, 1), (3, 1)]
        for (whole, part) in sizes {
            if let why = try difference(samples.make(batch: whole, seed: 7), whole: whole, part: part) { return why }
        }
        // Other scales are no evidence where the model refuses them.
        for form in [ItemForm.normal, .negative] {
            let batch = try samples.make(forms: [form, form, form], seed: 5)
            guard (try? run(batch)) != nil else { continue }
            if let why = try difference(batch, whole: 3, part: 2) { return why }
        }
        return nil
    }

    private func difference(_ tensors: [Tensor], whole: Int, part: Int) throws -> String? {
        let reference: [Tensor]
        do { reference = try run(tensors) } catch let error as InferenceError { return rejected(whole, error) }
        var parts: [[Tensor]] = []
        for first in stride(from: 0, to: whole, by: part) {
            let range = first..<min(first + part, whole)
            let slice = try Batching.slice(tensors, inputs, range)
            do { parts.append(try run(slice)) } catch let error as InferenceError { return rejected(range.count, error) }
        }
        guard let joined = try? Batching.join(parts, outputs), joined.map(\.shape) == reference.map(\.shape) else {
            throw Undivided(why: "the parts of a batch of \(whole) do not join to the shape of the whole")
        }
        let error = Comparison.relativeError(joined, reference)
        guard error <= Self.tolerance else {
            return
                "a batch of \(whole) and its parts of \(part) differ by \(Self.short(error)) (relative; rounding may be \(Self.short(Self.tolerance))): either it rounds otherwise in larger batches, or items influence each other; if you know that they do not, declare it (--batch independent)"
        }
        return nil
    }

    private func rejected(_ size: Int, _ error: InferenceError) -> String {
        let shapes = ["shape", "size", "view", "dimension", "expand"]
        let isOfShapes = shapes.contains { error.message.lowercased().contains($0) }
        return "a batch of \(size) is rejected (\(error.message))"
            + (isOfShapes ? ": was the batch size traced as a constant?" : "; \(Self.remedy) if it takes such batches")
    }

    private func run(_ tensors: [Tensor]) throws -> [Tensor] {
        try model.tensors(crossing: model.layerCount, inputs: tensors)
    }
}
