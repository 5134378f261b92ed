import Testing
import Wire

func bytes(of header: FrameHeader) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: FrameHeader.byteCount) { buffer, count in
        header.encode(into: UnsafeMutableRawBufferPointer(buffer))
        count = FrameHeader.byteCount
    }
}

func decodeHeader(_ bytes: [UInt8]) throws -> FrameHeader { try bytes.withUnsafeBytes { try FrameHeader.decode(from: $0) } }

func errorCode(_ body: () throws -> Void) -> WireError.Code? {
    do { try body() } catch { return (error as? WireError)?.code }
    return nil
}

@Suite struct FrameHeaderTests {
    /// The 40 bytes of one sealed header, so that the format cannot change unnoticed.
    @Test func goldenBytes() {
        var header = FrameHeader(
            kind: 49, stream: 0x0102_0304, metadataByteCount: 5, payloadByteCount: 9, totalPayloadByteCount: 0x1_0000_0001)
        let payload = Array("123456789".utf8)
        Array("hello".utf8).withUnsafeBytes { metadata in
            header.seal(metadata: metadata, payloadChecksum: payload.withUnsafeBytes { CRC32C.checksum($0) })
        }
        let withoutChecksum: [UInt8] = [
            0x41, 0x34, 0x45, 0x43, 1, 0, 49, 0, 0, 0, 0, 0, 4, 3, 2, 1, 5, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0,
            0x83, 0x92, 0x06, 0xE3,
        ]
        let expected = (withoutChecksum + Array("hello".utf8)).withUnsafeBytes { CRC32C.checksum($0) }
        let checksum = withUnsafeBytes(of: expected.littleEndian) { Array($0) }
        #expect(bytes(of: header) == withoutChecksum + checksum)
    }

    @Test func comesBackAsItWas() throws {
        var generator = Generator(seed: 11)
        for _ in 0..<500 {
            let piece = generator.integer(1...WireLimits.frameByteCount)
            let isFirst = generator.flag()
            let header = FrameHeader(
                kind: UInt16(truncatingIfNeeded: generator.next()), flags: isFirst ? [] : .continuation,
                stream: UInt32(truncatingIfNeeded: generator.next()),
                metadataByteCount: isFirst ? generator.integer(0...WireLimits.metadataByteCount) : 0, payloadByteCount: piece,
                totalPayloadByteCount: generator.integer(piece...WireLimits.payloadByteCount),
                payloadChecksum: UInt32(truncatingIfNeeded: generator.next()),
                headerChecksum: UInt32(truncatingIfNeeded: generator.next()))
            #expect(try decodeHeader(bytes(of: header)) == header)
        }
    }

    struct Refused: Sendable, CustomTestStringConvertible {
        let name: String
        /// Bytes put over a right header.
        let patches: [Int: UInt8]
        let code: WireError.Code
        var testDescription: String { name }
    }

    static let refused: [Refused] = [
        .init(name: "another first byte", patches: [0: 0x40], code: .badMagic),
        .init(name: "another last byte of the magic", patches: [3: 0], code: .badMagic),
        .init(name: "major version 2", patches: [4: 2], code: .incompatibleVersion(theirs: 2, ours: 1)),
        .init(name: "major version 0", patches: [4: 0], code: .incompatibleVersion(theirs: 0, ours: 1)),
        .init(name: "reserved not 0", patches: [11: 1], code: .malformedHeader),
        .init(name: "an unknown flag", patches: [8: 4], code: .malformedHeader),
        .init(name: "metadata over 1 MiB", patches: [18: 0x10], code: .limitExceeded),
        .init(name: "metadata of 4 GiB − 1", patches: [16: 255, 17: 255, 18: 255, 19: 255], code: .limitExceeded),
        .init(name: "a piece over 256 KiB", patches: [20: 1, 22: 4, 26: 8], code: .limitExceeded),
        .init(name: "a piece of 4 GiB − 1", patches: [20: 255, 21: 255, 22: 255, 23: 255, 28: 1], code: .limitExceeded),
        .init(name: "a piece larger than its message", patches: [20: 17], code: .malformedHeader),
        .init(name: "a total over 8 GiB", patches: [24: 1, 28: 2], code: .limitExceeded),
        .init(name: "a total that is negative in C", patches: [31: 0x80], code: .limitExceeded),
        .init(
            name: "a total of 2^64 − 1", patches: [24: 255, 25: 255, 26: 255, 27: 255, 28: 255, 29: 255, 30: 255, 31: 255],
            code: .limitExceeded),
        .init(name: "an abort with metadata", patches: [8: 2, 20: 0], code: .malformedHeader),
        .init(name: "an abort with payload", patches: [8: 2, 16: 0], code: .malformedHeader),
        .init(name: "abort and continuation at once", patches: [8: 3, 16: 0, 20: 0], code: .malformedHeader),
        .init(name: "a continuation with metadata", patches: [8: 1], code: .malformedHeader),
        .init(name: "a continuation without payload", patches: [8: 1, 16: 0, 20: 0], code: .malformedHeader),
    ]

    @Test(arguments: refused)
    func isRefused(_ refused: Refused) {
        var raw = bytes(
            of: FrameHeader(kind: 49, stream: 1, metadataByteCount: 3, payloadByteCount: 16, totalPayloadByteCount: 16))
        for (offset, byte) in refused.patches { raw[offset] = byte }
        #expect(errorCode { _ = try decodeHeader(raw) } == refused.code)
    }

    @Test func aNewerMinorVersionMayHaveMoreFlags() throws {
        var raw = bytes(of: FrameHeader(kind: 49, stream: 1))
        raw[5] = 3
        raw[8] = 4
        let header = try decodeHeader(raw)
        #expect(header.minor == 3)
        #expect(bytes(of: header) == raw)
    }

    @Test func everyShorterInputIsAnError() {
        let raw = bytes(of: FrameHeader(kind: 49, stream: 1))
        for count in 0..<raw.count { #expect(errorCode { _ = try decodeHeader(Array(raw[..<count])) } == .malformedHeader) }
    }

    @Test(arguments: ["GET / HTTP/1.1\r\n", "POST", "\u{16}\u{03}\u{01}", "SSH-2.0-x", "A4E?"])
    func aStrangerIsKnownFromTheFirstBytes(text: String) {
        let raw = Array(text.utf8)
        #expect(errorCode { try raw.withUnsafeBytes { try FrameHeader.checkPrefix($0) } } == .badMagic)
    }

    @Test func aPrefixThatMayStillBecomeAHeaderIsNoError() throws {
        let raw = bytes(of: FrameHeader(kind: 1, stream: 1))
        for count in 0...raw.count { try raw[..<count].withUnsafeBytes { try FrameHeader.checkPrefix($0) } }
    }

    @Test func anIncompatibleVersionNamesBoth() {
        var raw = bytes(of: FrameHeader(kind: 1, stream: 1))
        raw[4] = 7
        do {
            _ = try decodeHeader(raw)
            Issue.record("version 7 was accepted")
        } catch {
            #expect("\(error)".contains("7") && "\(error)".contains("1"))
        }
    }

    @Test func everyFlippedBitIsNoticed() throws {
        let metadata = Array("metadata".utf8)
        let payload = Array("payload bytes".utf8)
        var header = FrameHeader(
            kind: 49, stream: 9, metadataByteCount: metadata.count, payloadByteCount: payload.count,
            totalPayloadByteCount: payload.count)
        let checksum = payload.withUnsafeBytes { CRC32C.checksum($0) }
        metadata.withUnsafeBytes { header.seal(metadata: $0, payloadChecksum: checksum) }
        let frame = bytes(of: header) + metadata + payload
        func read(_ frame: [UInt8]) throws {
            let header = try decodeHeader(Array(frame[..<FrameHeader.byteCount]))
            let rest = frame[FrameHeader.byteCount...]
            try rest.prefix(metadata.count).withUnsafeBytes { try header.verify(metadata: $0) }
            try rest.dropFirst(metadata.count).withUnsafeBytes { try header.verify(payload: $0) }
        }
        try read(frame)
        for bit in 0..<(frame.count * 8) {
            var broken = frame
            broken[bit / 8] ^= 1 << (bit % 8)
            #expect(throws: WireError.self, "bit \(bit)") { try read(broken) }
        }
    }
}
