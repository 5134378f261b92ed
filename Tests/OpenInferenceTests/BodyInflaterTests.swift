import CZlib
import OpenInference
import Tensors
import Testing

@Suite("Bodies that are inflated")
struct BodyInflaterTests {
    /// All that comes of a body in pieces of `step` bytes.
    private func inflate(
        _ bytes: [UInt8], _ coding: ContentCoding, limit: Int = 1 << 20, step: Int = .max
    ) throws(OpenInferenceError) -> [UInt8] {
        let inflater = try BodyInflater(coding, limit: limit)
        var output: [UInt8] = []
        try bytes.withUnsafeBufferPointer { buffer throws(OpenInferenceError) in
            var rest = UnsafeRawBufferPointer(buffer)[...]
            while !rest.isEmpty {
                let piece = rest.prefix(step)
                rest = rest.dropFirst(piece.count)
                try inflater.decode(UnsafeRawBufferPointer(rebasing: piece)) { made throws(OpenInferenceError) in
                    output += made
                    guard output.count <= limit else { throw OpenInferenceError(.invalid, "more than the limit was given out") }
                }
            }
        }
        try inflater.finish()
        return output
    }

    private func deflate(_ bytes: [UInt8], _ coding: ContentCoding, level: Int = 1) -> [UInt8] {
        bytes.withUnsafeBytes { BodyDeflater.encode([$0], coding, level: level) }
    }

    /// Deflate alone, as some clients send it.
    private func raw(_ bytes: [UInt8]) -> [UInt8] { Array(deflate(bytes, .deflate).dropFirst(2).dropLast(4)) }

    private var sample: [UInt8] {
        var random = Seeded(3)
        return (0..<200_000).map { index in
            index % 3 == 0 ? UInt8(truncatingIfNeeded: random.next()) : UInt8(truncatingIfNeeded: index / 7)
        }
    }

    @Test func whatIsDeflatedIsInflated() throws {
        for bytes in [[], [7], sample, [UInt8](repeating: 0, count: 1 << 20)] {
            for coding in ContentCoding.allCases {
                for level in [1, 6, 9, -5, 100] { #expect(try inflate(deflate(bytes, coding, level: level), coding) == bytes) }
                #expect(try inflate(deflate(bytes, coding), coding, step: 1_000) == bytes)
            }
            #expect(try inflate(raw(bytes), .deflate) == bytes)
        }
        let short = Array(sample.prefix(2_000))
        #expect(try inflate(deflate(short, .gzip), .gzip, step: 1) == short)
        #expect(try inflate(deflate(short, .deflate), .deflate, step: 1) == short)
        #expect(try inflate(raw(short), .deflate, step: 1) == short)
    }

    @Test func theFormsAreThoseOfHTTP() {
        #expect(deflate([1], .gzip).prefix(3) == [0x1F, 0x8B, 8])
        #expect(deflate([1], .deflate)[0] == 0x78)
        #expect(deflate([1], .deflate).prefix(2).reduce(0) { $0 * 256 + Int($1) } % 31 == 0)
    }

    @Test func anAnswerIsOneStream() throws {
        let tensor = try Tensor(shape: [3], values: [1, 2, 3] as [Float])
        let reply = InferenceReply(
            model: "m", version: "1", id: nil, parameters: [], outputs: [.init(name: "y", values: .tensor(tensor), isBinary: true)])
        let head = try reply.head()
        let body = try inflate(BodyDeflater.encode(head: head, reply.binaryParts, .gzip), .gzip)
        #expect(body == head + Array(tensor.bytes))
    }

    /// A thousandfold: the limit counts what comes out, to the byte.
    @Test(arguments: ContentCoding.allCases)
    func bombs(coding: ContentCoding) throws {
        let size = 32 << 20
        let bomb = deflate([UInt8](repeating: 0, count: size), coding, level: 9)
        #expect(bomb.count < size / 900)
        for limit in [0, 1, 65_535, 65_536, 65_537, size - 1] {
            let error = Heads.error { () throws(OpenInferenceError) in _ = try inflate(bomb, coding, limit: limit) }
            #expect(error?.code == .tooLarge, "\(limit): \(error?.message ?? "accepted")")
        }
        #expect(try inflate(bomb, coding, limit: size).count == size)
    }

    @Test func streamsThatAreCut() throws {
        let bytes = Array(sample.prefix(3_000))
        for (body, coding) in [
            (deflate(bytes, .gzip), ContentCoding.gzip), (deflate(bytes, .deflate), .deflate), (raw(bytes), .deflate),
        ] {
            for length in 0..<body.count {
                let error = Heads.error { () throws(OpenInferenceError) in _ = try inflate(Array(body[..<length]), coding) }
                #expect(error?.code == .invalid, "\(coding) \(length)")
                #expect(error?.message.contains("in the middle") == true, "\(coding) \(length): \(error?.message ?? "accepted")")
            }
        }
    }

    @Test func bytesBehindTheStream() throws {
        let body = deflate([1, 2, 3], .gzip)
        for (tail, step) in [([0], Int.max), ([0], 1), ([0x1F, 0x8B], 5), (body, .max), (body, body.count)] as [([UInt8], Int)] {
            let error = Heads.error { () throws(OpenInferenceError) in _ = try inflate(body + tail, .gzip, step: step) }
            #expect(error?.message.contains("follow the end") == true, "\(error?.message ?? "accepted")")
        }
    }

    @Test func streamsThatAreDamaged() throws {
        let bytes = Array(sample.prefix(500))
        for coding in ContentCoding.allCases {
            let body = deflate(bytes, coding)
            for index in body.indices {
                var changed = body
                changed[index] ^= 0x40
                // gzip's time, flags and system (bytes 4 to 9) are nobody's; whatever else is accepted is the same.
                if let output = try? inflate(changed, coding) { #expect(output == bytes, "\(coding) \(index)") }
            }
            var sum = body
            sum[body.count - (coding == .gzip ? 8 : 1)] ^= 1
            #expect(throws: OpenInferenceError.self, "\(coding)") { try inflate(sum, coding) }
        }
        for body in [
            Array("{\"inputs\":[]}".utf8), [0, 0], [0x78, 0x9C, 0xFF, 0xFF], [0x1F, 0x8B, 9, 0],
            [UInt8](repeating: 0xFF, count: 100),
        ] {
            for coding in ContentCoding.allCases {
                #expect(
                    Heads.error { () throws(OpenInferenceError) in _ = try inflate(body, coding) }?.code == .invalid,
                    "\(coding) \(body)")
            }
        }
        // A stream that wants a dictionary.
        #expect(
            Heads.error { () throws(OpenInferenceError) in _ = try inflate([0x78, 0xBB, 0, 0, 0, 1, 3, 0], .deflate) }?.code
                == .invalid)
    }

    @Test func whatFailedStaysFailed() throws {
        let inflater = try BodyInflater(.gzip, limit: 10)
        let first = Heads.error { () throws(OpenInferenceError) in try decode(inflater, [1, 2, 3]) }
        #expect(first?.code == .invalid)
        #expect(Heads.error { () throws(OpenInferenceError) in try decode(inflater, deflate([1], .gzip)) } == first)
        #expect(Heads.error { () throws(OpenInferenceError) in try inflater.finish() } == first)
        // What the taker throws comes out, and ends it too.
        let other = try BodyInflater(.deflate, limit: 10)
        let own = OpenInferenceError(.tooLarge, "no room")
        let body = deflate([1], .deflate)
        let thrown = Heads.error { () throws(OpenInferenceError) in
            try body.withUnsafeBufferPointer { buffer throws(OpenInferenceError) in
                try other.decode(UnsafeRawBufferPointer(buffer)) { _ throws(OpenInferenceError) in throw own }
            }
        }
        #expect(thrown == own)
        #expect(Heads.error { () throws(OpenInferenceError) in try other.finish() } == own)
    }

    private func decode(_ inflater: BodyInflater, _ bytes: [UInt8]) throws(OpenInferenceError) {
        try bytes.withUnsafeBufferPointer { buffer throws(OpenInferenceError) in
            try inflater.decode(UnsafeRawBufferPointer(buffer)) { _ throws(OpenInferenceError) in }
        }
    }
}
