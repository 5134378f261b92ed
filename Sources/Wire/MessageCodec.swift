/// Messages to and from the bytes of a frame's metadata.
public enum MessageCodec {
    /// - Throws: ``WireError/Code/limitExceeded`` for a message that no receiver would take (an array over its bound).
    public static func encode(_ message: Message) throws(WireError) -> EncodedMessage {
        throw WireError(.malformedMetadata, "the codec is not part of this commit")
    }

    /// - Returns: `nil` for a kind that this version does not know.
    public static func decode(kind: UInt16, metadata: UnsafeRawBufferPointer) throws(WireError) -> Message? {
        throw WireError(.malformedMetadata, "the codec is not part of this commit")
    }
}
