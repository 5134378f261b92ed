internal import Base

/// Where the time of answered requests went, added up: what `amp4ec status`, the metrics and the statistics of a model are made of.
///
/// The parts of a request add up to its time from admission to the last byte of its reply: its inputs come, it waits for its turn, it is
/// computed (from the first micro-batch that is sent to the last result), its reply goes out.
public struct RequestTimes: Sendable, Hashable, Codable {
    /// Requests, and what they took.
    public struct Sum: Sendable, Hashable, Codable {
        public private(set) var count: UInt64 = 0
        public private(set) var nanoseconds: UInt64 = 0

        public init() {}

        mutating func add(_ duration: Duration) {
            count += 1
            nanoseconds = nanoseconds.addedSaturating(to: UInt64(max(0, duration.nanoseconds)))
        }
    }

    /// Answered with results, from admission to the end of the reply; those that the cache answers too.
    public internal(set) var success = Sum()
    /// Answered with an error after their admission.
    public internal(set) var failure = Sum()
    public internal(set) var input = Sum()
    public internal(set) var queue = Sum()
    public internal(set) var compute = Sum()
    public internal(set) var output = Sum()
    /// Answered by the result cache.
    public internal(set) var cached = Sum()
    /// Items of the answered requests that were computed.
    public internal(set) var items: UInt64 = 0
    /// Micro-batches of those.
    public internal(set) var microBatches: UInt64 = 0

    public init() {}

    enum CodingKeys: String, CodingKey {
        case success, failure, input, queue, compute, output, cached, items
        case microBatches = "micro_batches"
    }

    /// Its reply is out.
    mutating func answered(_ request: Request, _ now: Instant) {
        guard let answeredAt = request.answeredAt else { return }
        let arrivedAt = request.arrivedAt ?? answeredAt
        success.add(now - request.admittedAt)
        guard let sentAt = request.firstDispatchAt, !request.pieces.isEmpty else { return cached.add(now - request.admittedAt) }
        input.add(arrivedAt - request.admittedAt)
        queue.add(sentAt - arrivedAt)
        compute.add(answeredAt - sentAt)
        output.add(now - answeredAt)
        items += UInt64(request.items)
        microBatches += UInt64(request.pieces.count)
    }

    mutating func failed(_ request: Request, _ now: Instant) { failure.add(now - request.admittedAt) }
}
