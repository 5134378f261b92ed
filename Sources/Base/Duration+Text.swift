extension Duration {
    private static let units: [(suffix: String, nanoseconds: Int)] = [
        ("ns", 1), ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
    ]

    /// Reads `250ms`, `2s`, `1.5s`, `1m`, `1h`. A bare number is refused, because it could be seconds or milliseconds.
    /// - Throws: ``ValueError`` that says how to write it.
    public init(parsing text: some StringProtocol) throws(ValueError) {
        let whole = String(text)
        func malformed(_ why: String, isReason: Bool = true) -> ValueError {
            ValueError("duration \"\(whole)\": \(why); write it like 250ms, 2s or 1m", reason: isReason ? why : nil)
        }
        let unit = Duration.units.first { unit in
            whole.hasSuffix(unit.suffix) && whole.dropLast(unit.suffix.count).last.map { $0.isNumber } ?? false
        }
        guard let unit, let amount = DecimalNumber(whole.dropLast(unit.suffix.count)) else {
            if DecimalNumber(whole) != nil { throw malformed("there is no unit") }
            // How to write it says this, too.
            throw malformed("it is not a number with a unit", isReason: false)
        }
        guard let nanoseconds = amount.times(unit.nanoseconds) else {
            throw malformed("it is not a whole number of nanoseconds below 292 years")
        }
        self = .nanoseconds(nanoseconds)
    }

    /// What was set, in an option or as a bound of ours, is written like this, in messages too: `500ms`, `30s`. The shortest text that
    /// ``init(parsing:)`` reads back as the same duration (rounded to nanoseconds).
    public var optionText: String {
        let nanoseconds = nanoseconds
        guard nanoseconds != 0 else { return "0s" }
        let unit = Duration.units.last { nanoseconds.isMultiple(of: Int64($0.nanoseconds)) }
        return unit.map { "\(nanoseconds / Int64($0.nanoseconds))\($0.suffix)" } ?? "\(nanoseconds)ns"
    }

    /// What was measured is rounded for messages: `250 ms`, `1.5 s`.
    public var readable: String {
        let ms = nanoseconds / 1_000_000
        if ms < 1_000 { return "\(ms) ms" }
        return ms % 1_000 == 0 ? "\(ms / 1_000) s" : "\(ms / 1_000).\(ms % 1_000 / 100) s"
    }
}
