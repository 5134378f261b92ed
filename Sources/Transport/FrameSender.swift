internal import Base
internal import Glibc
internal import Loops
internal import Wire

/// The sending half of a connection: queue, order of frames, bytes under way.
///
/// Frames are taken from the ``FrameScheduler`` in batches of up to `batchByteCount` and written with one call, straight from the tensors'
/// memory. A batch is what can no longer be overtaken or cancelled.
struct FrameSender {
    /// Two frames: enough to make the system call's cost small, little enough to leave the order to the scheduler.
    private static let batchByteCount = 512 << 10
    /// Below the kernel's limit of 1,024 pieces for one call.
    private static let batchPieceCount = 512

    private struct Outgoing {
        let payload: OutgoingPayload
        let userTag: UInt64?
        let completion: ((SendOutcome) -> Void)?
        var startedAt: Instant?
        /// What it counts against the queue's limit.
        let weight: Int
    }

    /// A frame whose bytes are being written.
    private final class InFlight {
        let frame: FrameScheduler.Frame
        let payload: OutgoingPayload
        let head: UnsafeMutableRawBufferPointer
        /// Where its last byte stands in the batch.
        var end = 0

        init(_ frame: FrameScheduler.Frame, payload: OutgoingPayload, checksums: Bool) {
            self.frame = frame
            self.payload = payload
            head = .allocate(byteCount: frame.headByteCount, alignment: 8)
            frame.writeHead(to: head, payloadChecksum: checksums ? payload.checksum(of: frame.payloadRange) : 0)
        }

        deinit { head.deallocate() }
    }

    private var scheduler = FrameScheduler()
    private var outgoing: [FrameScheduler.Tag: Outgoing] = [:]
    private var userTags: [UInt64: FrameScheduler.Tag] = [:]

    private var batch: [InFlight] = []
    private var pieces: [iovec] = []
    /// Pieces before this one are written.
    private var firstPiece = 0
    private var batchEnd = 0
    private var writtenInBatch = 0
    private var completedInBatch = 0
    /// Sum of the weights of ``outgoing``, for the bound.
    private(set) var weight = 0

    private(set) var sentByteCount: UInt64 = 0
    private(set) var sentMessageCount: UInt64 = 0

    /// Bytes of payload and metadata that the kernel has not taken yet.
    var queuedByteCount: Int { scheduler.queuedByteCount + batchEnd - writtenInBatch }
    var queuedMessageCount: Int { outgoing.count }
    var isEmpty: Bool { scheduler.isEmpty && writtenInBatch == batchEnd }

    mutating func enqueue(
        _ message: EncodedMessage, payload: OutgoingPayload, weight: Int, userTag: UInt64?, completion: ((SendOutcome) -> Void)?
    ) throws(WireError) {
        let tag = try scheduler.enqueue(message, payloadByteCount: payload.byteCount)
        outgoing[tag] = Outgoing(payload: payload, userTag: userTag, completion: completion, weight: weight)
        self.weight += weight
        if let userTag { userTags[userTag] = tag }
    }

    /// Takes a message back; its completion is returned to be called.
    mutating func cancel(userTag: UInt64) -> (() -> Void)? {
        guard let tag = userTags[userTag] else { return nil }
        let cancellation = scheduler.cancel(tag)
        if cancellation == .notQueued { return nil }
        guard let message = forget(tag), let completion = message.completion else { return nil }
        return { completion(.cancelled(wasStarted: cancellation == .aborting)) }
    }

    private mutating func forget(_ tag: FrameScheduler.Tag) -> Outgoing? {
        guard let message = outgoing.removeValue(forKey: tag) else { return nil }
        weight -= message.weight
        if let userTag = message.userTag, userTags[userTag] == tag { userTags[userTag] = nil }
        return message
    }

    /// Drops everything. The completions are returned to be called.
    mutating func removeAll() -> [(SendOutcome) -> Void] {
        let completions = outgoing.values.compactMap(\.completion)
        self = FrameSender(sentByteCount: sentByteCount, sentMessageCount: sentMessageCount)
        return completions
    }

    init() {}

    private init(sentByteCount: UInt64, sentMessageCount: UInt64) {
        self.sentByteCount = sentByteCount
        self.sentMessageCount = sentMessageCount
    }

    // MARK: Writing

    /// Writes one batch or what is left of it.
    /// - Returns: how many bytes the kernel took, or why none; `nil` when there is nothing to write. The completions of the messages that
    ///   ended are appended, to be called by whoever holds this value once it is not being changed.
    mutating func writeBatch(
        through channel: any ByteChannel, to socket: Int32, completions: inout [() -> Void]
    ) -> ChannelOutcome? {
        if writtenInBatch == batchEnd { fillBatch(checksums: !channel.authenticatesBytes) }
        guard writtenInBatch < batchEnd else { return nil }
        let first = firstPiece
        let outcome = pieces.withUnsafeMutableBufferPointer {
            channel.write(UnsafeMutableBufferPointer(rebasing: $0[first...]), to: socket)
        }
        if case .bytes(let count) = outcome { advance(by: count, completions: &completions) }
        return outcome
    }

    private mutating func fillBatch(checksums: Bool) {
        batch.removeAll(keepingCapacity: true)
        pieces.removeAll(keepingCapacity: true)
        firstPiece = 0
        batchEnd = 0
        writtenInBatch = 0
        completedInBatch = 0
        while batchEnd < Self.batchByteCount, pieces.count < Self.batchPieceCount, let frame = scheduler.next() {
            if outgoing[frame.tag]?.startedAt == nil { outgoing[frame.tag]?.startedAt = .current() }
            // An abort frame's message is forgotten already, and it has no payload.
            let item = InFlight(frame, payload: outgoing[frame.tag]?.payload ?? .empty, checksums: checksums)
            add(UnsafeRawBufferPointer(item.head))
            item.payload.forEachPiece(in: frame.payloadRange) { add($0) }
            item.end = batchEnd
            batch.append(item)
        }
    }

    private mutating func add(_ bytes: UnsafeRawBufferPointer) {
        pieces.append(iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count))
        batchEnd += bytes.count
    }

    private mutating func advance(by count: Int, completions: inout [() -> Void]) {
        writtenInBatch += count
        sentByteCount += UInt64(count)
        var rest = count
        while rest > 0 {
            let length = pieces[firstPiece].iov_len
            if rest < length {
                pieces[firstPiece].iov_base = pieces[firstPiece].iov_base?.advanced(by: rest)
                pieces[firstPiece].iov_len -= rest
                break
            }
            rest -= length
            firstPiece += 1
        }
        while completedInBatch < batch.count, batch[completedInBatch].end <= writtenInBatch {
            let frame = batch[completedInBatch].frame
            completedInBatch += 1
            guard frame.isLast, let message = forget(frame.tag) else { continue }
            sentMessageCount += 1
            guard let completion = message.completion else { continue }
            let end = Instant.current()
            completions.append { completion(.written(at: end, transferDuration: end - (message.startedAt ?? end))) }
        }
        // Payloads are let go of as soon as their last byte is written, not at the next batch.
        if writtenInBatch == batchEnd { batch.removeAll(keepingCapacity: true) }
    }
}
