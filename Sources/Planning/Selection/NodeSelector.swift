public import Base

/// Node selection (Algorithm 1): which node gets the next task, in O(log n).
///
/// Nodes whose resources suffice all have S_R = 1 (see ``NodeScore``), so a node's score does not depend on the task, and only who
/// is *eligible* does. For each demand there is a tournament over the nodes: a leaf for each, and in each inner place the better of
/// its two. The winner stands at the root; a change of one node plays log n matches again. A demand seen for the first time costs O(n)
/// once. Ties go to the node that waited longest for a task, then to the lower name.
///
/// A node that does not answer is never chosen, however little it has to do. If nobody is eligible the load threshold is dropped, and
/// ``Choice/ignoresLoad`` says so; silence, latency and memory are never overlooked.
public struct NodeSelector: Sendable {
    /// Tournaments kept; the one not asked for longest goes. A deployment has one demand for each stage, and few stages.
    public static let maximumDemands = 16

    public struct Choice: Sendable, Hashable {
        public var node: NodeID
        public var score: Double
        /// Everyone eligible was above the load threshold, so it was dropped.
        public var ignoresLoad: Bool
    }

    /// A node with what the score is made of.
    private struct Entry: Sendable {
        var reading: NodeReading
        var isAnswering = true
        var tasks = 0
        var history = ExecutionHistory()
    }

    private let settings: SelectionSettings
    /// By slot, as are the standings; a free slot holds what its last node left.
    private var entries: [Entry] = []
    private var standings = Standings()
    private var freeSlots: [Int] = []
    private var slots: [NodeID: Int] = [:]
    private var tournaments: [Tournament] = []
    private var choices: UInt64 = 0

    public init(settings: SelectionSettings = SelectionSettings()) { self.settings = settings }

    public var count: Int { slots.count }

    /// Takes a node's reading, which is also a sign of life; a node not known yet joins.
    /// - Returns: the warning of a reading that is no measurement. The node then takes no new task until a good one comes.
    public mutating func update(_ id: NodeID, _ reading: NodeReading) -> String? {
        let slot = slots[id] ?? join(id, reading)
        entries[slot].reading = reading
        let fault = reading.fault
        entries[slot].isAnswering = fault == nil
        refresh(slot)
        return fault.map { "\(id) takes no new work: \($0)" }
    }

    /// The node takes no task until its next reading.
    public mutating func stopsAnswering(_ id: NodeID) {
        guard let slot = slots[id] else { return }
        entries[slot].isAnswering = false
        refresh(slot)
    }

    public mutating func remove(_ id: NodeID) {
        guard let slot = slots.removeValue(forKey: id) else { return }
        entries[slot].isAnswering = false
        entries[slot].history = ExecutionHistory()
        freeSlots.append(slot)
        refresh(slot)
    }

    /// The node with the highest score that can do the task; its tasks are one more from now on. Nil where nobody can.
    public mutating func choose(_ demand: TaskDemand) -> Choice? {
        let index = prepare(for: demand)
        let choice = winner(of: tournaments[index])
        if let choice { assign(to: choice.node) }
        return choice
    }

    /// Who ``choose(_:)`` would give a task now; nothing changes. `nil` also for a demand that was never prepared for.
    public func winner(_ demand: TaskDemand) -> Choice? {
        tournaments.first { $0.demand == demand }.flatMap(winner(of:))
    }

    private func winner(of tournament: Tournament) -> Choice? {
        tournament.winner.map { slot in
            Choice(
                node: standings.names[slot], score: standings.scores[slot],
                ignoresLoad: tournament.rank(of: slot) == .loaded)
        }
    }

    /// The best of some of the nodes, where something that the demand does not say keeps the others from it. O(their number).
    public func winner(_ demand: TaskDemand, among candidates: [NodeID]) -> NodeID? {
        let ranked = candidates.compactMap { slots[$0] }.map { (slot: $0, rank: rank($0, demand)) }
        let best = ranked.map(\.rank).max() ?? .out
        guard best != .out else { return nil }
        return ranked.filter { $0.rank == best }.map(\.slot).max { standings.isBetter($1, $0) }.map { standings.names[$0] }
    }

    /// The node has a task more, whoever chose it.
    public mutating func assign(to id: NodeID) {
        guard let slot = slots[id] else { return }
        choices += 1
        standings.lastChosen[slot] = choices
        entries[slot].tasks += 1
        refresh(slot)
    }

    /// A task that ``choose(_:)`` gave to the node is over; one that failed has no time worth remembering.
    /// - Returns: the warning of a time that is no measurement.
    public mutating func finish(on id: NodeID, milliseconds: Double?) -> String? {
        guard let slot = slots[id] else { return nil }
        entries[slot].tasks = max(0, entries[slot].tasks - 1)
        var warning: String?
        if let milliseconds, !entries[slot].history.record(milliseconds: milliseconds) {
            warning = "\(id): an execution time of \(milliseconds) ms is left out, must be 0 or more"
        }
        refresh(slot)
        return warning
    }

    // MARK: - Index

    private mutating func join(_ id: NodeID, _ reading: NodeReading) -> Int {
        let slot = freeSlots.popLast() ?? entries.count
        if slot == entries.count {
            entries.append(Entry(reading: reading))
            standings.append(id)
        } else {
            entries[slot] = Entry(reading: reading)
            standings.names[slot] = id
            standings.lastChosen[slot] = 0
        }
        slots[id] = slot
        return slot
    }

    private mutating func refresh(_ slot: Int) {
        standings.scores[slot] = NodeScore.value(
            load: entries[slot].reading.load, meanSeconds: entries[slot].history.meanSeconds, tasks: entries[slot].tasks,
            settings: settings)
        for index in tournaments.indices { tournaments[index].replay(slot, rank(slot, tournaments[index].demand), standings) }
    }

    private func rank(_ slot: Int, _ demand: TaskDemand) -> Tournament.Rank {
        guard entries[slot].isAnswering else { return .out }
        let reading = entries[slot].reading
        guard reading.latencyMs <= settings.maximumLatencyMs, reading.availableCores >= demand.cores,
            reading.availableMemory >= demand.memory
        else { return .out }
        return reading.load > settings.maximumLoad ? .loaded : .eligible
    }

    /// Makes the demand's tournament where it is not there: O(n), once.
    /// - Returns: its place.
    @discardableResult public mutating func prepare(for demand: TaskDemand) -> Int {
        if let index = tournaments.firstIndex(where: { $0.demand == demand }) {
            tournaments[index].lastUsed = choices
            return index
        }
        if tournaments.count >= Self.maximumDemands,
            let oldest = tournaments.indices.min(by: { tournaments[$0].lastUsed < tournaments[$1].lastUsed })
        {
            tournaments.remove(at: oldest)
        }
        var made = Tournament(demand: demand, ranks: entries.indices.map { rank($0, demand) }, standings)
        made.lastUsed = choices
        tournaments.append(made)
        return tournaments.count - 1
    }
}
