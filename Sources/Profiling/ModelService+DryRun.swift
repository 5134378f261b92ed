internal import Base
internal import Inference
public import Planning
internal import Wire

/// What `amp4ec plan` asks for beyond a deployment: other sizes of micro-batch, and plans for requests that it makes itself.
extension ModelService {
    /// Sizes between which `--micro-batch auto` chooses: beyond 8 the activations of the usual vision models leave the cache.
    public static let microBatchChoices = [1, 2, 4, 8]

    /// The model's profile at another size of micro-batch, analysed now.
    public func profile(microBatch: Int) throws -> ModelProfile {
        progress("timing the layers in micro-batches of \(microBatch)")
        let analysis = try model.analyse(
            inputs: samples.make(batch: microBatch), repetitions: Self.repetitions, optimized: level == .o1)
        return profile(of: analysis, batch: microBatch)
    }

    /// The planner's picture of an analysis: cuts that split what an optimised partition fuses are left out where others are there.
    func profile(of analysis: ModelAnalysis, batch: Int) -> ModelProfile {
        let usesFusion = level == .o1
        let cutLayers = Set(usesFusion && !analysis.advisableCuts.isEmpty ? analysis.advisableCuts : analysis.legalCuts)
        var profile = ModelProfile(
            layers: analysis.layers.map(Layer.init),
            cuts: analysis.cuts.filter { cutLayers.contains($0.layer) }.map {
                Cut(before: $0.layer, bytes: ByteCount($0.byteCount), tensorCount: $0.tensors.count)
            },
            inputBytes: ByteCount(analysis.cuts.first?.byteCount ?? 0), outputBytes: ByteCount(analysis.cuts.last?.byteCount ?? 0),
            batch: batch, level: usesFusion ? .o1 : .o0)
        profile.obstacles = obstacles(analysis)
        return profile
    }

    /// The two commonest reasons against cuts inside the model; `nil` where all are legal.
    private func obstacles(_ analysis: ModelAnalysis) -> [String]? {
        let inner = analysis.cuts.filter { (1..<analysis.layers.count).contains($0.layer) }
        var counts: [String: Int] = [:]
        for cut in inner where !cut.isLegal { counts[cut.reason, default: 0] += 1 }
        guard !counts.isEmpty else { return nil }
        return counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.prefix(2).map { reason, count in
            "\(count) of \(inner.count) places cannot be cut: \(reason)"
        }
    }

    /// A plan whose stages were timed as partitions where the cost model is measured, and the profile with what that showed.
    public func refined(_ request: PlanRequest) throws -> (plan: Plan, profile: ModelProfile) {
        var refinement = PlanRefinement(request)
        while true {
            switch try refinement.next() {
            case .measure(let ranges): refinement.record(measure(ranges, batch: request.profile.batch))
            case .done(let plan): return (plan, refinement.profile)
            }
        }
    }
}
