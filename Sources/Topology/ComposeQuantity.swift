/// Amounts as compose writes them.
enum ComposeQuantity {
    /// More is a mistake (an exabyte), and it keeps the sum over all workers far from an overflow.
    static let maximumBytes = 1 << 50
    static let maximumCPUs = 100_000.0

    /// `512M`, `1g`, `512MiB`, `1.5gb`, `268435456`: every unit is a power of 1,024, as in Docker. 0 means no limit.
    static func memoryBytes(_ text: String) -> Int? {
        let number = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
        let unit = text.dropFirst(number.count).drop { $0 == " " }.lowercased()
        guard let amount = finite(number) else { return nil }
        let powers = ["b": 0, "": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5]
        let letters = unit.hasSuffix("ib") ? unit.dropLast(2) : unit.count > 1 && unit.hasSuffix("b") ? unit.dropLast(1) : unit[...]
        guard let power = powers[String(letters)], !(letters.isEmpty && !unit.isEmpty) else { return nil }
        let bytes = amount * Double(1 << (10 * power))
        return bytes <= Double(maximumBytes) ? Int(bytes) : nil
    }

    /// `0.5`, `2`, `5e-1`. 0 means no limit.
    static func cpus(_ amount: Double?) -> Double? {
        guard let amount, (0...maximumCPUs).contains(amount) else { return nil }
        return amount
    }

    private static func finite(_ text: Substring) -> Double? {
        guard !text.isEmpty, text.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), let amount = Double(text),
            amount.isFinite
        else { return nil }
        return amount
    }
}
