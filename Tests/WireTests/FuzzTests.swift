import Testing
import Wire

/// Right bytes, changed by chance: everything must end as a message that obeys the bounds, or as a typed error. A trap ends the test run.
@Suite struct FuzzTests {
    /// One kind's rounds take well under a second.
    private static let rounds = 3_000
    /// What may be wrong with metadata. Another code would blame the frame, the peer's version or the payload for it.
    private static let metadataCodes: Set<WireError.Code> = [.malformedMetadata, .invalidValue, .limitExceeded]

    private func mutate(_ bytes: [UInt8], _ generator: inout Generator) -> [UInt8] {
        var mutated = bytes
        for _ in 0..<generator.integer(1...4) {
            let at = generator.integer(0...mutated.count)
            switch generator.integer(0...6) {
            case 0 where at < mutated.count: mutated[at] ^= 1 << UInt8(generator.integer(0...7))
            case 1 where at < mutated.count: mutated[at] = UInt8(truncatingIfNeeded: generator.next())
            case 2 where at < mutated.count: mutated[at] = generator.pick([0, 0x7F, 0x80, 0xFF])
            case 3: mutated.removeSubrange(at...)
            case 4:
                mutated.insert(
                    contentsOf: (0..<generator.integer(1...9)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }, at: at)
            case 5: mutated.insert(contentsOf: mutated.prefix(at), at: at)
            default: mutated.insert(contentsOf: [UInt8](repeating: 0xFF, count: generator.integer(1...10)), at: at)
            }
        }
        return mutated
    }

    @Test(arguments: Message.Kind.allCases)
    func changedMetadataThrowsOrIsAMessage(kind: Message.Kind) throws {
        var generator = Generator(seed: 0xF0 + UInt64(kind.rawValue))
        var accepted = 0
        var refused = 0
        for round in 0..<Self.rounds {
            let valid = try MessageCodec.encode(generator.message(kind)).metadata
            let bytes = mutate(valid, &generator)
            let message: Message?
            do { message = try decode(kind, bytes) } catch let error as WireError {
                refused += 1
                #expect(Self.metadataCodes.contains(error.code), "round \(round): \(error.code): \(error)")
                continue
            }
            guard let message else { continue }
            accepted += 1
            // What was accepted obeys every bound, so it can be encoded again and is then the same.
            let again = try decode(kind, try MessageCodec.encode(message).metadata)
            #expect(again == message, "round \(round)")
        }
        // Some mutations only touch unknown fields or numbers: had none been accepted, the mutations would test nothing but the parser.
        #expect(accepted > 0 && refused > 0)
    }

    @Test func randomMetadataThrowsOrIsAMessage() throws {
        var generator = Generator(seed: 77)
        var refused: Set<WireError.Code> = []
        for _ in 0..<20_000 {
            let bytes = (0..<generator.integer(0...60)).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
            let kind = generator.pick(Message.Kind.allCases)
            do { _ = try decode(kind, bytes) } catch let error as WireError { refused.insert(error.code) }
        }
        #expect(refused.isSubset(of: Self.metadataCodes), "\(refused)")
        // It gets as far as the fields' values.
        #expect(refused.isSuperset(of: [.malformedMetadata, .invalidValue]), "\(refused)")
    }

    @Test func changedFramesThrowOrArrive() throws {
        // With the checksums right none is reported, and with our magic and version neither of these.
        let impossible: Set<WireError.Code> = [.badMagic, .checksumMismatch]
        var arrived = 0
        var refused: Set<WireError.Code> = []
        for seed in 0..<2_000 {
            var generator = Generator(seed: UInt64(seed))
            var link = Link()
            // With the checksums right, so that what lies behind them is reached.
            for _ in 0..<4 {
                let encoded = try MessageCodec.encode(generator.message(generator.pick(Message.Kind.allCases)))
                let metadata = generator.flag() ? encoded.metadata : mutate(encoded.metadata, &generator)
                let payload = pattern(generator.pick([0, 1, 69, 1_000]))
                var header = FrameHeader(
                    kind: generator.flag() ? encoded.kind : UInt16(truncatingIfNeeded: generator.next()),
                    flags: FrameHeader.Flags(rawValue: UInt16(generator.pick([0, 0, 0, 1, 2, 3, 4]))),
                    stream: UInt32(generator.integer(1...2)), metadataByteCount: metadata.count, payloadByteCount: payload.count,
                    totalPayloadByteCount: payload.count + generator.pick([0, 0, 1, 5_000, 1 << 32]))
                let checksum = payload.withUnsafeBytes { CRC32C.checksum($0) }
                metadata.withUnsafeBytes { header.seal(metadata: $0, payloadChecksum: checksum) }
                do {
                    try link.receive(bytes(of: header) + metadata + payload, generator.integer(1...2_000))
                    arrived += 1
                } catch let error as WireError {
                    refused.insert(error.code)
                    #expect(!impossible.contains(error.code), "seed \(seed): \(error)")
                    break
                }
            }
            #expect(link.reassembler.openStreamCount <= 2)
        }
        #expect(arrived > 0 && refused.isSuperset(of: [.malformedMetadata, .protocolViolation]), "\(arrived), \(refused)")
    }

    @Test func changedHeadersThrowOrAreWithinBounds() {
        var generator = Generator(seed: 5)
        let valid = bytes(of: FrameHeader(kind: 49, stream: 1, metadataByteCount: 9, payloadByteCount: 3, totalPayloadByteCount: 3))
        var refused: Set<WireError.Code> = []
        for _ in 0..<20_000 {
            do {
                let header = try decodeHeader(mutate(valid, &generator))
                #expect(header.metadataByteCount <= WireLimits.metadataByteCount)
                #expect(header.payloadByteCount <= WireLimits.frameByteCount)
                #expect(header.totalPayloadByteCount <= WireLimits.payloadByteCount)
            } catch let error as WireError {
                refused.insert(error.code)
            } catch {
                Issue.record("no typed error: \(error)")
            }
        }
        // Each field is reached, and nothing behind the header is blamed.
        #expect(refused.isSuperset(of: [.badMagic, .malformedHeader, .limitExceeded]), "\(refused)")
        #expect(refused.isDisjoint(with: [.malformedMetadata, .invalidValue, .protocolViolation, .corruptPayload]), "\(refused)")
    }
}
