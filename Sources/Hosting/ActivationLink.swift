public import Base
public import Transport
public import Wire

/// One direction of traffic to a peer: what went over it, what the kernel measured, and whether it pays to compress.
public struct ActivationLink: Sendable {
    public private(set) var policy: CompressionPolicy
    public private(set) var messages: UInt64 = 0
    public private(set) var compressed: UInt64 = 0
    /// Bytes of activations before and after the codec.
    public private(set) var rawBytes: UInt64 = 0
    public private(set) var wireBytes: UInt64 = 0
    /// 0 while nothing was measured, as ``roundTripMs``.
    public private(set) var bandwidthBytesPerSecond = 0.0
    public private(set) var roundTripMs = 0.0
    public private(set) var lastUsed: Instant

    public init(mode: CompressionMode, at now: Instant) {
        policy = CompressionPolicy(mode: mode)
        lastUsed = now
    }

    /// Share of the messages that went compressed.
    public var compressedShare: Double { messages > 0 ? Double(compressed) / Double(messages) : 0 }

    /// How the next message goes.
    public mutating func decide(rawByteCount: Int, mode: CompressionMode, at now: Instant) -> CompressionPolicy.Decision {
        if policy.mode != mode { policy = CompressionPolicy(mode: mode) }
        lastUsed = now
        return policy.decide(rawBytes: rawByteCount)
    }

    public mutating func observe(codec sample: CompressionPolicy.CodecSample) { policy.observe(codec: sample) }

    public mutating func count(rawByteCount: Int, wireByteCount: Int, isCompressed: Bool) {
        messages += 1
        compressed += isCompressed ? 1 : 0
        rawBytes += UInt64(rawByteCount)
        wireBytes += UInt64(wireByteCount)
    }

    /// Takes the kernel's newest measurements of the connection.
    public mutating func measured(_ path: PathFigures) {
        if let roundTrip = path.roundTripMs { roundTripMs = roundTrip }
        guard let rate = path.deliveryRate else { return }
        bandwidthBytesPerSecond = rate
        policy.observe(bandwidthBytesPerSecond: rate)
    }

    /// What a probe showed before any activation went: a floor of the bandwidth, of which the policy learns nothing.
    public mutating func probed(_ path: PathFigures) {
        bandwidthBytesPerSecond = max(bandwidthBytesPerSecond, path.deliveryRate ?? 0)
    }
}
