/// Why a textual value (of an option, a file's field) was refused: the value, what is wrong with it, and how to write it.
public struct ValueError: Error, Sendable, Hashable, CustomStringConvertible {
    public let message: String
    /// What is wrong, for whoever names the value and the fix in other words; `nil` where the message is one piece.
    public let reason: String?

    public init(_ message: String, reason: String? = nil) {
        self.message = message
        self.reason = reason
    }

    public var description: String { message }
}
