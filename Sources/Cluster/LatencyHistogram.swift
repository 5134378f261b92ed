internal import Base

/// How long requests took, counted in fixed buckets, as Prometheus' histograms are.
public struct LatencyHistogram: Sendable, Hashable, Codable {
    /// Upper bounds of the buckets in seconds; what is above the last one is only in ``count``. From a cached tensor's way through loopback to
    /// the default deadline.
    public static let boundsSeconds: [Double] = [
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
    ]

    /// Requests in each bucket alone, in the order of ``boundsSeconds``.
    public private(set) var buckets: [UInt64]
    public private(set) var count: UInt64 = 0
    public private(set) var sumSeconds = 0.0

    enum CodingKeys: String, CodingKey {
        case buckets, count
        case sumSeconds = "sum_seconds"
    }

    public init() { buckets = Array(repeating: 0, count: Self.boundsSeconds.count) }

    public mutating func add(_ duration: Duration) {
        let seconds = max(0, duration.milliseconds / 1e3)
        count += 1
        sumSeconds += seconds
        if let bucket = Self.boundsSeconds.firstIndex(where: { seconds <= $0 }) { buckets[bucket] += 1 }
    }
}
