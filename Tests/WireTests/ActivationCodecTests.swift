import CZstd
import Tensors
import Testing
import Wire

@Suite struct ActivationCodecTests {
    /// As after a ReLU: half of the values 0, the others of similar size.
    static func activation(_ count: Int, seed: UInt64 = 1) -> [Float] {
        var generator = Generator(seed: seed)
        return (0..<count).map { _ in
            let value = Float(Int(truncatingIfNeeded: generator.next() >> 40)) / Float(1 << 23) - 1
            return max(0, value)
        }
    }

    static func noise(_ count: Int) -> [UInt8] {
        var generator = Generator(seed: 9)
        return (0..<count).map { _ in UInt8(truncatingIfNeeded: generator.next()) }
    }

    private func roundTrip(_ tensor: Tensor, _ encoding: TensorEncoding, level: Int = 1) throws -> Int? {
        let codec = try ActivationCodec()
        guard let segment = try codec.encode(tensor, as: encoding, level: level) else { return nil }
        #expect(segment.header.encoding == encoding)
        #expect(segment.header.wireByteCount < tensor.byteCount)
        let bytes = UnsafeRawBufferPointer(
            start: segment.storage.pointer + segment.storageOffset, count: segment.header.wireByteCount)
        let decoded = try codec.decode(segment.header, bytes)
        #expect(decoded.isBitIdentical(to: tensor), "\(tensor.dtype.name)\(tensor.shape) as \(encoding)")
        return segment.header.wireByteCount
    }

    /// Around the vector's 16 lanes and the block's 131,072 elements.
    @Test(arguments: [300, 511, 512, 1_000, 131_071, 131_072, 131_073, 131_087, 262_144, 300_001])
    func everyTypeAndLengthComesBack(count: Int) throws {
        let floats = Self.activation(count)
        for encoding in [TensorEncoding.zstd, .shuffledZstd] {
            #expect(try roundTrip(Tensor(shape: [count], values: floats), encoding) != nil)
            #expect(try roundTrip(Tensor(shape: [count], values: floats.map { Int64($0 * 1_000) }), encoding) != nil)
            #expect(try roundTrip(Tensor(shape: [count], values: floats.map { Int32($0 * 1_000) }), encoding) != nil)
            _ = try roundTrip(Tensor(shape: [count], values: floats.map { Float16($0) }), encoding)
            _ = try roundTrip(Tensor(shape: [count], values: floats.map { UInt8($0 * 3) }), encoding)
            _ = try roundTrip(Tensor(shape: [count], values: floats.map { $0 > 0 }), encoding)
        }
    }

    @Test(arguments: [-100, -7, -1, 0, 1, 3, 9, 100])
    func everyLevelComesBack(level: Int) throws {
        let tensor = try Tensor(shape: [100_000], values: Self.activation(100_000))
        #expect(try roundTrip(tensor, .shuffledZstd, level: level) != nil)
        #expect(try roundTrip(tensor, .zstd, level: level) != nil)
    }

    @Test func shufflingGains() throws {
        let tensor = try Tensor(shape: [500_000], values: Self.activation(500_000))
        let plain = try #require(try roundTrip(tensor, .zstd))
        let shuffled = try #require(try roundTrip(tensor, .shuffledZstd))
        #expect(shuffled < plain)
        #expect(Double(shuffled) < 0.8 * Double(tensor.byteCount))
    }

    @Test func whatDoesNotShrinkStaysAsItIs() throws {
        let codec = try ActivationCodec()
        for count in [0, 1, 1_023, 1_024, 100_000, 600_000] {
            let tensor = try Tensor(shape: [count], values: Self.noise(count))
            for encoding in [TensorEncoding.zstd, .shuffledZstd] {
                #expect(try codec.encode(tensor, as: encoding, level: 1) == nil)
            }
        }
        let noise = Self.noise(1_200_000).withUnsafeBytes { TensorStorage(copying: $0) }
        #expect(try codec.encode(Tensor(dtype: .int64, shape: [150_000], storage: noise), as: .shuffledZstd, level: 1) == nil)
        // The codec is good for the next tensor after it gave one up.
        #expect(try codec.encode(Tensor(shape: [9_000], values: Self.activation(9_000)), as: .shuffledZstd, level: 1) != nil)
    }

    @Test func aMessageMayMixEncodings() throws {
        let codec = try ActivationCodec()
        let tensors = [
            try Tensor(shape: [100, 100], values: Self.activation(10_000)),
            try Tensor(shape: [3], values: [1, 2, 3] as [Int64]),
            try Tensor(shape: [5_000], values: Self.noise(5_000)),
            try Tensor(shape: [2_000], values: [Bool](repeating: true, count: 2_000)),
        ]
        let (payload, headers) = try codec.encode(tensors, as: .shuffledZstd, level: 1)
        #expect(headers.map(\.encoding) == [.shuffledZstd, .raw, .raw, .shuffledZstd])
        var bytes: [UInt8] = []
        payload.forEachPiece(in: 0..<payload.byteCount) { bytes += $0 }
        let decoded = try codec.decode(PayloadLayout(headers), in: TensorStorage(copying: bytes))
        #expect(decoded.count == tensors.count)
        for (one, other) in zip(decoded, tensors) { #expect(one.isBitIdentical(to: other)) }
    }

    // MARK: Refusals

    private func compressed(_ bytes: [UInt8], declareSize: Bool = true) -> [UInt8] {
        let context = ZSTD_createCCtx()
        defer { ZSTD_freeCCtx(context) }
        if !declareSize { ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0) }
        return [UInt8](unsafeUninitializedCapacity: ZSTD_compressBound(bytes.count)) { buffer, count in
            count = ZSTD_compress2(context, buffer.baseAddress, buffer.count, bytes, bytes.count)
        }
    }

    private func decodeError(_ encoding: TensorEncoding, _ dtype: DType, _ shape: [Int], _ bytes: [UInt8], declared: Int? = nil)
        -> WireError.Code?
    {
        let header = TensorHeader(dtype: dtype, shape: shape, encoding: encoding, wireByteCount: declared ?? bytes.count)
        return errorCode {
            let codec = try ActivationCodec()
            _ = try bytes.withUnsafeBytes { try codec.decode(header, $0) }
        }
    }

    @Test(arguments: [TensorEncoding.zstd, .shuffledZstd])
    func onlyExactlyTheDeclaredTensorIsAccepted(encoding: TensorEncoding) {
        let content = [UInt8](repeating: 7, count: 4_000)
        let frame = compressed(content)
        let bomb = compressed([UInt8](repeating: 0, count: 64 << 20))
        let withoutSize = compressed(content, declareSize: false)
        let cases: [(String, [Int], [UInt8], WireError.Code?)] = [
            ("the tensor itself", [1_000], frame, nil),
            ("one element more", [1_001], frame, .corruptPayload),
            ("one element less", [999], frame, .corruptPayload),
            ("a bomb of 64 MiB for 4,000 bytes", [1_000], bomb, .corruptPayload),
            ("a bomb whose header is changed to 4,000 bytes", [1_000], relabelled(bomb, as: 4_000), .corruptPayload),
            ("a frame that does not say its size", [1_000], withoutSize, .corruptPayload),
            ("a byte behind the frame", [1_000], frame + [0], .corruptPayload),
            ("two frames", [1_000], frame + frame, .corruptPayload),
            (
                "two halves", [1_000], compressed([UInt8](content[..<2_000])) + compressed([UInt8](content[2_000...])),
                .corruptPayload
            ),
            ("cut off", [1_000], Array(frame.dropLast()), .corruptPayload),
            ("no zstd at all", [1_000], pattern(100), .corruptPayload),
            ("one byte", [1_000], [0x28], .corruptPayload),
            ("only a skippable frame", [1_000], [0x50, 0x2A, 0x4D, 0x18, 4, 0, 0, 0, 1, 2, 3, 4], .corruptPayload),
        ]
        for (name, shape, bytes, expected) in cases {
            #expect(decodeError(encoding, .float32, shape, bytes) == expected, "\(name)")
        }
        #expect(
            decodeError(encoding, .float32, [1_000], frame, declared: frame.count + 1) == .corruptPayload,
            "fewer bytes than declared")
        #expect(decodeError(encoding, .bool, [4_000], frame) == .corruptPayload, "bools of 7")
    }

    /// The same frame with another content size in its header (an 8-byte field, single segment).
    private func relabelled(_ frame: [UInt8], as size: UInt64) -> [UInt8] {
        // Magic, descriptor (8-byte content size, no single segment, no checksum), window descriptor of 8 MiB, content size.
        let window: UInt8 = 13 << 3
        let sizeFlag = frame[4] >> 6
        let isSingle = frame[4] & 0x20 != 0
        let oldSizeLength = [isSingle ? 1 : 0, 2, 4, 8][Int(sizeFlag)]
        let rest = frame[(5 + (isSingle ? 0 : 1) + oldSizeLength)...]
        return Array(frame[..<4]) + [0xC0, window] + withUnsafeBytes(of: size.littleEndian) { Array($0) } + rest
    }

    @Test func aWindowOverTheLimitIsRefused() throws {
        // Right but for its window descriptor of 2 GiB (exponent 21): what a streaming decoder would have to hold.
        var frame = relabelled(compressed([UInt8](repeating: 7, count: 2 << 20)), as: 2 << 20)
        #expect(decodeError(.shuffledZstd, .float32, [1 << 19], frame) == nil)
        frame[5] = 21 << 3
        #expect(decodeError(.shuffledZstd, .float32, [1 << 19], frame) == .corruptPayload)
    }

    @Test func changedSegmentsThrowOrAreTheRightSize() throws {
        var generator = Generator(seed: 21)
        let codec = try ActivationCodec()
        let tensor = try Tensor(shape: [6_000], values: Self.activation(6_000))
        for encoding in [TensorEncoding.zstd, .shuffledZstd] {
            let segment = try #require(try codec.encode(tensor, as: encoding, level: 1))
            let valid = Array(segment.storage.bytes)
            var refused = 0
            for _ in 0..<1_500 {
                var bytes = valid
                for _ in 0..<generator.integer(1...3) {
                    bytes[generator.integer(0...(bytes.count - 1))] = UInt8(truncatingIfNeeded: generator.next())
                }
                do {
                    let decoded = try bytes.withUnsafeBytes { try codec.decode(segment.header, $0) }
                    #expect(decoded.byteCount == tensor.byteCount)
                } catch let error as WireError {
                    refused += 1
                    #expect(error.code == .corruptPayload, "\(error)")
                }
            }
            #expect((1..<1_500).contains(refused))
            // The contexts survive all of it.
            #expect(try valid.withUnsafeBytes { try codec.decode(segment.header, $0) }.isBitIdentical(to: tensor))
        }
    }
}
