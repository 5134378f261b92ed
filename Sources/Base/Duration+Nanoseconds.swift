extension Duration {
    /// Whole nanoseconds, rounded towards zero and clamped to what 64 bits hold (292 years).
    public var nanoseconds: Int64 {
        // Not by `components`, which ends the process for more seconds than 64 bits hold.
        Int64(clamping: attoseconds / 1_000_000_000)
    }

    /// Seconds with their fraction.
    public var seconds: Double { Double(nanoseconds) / 1e9 }

    /// Milliseconds with their fraction.
    public var milliseconds: Double { Double(nanoseconds) / 1e6 }
}
