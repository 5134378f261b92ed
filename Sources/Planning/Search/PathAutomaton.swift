/// Which groups of nodes may follow which in a plan, as a small automaton: a state knows the units used so far and the last group.
///
/// The search runs over (boundary, state). Three automata are made: all subsets of a few nodes and all counts of a few kinds
/// of identical nodes (both exact, and the first is the second with one node of each kind), and one fixed order. Where the topology
/// pins nodes to stages, a state knows its stage's number as well, as far as the last pin asks for it.
struct PathAutomaton {
    /// The group that a state's last stage runs on. States of one group are neighbours.
    private(set) var groups: [Int] = []
    /// Units used so far; 0 where paths of several lengths meet in a state.
    private(set) var used: [Int] = []
    /// Whether the state's stage may be the first one.
    private(set) var mayBegin: [Bool] = []
    /// Whether a plan may end here: every pinned node has its stage.
    private(set) var mayEnd: [Bool] = []
    private(set) var statesOfGroup: [Range<Int>] = []
    /// The predecessors of state s are `predecessors[predecessorRanges[s]]`.
    private(set) var predecessors: [Int32] = []
    private(set) var predecessorRanges: [Range<Int>] = []

    var stateCount: Int { groups.count }

    /// An upper bound on the states that ``init(table:)`` makes for groups of one unit, saturating.
    static func singleStateCount(counts: [Int], pins: [Int?]) -> Int {
        saturatingProduct(counts.map { $0 + 1 } + [counts.count, depthCount(pins)])
    }

    /// The same for groups of any size: used and last counts of each kind.
    static func groupStateCount(counts: [Int], pins: [Int?]) -> Int {
        saturatingProduct(counts.map { ($0 + 1) * ($0 + 2) / 2 } + [depthCount(pins)])
    }

    private static func saturatingProduct(_ factors: [Int]) -> Int {
        factors.reduce(1) { product, factor in
            let (result, overflow) = product.multipliedReportingOverflow(by: factor)
            return overflow ? Int.max : result
        }
    }

    /// Numbers of stages that are told apart: those up to the last pin, and all later ones together. One without pins.
    private static func depthCount(_ pins: [Int?]) -> Int { pins.compactMap { $0 }.max().map { $0 + 2 } ?? 1 }

    /// Any sequence of disjoint groups of the table. A state is (group, mixed-radix code of the units used, stage number).
    init(table: GroupTable) {
        let counts = table.kinds.map(\.count)
        let pins = table.kinds.map(\.pin)
        let depths = Self.depthCount(pins)
        var weights: [Int] = []
        var codes = 1
        for count in counts {
            weights.append(codes)
            codes *= count + 1
        }
        let digits = (0..<codes).map { code in counts.indices.map { code / weights[$0] % (counts[$0] + 1) } }
        let groupCodes = table.counts.map { vector in zip(vector, weights).reduce(0) { $0 + $1.0 * $1.1 } }
        let ends = digits.map { used in counts.indices.allSatisfy { pins[$0] == nil || used[$0] == counts[$0] } }
        var stateOf = [Int32](repeating: -1, count: table.groupCount * codes * depths)
        func slot(_ group: Int, _ code: Int, _ depth: Int) -> Int { (group * codes + code) * depths + depth }

        var codeOf: [Int] = []
        var depthOf: [Int] = []
        for group in 0..<table.groupCount {
            let begin = groups.count
            let vector = table.counts[group]
            let pin = vector.indices.first { vector[$0] > 0 && pins[$0] != nil }.flatMap { pins[$0] }
            for code in 1..<codes where zip(vector, digits[code]).allSatisfy({ $0 <= $1 }) {
                for depth in 0..<depths where pin == nil || pin == depth {
                    let isFirst = code == groupCodes[group]
                    // With stage numbers, a first stage has number 0 and no other has.
                    if depths > 1, isFirst != (depth == 0) { continue }
                    stateOf[slot(group, code, depth)] = Int32(groups.count)
                    groups.append(group)
                    used.append(digits[code].reduce(0, +))
                    mayBegin.append(isFirst)
                    mayEnd.append(ends[code])
                    codeOf.append(code)
                    depthOf.append(depth)
                }
            }
            statesOfGroup.append(begin..<groups.count)
        }
        for state in groups.indices {
            let begin = predecessors.count
            let before = codeOf[state] - groupCodes[groups[state]]
            if before > 0 {
                let depth = depthOf[state]
                let depthsBefore = depths == 1 ? [0] : depth == depths - 1 ? [depth - 1, depth] : [depth - 1]
                for group in 0..<table.groupCount {
                    for earlier in depthsBefore where earlier >= 0 {
                        let candidate = stateOf[slot(group, before, earlier)]
                        if candidate >= 0 { predecessors.append(candidate) }
                    }
                }
            }
            predecessorRanges.append(begin..<predecessors.count)
        }
    }

    /// Groups 0, 1, … in this order: all of them, or any that keep the order.
    init(orderOf count: Int, all: Bool) {
        groups = Array(0..<count)
        statesOfGroup = groups.map { $0..<($0 + 1) }
        mayEnd = groups.map { _ in true }
        used = groups.map { all ? $0 + 1 : 0 }
        mayBegin = groups.map { !all || $0 == 0 }
        for state in groups {
            let begin = predecessors.count
            let earlier = all ? max(0, state - 1)..<state : 0..<state
            predecessors += earlier.map { Int32($0) }
            predecessorRanges.append(begin..<predecessors.count)
        }
    }
}
