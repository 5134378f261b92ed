internal import Base
internal import DequeModule
internal import HeapModule
internal import Planning
internal import Wire

/// The requests that were admitted: what each is charged with, whose turn it is, and when each must be over.
///
/// Entries change in place: a copy of a request that is alive while it changes would copy all its pieces for each micro-batch.
///
/// Invariants. The held bytes are those of the requests. A request is an upload while its inputs are on their way, has a turn while a piece of
/// it waits, and has a deadline that somebody looks at until it is answered.
struct Requests: Sendable {
    /// Deadlines and turns of requests that are long answered stay until there are this many too many.
    static let staleSlack = 1_024
    /// A connection with fewer outstanding than this part of all places has few.
    static let fewRequestsDivisor = 64

    private struct ClientRequest: Sendable, Hashable {
        var connection: ConnectionID
        var number: UInt64
    }

    private struct Deadline: Sendable, Comparable {
        var at: Instant
        var request: RequestID
        static func < (left: Deadline, right: Deadline) -> Bool { (left.at, left.request) < (right.at, right.request) }
    }

    private var table: [RequestID: Request] = [:]
    private var byClient: [ClientRequest: RequestID] = [:]
    /// Without those whose reply is on its way out on a connection that has closed.
    private var byConnection: [ConnectionID: Set<RequestID>] = [:]
    private var rotation = Rotation()
    private var deadlines: Heap<Deadline> = []
    private var uploads = Uploads()
    private var nextNumber: UInt64 = 1
    private(set) var heldBytes = 0
    /// Items of all requests that are not answered and whose results are not here.
    private(set) var waitingItems = 0

    subscript(_ id: RequestID) -> Request? { table[id] }
    func piece(_ id: RequestID, _ piece: Int) -> Request.Piece? { table[id]?.pieces[piece] }
    var all: Dictionary<RequestID, Request>.Values { table.values }
    var isEmpty: Bool { table.isEmpty }

    var count: Int { table.count }
    /// Those without the ones whose reply is on its way out. O(n).
    var unansweredCount: Int { table.values.count { $0.phase != .replying } }
    var clientRequestCount: Int { byClient.count }
    var connectionCount: Int { byConnection.count }
    var turnCount: Int { rotation.count }
    /// Whether a micro-batch waits for room on the workers.
    var isSomebodyWaiting: Bool { rotation.first != nil }
    var deadlineCount: Int { deadlines.count }
    var uploadCount: Int { uploads.count }

    var nextWake: Instant? {
        guard let deadline = deadlines.min?.at, let upload = uploads.nextWake else { return deadlines.min?.at ?? uploads.nextWake }
        return min(deadline, upload)
    }

    // MARK: Admission

    /// The request that the client has under that number.
    func request(_ number: UInt64, of connection: ConnectionID) -> RequestID? {
        byClient[ClientRequest(connection: connection, number: number)]
    }

    func hasRequests(of connection: ConnectionID) -> Bool { byConnection[connection] != nil }

    /// The last quarter of the places is for connections that have few requests outstanding, so that one with many shuts nobody out.
    func hasPlace(for connection: ConnectionID, limit: Int) -> Bool {
        guard table.count < limit else { return false }
        guard table.count >= limit - limit / 4 else { return true }
        return (byConnection[connection]?.count ?? 0) < max(1, limit / Self.fewRequestsDivisor)
    }

    /// Why inputs of that size may not be announced now, `nil` where they may.
    func objection(toUploadOf bytes: Int, from connection: ConnectionID, budget: Int) -> String? {
        uploads.objection(to: bytes, from: connection, budget: budget)
    }

    mutating func admit(
        _ number: UInt64, of connection: ConnectionID, items: Int, bytes: Int, inputBytes: Int, outputBytes: Int,
        deadline: Instant, _ now: Instant
    ) -> RequestID {
        let id = RequestID(nextNumber)
        nextNumber += 1
        table[id] = Request(
            id: id, client: connection, clientNumber: number, items: items, bytes: bytes, inputBytes: inputBytes,
            outputBytes: outputBytes, deadline: deadline, admittedAt: now)
        byClient[ClientRequest(connection: connection, number: number)] = id
        byConnection[connection, default: []].insert(id)
        deadlines.insert(Deadline(at: deadline, request: id))
        heldBytes += bytes
        waitingItems += items
        uploads.begin(id, connection, bytes: bytes, now)
        return id
    }

    // MARK: Inputs

    var uploadsUnderWay: [(request: RequestID, connection: ConnectionID)] { uploads.underWay }
    mutating func progressed(_ id: RequestID, byteCount: Int, _ now: Instant) { uploads.progressed(id, arrived: byteCount, now) }
    mutating func takeOverdueUploads(_ now: Instant) -> [RequestID] { uploads.takeOverdue(now) }
    func standingUploads(_ now: Instant) -> [RequestID] { uploads.standing(now) }
    /// This process was stopped meanwhile.
    mutating func forgive(_ pause: Duration) { uploads.forgive(pause) }

    /// Its inputs are complete: it is cut and sent when its turn comes.
    mutating func inputsCame(_ id: RequestID, _ now: Instant) {
        guard table[id]?.phase == .receiving else { return }
        uploads.end(id)
        table[id]?.phase = .running
        table[id]?.arrivedAt = now
        enterRotation(id)
    }

    /// Its inputs are complete and nothing is to be computed.
    /// - Returns: `nil` where it has had its end, or is under way.
    mutating func answerFromCache(_ id: RequestID, _ now: Instant) -> Request? {
        guard let request = table[id], request.phase == .receiving else { return nil }
        uploads.end(id)
        waitingItems -= request.items
        table[id]?.doneItems = request.items
        table[id]?.phase = .replying
        table[id]?.answeredAt = now
        return request
    }

    // MARK: The end

    /// Takes the request out of every table. What it has in the cluster is the machine's to take back.
    mutating func remove(_ id: RequestID) -> Request? {
        guard let request = table.removeValue(forKey: id) else { return nil }
        heldBytes -= request.bytes
        waitingItems -= request.items - request.doneItems
        uploads.end(id)
        byClient[ClientRequest(connection: request.client, number: request.clientNumber)] = nil
        byConnection[request.client]?.remove(id)
        if byConnection[request.client]?.isEmpty == true { byConnection[request.client] = nil }
        return request
    }

    /// Those of a connection, in their order.
    func requests(of connection: ConnectionID) -> [RequestID] { (byConnection[connection] ?? []).sorted() }

    /// What is left of it is replies on their way out.
    mutating func connectionClosed(_ connection: ConnectionID) { byConnection[connection] = nil }

    /// The next one whose deadline has passed. Called until there is none.
    mutating func takeExpired(_ now: Instant) -> Request? {
        while let next = deadlines.min, next.at <= now {
            deadlines.removeMin()
            if let request = table[next.request] { return request }
        }
        if deadlines.count > 2 * table.count + Self.staleSlack {
            let living = deadlines.unordered.filter { table[$0.request] != nil }
            deadlines = Heap(living)
        }
        return nil
    }

    /// Its reply is not read at its deadline: it has until then, once.
    mutating func waitForReader(_ id: RequestID, until due: Instant) {
        table[id]?.isReplyOverdue = true
        deadlines.insert(Deadline(at: due, request: id))
    }
}

// MARK: Turns

extension Requests {
    private mutating func enterRotation(_ id: RequestID) {
        guard let request = table[id], request.phase == .running, !request.isInRotation else { return }
        table[id]?.isInRotation = true
        rotation.append(id, of: request.client)
        if rotation.count > 2 * table.count + Self.staleSlack {
            let living = table
            rotation.compact { living[$0] != nil }
        }
    }

    /// Whose turn it is, and with which piece. Cuts a request whose first turn it is.
    /// - Parameter microBatch: items of a piece; `nil` where requests travel whole.
    mutating func nextTurn(microBatch: Int?) -> (id: RequestID, piece: Int)? {
        while let id = rotation.first {
            guard let isUncut = table[id]?.pieces.isEmpty else {
                rotation.removeFirst()
                continue
            }
            if isUncut { cut(id, microBatch) }
            if let piece = table[id]?.waiting.first { return (id, piece) }
            table[id]?.isInRotation = false
            rotation.removeFirst()
        }
        return nil
    }

    private mutating func cut(_ id: RequestID, _ microBatch: Int?) {
        guard let items = table[id]?.items else { return }
        let size = microBatch ?? items
        let pieces = stride(from: 0, to: items, by: size).map { Request.Piece(items: $0..<min($0 + size, items)) }
        table[id]?.pieces = pieces
        table[id]?.waiting = Deque(pieces.indices)
        table[id]?.remaining = pieces.count
    }

    /// The piece whose turn it was is on its way.
    mutating func turnTaken(_ id: RequestID) {
        table[id]?.waiting.removeFirst()
        let isDone = table[id]?.waiting.isEmpty == true
        if isDone { table[id]?.isInRotation = false }
        rotation.turn(keepingFirst: !isDone)
    }

    /// The request whose turn it was has no other.
    mutating func turnRefused(_ id: RequestID) {
        table[id]?.isInRotation = false
        rotation.removeFirst()
    }

    /// What the key and the deadline of an attempt need of its request.
    struct Attempt: Sendable {
        var client: ConnectionID
        var number: UInt32
        var items: Range<Int>
        var deadline: Instant
    }

    mutating func beginAttempt(_ id: RequestID, _ piece: Int, _ now: Instant) -> Attempt? {
        table[id]?.pieces[piece].attempt += 1
        if table[id]?.firstDispatchAt == nil { table[id]?.firstDispatchAt = now }
        guard let number = table[id]?.pieces[piece].attempt, let items = table[id]?.pieces[piece].items,
            let client = table[id]?.client, let deadline = table[id]?.deadline
        else { return nil }
        return Attempt(client: client, number: number, items: items, deadline: deadline)
    }

    // MARK: Results and setbacks

    /// What a result takes beyond what was set aside counts as held from here on. A later attempt's result replaces an earlier one's.
    /// - Returns: whether the budget allows it.
    mutating func charge(_ bytes: Int, to id: RequestID, _ piece: Int, budget: Int) -> Bool {
        guard let earlier = table[id]?.pieces[piece].outputBytes, let sum = table[id]?.resultBytes,
            let setAside = table[id]?.outputBytes
        else { return false }
        let resultBytes = sum - earlier + bytes
        let more = max(0, resultBytes - setAside)
        guard more == 0 || heldBytes + more <= budget else { return false }
        table[id]?.pieces[piece].outputBytes = bytes
        table[id]?.resultBytes = resultBytes
        table[id]?.outputBytes += more
        table[id]?.bytes += more
        heldBytes += more
        return true
    }

    /// The piece's result is here.
    /// - Returns: the request, if it was the last one: its reply is due.
    mutating func complete(_ id: RequestID, _ piece: Int, _ now: Instant) -> Request? {
        table[id]?.pieces[piece].isDone = true
        table[id]?.remaining -= 1
        let items = table[id]?.pieces[piece].items.count ?? 0
        table[id]?.doneItems += items
        waitingItems -= items
        guard table[id]?.remaining == 0 else { return nil }
        table[id]?.phase = .replying
        table[id]?.answeredAt = now
        return table[id]
    }

    /// The piece is to be sent again.
    /// - Parameter route: where its last attempt was: what that still does to these nodes says something about the piece.
    mutating func setBack(_ id: RequestID, _ piece: Int, _ why: String, from route: [NodeID]) {
        guard var tried = table[id]?.pieces[piece].tried else { return }
        for node in route where !tried.contains(node) { tried.append(node) }
        table[id]?.pieces[piece].tried = tried
        table[id]?.replays += 1
        table[id]?.lastSetback = why
    }

    /// … with the others of its request, in the order of the pieces: what waits behind it was not sent yet, so its place is near the front.
    mutating func waitAgain(_ id: RequestID, _ piece: Int) {
        if let place = table[id]?.waiting.firstIndex(where: { $0 > piece }) {
            table[id]?.waiting.insert(piece, at: place)
        } else {
            table[id]?.waiting.append(piece)
        }
        enterRotation(id)
    }

    /// A node ended, or wrote a run off, with the piece under way on it.
    mutating func noteLoss(of node: NodeID, with id: RequestID, _ piece: Int) {
        table[id]?.pieces[piece].lossNodes.append(node)
    }
}

// MARK: Invariants

extension Requests {
    /// What does not hold, for tests and simulations. O(pieces).
    func checkInvariants() -> String? {
        if let broken = uploads.checkInvariants() { return broken }
        guard table.values.count(where: { $0.phase == .receiving }) == uploads.count else {
            return "uploads are not the requests in receipt"
        }
        guard table.values.reduce(0, { $0 + $1.bytes }) == heldBytes else { return "the held bytes are not the requests'" }
        guard table.values.reduce(0, { $0 + $1.items - $1.doneItems }) == waitingItems else {
            return "the waiting items are not the requests'"
        }
        guard byClient.count == table.count, byClient.allSatisfy({ table[$1]?.client == $0.connection }) else {
            return "the clients' numbers are not those of the requests"
        }
        guard byConnection.values.joined().allSatisfy({ table[$0] != nil }) else {
            return "a connection has a request that is over"
        }
        let turns = rotation.requests
        let due = Dictionary(deadlines.unordered.map { ($0.request, $0.at) }, uniquingKeysWith: min)
        for request in table.values {
            if let broken = checkInvariants(of: request, hasTurn: turns.contains(request.id), due[request.id]) {
                return "request \(request.id.number): \(broken)"
            }
        }
        return nil
    }

    private func checkInvariants(of request: Request, hasTurn: Bool, _ due: Instant?) -> String? {
        guard request.pieces.reduce(0, { $0 + $1.outputBytes }) == request.resultBytes else {
            return "its result bytes are not its pieces'"
        }
        guard request.pieces.count(where: { !$0.isDone }) == request.remaining else { return "its rest is not its pieces'" }
        guard request.phase == .replying || due == request.deadline else { return "nobody looks at its deadline" }
        guard request.phase == .running, request.pieces.isEmpty || !request.waiting.isEmpty else { return nil }
        return request.isInRotation && hasTurn ? nil : "it waits and has no turn"
    }
}
