internal import Cluster
internal import Inference
internal import Planning
internal import Synchronization
internal import Tensors
internal import Wire

/// Where a profile comes from.
public enum ProfileOrigin: Sendable, Hashable {
    case measured
    /// An earlier start measured it, and this file kept it.
    case read(file: String)
}

/// The analysis: measured once, and read from disk from then on.
extension ModelService {
    /// Measures layers and cuts, checks whether requests may be split, and finds out what the outputs look like; or reads all that where
    /// an earlier start has kept it for the same model, libtorch, level, micro-batch, inputs and processor.
    ///
    /// The model runs once in either case, without being timed: how tensors lie in memory where they cross is observed before a partition
    /// can be cut, and a saved profile must describe what that run shows.
    public func prepare() throws -> Prepared {
        let batch = preparedBatch
        let key = profileKey(batch: batch)
        if let known = profiles?.read(key) {
            let structure = try trying { try model.analyse(inputs: $0.make(batch: batch), repetitions: 0) }
            if known.describes(structure) {
                return adopt(checkedAgain(known), .read(file: profiles?.filePath(of: key) ?? ""))
            }
            profiles?.reject(key, "its layers or cuts are not those that this libtorch sees in the model")
        }
        let measured = try measureProfile(key)
        profiles?.write(measured)
        return adopt(measured, .measured)
    }

    /// Items of a micro-batch; 1 for a model that declares no batch.
    var preparedBatch: Int {
        let declaresBatch = manifest.inputs.contains { $0.batchDimension != nil }
        return declaresBatch ? choices.microBatch ?? Self.automaticMicroBatch : 1
    }

    /// What a profile of this model must have been measured for.
    public func profileKey(batch: Int) -> SavedProfile.Key {
        SavedProfile.Key(
            digest: digest, toolchain: engine.toolchain, level: level.name, microBatch: batch,
            inputs: manifest.inputs.map(\.description) + (example?.digest.map { ["example \($0)"] } ?? []),
            machine: ReferenceMachine.description)
    }

    /// The file that keeps it; `nil` where none does.
    public func profilePath(of prepared: Prepared) -> String? {
        profiles?.filePath(of: profileKey(batch: prepared.microBatch))
    }

    private func measureProfile(_ key: SavedProfile.Key) throws -> SavedProfile {
        let batch = key.microBatch
        progress("running the model")
        let outputs = try outputSpecs(batch: batch)
        let smaller = smallerCrossings(than: batch)
        // What is timed has the machine to itself: the check, which ran beside what is not timed, is over before it.
        progress("checking whether requests may be cut")
        let verdict = try checked(microBatch: batch)
        // The planned size comes last, because the layout that it shows counts.
        let analysis = try analysed(batch)
        return SavedProfile(key: key, analysis: analysis, smallerCrossings: smaller, outputs: outputs, batch: verdict)
    }

    /// The size of the micro-batch as the planner's decision (`--micro-batch auto`): made once, with the first plan that is made without
    /// haste, because a request that is under way stays cut as it was.
    /// - Returns: `nil` where the user has decided, or the model cannot be cut.
    func microBatchChoice(
        _ prepared: Prepared, _ request: (ModelProfile) -> PlanRequest
    ) throws -> (prepared: Prepared, reason: String?)? {
        guard choices.microBatch == nil, prepared.served.batching == .splittable else { return nil }
        let others = Self.microBatchChoices.filter { $0 != prepared.microBatch }.compactMap { try? savedProfile(microBatch: $0) }
        var whole = request(prepared.profile)
        whole.otherProfiles = others.map { profile(of: $0.analysis, batch: $0.key.microBatch) }
        let plan = try Planner.plan(whole)
        let reason = plan.reasons.last { $0.hasPrefix("micro-batches of") }
        // How tensors lie in memory where they cross is what the last run showed: that must be one of the chosen size.
        _ = try model.analyse(inputs: samples.make(batch: plan.microBatch), repetitions: 0)
        guard let chosen = others.first(where: { $0.key.microBatch == plan.microBatch }) else { return (prepared, reason) }
        return (adopt(chosen, prepared.origin), reason)
    }

    /// The profile at another size; what does not depend on the size is as it is known.
    private func savedProfile(microBatch: Int) throws -> SavedProfile {
        let key = profileKey(batch: microBatch)
        guard let base = state.withLock({ $0.saved }) else { return try measureProfile(key) }
        if let known = profiles?.read(key) {
            if known.hasLayers(of: base) { return known }
            profiles?.reject(key, "its layers are not those of the model")
        }
        let measured = SavedProfile(
            key: key, analysis: try analysed(microBatch),
            smallerCrossings: smallerCrossings(than: microBatch, known: base.crossings), outputs: base.outputs,
            batch: base.batch)
        profiles?.write(measured)
        return measured
    }

    private func analysed(_ batch: Int) throws -> ModelAnalysis {
        progress("timing the layers in micro-batches of \(batch)")
        return try model.analyse(inputs: samples.make(batch: batch), repetitions: Self.repetitions, optimized: level == .o1)
    }

    /// What crosses each cut at the sizes that a request's last micro-batch may have.
    private func smallerCrossings(
        than batch: Int, known: [Int: [[TensorDescription]]] = [:]
    ) -> [Int: [[TensorDescription]]] {
        var smaller = known.filter { $0.key < batch }
        for size in 1..<max(2, batch) where size != batch && smaller[size] == nil {
            guard let analysis = try? model.analyse(inputs: samples.make(batch: size), repetitions: 0) else { continue }
            smaller[size] = analysis.cuts.map(\.tensors)
        }
        return smaller
    }

    private func adopt(_ saved: SavedProfile, _ origin: ProfileOrigin) -> Prepared {
        let batch = saved.key.microBatch
        let served = ServedModel(
            name: manifest.name, digest: digest, inputs: manifest.inputs, outputs: saved.outputs,
            batching: declaration == .independent ? saved.batch.declaredBatching : saved.batch.batching,
            weightBytes: UInt64(saved.analysis.weightBytes), hasObservedExtents: manifest.outputs.count != saved.outputs.count)
        let prepared = Prepared(
            served: served, profile: profile(of: saved.analysis, batch: batch), analysis: saved.analysis, microBatch: batch,
            crossings: saved.crossings, origin: origin, batch: saved.batch)
        state.withLock {
            $0.prepared = prepared
            $0.saved = saved
        }
        TorchEngine.trimMemory()
        return prepared
    }

    // MARK: Partitions that were timed

    /// The times of ranges as partitions: those that are known, and for the others now. What is measured is kept.
    func measure(_ ranges: [LayerRange], batch: Int) -> [RangeMeasurement] {
        let known = knownMeasurements(batch: batch)
        let missing = ranges.filter { range in !known.contains { $0.range == range } }
        let measured = time(missing, batch: batch)
        if !measured.isEmpty, let saved = keep(measured, batch: batch) { profiles?.write(saved) }
        return ranges.compactMap { range in (known + measured).first { $0.range == range } }
    }

    /// Ranges side by side, in turns. Where one cannot be timed the others are timed alone.
    private func time(_ ranges: [LayerRange], batch: Int) -> [RangeMeasurement] {
        guard !ranges.isEmpty, let inputs = try? samples.make(batch: batch) else { return [] }
        progress("timing \(ranges.count) partitions")
        guard
            let times = try? model.time(
                parts: ranges.map(\.indices), inputs: inputs, optimized: level == .o1, repetitions: Self.partitionRepetitions,
                patience: Self.partitionPatience)
        else {
            return ranges.count == 1 ? [] : ranges.flatMap { time([$0], batch: batch) }
        }
        return zip(ranges, times).map { RangeMeasurement(range: $0, milliseconds: lowerQuartile($1)) }
    }

    func knownMeasurements(batch: Int) -> [RangeMeasurement] {
        state.withLock { $0.saved?.key.microBatch == batch ? $0.saved?.measurements ?? [] : [] }
    }

    private func keep(_ measured: [RangeMeasurement], batch: Int) -> SavedProfile? {
        state.withLock { state in
            guard state.saved?.key.microBatch == batch else { return nil }
            state.saved?.add(measured)
            return state.saved
        }
    }

    /// The request with what partitions have shown before: for a first plan that has no time to measure.
    func informed(_ request: PlanRequest) -> PlanRequest {
        guard request.costModel == request.profile.pricedBy, !state.withLock({ $0.hasPlanned }) else { return request }
        var informed = request
        informed.profile = request.profile.corrected(by: knownMeasurements(batch: request.profile.batch))
        return informed
    }
}
