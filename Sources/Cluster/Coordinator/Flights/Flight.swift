internal import Base
internal import Planning
internal import Wire

/// An attempt at a piece of a request: on its way over its route, or given up and waiting for the nodes' word.
struct Flight: Sendable {
    let request: RequestID
    let piece: Int
    /// The plan that gave its route.
    let generation: UInt64
    let route: [NodeID]
    /// Reserved at each hop, in route order.
    let bytes: [Int]
    let sentAt: Instant
    /// Nothing else is under way on its nodes.
    let isAlone: Bool
    /// When the first hop's connection had taken all of it, and how many bytes with it.
    var writtenAt: Instant?
    var writtenBytes: UInt64 = 0
    /// A result of it was announced, is what the model declares, and is on its way.
    var isResultAccepted = false
    /// … and has come: it is being decoded.
    var isResultComplete = false
    /// It is missed.
    var search: Search?
    /// Nobody wants its result any more; the reservation waits for the node's word.
    var isAbandoned = false

    init(
        request: RequestID, piece: Int, generation: UInt64, route: [NodeID], bytes: [Int], sentAt: Instant, isAlone: Bool
    ) {
        self.request = request
        self.piece = piece
        self.generation = generation
        self.route = route
        self.bytes = bytes
        self.sentAt = sentAt
        self.isAlone = isAlone
    }

    func uses(_ link: NodeLink) -> Bool {
        zip(route, route.dropFirst()).contains { $0 == link.from && $1 == link.to }
    }
}
