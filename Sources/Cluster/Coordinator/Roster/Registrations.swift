internal import Base
internal import Planning
internal import Wire

/// A worker that has dialled in and said where it can be reached.
struct Registration: Sendable {
    /// On which it registered; `nil` once that has closed.
    fileprivate(set) var connection: ConnectionID?
    let incarnation: IncarnationID
    /// Where it said that it can be reached.
    let addresses: [String]
    /// The host that registered it.
    let source: String
    let registeredAt: Instant
    /// When it was last known to be there, once its connection has closed.
    fileprivate(set) var goneSince: Instant = .zero

    init(connection: ConnectionID, incarnation: IncarnationID, addresses: [String], source: String, registeredAt: Instant) {
        self.connection = connection
        self.incarnation = incarnation
        self.addresses = addresses
        self.source = source
        self.registeredAt = registeredAt
    }
}

/// Who has registered, on which connection, and when some of them may have to be forgotten.
///
/// Invariant: a connection registers one worker. Who is gone is looked at when it may be forgotten.
struct Registrations: Sendable {
    private var table: [NodeID: Registration] = [:]
    private var byConnection: [ConnectionID: NodeID] = [:]
    /// When a registration may have to be forgotten.
    private(set) var nextWake: Instant?
    /// Refusals that the log has, newest last: who is refused asks again each two seconds.
    private var told: [(name: NodeID, cause: String, at: Instant)] = []
    private static let toldLimit = 64
    static let toldAgainAfter: Duration = .seconds(60)

    subscript(_ name: NodeID) -> Registration? { table[name] }
    var all: [NodeID: Registration] { table }
    var count: Int { table.count }
    var connectionCount: Int { byConnection.count }
    func name(on connection: ConnectionID) -> NodeID? { byConnection[connection] }

    /// - Returns: the connection on which it had registered before.
    mutating func register(_ name: NodeID, _ registration: Registration) -> ConnectionID? {
        let old = table[name]?.connection.flatMap { $0 == registration.connection ? nil : $0 }
        if let old { byConnection[old] = nil }
        table[name] = registration
        if let connection = registration.connection { byConnection[connection] = name }
        return old
    }

    /// - Returns: who had registered on it.
    mutating func connectionClosed(_ connection: ConnectionID, _ now: Instant) -> NodeID? {
        guard let name = byConnection.removeValue(forKey: connection) else { return nil }
        table[name]?.connection = nil
        table[name]?.goneSince = now
        return name
    }

    /// It is there, though its connection has closed.
    mutating func isThere(_ name: NodeID, _ now: Instant) { table[name]?.goneSince = now }

    /// Whether the log does not have the refusal yet, or not lately; it is taken for told.
    mutating func isNews(_ cause: String, of name: NodeID, _ now: Instant) -> Bool {
        if let old = told.firstIndex(where: { $0.name == name }) {
            guard told[old].cause != cause || told[old].at + Self.toldAgainAfter <= now else { return false }
            told.remove(at: old)
        }
        if told.count == Self.toldLimit { told.removeFirst() }
        told.append((name, cause, now))
        return true
    }

    mutating func forget(_ name: NodeID) {
        if let connection = table.removeValue(forKey: name)?.connection { byConnection[connection] = nil }
    }

    mutating func wake(at due: Instant) { nextWake = min(nextWake ?? due, due) }

    /// Whether it is time to look through them.
    mutating func takeWake(_ now: Instant) -> Bool {
        guard let due = nextWake, due <= now else { return false }
        nextWake = nil
        return true
    }

    func checkInvariants() -> String? {
        guard byConnection.allSatisfy({ table[$1]?.connection == $0 }),
            byConnection.count == table.values.count(where: { $0.connection != nil })
        else { return "the connections of registrations are not theirs" }
        guard table.count <= CoordinatorMachine.registrationLimit else { return "more registrations than the bound" }
        guard told.count <= Self.toldLimit else { return "more refusals are kept than the bound" }
        guard nextWake != nil || table.values.allSatisfy({ $0.connection != nil }) else {
            return "nobody looks whether who is gone may be forgotten"
        }
        return nil
    }
}
