internal import DequeModule

/// Decides which frame one connection sends next.
///
/// Small messages (payload up to ``WireLimits/smallPayloadByteCount``) go first, in order; large ones are cut into frames of at most
/// ``WireLimits/frameByteCount`` and take turns, `interleaving` of them at once, the others waiting in order. So a heartbeat or an error never
/// waits behind more than one frame, and micro-batches share the link. Order is kept among small messages, not between small and large.
///
/// The value holds no payload: the caller keeps it under the message's tag and lets go of it after a frame with `isLast`.
public struct FrameScheduler: Sendable {
    /// More would share the link among more messages, and each would arrive later; two keep the link busy at a message's end.
    public static let defaultInterleaving = 4

    /// The caller's handle for a message in the queue; never used twice.
    public struct Tag: Sendable, Hashable {
        let number: UInt64
    }

    /// What to write next: ``writeHead(to:payloadChecksum:)``, then the payload bytes of `payloadRange`.
    public struct Frame: Sendable {
        public let tag: Tag
        public var header: FrameHeader
        public let metadata: [UInt8]
        /// Which bytes of the message's payload follow the head.
        public let payloadRange: Range<Int>
        /// The message ends here (or is given up): once this frame is written its payload is needed no more.
        public let isLast: Bool

        public var headByteCount: Int { FrameHeader.byteCount + metadata.count }

        /// Writes header and metadata, sealed with the checksum of the bytes of `payloadRange` (``CRC32C``; 0 within TLS): the one place where
        /// what goes out is sealed.
        /// - Parameter target: ``headByteCount`` bytes.
        public func writeHead(to target: UnsafeMutableRawBufferPointer, payloadChecksum: UInt32) {
            precondition(target.count == headByteCount, "the caller gives room for the head")
            var sealed = header
            metadata.withUnsafeBytes { metadata in
                sealed.seal(metadata: metadata, payloadChecksum: payloadChecksum)
                target[FrameHeader.byteCount...].copyBytes(from: metadata)
            }
            sealed.encode(into: target)
        }
    }

    public enum Cancellation: Sendable, Hashable {
        /// Nothing of it had been sent.
        case removed
        /// Part of it had been sent: an abort frame (with this tag) comes next.
        case aborting
        /// Not in the queue: sent whole, or cancelled before.
        case notQueued
    }

    private struct Outgoing: Sendable {
        let tag: Tag
        var stream: UInt32 = 0
        let kind: UInt16
        var metadata: [UInt8]
        let totalByteCount: Int
        var sentByteCount = 0
        var isStarted = false
        var remainingByteCount: Int { metadata.count + totalByteCount - sentByteCount }
    }

    private let interleaving: Int
    private let maximumOpenByteCount: Int
    private var aborts = Deque<Frame>()
    private var small = Deque<Outgoing>()
    private var waiting = Deque<Outgoing>()
    private var active: [Outgoing] = []
    private var turn = 0
    private var smallInARow = 0
    private var openByteCount = 0
    private var lastTag: UInt64 = 0
    private var lastStream: UInt32 = 0
    /// Bytes of metadata and payload that no frame has taken yet: a peer that does not read makes this grow.
    public private(set) var queuedByteCount = 0

    public init(interleaving: Int = defaultInterleaving, maximumOpenByteCount: Int = WireLimits.openByteCount) {
        precondition((1..<WireLimits.openStreams).contains(interleaving), "the receiver bounds its open streams")
        self.interleaving = interleaving
        self.maximumOpenByteCount = maximumOpenByteCount
    }

    public var isEmpty: Bool { aborts.isEmpty && small.isEmpty && waiting.isEmpty && active.isEmpty }
    public var queuedMessageCount: Int { small.count + waiting.count + active.count }

    /// Puts a message in the queue.
    /// - Throws: ``WireError/Code/limitExceeded`` when its metadata or payload is too large to send, or the queue is full.
    public mutating func enqueue(_ message: EncodedMessage, payloadByteCount: Int) throws(WireError) -> Tag {
        guard message.metadata.count <= WireLimits.metadataByteCount else {
            throw WireError(
                .limitExceeded, "metadata of \(message.metadata.count) bytes is over the limit of \(WireLimits.metadataByteCount)")
        }
        guard (0...WireLimits.payloadByteCount).contains(payloadByteCount) else {
            throw WireError(
                .limitExceeded, "a payload of \(payloadByteCount) bytes is over the limit of \(WireLimits.payloadByteCount)")
        }
        guard queuedMessageCount < WireLimits.queuedMessages else {
            throw WireError(
                .limitExceeded, "\(WireLimits.queuedMessages) messages wait for the peer, which is the limit; it does not read")
        }
        lastTag += 1
        let outgoing = Outgoing(
            tag: Tag(number: lastTag), kind: message.kind, metadata: message.metadata, totalByteCount: payloadByteCount)
        queuedByteCount += outgoing.remainingByteCount
        if payloadByteCount <= WireLimits.smallPayloadByteCount { small.append(outgoing) } else { waiting.append(outgoing) }
        return outgoing.tag
    }

    /// The next frame to write, or `nil` when there is nothing to send.
    public mutating func next() -> Frame? {
        if let abort = aborts.popFirst() { return abort }
        let largeIsReady = !active.isEmpty || !waiting.isEmpty
        if !largeIsReady || smallInARow < WireLimits.smallMessagesInARow, var message = small.popFirst() {
            smallInARow += 1
            return takeFrame(of: &message)
        }
        smallInARow = 0
        startWaiting()
        guard !active.isEmpty else { return nil }
        if turn >= active.count { turn = 0 }
        var message = active[turn]
        let frame = takeFrame(of: &message)
        if frame.isLast {
            openByteCount -= message.totalByteCount
            active.remove(at: turn)
        } else {
            active[turn] = message
            turn += 1
        }
        return frame
    }

    /// Takes a message back.
    public mutating func cancel(_ tag: Tag) -> Cancellation {
        if let message = Self.take(tag, from: &small) ?? Self.take(tag, from: &waiting) {
            queuedByteCount -= message.remainingByteCount
            return .removed
        }
        guard let index = active.firstIndex(where: { $0.tag == tag }) else { return .notQueued }
        let message = active.remove(at: index)
        if index < turn { turn -= 1 }
        openByteCount -= message.totalByteCount
        queuedByteCount -= message.remainingByteCount
        guard message.isStarted else { return .removed }
        let header = FrameHeader(
            kind: message.kind, flags: .abort, stream: message.stream, totalPayloadByteCount: message.totalByteCount)
        aborts.append(Frame(tag: tag, header: header, metadata: [], payloadRange: 0..<0, isLast: true))
        return .aborting
    }

    /// O(n); no more than ``WireLimits/queuedMessages`` wait.
    private static func take(_ tag: Tag, from queue: inout Deque<Outgoing>) -> Outgoing? {
        queue.firstIndex { $0.tag == tag }.map { queue.remove(at: $0) }
    }

    /// Lets waiting messages take part while there is room for them at the receiver.
    private mutating func startWaiting() {
        while active.count < interleaving, let first = waiting.first {
            guard active.isEmpty || first.totalByteCount <= maximumOpenByteCount - openByteCount else { return }
            guard let message = waiting.popFirst() else { return }
            openByteCount += message.totalByteCount
            active.append(message)
        }
    }

    private mutating func takeFrame(of message: inout Outgoing) -> Frame {
        let isFirst = !message.isStarted
        if isFirst { message.stream = unusedStream() }
        let start = message.sentByteCount
        let end = min(message.totalByteCount, start + WireLimits.frameByteCount)
        let metadata = isFirst ? message.metadata : []
        let header = FrameHeader(
            kind: message.kind, flags: isFirst ? [] : .continuation, stream: message.stream, metadataByteCount: metadata.count,
            payloadByteCount: end - start, totalPayloadByteCount: message.totalByteCount)
        message.isStarted = true
        message.metadata = []
        message.sentByteCount = end
        queuedByteCount -= metadata.count + (end - start)
        return Frame(
            tag: message.tag, header: header, metadata: metadata, payloadRange: start..<end, isLast: end == message.totalByteCount)
    }

    /// Numbers come round after 2³² messages; the few still under way, or whose abort is not written yet, are left out.
    private mutating func unusedStream() -> UInt32 {
        repeat {
            lastStream &+= 1
        } while active.contains { $0.isStarted && $0.stream == lastStream }
            || aborts.contains { $0.header.stream == lastStream }
        return lastStream
    }
}
