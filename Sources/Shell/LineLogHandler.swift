internal import FoundationEssentials
internal import Glibc
public import Logging

/// Writes each event as one line of stderr: `2026-11-23T22:57:07.123Z info worker: message key=value other="two words"`.
///
/// Messages are constants and the facts are in the metadata, sorted by key, so that lines can be searched and compared. Values that
/// come from peers are quoted and escaped: nobody can forge a line.
public struct LineLogHandler: LogHandler {
    /// A longer value is cut: a line stays below `PIPE_BUF` (4,096 bytes) in all but odd cases, and writes up to it are atomic.
    public static let maximumValueLength = 1_024

    public var logLevel: Logger.Level
    public var metadata: Logger.Metadata = [:]
    public var metadataProvider: Logger.MetadataProvider?
    private let label: String
    private let write: @Sendable (String) -> Void
    private let now: @Sendable () -> (seconds: Int, milliseconds: Int)

    /// - Parameter label: which part speaks (`worker`, `coordinator`).
    public init(label: String, level: Logger.Level) {
        self.init(
            label: label, level: level, write: { StandardStream.error.write($0) }, since1970: { LineLogHandler.currentTime() })
    }

    /// With the sink and the clock of a test.
    package init(
        label: String, level: Logger.Level, write: @escaping @Sendable (String) -> Void,
        since1970 now: @escaping @Sendable () -> (seconds: Int, milliseconds: Int)
    ) {
        self.label = label
        self.logLevel = level
        self.write = write
        self.now = now
    }

    public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    public func log(event: LogEvent) {
        var facts = metadata
        facts.merge(metadataProvider?.get() ?? [:]) { _, new in new }
        facts.merge(event.metadata ?? [:]) { _, new in new }
        if let error = event.error { facts["error"] = "\(error)" }
        write(LineLogHandler.line(event.level, label, "\(event.message)", facts.mapValues { "\($0)" }, now()))
    }

    /// One line, with its line feed.
    static func line(
        _ level: Logger.Level, _ label: String, _ message: String, _ facts: [String: String],
        _ time: (seconds: Int, milliseconds: Int)? = nil
    ) -> String {
        var line = "\(timestamp(time ?? currentTime())) \(level.rawValue) \(label): \(escaped(message))"
        for (key, value) in facts.sorted(by: { $0.key < $1.key }) { line += " \(quoted(key))=\(quoted(value))" }
        return line + "\n"
    }

    private static func currentTime() -> (seconds: Int, milliseconds: Int) {
        let milliseconds = Int(Date().timeIntervalSince1970 * 1_000)
        return (milliseconds / 1_000, milliseconds % 1_000)
    }

    /// RFC 3339 in UTC with milliseconds.
    private static func timestamp(_ time: (seconds: Int, milliseconds: Int)) -> String {
        var seconds = time.seconds
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func padded(_ number: Int, _ width: Int) -> String {
            let text = "\(number)"
            return String(repeating: "0", count: max(0, width - text.count)) + text
        }
        let date = "\(padded(Int(parts.tm_year) + 1_900, 4))-\(padded(Int(parts.tm_mon) + 1, 2))-\(padded(Int(parts.tm_mday), 2))"
        let clock = "\(padded(Int(parts.tm_hour), 2)):\(padded(Int(parts.tm_min), 2)):\(padded(Int(parts.tm_sec), 2))"
        return "\(date)T\(clock).\(padded(time.milliseconds, 3))Z"
    }

    private static func quoted(_ text: String) -> String {
        let isPlain = text.unicodeScalars.allSatisfy { scalar in
            scalar.value > 0x20 && scalar != "\"" && scalar != "=" && scalar != "\\" && !isControl(scalar)
        }
        if isPlain && !text.isEmpty && text.unicodeScalars.count <= maximumValueLength { return text }
        return "\"\(escaped(text))\""
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for (position, scalar) in text.unicodeScalars.enumerated() {
            guard position < maximumValueLength else { return result + "…" }
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where isControl(scalar): result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// Control characters of ASCII and Latin-1 (a terminal obeys both), and Unicode's own line breaks.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        scalar.value < 0x20 || (0x7f...0x9f).contains(scalar.value) || scalar.value == 0x2028 || scalar.value == 0x2029
    }
}
