/// A message as it goes into a frame; the payload, where the kind has one, is given beside it.
public struct EncodedMessage: Sendable, Hashable {
    public let kind: UInt16
    public let metadata: [UInt8]

    public init(kind: UInt16, metadata: [UInt8]) {
        self.kind = kind
        self.metadata = metadata
    }
}
