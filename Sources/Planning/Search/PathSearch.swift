/// What a path over (boundary, state) is judged by. All values are 0 or more; infinite means not allowed.
protocol PathScore {
    func combined(_ path: Double, _ step: Double) -> Double
    var table: GroupTable { get }
    func stage(_ load: StageLoad, on group: Int) -> Double
    /// From and to groups of nodes, or ``PipelineModel/coordinator``.
    func transfer(bytes: Double, from: Int, to: Int) -> Double
    /// Whether no group could take the block, nor any longer one.
    func isHopeless(_ block: PipelineModel.Block) -> Bool
}

/// A block with what does not depend on the group that takes it.
struct StageLoad {
    var block: PipelineModel.Block
    /// Reference milliseconds, copying included.
    var work: Double
    var fitsEverywhere: Bool
}

/// One stage of a chain: segments from boundary to boundary on a group of nodes.
struct PathStep: Equatable {
    var from: Int
    var to: Int
    var group: Int
}

/// The best chains of stages from the input to the output, by dynamic programming.
///
/// With f(b, q) the best value of a chain that ends at boundary b in automaton state q on the group k(q):
///
///     g(b, q) = min over predecessors p of q:  f(b, p) ⊕ transfer(b, k(p) → k(q))
///     f(b, q) = min over a < b:                g(a, q) ⊕ stage([a, b), k(q))
///
/// where ⊕ is max (bottleneck) or + (latency). Both are monotone, so the best chain consists of best chains: exact over the
/// automaton's paths. Complexity: O(K²·Q + K·E) for K boundaries, Q states and E pairs of states, and less where
/// ``PathScore/isHopeless(_:)`` ends the inner loop. Ties keep the first found: shorter last stages, earlier groups.
struct PathSearch<Score: PathScore> {
    private let automaton: PathAutomaton
    private let boundaryCount: Int
    /// Values of whole chains by their last state, the result's way to the coordinator included.
    let totals: [Double]
    private let begins: [Int32]
    private let previous: [Int32]

    init(model: PipelineModel, automaton: PathAutomaton, score: Score) {
        let states = automaton.stateCount
        let last = model.segmentCount
        var reached = [Double](repeating: .infinity, count: (last + 1) * states)
        var opened = [Double](repeating: .infinity, count: (last + 1) * states)
        var begins = [Int32](repeating: -1, count: (last + 1) * states)
        var previous = [Int32](repeating: -1, count: (last + 1) * states)
        // The least opened value of each group: where there is none, no stage of the group begins.
        let groups = automaton.statesOfGroup.count
        var least = [Double](repeating: .infinity, count: (last + 1) * groups)

        for boundary in 0...last {
            if boundary > 0 {
                Self.extend(
                    to: boundary, model: model, automaton: automaton, score: score, opened: opened, least: least,
                    reached: &reached, begins: &begins)
            }
            guard boundary < last else { break }
            let bytes = model.boundaryBytes[boundary]
            for (group, range) in automaton.statesOfGroup.enumerated() {
                let fromCoordinator =
                    boundary == 0 ? score.transfer(bytes: bytes, from: PipelineModel.coordinator, to: group) : .infinity
                for state in range {
                    var best = automaton.mayBegin[state] ? fromCoordinator : .infinity
                    var chosen: Int32 = -1
                    if boundary > 0 {
                        for index in automaton.predecessorRanges[state] {
                            let before = Int(automaton.predecessors[index])
                            let value = reached[boundary * states + before]
                            guard value < best else { continue }
                            let total = score.combined(
                                value, score.transfer(bytes: bytes, from: automaton.groups[before], to: group))
                            if total < best {
                                best = total
                                chosen = Int32(before)
                            }
                        }
                    }
                    opened[boundary * states + state] = best
                    if best < least[boundary * groups + group] { least[boundary * groups + group] = best }
                    previous[boundary * states + state] = chosen
                }
            }
        }
        self.automaton = automaton
        self.boundaryCount = last + 1
        self.begins = begins
        self.previous = previous
        self.totals = (0..<states).map { state in
            let value = reached[last * states + state]
            guard value.isFinite, automaton.mayEnd[state] else { return .infinity }
            let bytes = model.boundaryBytes[last]
            return score.combined(value, score.transfer(bytes: bytes, from: automaton.groups[state], to: PipelineModel.coordinator))
        }
    }

    /// f(boundary, ·) from g: the block grows backwards from the boundary.
    private static func extend(
        to boundary: Int, model: PipelineModel, automaton: PathAutomaton, score: Score, opened: [Double], least: [Double],
        reached: inout [Double], begins: inout [Int32]
    ) {
        let states = automaton.stateCount
        let ranges = automaton.statesOfGroup
        var block = PipelineModel.Block(from: boundary, to: boundary, milliseconds: 0, parameterBytes: 0, peakBytes: 0)
        opened.withUnsafeBufferPointer { opened in
            reached.withUnsafeMutableBufferPointer { reached in
                begins.withUnsafeMutableBufferPointer { begins in
                    for from in stride(from: boundary - 1, through: 0, by: -1) {
                        block.absorb(from, of: model)
                        block.from = from
                        if score.isHopeless(block) { break }
                        let load = StageLoad(
                            block: block, work: model.work(block), fitsEverywhere: score.table.fitsEverywhere(block, model))
                        let openedRow = UnsafeBufferPointer(rebasing: opened[from * states..<(from + 1) * states])
                        let reachedRow = UnsafeMutableBufferPointer(rebasing: reached[boundary * states..<(boundary + 1) * states])
                        let beginsRow = UnsafeMutableBufferPointer(rebasing: begins[boundary * states..<(boundary + 1) * states])
                        for group in ranges.indices where least[from * ranges.count + group] < .infinity {
                            let stage = score.stage(load, on: group)
                            guard stage < .infinity else { continue }
                            for state in ranges[group] {
                                let value = score.combined(openedRow[state], stage)
                                if value < reachedRow[state] {
                                    reachedRow[state] = value
                                    beginsRow[state] = Int32(truncatingIfNeeded: from)
                                }
                            }
                        }
                    }
                }
            }
        }
    }

    /// Sums of the same parts in another order differ by rounding: totals this near are equal.
    private static var equalityFactor: Double { 1 + 1e-12 }

    /// The state with the lowest total among those that are allowed; of equal totals the one with the fewest units.
    func bestState(where isAllowed: (_ used: Int) -> Bool = { _ in true }) -> Int? {
        let allowed = totals.indices.filter { totals[$0].isFinite && isAllowed(automaton.used[$0]) }
        guard let lowest = allowed.map({ totals[$0] }).min() else { return nil }
        return allowed.filter { totals[$0] <= lowest * Self.equalityFactor }.min { automaton.used[$0] < automaton.used[$1] }
    }

    /// The stages of the best chain that ends in `state`, first stage first.
    func path(to state: Int) -> [PathStep] {
        let states = automaton.stateCount
        var steps: [PathStep] = []
        var boundary = boundaryCount - 1
        var current = Int32(state)
        while current >= 0, boundary > 0 {
            let from = Int(begins[boundary * states + Int(current)])
            steps.append(PathStep(from: from, to: boundary, group: automaton.groups[Int(current)]))
            current = previous[from * states + Int(current)]
            boundary = from
        }
        return steps.reversed()
    }
}
