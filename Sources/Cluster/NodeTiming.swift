internal import Wire

/// Where the time of a node's micro-batches went, summed over those whose results came back. Milliseconds.
public struct NodeTiming: Sendable, Hashable, Codable {
    public var microBatches: UInt64 = 0
    /// From the first byte of a micro-batch to its last.
    public var receiveMs = 0.0
    public var decodeMs = 0.0
    /// Waiting for an executor.
    public var queueMs = 0.0
    public var computeMs = 0.0
    public var encodeMs = 0.0

    enum CodingKeys: String, CodingKey {
        case microBatches = "micro_batches"
        case receiveMs = "receive_ms"
        case decodeMs = "decode_ms"
        case queueMs = "queue_ms"
        case computeMs = "compute_ms"
        case encodeMs = "encode_ms"
    }

    mutating func add(_ trace: HopTrace) {
        microBatches += 1
        receiveMs += Double(trace.receive) / 1e6
        decodeMs += Double(trace.decode) / 1e6
        queueMs += Double(trace.queue) / 1e6
        computeMs += Double(trace.compute) / 1e6
        encodeMs += Double(trace.encode) / 1e6
    }
}
