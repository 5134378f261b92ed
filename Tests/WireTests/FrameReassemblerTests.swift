import Tensors
import Testing
import Wire

@Suite struct FrameReassemblerTests {
    /// A sealed frame of our own making.
    private func frame(
        _ kind: UInt16, stream: UInt32, flags: FrameHeader.Flags = [], metadata: [UInt8] = [], payload: [UInt8] = [],
        total: Int? = nil
    ) -> [UInt8] {
        var header = FrameHeader(
            kind: kind, flags: flags, stream: stream, metadataByteCount: metadata.count, payloadByteCount: payload.count,
            totalPayloadByteCount: total ?? payload.count)
        let checksum = payload.withUnsafeBytes { CRC32C.checksum($0) }
        metadata.withUnsafeBytes { header.seal(metadata: $0, payloadChecksum: checksum) }
        return bytes(of: header) + metadata + payload
    }

    private func code(_ frames: [UInt8]..., link: Link = Link()) -> WireError.Code? {
        var link = link
        // All but the last are right.
        for frame in frames.dropLast() {
            do { try link.receive(frame) } catch { Issue.record("refused too early: \(error)") }
        }
        return errorCode { try link.receive(frames[frames.count - 1]) }
    }

    private let status = Message.Kind.statusReply.rawValue
    private let ping = Message.Kind.ping.rawValue

    @Test func violationsOfTheOrder() {
        let begun = frame(status, stream: 1, payload: [1, 2], total: 10)
        #expect(
            code(frame(status, stream: 1, flags: .continuation, payload: [1], total: 10)) == .protocolViolation, "unknown stream")
        #expect(code(frame(status, stream: 1, flags: .abort)) == .protocolViolation, "abort of an unknown stream")
        #expect(code(begun, frame(status, stream: 1, payload: [1])) == .protocolViolation, "a new message on an open stream")
        #expect(
            code(begun, frame(status, stream: 1, flags: .continuation, payload: pattern(9), total: 10)) == .protocolViolation,
            "more than declared")
        #expect(
            code(begun, frame(status, stream: 1, flags: .continuation, payload: [1], total: 11)) == .protocolViolation,
            "another total")
        #expect(
            code(begun, frame(ping, stream: 1, flags: .continuation, payload: [1], total: 10)) == .protocolViolation,
            "another kind")
        let end = frame(status, stream: 1, flags: .continuation, payload: pattern(8), total: 10)
        #expect(code(begun, end, end) == .protocolViolation, "continued after its end")
        #expect(
            code(begun, frame(status, stream: 1, flags: .abort, total: 10), end) == .protocolViolation, "continued after its abort")
        #expect(code(begun, end, begun) == nil, "a stream's number may be used again")
    }

    @Test func boundsOfPayloads() {
        #expect(code(frame(ping, stream: 1, payload: [1])) == .limitExceeded, "a payload where the kind has none")
        #expect(code(frame(status, stream: 1, payload: [1], total: WireLimits.documentByteCount + 1)) == .limitExceeded)
        #expect(code(frame(status, stream: 1, payload: [1], total: WireLimits.documentByteCount)) == nil)
        #expect(
            code(frame(999, stream: 1, payload: [1], total: WireLimits.payloadByteCount)) == nil,
            "an unknown kind's payload is skipped, not kept")
    }

    @Test func openMessagesAreBounded() {
        var link = Link()
        for stream in 1...UInt32(WireLimits.openStreams) {
            #expect(errorCode { try link.receive(frame(status, stream: stream, payload: [1], total: 2)) } == nil)
        }
        #expect(code(frame(status, stream: 1_000, payload: [1], total: 2), link: link) == .limitExceeded)
        #expect(code(frame(999, stream: 1_000, payload: [1], total: 2), link: link) == .limitExceeded)

        let narrow = Link(FrameScheduler(), FrameReassembler(maximumOpenByteCount: 100))
        let first = frame(status, stream: 1, payload: [1], total: 60)
        #expect(code(first, frame(status, stream: 2, payload: [1], total: 41), link: narrow) == .limitExceeded)
        #expect(code(first, frame(status, stream: 2, payload: [1], total: 40), link: narrow) == nil)
        #expect(code(first, frame(999, stream: 2, payload: [1], total: 41), link: narrow) == nil)
    }

    @Test func thePayloadIsAsLongAsTheTensors() throws {
        let headers = [
            TensorHeader(dtype: .uint8, shape: [10], encoding: .raw, wireByteCount: 10),
            TensorHeader(dtype: .uint8, shape: [5], encoding: .raw, wireByteCount: 5),
        ]
        let request = InferRequest(id: 1, deadlineMilliseconds: 1, names: [], tensors: headers)
        let encoded = try MessageCodec.encode(.inferRequest(request))
        for (length, expected) in [(69, nil), (68, .invalidValue), (70, .invalidValue), (0, .invalidValue)]
            as [(Int, WireError.Code?)]
        {
            #expect(code(frame(encoded.kind, stream: 1, metadata: encoded.metadata, payload: pattern(length))) == expected)
        }
    }

    @Test func changedBytesAreNoticed() throws {
        let whole = frame(status, stream: 1, metadata: [8, 1], payload: pattern(20))
        #expect(code(whole) == nil)
        for index in [12, 36, FrameHeader.byteCount, FrameHeader.byteCount + 1, whole.count - 1] {
            var broken = whole
            broken[index] ^= 0x10
            #expect(code(broken) == .checksumMismatch, "byte \(index)")
        }
    }

    /// Within TLS the payload's checksum is not looked at; head and metadata are checked as ever.
    @Test func withoutPayloadChecksumsTheHeadIsCheckedStill() throws {
        let whole = frame(status, stream: 1, metadata: [8, 1], payload: pattern(20))
        for (index, expected) in [(whole.count - 1, nil), (12, .checksumMismatch), (FrameHeader.byteCount, .checksumMismatch)]
            as [(Int, WireError.Code?)]
        {
            var reassembler = FrameReassembler()
            reassembler.checksPayloads = false
            var broken = whole
            broken[index] ^= 0x10
            #expect(code(broken, link: Link(FrameScheduler(), reassembler)) == expected, "byte \(index)")
        }
    }

    @Test func unknownKindsAreReadOver() throws {
        var link = Link()
        let payload = pattern(WireLimits.frameByteCount * 2)
        _ = try link.send(EncodedMessage(kind: 999, metadata: [0xFF]), payload: payload)
        _ = try link.send(document(4), payload: payload)
        try link.drain()
        #expect(link.arrived.count == 2)
        #expect(link.arrived.contains { $0.message == nil })
        #expect(link.arrived.contains { documentID($0.message) == 4 && $0.payload == payload })
        #expect(link.reassembler.isIdle)
    }

    @Test func badMetadataEndsTheConnectionAndNothingElse() {
        #expect(code(frame(Message.Kind.work.rawValue, stream: 1, metadata: [0xDE, 0xAD])) == .malformedMetadata)
    }
}
