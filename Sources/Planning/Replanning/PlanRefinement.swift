/// Plans, asks for measurements of the stages that were never timed, corrects the profile, and plans again until the plan holds.
///
/// An optimised partition is fused across its layers, so the first plan rests on sums that mislead. The plan holds when all of its
/// stages were measured as partitions. Because a correction can make the planner go round in circles, it ends after
/// ``maximumRounds`` with the plan whose *measured* bottleneck was the lowest. The greedy plan is measured too where it might be that one:
/// the optimum under sums that mislead need not be better than it.
///
///     var refinement = PlanRefinement(request)
///     while case .measure(let ranges) = try refinement.next() { refinement.record(measure(ranges)) }
public struct PlanRefinement: Sendable {
    /// In each round the cutter cuts and times one partition for each node: four rounds stay within a start's patience.
    public static let maximumRounds = 4
    /// … and with estimates instead of measured layers these, because there is more to learn.
    public static let maximumRoundsFromEstimates = 8
    /// A greedy plan that is predicted to be slower than this will not turn out the fastest: fusion changes sums by less.
    static let rivalTolerance = 1.25
    /// Estimates may be off by orders of magnitude: what was measured of ranges that overlap has to agree before it says much.
    private static let passesOverEstimates = 16

    public enum Step: Sendable, Hashable {
        /// Time these ranges as partitions on the reference node, then ``record(_:)`` them.
        case measure([LayerRange])
        case done(Plan)
    }

    private var request: PlanRequest
    private var measured: [LayerRange: Double] = [:]
    /// In the order in which they came: the newest is met exactly.
    private var measurements: [RangeMeasurement] = []
    private var proposed: [Plan] = []
    private var rounds = 0
    private var hasProposedGreedy = false
    /// Ranges asked for and not answered, so that a measurement that fails does not make it ask forever.
    private var asked: Set<LayerRange> = []

    /// - Parameter request: for one size of micro-batch, since measurements are made at it: ``PlanRequest/otherProfiles`` are left out.
    public init(_ request: PlanRequest) {
        self.request = request
        self.request.otherProfiles = []
    }

    /// The profile with every measurement so far in it.
    public var profile: ModelProfile {
        request.profile.corrected(by: measurements, passes: isEstimated ? Self.passesOverEstimates : 1)
    }

    private var isEstimated: Bool { request.costModel != .profiled }

    /// A cost model other than `profiled` can be corrected where the profile was priced by it (``ModelProfile/priced(by:)``); else the
    /// plan by its bare estimates is done at once.
    public mutating func next() throws(PlanningError) -> Step {
        var current = request
        current.profile = profile
        let plan = try Planner.plan(current)
        guard request.costModel == request.profile.pricedBy else { return .done(plan) }
        let allowed = isEstimated ? Self.maximumRoundsFromEstimates : Self.maximumRounds
        var plans = [plan]
        // Under costs that are only estimated the exact plan is no better a guess than the greedy one: both are measured at once.
        if isEstimated, let greedy = proposeGreedy(current) { plans.append(greedy) }
        if rounds < allowed {
            let missing = ask(plans)
            if !missing.isEmpty {
                rounds += 1
                return .measure(missing)
            }
        }
        if let greedy = proposeGreedy(current), greedy.bottleneckMilliseconds <= plan.bottleneckMilliseconds * Self.rivalTolerance {
            let missing = ask([greedy])
            if !missing.isEmpty { return .measure(missing) }
        }
        return .done(try best(or: plan))
    }

    /// The greedy plan beside the optimal one, once.
    private mutating func proposeGreedy(_ current: PlanRequest) -> Plan? {
        guard request.strategy == .optimal, !hasProposedGreedy else { return nil }
        hasProposedGreedy = true
        return try? Planner.plan(current.greedy)
    }

    /// The stages that were never asked for; their plans are judged in the end.
    private mutating func ask(_ plans: [Plan]) -> [LayerRange] {
        proposed += plans
        return plans.flatMap(\.stages).map(\.layers).filter { measured[$0] == nil && asked.insert($0).inserted }
    }

    /// Takes the times of ranges; one that is no positive number is left out.
    public mutating func record(_ results: [RangeMeasurement]) {
        for result in results where result.milliseconds > 0 && result.milliseconds.isFinite {
            measured[result.range] = result.milliseconds
            measurements.append(result)
        }
    }

    /// The plan with the lowest bottleneck among those whose stages were all measured, each judged by its own measurements.
    private func best(or plan: Plan) throws(PlanningError) -> Plan {
        var best: Plan?
        for candidate in proposed + [plan] {
            let times = candidate.stages.compactMap { stage in
                measured[stage.layers].map { RangeMeasurement(range: stage.layers, milliseconds: $0) }
            }
            guard times.count == candidate.stages.count else { continue }
            var judged = request
            judged.profile = request.profile.corrected(by: times)
            var result = try Planner.evaluate(stages: candidate.stages.map { ($0.layers, $0.replicas) }, judged)
            result.exactness = candidate.exactness
            result.reasons = candidate.reasons + ["stage times were measured as partitions"]
            if best.map({ result.bottleneckMilliseconds < $0.bottleneckMilliseconds }) ?? true { best = result }
        }
        return best ?? plan
    }
}

extension PlanRequest {
    /// The same by the paper's strategy, which knows pipelines only.
    fileprivate var greedy: PlanRequest {
        var request = self
        request.strategy = .ralos
        request.shape = .pipeline
        return request
    }
}
