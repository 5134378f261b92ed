internal import Base
internal import Wire

/// Requests whose inputs are still on their way: what each of them may reserve, and when one that does not come loses its place.
///
/// A reservation is made for bytes that were announced, so it costs the sender a few of them. Three rules keep reservations from shutting
/// others out: one connection's are bounded, all large ones together are bounded, and bytes that do not come give their place back. Small
/// requests pass by the second rule: they are what is refused first where memory is kept for promises.
///
/// Invariant: the sums are those of the entries. O(1) for each message; the entries are looked through when one may be due.
struct Uploads: Sendable {
    /// Of the budget: what one connection may reserve for inputs that have not come. One request may always be as large as the budget allows.
    static let connectionShare = 0.5
    /// … and all connections together, for requests that are not small.
    static let totalShare = 0.5
    /// A request up to this part of the budget is small: thirty-two of them fill the half that large ones leave.
    static let smallShare = 1.0 / 64
    static let minimumBytesPerSecond = CoordinatorMachine.Configuration.minimumUploadBytesPerSecond
    /// Slower than that for this long, and the request ends: a link that recovers from a loss takes less.
    static let patience: Duration = .seconds(10)
    /// As long without progress, and it gives way to a request for which there is no room.
    static let yieldAfter: Duration = .seconds(1)

    private struct Entry: Sendable {
        var connection: ConnectionID
        var bytes: Int
        var arrived = 0
        /// All of it is here, and is being made into tensors: nobody waits for the sender.
        var isWhole = false
        /// When it last had come as far as its pace asks, and how far that was.
        var markAt: Instant
        var markBytes = 0
    }

    private var entries: [RequestID: Entry] = [:]
    private var bytesOfConnection: [ConnectionID: Int] = [:]
    private(set) var byteCount = 0
    /// No entry is due before.
    private var checkAt: Instant?

    var count: Int { entries.count }
    var nextWake: Instant? { entries.isEmpty ? nil : checkAt }
    /// What the shell asks its connections about.
    var underWay: [(request: RequestID, connection: ConnectionID)] { entries.map { ($0.key, $0.value.connection) } }

    /// Why a request may not reserve that much now, `nil` when it may.
    func objection(to bytes: Int, from connection: ConnectionID, budget: Int) -> String? {
        let own = bytesOfConnection[connection] ?? 0
        let connectionLimit = Int(Double(budget) * Self.connectionShare)
        guard own == 0 || own + bytes <= connectionLimit else {
            return
                "\(own) bytes of this connection's requests are announced and have not come; \(bytes) more would pass its share of "
                + "\(connectionLimit); send them one after another"
        }
        let totalLimit = Int(Double(budget) * Self.totalShare)
        guard byteCount == 0 || byteCount + bytes <= totalLimit || bytes <= Int(Double(budget) * Self.smallShare) else {
            return
                "\(byteCount) bytes of requests are announced and have not come; \(bytes) more would pass the limit of \(totalLimit)"
        }
        return nil
    }

    mutating func begin(_ id: RequestID, _ connection: ConnectionID, bytes: Int, _ now: Instant) {
        entries[id] = Entry(connection: connection, bytes: bytes, markAt: now)
        bytesOfConnection[connection, default: 0] += bytes
        byteCount += bytes
        checkAt = min(checkAt ?? .distantFuture, now + Self.patience)
    }

    /// It is complete, or is not waited for any more.
    mutating func end(_ id: RequestID) {
        guard let entry = entries.removeValue(forKey: id) else { return }
        byteCount -= entry.bytes
        let left = (bytesOfConnection[entry.connection] ?? 0) - entry.bytes
        bytesOfConnection[entry.connection] = left > 0 ? left : nil
    }

    /// So many of its bytes are here; `Int.max`: all of them, in whatever form they came.
    mutating func progressed(_ id: RequestID, arrived: Int, _ now: Instant) {
        guard var entry = entries[id] else { return }
        entry.arrived = arrived
        entry.isWhole = entry.isWhole || arrived == .max
        let wanted = (now - entry.markAt).seconds * Double(Self.minimumBytesPerSecond)
        if !entry.isWhole, arrived > entry.markBytes, Double(arrived - entry.markBytes) >= wanted {
            entry.markAt = now
            entry.markBytes = arrived
        }
        entries[id] = entry
    }

    /// This process was stopped meanwhile, so that nothing could come.
    mutating func forgive(_ pause: Duration) {
        for id in entries.keys { entries[id]?.markAt += pause }
    }

    /// Those that have been too slow for too long. Called as time passes.
    mutating func takeOverdue(_ now: Instant) -> [RequestID] {
        guard let checkAt, checkAt <= now else { return [] }
        var next: Instant?
        var overdue: [RequestID] = []
        for (id, entry) in entries where !entry.isWhole {
            let due = entry.markAt + Self.patience
            if due <= now { overdue.append(id) } else { next = min(next ?? due, due) }
        }
        self.checkAt = next
        return overdue.sorted()
    }

    /// Those that stand still now, the longest first.
    func standing(_ now: Instant) -> [RequestID] {
        entries.filter { !$0.value.isWhole && $0.value.markAt + Self.yieldAfter <= now }
            .sorted { ($0.value.markAt, $0.key) < ($1.value.markAt, $1.key) }.map(\.key)
    }

    /// What does not hold, for tests and simulations.
    func checkInvariants() -> String? {
        guard entries.values.reduce(0, { $0 + $1.bytes }) == byteCount else { return "the bytes of uploads are not their sum" }
        var sums: [ConnectionID: Int] = [:]
        for entry in entries.values where entry.bytes > 0 { sums[entry.connection, default: 0] += entry.bytes }
        return sums == bytesOfConnection.filter { $0.value > 0 } ? nil : "a connection's bytes of uploads are not their sum"
    }
}
