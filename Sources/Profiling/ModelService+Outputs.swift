internal import Inference
internal import Shell
internal import Synchronization
public import Tensors

/// What the model's outputs look like: as its manifest declares them, or as a few runs show them.
extension ModelService {
    /// The model's outputs, for whoever only runs it.
    public func outputSpecs() throws -> [TensorSpec] { try outputSpecs(batch: Self.automaticMicroBatch) }

    /// The manifest's outputs where it names them, else what other batch sizes and lengths show: the dimension that grows with the batch is
    /// `N`, and what follows an input's free dimension is free itself.
    /// - Throws: ``CommandFailure`` (bad data) where the manifest declares what the model does not give.
    func outputSpecs(batch: Int) throws -> [TensorSpec] {
        let small = try run(batch: batch)
        if manifest.outputs.count == small.count {
            if let problem = contradiction(to: manifest.outputs, small, batch: batch) { throw CommandFailure(.badData, problem) }
            return manifest.outputs
        }
        let declaresBatch = manifest.inputs.contains { $0.batchDimension != nil }
        let large = declaresBatch ? try? run(batch: batch * 2) : nil
        let long = runLonger()
        let names = Set(
            manifest.inputs.flatMap(\.shape).compactMap { dimension -> String? in
                if case .free(let name) = dimension { name } else { nil }
            })
        return small.enumerated().map { index, tensor in
            /// The other run's extent where it differs.
            func other(_ outputs: [Tensor]?, _ position: Int, than first: [Tensor]) -> Int? {
                guard let outputs, index < outputs.count, index < first.count, first[index].shape.count == tensor.shape.count,
                    outputs[index].shape.count == tensor.shape.count
                else { return nil }
                let extent = outputs[index].shape[position]
                return extent == first[index].shape[position] ? nil : extent
            }
            let shape = tensor.shape.enumerated().map { position, extent -> Dimension in
                if let grown = other(large, position, than: small) {
                    return extent == batch && grown == 2 * batch ? .batch : .free("d\(position)")
                }
                guard let long, other(long.longer, position, than: long.first) != nil else { return .fixed(extent) }
                return .free(names.count == 1 ? names.first ?? "" : "d\(position)")
            }
            return TensorSpec(name: model.outputNames[index], dtype: tensor.dtype, shape: shape)
        }
    }

    private func run(batch: Int) throws -> [Tensor] { try trying { try runWhole($0.make(batch: batch)) } }

    /// What the model gives for one item, and where the inputs' free dimensions are twice as long; `nil` where none is free, an example says
    /// how long they are, or the model does not take it. One item: twice the extents of a picture take four times the memory.
    private func runLonger() -> (first: [Tensor], longer: [Tensor])? {
        guard let known = settled.withLock({ $0 }), known.example == nil, manifest.inputs.contains(where: \.hasFreeDimension) else {
            return nil
        }
        var form = known.form
        form.freeExtent *= 2
        let longer = SampleInputs(specs: known.specs, form: form)
        guard longer.byteCount <= MadeUpForm.maximumByteCount,
            let inputs = try? SampleInputs(specs: known.specs, form: known.form).make(batch: 1),
            let longerInputs = try? longer.make(batch: 1), let first = try? runWhole(inputs), let last = try? runWhole(longerInputs)
        else { return nil }
        return (first, last)
    }

    /// Where the manifest's word is not what the model gives; `nil` where a request could be answered.
    ///
    /// An extent counts only where nothing seems to move it: neither the batch, nor the content of the inputs, nor a free dimension.
    private func contradiction(to declared: [TensorSpec], _ given: [Tensor], batch: Int) -> String? {
        func words(_ spec: TensorSpec, _ tensor: Tensor) -> String {
            "the manifest declares output \(spec), but the model gives "
                + "\(tensor.dtype.name)[\(tensor.shape.map(\.description).joined(separator: ","))] for \(batch) "
                + "\(batch == 1 ? "item" : "items"); export the model again, or correct \"outputs\" in the manifest"
        }
        for (spec, tensor) in zip(declared, given) where spec.dtype != tensor.dtype || spec.shape.count != tensor.shape.count {
            return words(spec, tensor)
        }
        guard !manifest.inputs.contains(where: \.hasFreeDimension) else { return nil }
        func misses(_ dimension: Dimension, _ extent: Int) -> Bool {
            if case .fixed(let wanted) = dimension { wanted != extent } else { false }
        }
        let suspects = declared.indices.filter { index in
            zip(declared[index].shape, given[index].shape).contains { misses($0, $1) }
        }
        guard !suspects.isEmpty else { return nil }
        var others: [[Tensor]] = []
        if let inputs = try? samples.make(batch: batch, seed: 2), let outputs = try? runWhole(inputs) { others.append(outputs) }
        if manifest.inputs.contains(where: { $0.batchDimension != nil }) {
            // At one size nobody sees which dimension is the batch's.
            guard let inputs = try? samples.make(batch: batch * 2), let outputs = try? runWhole(inputs) else { return nil }
            others.append(outputs)
        }
        guard !others.isEmpty else { return nil }
        for index in suspects {
            let shape = given[index].shape
            let isFixedElsewhere = shape.indices.contains { position in
                misses(declared[index].shape[position], shape[position])
                    && others.allSatisfy { outputs in
                        index < outputs.count && outputs[index].shape.count == shape.count
                            && outputs[index].shape[position] == shape[position]
                    }
            }
            if isFixedElsewhere { return words(declared[index], given[index]) }
        }
        return nil
    }
}
