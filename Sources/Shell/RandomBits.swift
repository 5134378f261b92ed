/// Identifiers and secrets from the system's generator (`getrandom`), which nobody can predict and no two processes share.
public enum RandomBits {
    /// 128 fresh bits, for sessions and incarnations.
    public static func next128() -> UInt128 {
        var generator = SystemRandomNumberGenerator()
        return UInt128(generator.next()) << 64 | UInt128(generator.next())
    }

    /// Fresh bytes, for a secret.
    public static func bytes(_ count: Int) -> [UInt8] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
    }
}
