/// Why a textual value (of an option, a file's field) was refused: the value, what is wrong with it, and how to write it.
public struct ValueError: Error, Sendable, Hashable, CustomStringConvertible {
    public let message: String
    /// What is wrong, without the value and the fix, for callers that write those two in their own words; `nil` when the message cannot be split.
    public let reason: String?

    public init(_ message: String, reason: String? = nil) {
        self.message = message
        self.reason = reason
    }

    public var description: String { message }
}
