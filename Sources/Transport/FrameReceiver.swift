internal import Base
internal import Glibc
package import Loops
package import Tensors
package import Wire

/// What a ``FrameReceiver`` tells its connection.
package protocol FrameReceiverDelegate: AnyObject {
    /// Turns false when a callback closed the connection: nothing more may be delivered.
    var isDelivering: Bool { get }
    /// - Parameter layout: where the payload's tensors will stand in it.
    func receiverWillKeep(_ message: Message, layout: PayloadLayout?, payloadByteCount: Int) -> PayloadDisposition
    func receiverGot(_ message: Message, layout: PayloadLayout?, payload: TensorStorage?, ticket: UInt64?, duration: Duration)
    func receiverAborted(_ message: Message, ticket: UInt64)
}

/// The receiving half of a connection: cuts the stream into frames and reads payloads where they belong.
///
/// While a payload is under way a read goes to [rest of this frame's payload in its storage, a little staging for the next head]; between
/// frames it goes to the loop's staging memory, where many small messages are found at once. A head that is cut off at the end of a read
/// waits in `head`, which is as long as the head itself and checked against the bounds before it grows.
package final class FrameReceiver {
    /// Staging behind a payload: the next head, seldom more. What lands there of the next payload is copied, so it is kept small.
    private static let trailingByteCount = 4 << 10
    /// A head buffer up to this is kept for the next head; the rare larger one is given back. It is also the first size of a head that is cut
    /// off, which then grows with the bytes that have come: 40 bytes that announce 1 MiB cost no more than this.
    private static let keptHeadByteCount = 4 << 10
    /// Time for what one connection brings in one wake: some hundred small messages at least, or the usual share of bytes. Its kind of work
    /// has ``EventLoop/slice`` for all connections.
    static let slice: Duration = .milliseconds(3)
    /// Messages between two looks at the clock; one takes microseconds.
    private static let messagesPerLook: UInt64 = 16

    package enum Reading {
        case waits(SocketReadiness)
        /// This wake's share is used up; more may be there.
        case shareUsed
        case endOfStream
        case failed(SystemError)
        case violation(WireError)
        /// A callback closed the connection.
        case stopped
    }

    private struct Kept {
        let message: Message
        let layout: PayloadLayout?
        let storage: TensorStorage
        let ticket: UInt64
        let begin: Instant
        /// Bytes of the whole frames so far.
        var byteCount = 0
    }

    private enum Incoming {
        case kept(Kept)
        case discarded
    }

    /// The frame whose payload is being read.
    private struct OpenFrame {
        let stream: UInt32
        let byteCount: Int
        /// `nil` where the payload is forgotten.
        var destination: UnsafeMutableRawPointer?
        var remaining: Int
    }

    private var reassembler: FrameReassembler
    private var streams: [UInt32: Incoming] = [:]
    private var frame: OpenFrame?
    private var head: [UInt8] = []
    private var headCount = 0
    /// What one read brought and the time did not suffice for: at most a staging's length.
    private var backlog: [UInt8] = []
    private var sliceEnd: Instant?
    private let staging: UnsafeMutableRawBufferPointer
    private unowned let delegate: any FrameReceiverDelegate

    /// Largest metadata taken: less before the peer has said who it is.
    var metadataLimit = WireLimits.metadataByteCount

    private(set) var receivedByteCount: UInt64 = 0
    private(set) var receivedMessageCount: UInt64 = 0

    /// - Parameter staging: shared with other receivers: nothing stays in it between two calls.
    package init(staging: UnsafeMutableRawBufferPointer, incomingByteLimit: Int, delegate: any FrameReceiverDelegate) {
        self.staging = staging
        self.delegate = delegate
        reassembler = FrameReassembler(maximumOpenByteCount: incomingByteLimit)
    }

    /// Whether no message is incomplete.
    package var isIdle: Bool { headCount == 0 && backlog.isEmpty && reassembler.isIdle }

    /// Whether bytes are here that no readiness of the socket tells of.
    var hasBacklog: Bool { !backlog.isEmpty }

    /// Lets go of the storages of incomplete messages.
    func removeAll() {
        streams.removeAll()
        frame = nil
        backlog = []
    }

    /// Forgets what has come of an accepted payload, and what is still to come of it: the message is not delivered.
    func discard(ticket: UInt64) {
        guard let stream = stream(of: ticket) else { return }
        streams[stream] = .discarded
        if frame?.stream == stream { frame?.destination = nil }
    }

    /// Payload bytes that have come for an accepted message; `nil` when it is not being received.
    func receivedByteCount(ticket: UInt64) -> Int? {
        guard let stream = stream(of: ticket), case .kept(let kept)? = streams[stream] else { return nil }
        guard let frame, frame.stream == stream else { return kept.byteCount }
        return kept.byteCount + frame.byteCount - frame.remaining
    }

    /// At most ``WireLimits/openStreams`` are looked through.
    private func stream(of ticket: UInt64) -> UInt32? {
        streams.first { if case .kept(let kept) = $0.value { kept.ticket == ticket } else { false } }?.key
    }

    // MARK: Reading

    /// Reads and delivers until the socket is empty, about `limit` bytes have come, or the time is used up.
    package func read(from channel: any ByteChannel, socket: Int32, limit: Int) -> Reading {
        var rest = limit
        reassembler.checksPayloads = !channel.authenticatesBytes
        sliceEnd = nil
        if hasBacklog {
            let bytes = exchange(&backlog, with: [])
            do throws(WireError) {
                try bytes.withUnsafeBufferPointer { bytes throws(WireError) in try consume(UnsafeRawBufferPointer(bytes)) }
            } catch { return .violation(error) }
            if !delegate.isDelivering { return .stopped }
            if hasBacklog { return .shareUsed }
        }
        while rest > 0 {
            let (outcome, asked) = readOnce(from: channel, socket: socket)
            switch outcome {
            case .waits(let readiness): return .waits(readiness)
            case .endOfStream: return .endOfStream
            case .failed(let error): return .failed(error)
            case .bytes(let count):
                receivedByteCount += UInt64(count)
                rest -= count
                do throws(WireError) { try take(count) } catch { return .violation(error) }
                if !delegate.isDelivering { return .stopped }
                if hasBacklog { return .shareUsed }
                // Less than there was room for: the socket is empty, and the loop reports it if not.
                if count < asked, !channel.hasBufferedInput { return .waits(.readable) }
                if isSliceOver() { return .shareUsed }
            }
        }
        return .shareUsed
    }

    private func isSliceOver() -> Bool {
        let time = Instant.current()
        if let sliceEnd { return time >= sliceEnd }
        sliceEnd = time + Self.slice
        return false
    }

    private func readOnce(from channel: any ByteChannel, socket: Int32) -> (ChannelOutcome, asked: Int) {
        withUnsafeTemporaryAllocation(of: iovec.self, capacity: 2) { pieces in
            func read(first: UnsafeMutableRawBufferPointer?, staged: Int) -> (ChannelOutcome, asked: Int) {
                var count = 0
                if let first {
                    pieces[0] = iovec(iov_base: first.baseAddress, iov_len: first.count)
                    count = 1
                }
                pieces[count] = iovec(iov_base: staging.baseAddress, iov_len: staged)
                let used = UnsafeMutableBufferPointer(rebasing: pieces[...count])
                return (channel.read(into: used, from: socket), (first?.count ?? 0) + staged)
            }
            if let frame, let destination = frame.destination {
                let first = UnsafeMutableRawBufferPointer(start: destination, count: frame.remaining)
                return read(first: first, staged: Self.trailingByteCount)
            }
            guard headCount > 0 else { return read(first: nil, staged: staging.count) }
            return head.withUnsafeMutableBytes { bytes in
                read(first: UnsafeMutableRawBufferPointer(rebasing: bytes[headCount...]), staged: staging.count)
            }
        }
    }

    /// Handles `count` bytes that the last read brought.
    private func take(_ count: Int) throws(WireError) {
        var staged = count
        if let frame, let destination = frame.destination {
            let direct = min(count, frame.remaining)
            staged -= direct
            try tookPayload(UnsafeRawBufferPointer(start: destination, count: direct))
        } else if headCount > 0 {
            let direct = min(count, head.count - headCount)
            staged -= direct
            headCount += direct
            try tookHead()
        }
        try consume(UnsafeRawBufferPointer(rebasing: staging[..<staged]))
    }

    private func consume(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
        var position = 0
        var nextLook = receivedMessageCount + Self.messagesPerLook
        while position < bytes.count, delegate.isDelivering {
            if receivedMessageCount >= nextLook {
                nextLook += Self.messagesPerLook
                if isSliceOver() { return backlog = Array(bytes[position...]) }
            }
            let rest = UnsafeRawBufferPointer(rebasing: bytes[position...])
            if let frame {
                let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(frame.remaining))
                if let destination = frame.destination, let base = piece.baseAddress {
                    destination.copyMemory(from: base, byteCount: piece.count)
                }
                position += piece.count
                try tookPayload(piece)
            } else if headCount == 0, let length = try wholeHead(at: rest) {
                position += length
                try begin(UnsafeRawBufferPointer(rebasing: rest[..<length]))
            } else {
                if headCount == 0 { growHead(to: FrameHeader.byteCount) }
                let count = min(rest.count, head.count - headCount)
                head.withUnsafeMutableBytes { $0[headCount..<headCount + count].copyBytes(from: rest.prefix(count)) }
                headCount += count
                position += count
                try tookHead()
            }
        }
    }

    // MARK: Heads

    /// Length of header and metadata where both are there, so that nothing need be copied.
    private func wholeHead(at bytes: UnsafeRawBufferPointer) throws(WireError) -> Int? {
        guard bytes.count >= FrameHeader.byteCount else { return nil }
        let length = try headLength(bytes)
        return bytes.count >= length ? length : nil
    }

    private func headLength(_ bytes: UnsafeRawBufferPointer) throws(WireError) -> Int {
        let count = (try FrameHeader.decode(from: bytes)).metadataByteCount
        guard count <= metadataLimit else {
            throw WireError(
                .limitExceeded,
                "metadata of \(count) bytes is over the limit of \(metadataLimit) for a peer that has not said hello")
        }
        return FrameHeader.byteCount + count
    }

    private func growHead(to count: Int) {
        if head.count < count { head.append(contentsOf: repeatElement(0, count: count - head.count)) }
    }

    /// `head` has more bytes than before: checks them, makes room for the metadata, or begins the frame.
    private func tookHead() throws(WireError) {
        let length = try head.withUnsafeBufferPointer { bytes throws(WireError) -> Int in
            let here = UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: bytes[..<headCount]))
            try FrameHeader.checkPrefix(here)
            guard headCount >= FrameHeader.byteCount else { return FrameHeader.byteCount }
            return try headLength(here)
        }
        // Memory follows the bytes that have come, not the length that was announced.
        growHead(to: min(length, max(Self.keptHeadByteCount, 2 * headCount)))
        guard headCount == length else { return }
        let whole = head
        head.removeAll(keepingCapacity: length <= Self.keptHeadByteCount)
        headCount = 0
        try whole.withUnsafeBufferPointer { bytes throws(WireError) in try begin(UnsafeRawBufferPointer(bytes)) }
    }

    /// Starts a frame whose header and metadata are there.
    private func begin(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
        let header = try FrameHeader.decode(from: bytes)
        let metadata = UnsafeRawBufferPointer(rebasing: bytes[FrameHeader.byteCount...])
        switch try reassembler.begin(header, metadata: metadata) {
        case .message(let stream, _, let message, let layout, let piece, let total):
            guard let message else {
                // A newer peer's kind: its payload is read over.
                streams[stream] = .discarded
                return try openFrame(stream, piece)
            }
            // Tensors without a byte are tensors: they are admitted, refused and delivered as all others are.
            if total == 0, layout == nil {
                _ = try reassembler.received(UnsafeRawBufferPointer(start: nil, count: 0))
                return deliver(message, nil, duration: .zero)
            }
            switch delegate.receiverWillKeep(message, layout: layout, payloadByteCount: total) {
            case .accept(let storage, let ticket):
                precondition(storage.byteCount >= total, "a handler accepts a payload with a storage that holds it")
                streams[stream] = .kept(
                    Kept(message: message, layout: layout, storage: storage, ticket: ticket, begin: .current()))
            case .discard: streams[stream] = .discarded
            case .close: return
            }
            try openFrame(stream, piece)
        case .continuation(let stream, let piece, _):
            try openFrame(stream, piece)
        case .abort(let stream):
            guard case .kept(let kept)? = streams.removeValue(forKey: stream) else { return }
            delegate.receiverAborted(kept.message, ticket: kept.ticket)
        }
    }

    // MARK: Payloads

    private func openFrame(_ stream: UInt32, _ piece: Range<Int>) throws(WireError) {
        var destination: UnsafeMutableRawPointer?
        if case .kept(var kept)? = streams[stream] {
            destination = kept.storage.pointer + piece.lowerBound
            kept.byteCount = piece.lowerBound
            streams[stream] = .kept(kept)
        }
        frame = OpenFrame(stream: stream, byteCount: piece.count, destination: destination, remaining: piece.count)
        if piece.isEmpty { try tookPayload(UnsafeRawBufferPointer(start: nil, count: 0)) }
    }

    private func tookPayload(_ bytes: UnsafeRawBufferPointer) throws(WireError) {
        switch try reassembler.received(bytes) {
        case .needs(let remaining):
            frame?.destination? += bytes.count
            frame?.remaining = remaining
        case .frameEnd(let stream):
            if case .kept(var kept)? = streams[stream] {
                kept.byteCount += frame?.byteCount ?? 0
                streams[stream] = .kept(kept)
            }
            frame = nil
        case .messageEnd(let stream):
            frame = nil
            guard case .kept(let kept)? = streams.removeValue(forKey: stream) else { return }
            deliver(kept.message, kept, duration: Instant.current() - kept.begin)
        }
    }

    private func deliver(_ message: Message, _ kept: Kept?, duration: Duration) {
        receivedMessageCount += 1
        delegate.receiverGot(
            message, layout: kept?.layout, payload: kept?.storage, ticket: kept?.ticket, duration: duration)
    }
}
