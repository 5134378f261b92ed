public import ArgumentParser

/// Why the value of an option in a file is refused. The parser's own message does not fit: it is about the command line.
public struct ValueRefusal: Sendable, Hashable {
    public let problem: String
    /// How to write it.
    public let fix: String

    public init(problem: String, fix: String) {
        self.problem = problem
        self.fix = fix
    }

    /// - Parameter error: what parsing `--option=value` threw.
    public init(_ error: any Error, thrownBy command: (some ParsableArguments).Type) {
        let message = command.message(for: error)
        let lines = message.split(separator: "\n")
        guard let first = lines.first, let refused = UsageMessage.refusedOption(in: first) else {
            self.init(problem: message, fix: "see --help")
            return
        }
        self.init(
            problem: "\"\(refused.value)\" is no value of this option"
                + (UsageMessage.reason(refused.value, refused.valueName).map { ": \($0)" } ?? ""),
            fix: refused.valueName.flatMap { UsageMessage.howToWrite[$0] } ?? Self.choices(message) ?? "see --help")
    }

    /// The parser lists the values that it takes in one line or, when there are many, in lines that begin with a dash.
    private static func choices(_ message: String) -> String? {
        guard let start = message.firstRange(of: "Please provide one of ") else { return nil }
        let list = message[start.upperBound...]
        let points = list.split(separator: "\n").filter { $0.hasPrefix("  - ") }.map { String($0.dropFirst(4)) }
        guard points.isEmpty else { return "write one of \(points.joined(separator: ", "))" }
        return "write one of \(list.hasSuffix(".") ? list.dropLast() : list)"
    }
}
