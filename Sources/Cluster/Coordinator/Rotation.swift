internal import DequeModule

/// Whose micro-batch is next: the clients take turns, and each client's requests take turns within its own, so that neither a client with
/// many requests nor a request with many micro-batches holds up the others. O(1) for each turn.
struct Rotation: Sendable {
    private var clients: Deque<ConnectionID> = []
    private var requests: [ConnectionID: Deque<RequestID>] = [:]
    private(set) var count = 0

    var first: RequestID? { clients.first.flatMap { requests[$0]?.first } }

    mutating func append(_ request: RequestID, of client: ConnectionID) {
        if requests[client] == nil { clients.append(client) }
        requests[client, default: []].append(request)
        count += 1
    }

    /// Takes the first out; its client keeps its turn.
    mutating func removeFirst() {
        guard let client = clients.first, requests[client]?.popFirst() != nil else { return }
        count -= 1
        if requests[client]?.isEmpty == true {
            requests[client] = nil
            clients.removeFirst()
        }
    }

    /// The first has had its turn: it goes behind its client's others, where it is kept, and its client behind the other clients.
    mutating func turn(keepingFirst isKept: Bool) {
        guard let client = clients.popFirst(), let request = requests[client]?.popFirst() else { return }
        if isKept { requests[client]?.append(request) } else { count -= 1 }
        if requests[client]?.isEmpty == true { requests[client] = nil } else { clients.append(client) }
    }

    /// Forgets what is not wanted any more.
    mutating func compact(keeping isWanted: (RequestID) -> Bool) {
        for client in clients {
            requests[client]?.removeAll { !isWanted($0) }
            if requests[client]?.isEmpty == true { requests[client] = nil }
        }
        clients.removeAll { requests[$0] == nil }
        count = requests.values.reduce(0) { $0 + $1.count }
    }
}
