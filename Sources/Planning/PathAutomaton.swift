/// Which nodes may follow which in a plan, as a small automaton: a state knows the nodes used so far and the last of them.
///
/// The search runs over (boundary, state). Three automata are made: all subsets of a few nodes and all counts of a few kinds
/// of identical nodes (both exact, and the first is the second with one node of each kind), and one fixed order.
struct PathAutomaton {
    /// The kind of node that a state's last stage runs on. States of one kind are neighbours.
    private(set) var kinds: [Int] = []
    /// Stages so far; 0 where paths of several lengths meet in a state.
    private(set) var used: [Int] = []
    /// Whether the state's stage may be the first one.
    private(set) var mayBegin: [Bool] = []
    private(set) var predecessors: [[Int]] = []
    /// The states of each kind.
    private(set) var statesOfKind: [Range<Int>] = []

    var stateCount: Int { kinds.count }

    /// The number of states that ``init(counts:)`` makes, or nil above `bound`.
    static func stateCount(counts: [Int], bound: Int) -> Int? {
        var codes = 1
        for count in counts {
            codes *= count + 1
            if codes * counts.count > bound { return nil }
        }
        return codes * counts.count
    }

    /// Any multiset of kinds: `counts[k]` nodes of kind k. A state is a mixed-radix code of the counts used and the last kind.
    init(counts: [Int]) {
        var weights: [Int] = []
        var codes = 1
        for count in counts {
            weights.append(codes)
            codes *= count + 1
        }
        func countUsed(_ code: Int, _ kind: Int) -> Int { code / weights[kind] % (counts[kind] + 1) }
        var stateOf = [Int](repeating: -1, count: codes * counts.count)
        for kind in counts.indices {
            let begin = kinds.count
            for code in 1..<codes where countUsed(code, kind) > 0 {
                stateOf[code * counts.count + kind] = kinds.count
                kinds.append(kind)
                used.append(counts.indices.reduce(0) { $0 + countUsed(code, $1) })
                mayBegin.append(code == weights[kind])
            }
            statesOfKind.append(begin..<kinds.count)
        }
        predecessors = Array(repeating: [], count: kinds.count)
        for code in 1..<codes {
            for kind in counts.indices where countUsed(code, kind) > 0 {
                let before = code - weights[kind]
                predecessors[stateOf[code * counts.count + kind]] = counts.indices.compactMap { last in
                    let state = stateOf[before * counts.count + last]
                    return before > 0 && state >= 0 ? state : nil
                }
            }
        }
    }

    /// The nodes in one fixed order, each of its own kind: all of them, or any that keep the order.
    init(orderOf count: Int, all: Bool) {
        kinds = Array(0..<count)
        statesOfKind = kinds.map { $0..<($0 + 1) }
        if all {
            used = kinds.map { $0 + 1 }
            mayBegin = kinds.map { $0 == 0 }
            predecessors = kinds.map { $0 == 0 ? [] : [$0 - 1] }
        } else {
            used = kinds.map { _ in 0 }
            mayBegin = kinds.map { _ in true }
            predecessors = kinds.map { Array(0..<$0) }
        }
    }
}
