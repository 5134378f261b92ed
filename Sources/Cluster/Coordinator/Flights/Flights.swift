internal import Base
internal import DequeModule
internal import Planning
internal import Wire

/// Micro-batches on their way, what they reserve at the nodes, and those that must run alone.
///
/// A reservation (a slot and bytes at each hop) lives from the dispatch until a result, a node's word, or the node's loss. A flight that is
/// given up keeps its reservation until then: the node may still be at it.
///
/// Invariants. What a node has reserved is the sum of its flights. Each flight that was given up is looked at again. The nodes of one
/// route at most are kept free. O(hops) for each dispatch and result.
struct Flights: Sendable {
    /// Word of an abandoned micro-batch that has not come after this long will not come (it was lost between two hops). The worker's own
    /// bounds still hold if it does.
    static let abandonedReclaim: Duration = .seconds(5)

    struct PieceID: Sendable, Hashable {
        var request: RequestID
        var piece: Int
    }

    /// The nodes that are kept free for a micro-batch that runs alone.
    struct Isolation: Sendable {
        let piece: PieceID
        let generation: UInt64
        let path: [NodeID]
        /// It is under way; before that the nodes finish what they have.
        fileprivate(set) var key: WorkKey?
    }

    private struct Abandonment: Sendable {
        var at: Instant
        var key: WorkKey
    }

    /// What is reserved at a node.
    private struct Load: Sendable {
        var keys: Set<WorkKey> = []
        var bytes = 0

        mutating func reserve(_ reserved: Int, for key: WorkKey) {
            keys.insert(key)
            bytes += reserved
        }

        /// - Returns: whether anything was reserved for it.
        mutating func free(_ reserved: Int, of key: WorkKey) -> Bool {
            guard keys.remove(key) != nil else { return false }
            bytes -= reserved
            return true
        }
    }

    private var table: [WorkKey: Flight] = [:]
    /// Flights whose result is still wanted: what the window bounds.
    private(set) var living = 0
    private var loads: [NodeID: Load] = [:]
    /// In the order of their abandonment.
    private var abandoned: Deque<Abandonment> = []
    /// Micro-batches that are run alone, in the order in which they became suspicious.
    private var quarantine: Deque<PieceID> = []
    private(set) var isolation: Isolation?

    subscript(_ key: WorkKey) -> Flight? { table[key] }
    var keys: Dictionary<WorkKey, Flight>.Keys { table.keys }
    var count: Int { table.count }
    var isEmpty: Bool { table.isEmpty }
    var abandonedCount: Int { abandoned.count }
    var quarantineCount: Int { quarantine.count }
    /// Over all nodes.
    var reservationCount: Int { loads.values.reduce(0) { $0 + $1.keys.count } }

    var nextWake: Instant? { abandoned.first.map { $0.at + Self.abandonedReclaim } }

    // MARK: Nodes

    func count(on node: NodeID) -> Int { loads[node]?.keys.count ?? 0 }

    func reserved(on node: NodeID) -> (count: Int, bytes: Int) {
        guard let load = loads[node] else { return (0, 0) }
        return (load.keys.count, load.bytes)
    }

    /// What has a reservation at the node, the oldest request first.
    func keys(on node: NodeID) -> [WorkKey] { Self.ordered(loads[node]?.keys ?? []) }

    /// What a failed link may have carried: all whose route leads over it, and what the sender says that it has not sent on.
    func keys(over link: NodeLink, unsent: Set<WorkKey>) -> [WorkKey] {
        Self.ordered(
            table.filter { key, flight in flight.uses(link) || (unsent.contains(key) && flight.route.contains(link.from)) }.keys)
    }

    static func ordered(_ keys: some Sequence<WorkKey>) -> [WorkKey] {
        keys.sorted { ($0.request, $0.microBatch) < ($1.request, $1.microBatch) }
    }

    /// The node is gone with all that it had.
    mutating func forget(_ node: NodeID) { loads[node] = nil }
    mutating func rename(_ old: NodeID, to new: NodeID) { loads[new] = loads.removeValue(forKey: old) }

    // MARK: From dispatch to the end

    mutating func begin(_ key: WorkKey, _ flight: Flight) {
        table[key] = flight
        living += 1
        for (node, reserved) in zip(flight.route, flight.bytes) { loads[node, default: Load()].reserve(reserved, for: key) }
    }

    mutating func written(_ key: WorkKey, _ sentBytes: UInt64, _ now: Instant) {
        table[key]?.writtenAt = now
        table[key]?.writtenBytes = sentBytes
    }

    mutating func resultAccepted(_ key: WorkKey) { table[key]?.isResultAccepted = true }
    mutating func resultCame(_ key: WorkKey) { table[key]?.isResultComplete = true }

    /// Frees the reservation at every hop.
    /// - Returns: with the hops where there was one.
    mutating func land(_ key: WorkKey) -> (flight: Flight, freed: [NodeID])? {
        guard let flight = table.removeValue(forKey: key) else { return nil }
        if isolation?.key == key { isolation = nil }
        if !flight.isAbandoned { living -= 1 }
        var missing: [Int] = []
        for (hop, node) in flight.route.enumerated() where loads[node]?.free(flight.bytes[hop], of: key) != true {
            missing.append(hop)
        }
        guard !missing.isEmpty else { return (flight, flight.route) }
        return (flight, flight.route.indices.filter { !missing.contains($0) }.map { flight.route[$0] })
    }

    /// Nobody wants it any more: the reservation waits for the nodes' word.
    /// - Returns: `nil` where it is over or given up already.
    mutating func abandon(_ key: WorkKey, _ now: Instant) -> Flight? {
        guard let flight = table[key], !flight.isAbandoned else { return nil }
        table[key]?.isAbandoned = true
        living -= 1
        abandoned.append(Abandonment(at: now, key: key))
        return flight
    }

    /// The next one whose nodes have said nothing for too long. Called until there is none.
    mutating func takeReclaimable(_ now: Instant) -> WorkKey? {
        while let oldest = abandoned.first, oldest.at + Self.abandonedReclaim <= now {
            abandoned.removeFirst()
            if table[oldest.key]?.isAbandoned == true { return oldest.key }
        }
        return nil
    }

    // MARK: Alone

    var firstQuarantined: PieceID? { quarantine.first }
    mutating func quarantine(_ piece: PieceID) { quarantine.append(piece) }
    mutating func dropFirstQuarantined() { quarantine.removeFirst() }

    /// No new work goes to the nodes of the path, until the first one in quarantine has run there.
    mutating func isolate(_ path: [NodeID], generation: UInt64) {
        guard let piece = quarantine.first else { return }
        isolation = Isolation(piece: piece, generation: generation, path: path)
    }

    mutating func endIsolation() { isolation = nil }

    /// The first one in quarantine is on its way over the nodes that were kept free.
    mutating func runsAlone(_ key: WorkKey) {
        quarantine.removeFirst()
        isolation?.key = key
    }

    func isKeptFree(_ id: NodeID) -> Bool { isolation?.path.contains(id) ?? false }

    // MARK: Missing

    /// A micro-batch that was written out to its first hop a while ago, and of which nothing has come back.
    func isMissed(_ key: WorkKey, _ now: Instant) -> Bool {
        guard let flight = table[key], !flight.isAbandoned, !flight.isResultComplete, let writtenAt = flight.writtenAt else {
            return false
        }
        return writtenAt + Search.askAfter <= now
    }

    /// The oldest that are missed at a node, as many as a ping may ask for. O(micro-batches of the node), once a second.
    func missed(on node: NodeID, _ now: Instant) -> [WorkKey] {
        guard let keys = loads[node]?.keys else { return [] }
        let missed = keys.filter { isMissed($0, now) }
        return missed.isEmpty ? [] : Array(Self.ordered(missed).prefix(WireLimits.workQuestions))
    }

    /// A hop of its route has said where it is.
    /// - Parameters:
    ///   - receivedBytes: what has come on the node's data connection.
    ///   - beat: the last that the node said of itself.
    /// - Returns: the flight, and whom it accuses, where that is proven by now.
    mutating func note(
        _ place: WorkPlace, from node: NodeID, receivedBytes: UInt64, beat: Heartbeat?, lostAfter: Duration, _ now: Instant
    ) -> (Flight, Search.Suspicion)? {
        guard isMissed(place.key, now), let flight = table[place.key], let hop = flight.route.firstIndex(of: node) else {
            return nil
        }
        var search = flight.search ?? Search(hopCount: flight.route.count)
        search.note(place, at: hop, of: flight, receivedBytes: receivedBytes, beat: beat, now)
        table[place.key]?.search = search
        guard let proven = search.suspicion, proven.hop == hop, proven.isProven(lostAfter) else { return nil }
        return (flight, proven)
    }

    /// What was said before this process's own pause and what is said after it do not belong together.
    mutating func forgive(_ pause: Duration) {
        for (key, flight) in table {
            if let writtenAt = flight.writtenAt { table[key]?.writtenAt = writtenAt + pause }
            if flight.search != nil { table[key]?.search?.suspicion = nil }
        }
    }
}

// MARK: Invariants

extension Flights {
    /// What does not hold, for tests and simulations. O(flights).
    func checkInvariants(isNode: (NodeID) -> Bool) -> String? {
        guard table.values.count(where: { !$0.isAbandoned }) == living else {
            return "the window counts other flights than there are"
        }
        let watched = Set(abandoned.map(\.key))
        for (key, flight) in table {
            guard !flight.isAbandoned || watched.contains(key) else { return "nobody looks at a micro-batch that was given up" }
            guard flight.search.map({ $0.places.count == flight.route.count && flight.writtenAt != nil }) ?? true else {
                return "a micro-batch is searched for that was not sent, or not on its route"
            }
        }
        for (node, load) in loads {
            guard isNode(node) else { return "\(node) has reservations and is no node" }
            guard load.keys.allSatisfy({ table[$0]?.route.contains(node) == true }) else {
                return "\(node) has a reservation for a micro-batch that is over or not sent there"
            }
            let bytes = load.keys.reduce(0) { sum, key in
                sum
                    + (table[key].map { flight in zip(flight.route, flight.bytes).reduce(0) { $1.0 == node ? $0 + $1.1 : $0 } } ?? 0)
            }
            guard bytes == load.bytes else { return "\(node) has \(load.bytes) bytes reserved for micro-batches of \(bytes)" }
        }
        if let key = isolation?.key, table[key]?.isAlone != true { return "nodes are kept free for nothing" }
        guard Set(quarantine).count == quarantine.count else { return "a micro-batch is in quarantine twice" }
        return nil
    }

    /// Each piece that is under way or waits to run alone, for checks. O(flights).
    var piecesUnderWay: [PieceID: Int] {
        var pieces: [PieceID: Int] = [:]
        for flight in table.values where !flight.isAbandoned {
            pieces[PieceID(request: flight.request, piece: flight.piece), default: 0] += 1
        }
        for piece in quarantine { pieces[piece, default: 0] += 1 }
        return pieces
    }
}
