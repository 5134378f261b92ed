/// What a machine wants an operator to read: a constant message and its particulars.
public struct LogLine: Sendable, Hashable {
    public enum Level: Sendable, Hashable { case debug, info, warning, error }

    public var level: Level
    public var message: String
    public var metadata: [String: String]

    public init(_ level: Level, _ message: String, _ metadata: [String: String] = [:]) {
        self.level = level
        self.message = message
        self.metadata = metadata
    }
}
