/// The server's connections and what each is doing: a value that says who goes where there is no room.
///
/// A probe speaks at once and is answered within milliseconds. So whoever has not sent a whole request, and whoever sits between two, gives way
/// to whoever comes; only connections whose request is being answered stay. Where there is
/// room everybody may take the time that a head has; where there is none, an address with many silent ones gives way before others do.
/// O(connections) to find a victim.
package struct ConnectionTable: Sendable {
    package enum Phase: Sendable {
        /// No whole request has come.
        case asking
        /// A handler works on its request.
        case answering
        /// The reply is on its way out.
        case replying
        /// Between two requests.
        case idle
    }

    private struct Entry: Sendable {
        var address: String
        var phase: Phase = .asking
        /// In steps of the table: the lower the longer it has been so.
        var since: UInt64
        var sinceMs: UInt64
        /// Its request may take long: ``takePlace(_:)``.
        var hasPlace = false
    }

    /// A reply of any size that a reader takes is out within this time or moves on; one that does not move may go.
    package static let replyPatienceMs: UInt64 = 1_000

    package let perAddress: Int
    package let total: Int
    /// Of the total, never taken by requests that may take long: for probes, scrapers and people.
    package var kept: Int { min(Self.keptForProbes, total / 4) }
    private static let keptForProbes = 32
    private var places = 0
    private var entries: [UInt64: Entry] = [:]
    private var clock: UInt64 = 0

    package init(perAddress: Int, total: Int) {
        self.perAddress = perAddress
        self.total = total
    }

    package var count: Int { entries.count }

    /// Takes a connection in.
    /// - Returns: the connection that has to go for it, where there is one.
    package mutating func add(_ id: UInt64, from address: String, atMs now: UInt64) -> UInt64? {
        var victim: UInt64?
        if entries.count >= total {
            let crowd = crowdedAddress
            victim = oldest { $0.phase == .asking && $0.address == crowd }
            victim = victim ?? oldest { $0.phase == .asking || $0.phase == .idle }
            victim = victim ?? oldest { $0.phase == .replying && now >= $0.sinceMs + Self.replyPatienceMs }
        }
        if let victim { remove(victim) }
        clock += 1
        entries[id] = Entry(address: address, since: clock, sinceMs: now)
        return victim
    }

    /// The address with the most connections that have not sent a whole request, where those are more than one address may have.
    private var crowdedAddress: String? {
        var counts: [String: Int] = [:]
        for entry in entries.values where entry.phase == .asking { counts[entry.address, default: 0] += 1 }
        return counts.filter { $0.value > perAddress }.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
    }

    private func oldest(where mayGo: (Entry) -> Bool) -> UInt64? {
        entries.filter { mayGo($0.value) }.min { $0.value.since < $1.value.since }?.key
    }

    package mutating func enter(_ phase: Phase, _ id: UInt64, atMs now: UInt64) {
        guard entries[id] != nil else { return }
        if phase == .idle || phase == .asking { givePlaceBack(id) }
        clock += 1
        entries[id]?.phase = phase
        entries[id]?.since = clock
        entries[id]?.sinceMs = now
    }

    package mutating func remove(_ id: UInt64) {
        givePlaceBack(id)
        entries[id] = nil
    }

    /// The connection's request may take long, in coming or in being answered: it does not give way until its reply is out.
    /// - Returns: `false` where as many as may be are like this.
    package mutating func takePlace(_ id: UInt64, atMs now: UInt64) -> Bool {
        guard let entry = entries[id] else { return false }
        if !entry.hasPlace {
            guard places < total - kept else { return false }
            places += 1
            entries[id]?.hasPlace = true
        }
        enter(.answering, id, atMs: now)
        return true
    }

    private mutating func givePlaceBack(_ id: UInt64) {
        guard entries[id]?.hasPlace == true else { return }
        places -= 1
        entries[id]?.hasPlace = false
    }
}
