/// Why the store cannot keep an archive or cannot start.
public struct StoreError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The limit does not leave room, even with everything that may be evicted gone.
        case noRoom
        /// The bytes are not those that the digest names.
        case digestMismatch
        /// The folder cannot be made, read or written.
        case folder
        /// The key cannot be written into a file's header.
        case invalidKey
    }
    public let code: Code
    /// States the limit, the actual value and the fix.
    public let message: String
    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }
    public var description: String { message }
}
