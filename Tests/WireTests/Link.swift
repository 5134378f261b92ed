import Wire

/// What a transport does, on memory: takes frames from a scheduler, and gives their bytes to a reassembler in pieces.
struct Link {
    var scheduler: FrameScheduler
    var reassembler: FrameReassembler
    /// Payloads by tag, as the sender's side keeps them.
    private var outgoing: [FrameScheduler.Tag: [UInt8]] = [:]
    private var incoming: [UInt32: (message: Message?, payload: [UInt8])] = [:]
    private(set) var arrived: [(message: Message?, payload: [UInt8])] = []
    private(set) var aborted: [UInt32] = []
    /// Each frame's stream, in the order of sending.
    private(set) var order: [UInt32] = []
    private(set) var largestOpenStreamCount = 0

    init(_ scheduler: FrameScheduler = FrameScheduler(), _ reassembler: FrameReassembler = FrameReassembler()) {
        self.scheduler = scheduler
        self.reassembler = reassembler
    }

    mutating func send(_ message: Message, payload: [UInt8] = []) throws -> FrameScheduler.Tag {
        try send(try MessageCodec.encode(message), payload: payload)
    }

    mutating func send(_ encoded: EncodedMessage, payload: [UInt8]) throws -> FrameScheduler.Tag {
        let tag = try scheduler.enqueue(encoded, payloadByteCount: payload.count)
        outgoing[tag] = payload
        return tag
    }

    /// Moves one frame; false when there is none.
    mutating func step(pieceByteCount: Int = 100_000) throws -> Bool {
        guard let frame = scheduler.next() else { return false }
        let piece = Array((outgoing[frame.tag] ?? [])[frame.payloadRange])
        if frame.isLast { outgoing[frame.tag] = nil }
        order.append(frame.header.stream)
        var bytes = [UInt8](repeating: 0, count: frame.headByteCount)
        bytes.withUnsafeMutableBytes { head in
            frame.writeHead(to: head, payloadChecksum: piece.withUnsafeBytes { CRC32C.checksum($0) })
        }
        try receive(bytes + piece, pieceByteCount)
        return true
    }

    mutating func drain() throws { while try step() {} }

    /// One frame's bytes.
    mutating func receive(_ bytes: [UInt8], _ pieceByteCount: Int = 100_000) throws {
        let header = try decodeHeader(Array(bytes.prefix(FrameHeader.byteCount)))
        let body = bytes.dropFirst(FrameHeader.byteCount)
        let event = try body.prefix(header.metadataByteCount).withUnsafeBytes { try reassembler.begin(header, metadata: $0) }
        largestOpenStreamCount = max(largestOpenStreamCount, reassembler.openStreamCount)
        switch event {
        case .message(let stream, _, let message, let layout, let piece, let total):
            precondition(piece.lowerBound == 0 && piece.upperBound <= total)
            precondition(layout?.headers == message?.tensorHeaders && layout?.byteCount ?? total == total)
            incoming[stream] = (message, [])
        case .continuation(let stream, let piece, _):
            precondition(piece.lowerBound == incoming[stream]?.payload.count)
        case .abort(let stream):
            incoming[stream] = nil
            aborted.append(stream)
            return
        }
        var payload = body.dropFirst(header.metadataByteCount)
        while true {
            let piece = Array(payload.prefix(pieceByteCount))
            payload = payload.dropFirst(pieceByteCount)
            incoming[header.stream]?.payload += piece
            switch try piece.withUnsafeBytes({ try reassembler.received($0) }) {
            case .needs(let count): precondition(count == payload.count)
            case .frameEnd: return
            case .messageEnd(let stream):
                if let whole = incoming.removeValue(forKey: stream) { arrived.append(whole) }
                return
            }
        }
    }
}

/// A message whose payload is a document of any length.
func document(_ id: UInt64) -> Message { .statusReply(StatusReply(id: id)) }
func documentID(_ message: Message?) -> UInt64? { if case .statusReply(let reply)? = message { reply.id } else { nil } }

func pattern(_ count: Int, _ seed: UInt8 = 0) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) &+ seed } }
