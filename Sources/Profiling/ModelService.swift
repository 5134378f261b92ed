internal import Base
public import Cluster
public import Inference
public import Planning
internal import Shell
internal import Synchronization
public import Tensors
public import Wire

/// The model on the coordinator's side: analysed once, planned over, and cut into partitions on demand.
///
/// ## Concurrency model
/// `Sendable`; its calls block for milliseconds to seconds and are made on the planner thread. What changes is under a mutex.
public final class ModelService: Sendable {
    /// Timed passes of one analysis.
    static let repetitions = 5
    /// Timed runs of each partition of a plan, while they take no longer than this in all: other work slows a core for moments, and a plan
    /// stands on the comparison of its stages.
    static let partitionRepetitions = 21
    static let partitionPatience = 600.0
    /// Archives kept in memory, so that a node that returns is served at once.
    static let archiveCacheLimit = 16
    /// `--micro-batch auto` until a plan was made without haste: small enough to stay in the cache, large enough to hide the fixed costs.
    public static let automaticMicroBatch = 4

    public let model: TorchModel
    let engine = TorchEngine()
    public let digest: String
    public let level: OptimizationLevel
    public let manifest: ModelManifest
    /// What somebody gave for the model to be measured with; without it inputs are made up.
    public let example: ExampleInputs?
    /// Inputs that the model has taken.
    let settled = Mutex<SampleInputs?>(nil)
    let choices: PlanChoices
    /// Where profiles outlive the process; `nil` measures at each start.
    let profiles: ProfileFolder?
    let state = Mutex(State())
    let checking: BatchChecking
    /// How the declared inputs were told apart.
    public let inputBinding: InputBinding
    let path: String
    /// What `--spec` says.
    let givenInputs: [TensorSpec]
    /// What `--example` says.
    let examplePath: String?
    /// Told each longer piece of work as it begins.
    let progress: @Sendable (String) -> Void

    struct State {
        /// Under way since the file was opened, or since the profile turned out not to be there.
        var check: BatchCheckProcess?
        var isStopped = false
        var archives: [(range: Range<Int>, archive: TensorStorage)] = []
        var prepared: Prepared?
        /// What is on disk, or will be at the next measurement.
        var saved: SavedProfile?
        /// A plan to serve has been made.
        var hasPlanned = false
    }

    /// What an analysis gave.
    public struct Prepared: Sendable {
        public var served: ServedModel
        public var profile: ModelProfile
        public var analysis: ModelAnalysis
        public var microBatch: Int
        /// What crosses each cut, by the sizes that a micro-batch may have: known ahead, so that a plan in an emergency need not run the
        /// model. A size at which the model does not run is missing.
        var crossings: [Int: [[TensorDescription]]]
        /// Whether the layers were timed now.
        public var origin: ProfileOrigin
        /// What the check says about cutting requests, whatever the owner has declared.
        public var batch: BatchVerdict
    }

    /// What the user chose about plans.
    public struct PlanChoices: Sendable {
        public var strategy: PlanStrategy
        public var shape: PlanShape
        public var objective: PlanObjective
        public var cost: CostModel
        /// Algorithm 1: see ``Planning/PlanSettings/maximumLoad``.
        public var maximumLoad: Double
        /// `nil` leaves it to the planner, and to ``automaticMicroBatch`` where there is no time to measure.
        public var microBatch: Int?
        /// Whose word decides whether requests are cut; `nil` leaves it to the manifest.
        public var batch: BatchDeclaration?

        public init(
            strategy: PlanStrategy = .optimal, shape: PlanShape = .pipeline, objective: PlanObjective = .throughput,
            cost: CostModel = .profiled, maximumLoad: Double = PlanSettings().maximumLoad, microBatch: Int? = nil,
            batch: BatchDeclaration? = nil
        ) {
            self.strategy = strategy
            self.shape = shape
            self.objective = objective
            self.cost = cost
            self.maximumLoad = maximumLoad
            self.microBatch = microBatch
            self.batch = batch
        }
    }

    /// Opens and checks the file.
    /// - Parameters:
    ///   - inputs: what `--spec` says; goes before the manifest.
    ///   - example: what `--example` says; goes before what the model's file keeps.
    ///   - profiles: where what was measured is kept and looked for.
    ///   - checking: where the check runs whether requests may be cut.
    ///   - progress: is told each longer piece of work as it begins.
    public init(
        path: String, inputs: [TensorSpec], example: String? = nil, level: OptimizationLevel, choices: PlanChoices,
        profiles: ProfileFolder? = nil, checking: BatchChecking = .inProcess,
        progress: @escaping @Sendable (String) -> Void = { _ in }
    ) throws {
        progress("opening \(path)")
        // While the file is opened and looked through here, it is checked there.
        let check = Self.earlyCheck(path, inputs, example, choices, profiles, checking)
        do {
            do { model = try TorchModel(path: path) } catch { throw CommandFailure(.badData, error.message) }
            digest = try SHA256.hexDigest(ofFile: path)
            (manifest, inputBinding) = try Self.manifest(of: model, path: path, inputs: inputs)
            self.example = try Self.example(
                given: example, of: model, path: path, specs: manifest.inputs, areDeclaredAgain: !inputs.isEmpty)
        } catch {
            check?.stop()
            throw error
        }
        self.level = level
        self.choices = choices
        self.profiles = profiles
        self.checking = checking
        self.path = path
        givenInputs = inputs
        examplePath = example
        self.progress = progress
        state.withLock { $0.check = check }
    }

    deinit { stopChecking() }

    private static func manifest(
        of model: TorchModel, path: String, inputs: [TensorSpec]
    ) throws(CommandFailure) -> (ModelManifest, InputBinding) {
        var manifest = model.manifest
        if !inputs.isEmpty {
            manifest = ModelManifest(
                name: manifest?.name ?? stem(of: path), inputs: inputs, outputs: manifest?.outputs ?? [],
                preprocessing: manifest?.preprocessing, labels: manifest?.labels, batch: manifest?.batch)
        }
        guard var manifest else {
            throw CommandFailure(
                .badData,
                "\(path) has no \(ModelManifest.fileName) inside, so its inputs are unknown; export it with scripts/export-model, or say them: "
                    + model.inputNames.map { "--spec \($0):float32[N,…]" }.joined(separator: " "))
        }
        let binding: InputBinding
        do throws(CommandFailure) {
            let bound = try InputBinding.bind(manifest.inputs, to: model.inputNames)
            manifest.inputs = bound.specs
            binding = bound.binding
        } catch {
            let (place, fix) = inputs.isEmpty ? ("its manifest", "; export the model again") : ("--spec", "")
            throw CommandFailure(.badData, "\(path): \(place): \(error.message)\(fix)")
        }
        do throws(CommandFailure) { manifest.outputs = try OutputBinding.bind(manifest.outputs, to: model) } catch {
            throw CommandFailure(.badData, "\(path): \(error.message)")
        }
        return (manifest, binding)
    }

    private static func example(
        given: String?, of model: TorchModel, path: String, specs: [TensorSpec], areDeclaredAgain: Bool
    ) throws(CommandFailure) -> ExampleInputs? {
        if let given { return try ExampleInputs.read(given, specs: specs) }
        guard let kept = model.example else { return nil }
        return try ExampleInputs.kept(kept, in: path, specs: specs, areDeclaredAgain: areDeclaredAgain)
    }

    private static func stem(of path: String) -> String {
        let file = path.split(separator: "/").last.map(String.init) ?? path
        return file.hasSuffix(".pt") ? String(file.dropLast(3)) : file
    }

    /// The whole model in this process, as saved.
    public func runWhole(_ inputs: [Tensor]) throws -> [Tensor] { try model.tensors(crossing: model.layerCount, inputs: inputs) }

    // MARK: Planning

    /// Plans, and says what to deploy. Nothing is measured where it is urgent, nor after the first plan: a worker that joins shall not
    /// wait for it, and what the first plan's measurements corrected stays corrected.
    public func plan(_ order: CoordinatorMachine.PlanOrder, links: LinkTable) -> CoordinatorMachine.PlanOutcome {
        guard var prepared = state.withLock({ $0.prepared }) else { return .failure("the model is not analysed yet") }
        do {
            if case .drift(let serving) = order.purpose { return .comparison(try compare(serving, order, links)) }
            var sizeReason: String?
            if measures(for: order), let choice = try microBatchChoice(prepared, { calibrated(order, links, $0) }) {
                prepared = choice.prepared
                sizeReason = choice.reason
            }
            var plan = try bestPlan(order, links, prepared, measures: measures(for: order))
            if let sizeReason { plan.reasons.append(sizeReason) }
            let chosen = reused(plan, order, links) ?? plan
            if order.purpose == .serve { state.withLock { $0.hasPlanned = true } }
            return .plan(deployment(of: chosen, prepared))
        } catch {
            return .failure("\(error)")
        }
    }

    private func measures(for order: CoordinatorMachine.PlanOrder) -> Bool {
        !order.isUrgent && !state.withLock { $0.hasPlanned }
    }

    /// The plan of what the nodes hold already, where it is nearly as good: nothing is sent for it, after a restart above all.
    private func reused(_ best: Plan, _ order: CoordinatorMachine.PlanOrder, _ links: LinkTable) -> Plan? {
        guard let prepared = state.withLock({ $0.prepared }) else { return nil }
        let held = order.held.mapValues { keys in
            keys.map { LayerRange($0.firstLayer, $0.endLayer) }.filter { keys.contains(key($0)) }
        }
        // The best one is held itself.
        if best.stages.allSatisfy({ stage in stage.replicas.allSatisfy { held[$0]?.contains(stage.layers) == true } }) {
            return nil
        }
        let assignments = PlanReuse.assignments(
            of: held, layerCount: prepared.profile.layers.count, stageCount: best.stages.count)
        guard !assignments.isEmpty else { return nil }
        var profile = prepared.profile
        if profile.pricedBy == choices.cost, measures(for: order) {
            let ranges = Set(assignments.flatMap { $0.map(\.layers) }).sorted()
            profile = profile.corrected(by: measure(ranges, batch: prepared.microBatch))
        }
        // A standby is made without haste, though nothing is measured for it.
        let isUrgent = order.isUrgent && order.purpose == .serve
        let isFirst = !state.withLock { $0.hasPlanned }
        let tolerance = isFirst ? nil : isUrgent ? PlanReuse.urgentTolerance : PlanReuse.tolerance
        return PlanReuse.choose(
            over: best, held: assignments, calibrated(order, links, profile), tolerance: tolerance)
    }

    /// What is to be planned, with everything that the nodes have measured in it.
    private func calibrated(_ order: CoordinatorMachine.PlanOrder, _ links: LinkTable, _ profile: ModelProfile) -> PlanRequest {
        var settings = PlanSettings()
        settings.maximumLoad = choices.maximumLoad
        // `ralos` is the baseline: it takes a cost model's estimates as they are.
        let profile = choices.strategy == .optimal ? profile.priced(by: choices.cost) : profile
        let request = PlanRequest(
            profile: profile, nodes: order.nodes, links: links, costModel: choices.cost, strategy: choices.strategy,
            shape: choices.shape, objective: choices.objective, settings: settings)
        let measured = knownMeasurements(batch: profile.batch).map { ($0.range, $0.milliseconds) }
        return request.calibrated(
            by: order.observations, measured: Dictionary(measured, uniquingKeysWith: { _, last in last }))
    }

    private func bestPlan(
        _ order: CoordinatorMachine.PlanOrder, _ links: LinkTable, _ prepared: Prepared, measures: Bool
    ) throws -> Plan {
        let request = calibrated(order, links, prepared.profile)
        guard measures else { return try Planner.plan(informed(request)) }
        let (plan, corrected) = try refined(request)
        // What was learnt serves the next plan too, which may have no time to measure.
        state.withLock { $0.prepared?.profile = corrected }
        return plan
    }

    /// The assignment that serves beside the best one, both under the newest measurements.
    private func compare(
        _ serving: [StageAssignment], _ order: CoordinatorMachine.PlanOrder, _ links: LinkTable
    ) throws -> ServingComparison {
        guard let prepared = state.withLock({ $0.prepared }) else {
            throw CommandFailure(.failure, "the model is not analysed yet")
        }
        let clock = ContinuousClock()
        let start = clock.now
        let request = calibrated(order, links, prepared.profile)
        let (current, best) = try Planner.compare(serving.map { ($0.layers, $0.replicas) }, request)
        return ServingComparison(
            servingMs: current.bottleneckMilliseconds, bestMs: best.bottleneckMilliseconds,
            best: best.hasSameAssignment(as: current) ? nil : deployment(of: best, prepared), searchTime: clock.now - start)
    }

    /// Sizes that are run once before a stage counts as ready: the planned one, and of those that a request's last micro-batch may have the
    /// powers of two. All of them would make a worker that joins under load wait for several times as long as the sizes are worth.
    private static func warmupSizes(upTo microBatch: Int) -> [Int] {
        var sizes: [Int] = []
        var size = 1
        while size < microBatch {
            sizes.append(size)
            size *= 2
        }
        return sizes + [microBatch]
    }

    private func deployment(of plan: Plan, _ prepared: Prepared) -> PlannedDeployment {
        let sizes = prepared.served.batching == .splittable ? Self.warmupSizes(upTo: prepared.microBatch) : [prepared.microBatch]
        let stages = plan.stages.map { stage in
            // The planned size comes last: its time is what the node reports.
            let warmups = sizes.compactMap { size in
                prepared.crossings[size]?[stage.layers.first].compactMap { tensor in
                    tensor.dtype.map {
                        TensorHeader(dtype: $0, shape: tensor.shape, encoding: .raw, wireByteCount: tensor.byteCount)
                    }
                }
            }
            return PlannedDeployment.Stage(
                partition: key(stage.layers), replicas: stage.replicas, residentBytes: UInt64(max(0, stage.residentBytes.bytes)),
                warmups: warmups, inputBytesPerItem: stage.inputBytes.bytes / max(1, prepared.microBatch))
        }
        return PlannedDeployment(
            plan: plan, stages: stages, microBatch: prepared.microBatch,
            outputBytesPerItem: prepared.profile.outputBytes.bytes / max(1, prepared.microBatch))
    }

    private func key(_ range: LayerRange) -> PartitionKey {
        PartitionKey(
            modelDigest: digest, firstLayer: range.first, endLayer: range.end, toolchain: engine.toolchain, optimization: level)
    }

    // MARK: Archives

    /// The partition's archive, cut now or before.
    public func archive(of key: PartitionKey) throws -> TensorStorage {
        let range = key.firstLayer..<key.endLayer
        if let known = state.withLock({ $0.archives.first { $0.range == range }?.archive }) { return known }
        let archive = try model.cut(range, keepsLayout: level == .o0)
        state.withLock { state in
            if state.archives.count >= Self.archiveCacheLimit { state.archives.removeFirst() }
            state.archives.append((range, archive))
        }
        return archive
    }
}

extension Layer {
    init(_ info: LayerInfo) {
        let operation: Operation =
            switch info.kernel?.kind {
            case .convolution:
                .convolution(
                    kernelHeight: info.kernel?.height ?? 1, kernelWidth: info.kernel?.width ?? 1,
                    inputChannels: info.kernel?.channelsIn ?? 1, outputChannels: info.kernel?.channelsOut ?? 1,
                    groups: info.kernel?.groups ?? 1)
            case .linear: .linear(inputFeatures: info.kernel?.channelsIn ?? 1, outputFeatures: info.kernel?.channelsOut ?? 1)
            case nil: .other
            }
        self.init(
            name: info.name, operatorName: info.operator, operation: operation, parameterCount: info.parameterCount,
            parameterBytes: ByteCount(info.parameterBytes), outputElements: info.outputElements,
            outputBytes: ByteCount(info.outputBytes),
            milliseconds: info.milliseconds)
    }
}
