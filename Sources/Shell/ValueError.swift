/// Why a textual value (of an option, a file's field) was refused: the value, what is wrong with it, and how to write it.
public struct ValueError: Error, Sendable, Hashable, CustomStringConvertible {
    public let message: String

    public init(_ message: String) { self.message = message }

    public var description: String { message }
}
