/// Identifiers from the system's generator (`getrandom`), which nobody can predict and no two processes share.
public enum RandomBits {
    /// 128 fresh bits, for sessions and incarnations.
    public static func next128() -> UInt128 {
        var generator = SystemRandomNumberGenerator()
        return UInt128(generator.next()) << 64 | UInt128(generator.next())
    }
}
