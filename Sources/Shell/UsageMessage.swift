internal import Base

/// The argument parser's message about a wrong value, with an addition that the parser cannot know: how to write such a value.
struct UsageMessage {
    let text: String

    /// By the name that a value has in `--help`.
    static let howToWrite = [
        "time": "write a number with a unit, like 250ms, 2s or 1m",
        "size": "write it like 512MiB, 1.5GiB, 100MB or in plain bytes",
        "digest": "write all 64 hexadecimal digits of the model's SHA-256, as sha256sum prints them for its file",
        "addr": "write host:port, [v6]:port, :port or port",
    ]

    /// Why such a value is refused; `nil` when the description of the value says enough.
    /// - Parameter valueName: what it is called in `--help`.
    static func reason(_ value: String, _ valueName: String?) -> String? {
        do throws(ValueError) {
            switch valueName {
            case "time": _ = try Duration(parsing: value)
            case "digest": _ = try ModelDigest(parsing: value)
            case "addr": _ = try HostPort(parsing: value)
            default: break
            }
            return nil
        } catch {
            return error.reason
        }
    }

    /// - Parameter message: the parser's own.
    init(_ message: String) {
        let body = message.hasPrefix("Error: ") ? message.dropFirst("Error: ".count) : Substring(message)
        var lines = body.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if let first = lines.first, let refused = Self.refusedOption(in: Substring(first)), let name = refused.valueName,
            let how = Self.howToWrite[name]
        {
            lines[0] += "\(Self.reason(refused.value, name).map { ": \($0)" } ?? ""); \(how)"
        }
        let prefix = message.hasPrefix("Error: ") ? "error: " : ""
        text = prefix + lines.joined(separator: "\n")
    }

    /// `The value '5' is invalid for '--deadline <time>'`: 5, time.
    static func refusedOption(in line: Substring) -> (value: String, valueName: String?)? {
        let start = "The value '"
        guard line.hasPrefix(start), let quoted = line.firstRange(of: "' is invalid for '--") else { return nil }
        let value = line[..<quoted.lowerBound].dropFirst(start.count)
        let words = line[quoted.upperBound...].prefix { $0 != "'" }.split(separator: " ", maxSplits: 1)
        return (String(value), words.count == 2 ? words[1].trimmingBrackets : nil)
    }
}

extension Substring {
    fileprivate var trimmingBrackets: String { String(drop { $0 == "<" }.prefix { $0 != ">" }) }
}
