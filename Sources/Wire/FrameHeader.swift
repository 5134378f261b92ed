/// The fixed 40 bytes before each frame, little-endian:
///
/// | offset | bytes | field |
/// | ---: | ---: | --- |
/// | 0 | 4 | magic `A4EC` |
/// | 4 | 1 | major version |
/// | 5 | 1 | minor version |
/// | 6 | 2 | message kind |
/// | 8 | 2 | flags |
/// | 10 | 2 | reserved, 0 |
/// | 12 | 4 | stream: which message of this direction the frame belongs to |
/// | 16 | 4 | metadata bytes (first frame of a message only) |
/// | 20 | 4 | payload bytes in this frame |
/// | 24 | 8 | payload bytes of the whole message |
/// | 32 | 4 | CRC32C of the payload bytes in this frame |
/// | 36 | 4 | CRC32C of bytes 0…35 and the metadata |
///
/// A message is one frame with its metadata and the first piece of its payload, then continuation frames of the same stream with the
/// rest; frames of several streams may alternate. `abort` ends a stream whose message will not be completed.
public struct FrameHeader: Sendable, Hashable {
    public static let byteCount = 40
    public static let magic: UInt32 = 0x4345_3441  // "A4EC" in memory order
    public static let majorVersion: UInt8 = 1
    public static let minorVersion: UInt8 = 0

    public struct Flags: OptionSet, Sendable, Hashable {
        public let rawValue: UInt16
        public init(rawValue: UInt16) { self.rawValue = rawValue }
        /// Not the first frame of its message.
        public static let continuation = Flags(rawValue: 1)
        /// The message is given up; the receiver forgets what it has of it.
        public static let abort = Flags(rawValue: 2)
        static let known: Flags = [.continuation, .abort]
    }

    public var major: UInt8 = majorVersion
    public var minor: UInt8 = minorVersion
    public var kind: UInt16
    public var flags: Flags
    public var stream: UInt32
    public var metadataByteCount: Int
    public var payloadByteCount: Int
    public var totalPayloadByteCount: Int
    /// CRC32C of this frame's payload; 0 within TLS, which authenticates every byte itself.
    public var payloadChecksum: UInt32
    public var headerChecksum: UInt32

    public init(
        kind: UInt16, flags: Flags = [], stream: UInt32, metadataByteCount: Int = 0, payloadByteCount: Int = 0,
        totalPayloadByteCount: Int = 0, payloadChecksum: UInt32 = 0, headerChecksum: UInt32 = 0
    ) {
        self.kind = kind
        self.flags = flags
        self.stream = stream
        self.metadataByteCount = metadataByteCount
        self.payloadByteCount = payloadByteCount
        self.totalPayloadByteCount = totalPayloadByteCount
        self.payloadChecksum = payloadChecksum
        self.headerChecksum = headerChecksum
    }
}
