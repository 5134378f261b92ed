internal import Profiling
internal import Shell
internal import Tensors

/// The batches that a bench sends, and what the replies to them must be where that is known.
struct Workload: Sendable {
    struct Batch: Sendable {
        var inputs: [Tensor]
        /// From `--verify`.
        var expected: [Tensor]?
    }

    let batches: [Batch]
    let batchSize: Int

    /// - Parameters:
    ///   - input: items to draw from; without it, items are made up from the seed.
    ///   - reference: outputs of those items, in the same order.
    init(
        manifest: ModelManifest, input: String?, reference: String?, batch: Int, distinct: Int, seed: UInt64
    ) throws(CommandFailure) {
        batchSize = batch
        guard let input else {
            let samples = SampleInputs(specs: manifest.inputs)
            var made: [Batch] = []
            for index in 0..<distinct {
                do { made.append(Batch(inputs: try samples.make(batch: batch, seed: seed &* 1_000 &+ UInt64(index)))) } catch {
                    throw CommandFailure(.badData, "no input can be made up for this model: \(error.message)")
                }
            }
            batches = made
            return
        }
        let tensors = try ArrayInputs.read(input, as: manifest.inputs, of: manifest.name)
        let expected = try reference.map { path throws(CommandFailure) in
            try ArrayInputs.read(path, as: manifest.outputs, of: manifest.name, .output)
        }
        guard
            let items = zip(tensors, manifest.inputs).compactMap({ tensor, spec in spec.batchDimension.map { tensor.shape[$0] } })
                .first
        else {
            // Nothing to draw from: the one input is sent again and again.
            batches = [Batch(inputs: tensors, expected: expected)]
            return
        }
        guard items > 0 else { throw CommandFailure(.badData, "\(input) holds no items to draw from") }
        for (tensor, spec) in zip(expected ?? [], manifest.outputs) {
            guard let dimension = spec.batchDimension, tensor.shape.indices.contains(dimension), tensor.shape[dimension] == items
            else {
                throw CommandFailure(
                    .badData,
                    "\(reference ?? "--verify"): output \"\(spec.name)\" has shape \(tensor.shape), but \(input) has \(items) items; "
                        + "make the reference from that file with amp4ec reference"
                )
            }
        }
        var state = seed
        var made: [Batch] = []
        do {
            for _ in 0..<distinct {
                let chosen = (0..<batch).map { _ in
                    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                    return Int((state >> 33) % UInt64(items))
                }
                made.append(
                    Batch(
                        inputs: try Self.gather(tensors, manifest.inputs, chosen),
                        expected: try expected.map { try Self.gather($0, manifest.outputs, chosen) }))
            }
        } catch {
            throw CommandFailure(.badData, "\(input): \(error)")
        }
        batches = made
    }

    private static func gather(_ tensors: [Tensor], _ specs: [TensorSpec], _ items: [Int]) throws -> [Tensor] {
        try zip(tensors, specs).map { tensor, spec in
            guard let dimension = spec.batchDimension else { return tensor }
            return try Tensor.concatenate(items.map { try tensor.slice(dimension: dimension, $0..<($0 + 1)) }, dimension: dimension)
        }
    }
}
