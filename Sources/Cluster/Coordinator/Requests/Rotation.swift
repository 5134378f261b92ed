internal import DequeModule

/// Whose micro-batch is next: the clients take turns, and each client's requests take turns within its own, so that neither a client with
/// many requests nor a request with many micro-batches holds up the others. O(1) for each turn.
struct Rotation: Sendable {
    private var clients: Deque<ConnectionID> = []
    private var turns: [ConnectionID: Deque<RequestID>] = [:]
    private(set) var count = 0

    var first: RequestID? { clients.first.flatMap { turns[$0]?.first } }

    mutating func append(_ request: RequestID, of client: ConnectionID) {
        if turns[client] == nil { clients.append(client) }
        turns[client, default: []].append(request)
        count += 1
    }

    /// Takes the first out; its client keeps its turn.
    mutating func removeFirst() {
        guard let client = clients.first, turns[client]?.popFirst() != nil else { return }
        count -= 1
        if turns[client]?.isEmpty == true {
            turns[client] = nil
            clients.removeFirst()
        }
    }

    /// The first has had its turn: it goes behind its client's others, where it is kept, and its client behind the other clients.
    mutating func turn(keepingFirst isKept: Bool) {
        guard let client = clients.popFirst(), let request = turns[client]?.popFirst() else { return }
        if isKept { turns[client]?.append(request) } else { count -= 1 }
        if turns[client]?.isEmpty == true { turns[client] = nil } else { clients.append(client) }
    }

    /// Forgets what is not wanted any more.
    mutating func compact(keeping isWanted: (RequestID) -> Bool) {
        for client in clients {
            turns[client]?.removeAll { !isWanted($0) }
            if turns[client]?.isEmpty == true { turns[client] = nil }
        }
        clients.removeAll { turns[$0] == nil }
        count = turns.values.reduce(0) { $0 + $1.count }
    }

    /// All that have a turn, for checks. O(n).
    var requests: Set<RequestID> { Set(turns.values.joined()) }
}
