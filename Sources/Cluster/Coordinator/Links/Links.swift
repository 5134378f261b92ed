internal import Base
internal import Planning

/// Links between workers that failed, and when the workers must be told of each other.
///
/// A link that a worker could not use is out for a while, then the worker is asked to dial again, and if it reports nothing the link counts
/// as mended. A mended link stays in the table, so that one that fails again and again is out for longer each time.
///
/// Invariant: no link that is out or on trial ends that phase before the part wakes. O(1) for the questions of a dispatch while nothing is
/// out, else O(faulty links).
struct Links: Sendable {
    /// Joins within this time reach the workers as one table; less than the shortest wait before a plan uses them.
    static let tableDelay: Duration = .milliseconds(20)
    /// A link that failed is left alone this long at first, and up to the longest when it fails again and again.
    static let pauseFirst: Duration = .seconds(5)
    static let pauseLongest: Duration = .seconds(300)
    /// A worker that was asked to dial again and has not complained within this time has connected: connecting gives up sooner.
    static let probeTime: Duration = .seconds(6)

    private struct Fault: Sendable {
        enum Phase: Sendable { case out, probing, mended }
        var phase: Phase
        /// When the phase ends.
        var until: Instant
        /// How long it stays out; doubled when it fails again.
        var pause: Duration
    }

    /// What time has brought.
    enum Change: Sendable, Hashable {
        /// It was out long enough: its first node is asked to dial again.
        case trial(NodeLink)
        /// Nothing bad was heard of it since.
        case mended(NodeLink)
    }

    private var faults: [NodeLink: Fault] = [:]
    /// No fault's phase ends before.
    private var checkAt: Instant?
    /// When the workers are told of each other next: joins that come together are told once.
    private var tableDueAt: Instant?
    private var tableVersion: UInt64 = 0

    var count: Int { faults.count }
    var nextWake: Instant? {
        guard let checkAt, let tableDueAt else { return checkAt ?? tableDueAt }
        return min(checkAt, tableDueAt)
    }

    // MARK: Faults

    func isUsable(_ link: NodeLink) -> Bool { (faults[link]?.phase ?? .mended) == .mended }

    /// The links that no plan and no route may use.
    var broken: Set<NodeLink> { Set(faults.filter { $0.value.phase != .mended }.keys) }
    var hasBroken: Bool { faults.contains { $0.value.phase != .mended } }

    /// One of its ends could not use it.
    /// - Returns: whether plans do not know that yet: not where it was out already, nor where its trial failed.
    mutating func fail(_ link: NodeLink, _ now: Instant) -> Bool {
        let known = faults[link]
        if known?.phase == .out { return false }
        let pause = known.map { min($0.pause * 2, Self.pauseLongest) } ?? Self.pauseFirst
        faults[link] = Fault(phase: .out, until: now + pause, pause: pause)
        checkAt = min(checkAt ?? .distantFuture, now + pause)
        return known?.phase != .probing
    }

    /// Ends the phases that are over. In the order of the links, so that the same events give the same directives.
    mutating func takeChanges(_ now: Instant) -> [Change] {
        guard let due = checkAt, due <= now else { return [] }
        let over = faults.filter { $0.value.phase != .mended && $0.value.until <= now }
            .sorted { ($0.key.from, $0.key.to) < ($1.key.from, $1.key.to) }
        let changes = over.map { link, fault in
            guard fault.phase == .out else {
                faults[link]?.phase = .mended
                return Change.mended(link)
            }
            faults[link]?.phase = .probing
            faults[link]?.until = now + Self.probeTime
            return .trial(link)
        }
        checkAt = faults.values.filter { $0.phase != .mended }.map(\.until).min()
        return changes
    }

    /// The node is another than it was, or is gone: nothing is known of its links.
    mutating func forget(_ node: NodeID) {
        faults = faults.filter { $0.key.from != node && $0.key.to != node }
    }

    // MARK: The table of peers

    /// A table is due: somebody has come, gone or moved.
    mutating func peersChanged(_ now: Instant) { tableDueAt = min(tableDueAt ?? .distantFuture, now + Self.tableDelay) }

    var isTableAwaited: Bool { tableDueAt != nil }
    func isTableDue(_ now: Instant) -> Bool { tableDueAt.map { $0 <= now } ?? false }
    mutating func tablePublished() { tableDueAt = nil }

    /// For the next table: a later one goes before an earlier one.
    mutating func nextTableVersion() -> UInt64 {
        tableVersion += 1
        return tableVersion
    }

    // MARK: Invariants

    /// What does not hold, for tests and simulations. O(faulty links).
    func checkInvariants(isNode: (NodeID) -> Bool) -> String? {
        for (link, fault) in faults {
            guard isNode(link.from), isNode(link.to) else {
                return "the link from \(link.from) to \(link.to) is faulty, though one of them is no node"
            }
            guard fault.pause >= Self.pauseFirst, fault.pause <= Self.pauseLongest else {
                return "the link from \(link.from) to \(link.to) pauses for \(fault.pause.readable)"
            }
            guard fault.phase == .mended || (checkAt ?? .distantFuture) <= fault.until else {
                return "nobody looks when the link from \(link.from) to \(link.to) may be used again"
            }
        }
        return nil
    }
}
