/// An amount of memory or disk as a user writes it: `512MiB`, `1.5GiB`, `100MB`, or plain bytes.
///
/// `KiB`, `MiB`, `GiB`, `TiB` are powers of 1,024 and `kB`, `MB`, `GB`, `TB` powers of 1,000. A bare `M` is refused, because half of the
/// tools read it as one and half as the other.
extension ByteCount {
    private static let units: [(suffix: String, bytes: Int)] = [
        ("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10),
        ("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000), ("KB", 1_000), ("B", 1),
    ]

    /// Reads a number with a unit, or plain bytes.
    public init(parsing text: some StringProtocol) throws(ValueError) {
        let whole = String(text)
        func malformed(_ why: String) -> ValueError {
            ValueError("size \"\(whole)\": \(why); write it like 512MiB, 1.5GiB, 100MB or in plain bytes")
        }
        let unit = ByteCount.units.first { whole.hasSuffix($0.suffix) }
        let number = whole.dropLast(unit?.suffix.count ?? 0)
        guard let amount = DecimalNumber(number) else {
            throw malformed(
                number.isEmpty ? "there is no number" : "\"\(number)\" is not a number with one of the units KiB … TiB, kB … TB")
        }
        guard let bytes = amount.times(unit?.bytes ?? 1) else { throw malformed("it is not a whole number of bytes below 2^63") }
        self.init(bytes)
    }

    /// The largest binary unit that divides it evenly, else plain bytes: what ``init(parsing:)`` reads back as the same number.
    public var optionText: String {
        let binary = ByteCount.units.prefix(4).first { bytes != 0 && bytes.isMultiple(of: $0.bytes) }
        guard let binary else { return "\(bytes)" }
        return "\(bytes / binary.bytes)\(binary.suffix)"
    }
}
