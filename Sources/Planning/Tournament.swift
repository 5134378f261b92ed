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
    private var ranks: [Rank] = []
    /// `matches[1]` is the root, `matches[capacity + slot]` a leaf; −1 where nobody is.
    private var matches: [Int32] = [-1, -1]
    private var capacity = 1

    init(demand: TaskDemand, _ entries: [NodeSelector.Entry?], _ settings: SelectionSettings) {
        self.demand = demand
        rebuild(entries, settings)
    }

    var winner: Int? {
        let slot = Int(matches[1])
        return slot >= 0 && ranks[slot] > .out ? slot : nil
    }

    func rank(of slot: Int) -> Rank { ranks[slot] }

    /// Plays the matches of one node again, after any change of it.
    mutating func replay(_ slot: Int, _ entries: [NodeSelector.Entry?], _ settings: SelectionSettings) {
        guard slot < capacity else {
            rebuild(entries, settings)
            return
        }
        if slot >= ranks.count { ranks += Array(repeating: .out, count: slot + 1 - ranks.count) }
        ranks[slot] = rank(entries[slot], settings)
        matches[capacity + slot] = entries[slot] == nil ? -1 : Int32(slot)
        var place = (capacity + slot) / 2
        while place >= 1 {
            matches[place] = better(matches[2 * place], matches[2 * place + 1], entries)
            place /= 2
        }
    }

    private mutating func rebuild(_ entries: [NodeSelector.Entry?], _ settings: SelectionSettings) {
        while capacity < entries.count { capacity *= 2 }
        ranks = entries.map { rank($0, settings) }
        matches = Array(repeating: -1, count: 2 * capacity)
        for slot in entries.indices where entries[slot] != nil { matches[capacity + slot] = Int32(slot) }
        for place in stride(from: capacity - 1, through: 1, by: -1) {
            matches[place] = better(matches[2 * place], matches[2 * place + 1], entries)
        }
    }

    private func rank(_ entry: NodeSelector.Entry?, _ settings: SelectionSettings) -> Rank {
        guard let entry, entry.isAnswering else { return .out }
        let reading = entry.reading
        guard reading.latencyMs <= settings.maximumLatencyMs, reading.availableCores >= demand.cores,
            reading.availableMemory >= demand.memory
        else { return .out }
        return reading.load > settings.maximumLoad ? .loaded : .eligible
    }

    private func better(_ left: Int32, _ right: Int32, _ entries: [NodeSelector.Entry?]) -> Int32 {
        guard left >= 0, let first = entries[Int(left)] else { return right }
        guard right >= 0, let second = entries[Int(right)] else { return left }
        let (leftRank, rightRank) = (ranks[Int(left)], ranks[Int(right)])
        if leftRank != rightRank { return leftRank > rightRank ? left : right }
        if first.score != second.score { return first.score > second.score ? left : right }
        if first.lastChosen != second.lastChosen { return first.lastChosen < second.lastChosen ? left : right }
        return first.id < second.id ? left : right
    }
}
