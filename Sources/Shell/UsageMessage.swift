/// What the argument parser says of a wrong value, and what it does not know: how such a value is written, and in which file it stands.
struct UsageMessage {
    let text: String

    /// By the name that a value has in `--help`.
    private static let howToWrite = [
        "time": "write a number with a unit, like 250ms, 2s or 1m",
        "size": "write it like 512MiB, 1.5GiB, 100MB or in plain bytes",
        "addr": "write host:port, [v6]:port, :port or port",
    ]

    /// - Parameters:
    ///   - message: the parser's own.
    ///   - places: for options (without dashes) that stand in a file, where.
    init(_ message: String, places: [String: String]) {
        let body = message.hasPrefix("Error: ") ? message.dropFirst("Error: ".count) : Substring(message)
        var lines = body.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var place = ""
        if let first = lines.first, let option = Self.refusedOption(in: first) {
            if let value = option.valueName, let how = Self.howToWrite[value] { lines[0] += "; \(how)" }
            place = places[option.name].map { $0 + ": " } ?? ""
        }
        let prefix = message.hasPrefix("Error: ") ? "error: " : ""
        text = prefix + place + lines.joined(separator: "\n")
    }

    /// `The value '5' is invalid for '--deadline <time>'`: deadline, time.
    private static func refusedOption(in line: String) -> (name: String, valueName: String?)? {
        guard line.hasPrefix("The value '"), let quoted = line.firstRange(of: "invalid for '--") else { return nil }
        let rest = line[quoted.upperBound...].prefix { $0 != "'" }
        let words = rest.split(separator: " ", maxSplits: 1)
        guard let name = words.first else { return nil }
        return (String(name), words.count == 2 ? words[1].trimmingBrackets : nil)
    }
}

extension Substring {
    fileprivate var trimmingBrackets: String { String(drop { $0 == "<" }.prefix { $0 != ">" }) }
}
