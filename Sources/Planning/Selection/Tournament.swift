internal import Base

/// What decides a match between two nodes that both can do a task, by slot: small arrays, so that a match touches little memory.
struct Standings: Sendable {
    var scores: [Double] = []
    /// The number of the choice that a node last won; 0 for never.
    var lastChosen: [UInt64] = []
    var names: [NodeID] = []

    mutating func append(_ name: NodeID) {
        scores.append(0)
        lastChosen.append(0)
        names.append(name)
    }

    /// Whether the left one wins: the higher score, then who waited longest, then the lower name.
    func isBetter(_ left: Int, _ right: Int) -> Bool {
        if scores[left] != scores[right] { return scores[left] > scores[right] }
        if lastChosen[left] != lastChosen[right] { return lastChosen[left] < lastChosen[right] }
        return names[left] < names[right]
    }
}

/// The order of nodes for one demand, as far as a choice needs it: a complete binary tree of matches, the best node at the root.
///
/// A change costs log₂ n matches, a look at the winner none. Making one costs O(n).
struct Tournament: Sendable {
    enum Rank: UInt8, Sendable, Comparable {
        /// Does not answer, too far, or short of a resource.
        case out
        /// Only its load is above the threshold.
        case loaded
        case eligible

        static func < (left: Rank, right: Rank) -> Bool { left.rawValue < right.rawValue }
    }

    let demand: TaskDemand
    /// The choice at which it was last asked.
    var lastUsed: UInt64 = 0
    private var ranks: [Rank]
    /// `matches[1]` is the root, `matches[capacity + slot]` a leaf; −1 where nobody is.
    private var matches: [Int32] = []
    private var capacity = 1

    init(demand: TaskDemand, ranks: [Rank], _ standings: Standings) {
        self.demand = demand
        self.ranks = ranks
        rebuild(standings)
    }

    var winner: Int? {
        let slot = Int(matches[1])
        return slot >= 0 && ranks[slot] > .out ? slot : nil
    }

    func rank(of slot: Int) -> Rank { ranks[slot] }

    /// Plays the matches of one node again, after any change of it.
    mutating func replay(_ slot: Int, _ rank: Rank, _ standings: Standings) {
        if slot >= ranks.count { ranks += Array(repeating: .out, count: slot + 1 - ranks.count) }
        ranks[slot] = rank
        guard slot < capacity else {
            rebuild(standings)
            return
        }
        matches[capacity + slot] = Int32(slot)
        var place = (capacity + slot) / 2
        while place >= 1 {
            matches[place] = better(matches[2 * place], matches[2 * place + 1], standings)
            place /= 2
        }
    }

    private mutating func rebuild(_ standings: Standings) {
        while capacity < ranks.count { capacity *= 2 }
        matches = Array(repeating: -1, count: 2 * capacity)
        for slot in ranks.indices { matches[capacity + slot] = Int32(slot) }
        for place in stride(from: capacity - 1, through: 1, by: -1) {
            matches[place] = better(matches[2 * place], matches[2 * place + 1], standings)
        }
    }

    private func better(_ left: Int32, _ right: Int32, _ standings: Standings) -> Int32 {
        guard left >= 0 else { return right }
        guard right >= 0 else { return left }
        let (leftRank, rightRank) = (ranks[Int(left)], ranks[Int(right)])
        if leftRank != rightRank { return leftRank > rightRank ? left : right }
        // Between two that are out there is nothing to decide.
        if leftRank == .out { return left }
        return standings.isBetter(Int(left), Int(right)) ? left : right
    }
}
