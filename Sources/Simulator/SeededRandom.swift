internal import Base
internal import Cluster

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast, and the same on every machine, so that a seed is a whole test case.
public struct SeededRandom: RandomNumberGenerator, Sendable {
    private var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        return SeededRandom.mix(state)
    }

    /// The output function alone: a good hash of 64 bits.
    public static func mix(_ input: UInt64) -> UInt64 {
        var z = input
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    public mutating func int(in range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
    public mutating func chance(_ probability: Double) -> Bool { Double.random(in: 0..<1, using: &self) < probability }
    /// Uniform between the two durations.
    public mutating func duration(_ low: Duration, _ high: Duration) -> Duration {
        .nanoseconds(Int64.random(in: low.nanoseconds...high.nanoseconds, using: &self))
    }
}
