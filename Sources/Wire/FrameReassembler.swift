/// Follows one direction of a connection frame by frame: which messages are open, where the next bytes belong, what is a violation.
///
/// The transport reads 40 bytes (``FrameHeader/decode(from:)``), then the metadata, calls ``begin(_:metadata:)``, reads the frame's payload
/// straight into its destination and reports each piece with ``received(_:)`` until that says that the frame has ended (also for
/// a frame without payload, with an empty piece). No payload byte passes through this value.
///
/// Bounds: ``WireLimits/openStreams`` messages and `openByteCount` declared bytes open at once. After an error the connection is closed.
public struct FrameReassembler: Sendable {
    public enum Event: Sendable, Equatable {
        /// A message's first frame. `message` is `nil` for an unknown kind: its payload is read and forgotten.
        /// `layout` is where the message's tensors stand in the payload, where those are what it carries.
        /// `piece` is where the bytes of this frame stand in the payload of `totalPayload` bytes.
        case message(
            stream: UInt32, kind: UInt16, message: Message?, layout: PayloadLayout?, piece: Range<Int>, totalPayload: Int)
        /// More of a message's payload; `isSkipped` where its kind is unknown.
        case continuation(stream: UInt32, piece: Range<Int>, isSkipped: Bool)
        /// The sender gave the message up. No payload follows; ``received(_:)`` is not called.
        case abort(stream: UInt32)
    }

    public enum Progress: Sendable, Equatable {
        /// The frame lacks this many payload bytes.
        case needs(Int)
        /// The frame is whole and its checksum right; its message goes on in a later frame.
        case frameEnd(stream: UInt32)
        /// The message is whole.
        case messageEnd(stream: UInt32)
    }

    private struct OpenStream: Sendable {
        let kind: UInt16
        let totalByteCount: Int
        let isSkipped: Bool
        var receivedByteCount: Int
    }

    private struct CurrentFrame: Sendable {
        let header: FrameHeader
        var remainingByteCount: Int
        var checksum = CRC32C()
    }

    private let maximumOpenStreams: Int
    private let maximumOpenByteCount: Int
    private var streams: [UInt32: OpenStream] = [:]
    private var current: CurrentFrame?
    /// Declared bytes of the open messages whose payload is kept.
    public private(set) var openByteCount = 0
    public var openStreamCount: Int { streams.count }
    /// Whether the connection is between two frames and no message is incomplete: a close here loses nothing.
    public var isIdle: Bool { current == nil && streams.isEmpty }

    /// Whether payloads are compared with their checksums. Not where the bytes come through TLS: its own authentication finds each changed bit,
    /// and senders leave the checksum at 0 there.
    public var checksPayloads = true

    public init(maximumOpenStreams: Int = WireLimits.openStreams, maximumOpenByteCount: Int = WireLimits.openByteCount) {
        self.maximumOpenStreams = maximumOpenStreams
        self.maximumOpenByteCount = maximumOpenByteCount
    }

    /// Takes the next frame's header and metadata.
    ///
    /// Precondition: the frame before has ended (``received(_:)`` said so).
    public mutating func begin(_ header: FrameHeader, metadata: UnsafeRawBufferPointer) throws(WireError) -> Event {
        precondition(current == nil, "the previous frame's payload is read before the next header")
        precondition(metadata.count == header.metadataByteCount, "the caller reads the metadata whole")
        try header.verify(metadata: metadata)
        if header.flags.contains(.abort) { return try abort(header) }
        if header.flags.contains(.continuation) { return try resume(header) }
        return try open(header, metadata: metadata)
    }

    private mutating func open(_ header: FrameHeader, metadata: UnsafeRawBufferPointer) throws(WireError) -> Event {
        guard streams[header.stream] == nil else {
            throw WireError(
                .protocolViolation, "stream \(header.stream) was used for a new message while another one is open on it")
        }
        guard streams.count < maximumOpenStreams else {
            throw WireError(
                .limitExceeded,
                "\(maximumOpenStreams) messages are open on the connection, which is the limit; another one was begun")
        }
        let total = header.totalPayloadByteCount
        let decoded = try MessageCodec.decodeWithLayout(kind: header.kind, metadata: metadata)
        if let decoded { try decoded.message.check(totalPayloadByteCount: total, layout: decoded.layout) }
        let isSkipped = decoded == nil
        if !isSkipped {
            guard total <= maximumOpenByteCount - openByteCount else {
                throw WireError(
                    .limitExceeded,
                    "a message of \(total) payload bytes beside \(openByteCount) of open ones is over the limit of \(maximumOpenByteCount)"
                )
            }
            openByteCount += total
        }
        streams[header.stream] = OpenStream(kind: header.kind, totalByteCount: total, isSkipped: isSkipped, receivedByteCount: 0)
        current = CurrentFrame(header: header, remainingByteCount: header.payloadByteCount)
        return .message(
            stream: header.stream, kind: header.kind, message: decoded?.message, layout: decoded?.layout,
            piece: 0..<header.payloadByteCount, totalPayload: total)
    }

    private mutating func resume(_ header: FrameHeader) throws(WireError) -> Event {
        let stream = try openStream(header)
        let end = stream.receivedByteCount + header.payloadByteCount
        guard end <= stream.totalByteCount else {
            throw WireError(
                .protocolViolation,
                "stream \(header.stream) brings \(end) payload bytes, but its message declared \(stream.totalByteCount)")
        }
        current = CurrentFrame(header: header, remainingByteCount: header.payloadByteCount)
        return .continuation(stream: header.stream, piece: stream.receivedByteCount..<end, isSkipped: stream.isSkipped)
    }

    private mutating func abort(_ header: FrameHeader) throws(WireError) -> Event {
        _ = try openStream(header)
        close(header.stream)
        return .abort(stream: header.stream)
    }

    private func openStream(_ header: FrameHeader) throws(WireError) -> OpenStream {
        guard let stream = streams[header.stream] else {
            throw WireError(.protocolViolation, "a frame continues stream \(header.stream), on which no message is open")
        }
        guard stream.kind == header.kind, stream.totalByteCount == header.totalPayloadByteCount else {
            throw WireError(
                .protocolViolation,
                "stream \(header.stream) carries kind \(stream.kind) of \(stream.totalByteCount) bytes, but a later frame says "
                    + "kind \(header.kind) of \(header.totalPayloadByteCount)")
        }
        return stream
    }

    /// Reports payload bytes that were read, at most as many as the frame lacks.
    public mutating func received(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> Progress {
        guard var frame = current else { preconditionFailure("payload is read only within a frame") }
        precondition(bytes.count <= frame.remainingByteCount, "the caller reads no further than the frame's end")
        if checksPayloads { frame.checksum.update(bytes) }
        frame.remainingByteCount -= bytes.count
        guard frame.remainingByteCount == 0 else {
            current = frame
            return .needs(frame.remainingByteCount)
        }
        current = nil
        if checksPayloads { try frame.header.verify(computedPayloadChecksum: frame.checksum.value) }
        let name = frame.header.stream
        guard var stream = streams[name] else { preconditionFailure("the current frame's stream is open") }
        stream.receivedByteCount += frame.header.payloadByteCount
        guard stream.receivedByteCount == stream.totalByteCount else {
            streams[name] = stream
            return .frameEnd(stream: name)
        }
        close(name)
        return .messageEnd(stream: name)
    }

    private mutating func close(_ name: UInt32) {
        guard let stream = streams.removeValue(forKey: name) else { return }
        if !stream.isSkipped { openByteCount -= stream.totalByteCount }
    }
}
