/// Why bytes of a peer (or a message of ours) cannot be used. The message names the limit, the actual value and the fix.
///
/// After an error of the frame layer the connection is of no use any more: where the next frame starts is unknown.
public struct WireError: Error, Sendable, Hashable, CustomStringConvertible {
    public enum Code: Sendable, Hashable {
        /// The first bytes are not this protocol's (HTTP, TLS, a port scan).
        case badMagic
        /// The peer speaks another major version.
        case incompatibleVersion(theirs: UInt8, ours: UInt8)
        /// A header whose fields contradict each other or the format.
        case malformedHeader
        /// Bytes changed on the way.
        case checksumMismatch
        /// A declared length or count is over its bound in ``WireLimits``.
        case limitExceeded
        /// The metadata is no message of its kind.
        case malformedMetadata
        /// A field of the metadata has a value that it cannot have.
        case invalidValue
        /// Frames in an order that no sender of ours produces.
        case protocolViolation
        /// The payload contradicts its description.
        case corruptPayload
    }

    public let code: Code
    public let message: String

    public init(_ code: Code, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
