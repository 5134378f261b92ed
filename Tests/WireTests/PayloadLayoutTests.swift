import Tensors
import Testing
import Wire

@Suite struct PayloadLayoutTests {
    private func raw(_ dtype: DType, _ shape: [Int]) -> TensorHeader {
        TensorHeader(dtype: dtype, shape: shape, encoding: .raw, wireByteCount: shape.reduce(dtype.byteWidth, *))
    }

    @Test(arguments: [
        ("nothing", [Int](), [Int](), 0),
        ("one", [10], [0], 10),
        ("the second begins at 64", [10, 5], [0, 64], 69),
        ("no gap after a full line", [64, 1], [0, 64], 65),
        ("empty ones take no room", [0, 7, 0, 3], [0, 0, 64, 64], 67),
        ("over several lines", [129, 128, 1], [0, 192, 320], 321),
    ])
    func segmentsAreAligned(name: String, lengths: [Int], offsets: [Int], total: Int) throws {
        let layout = try PayloadLayout(lengths.map { raw(.uint8, [$0]) })
        #expect(layout.offsets == offsets, "\(name)")
        #expect(layout.byteCount == total, "\(name)")
    }

    @Test func tensorsAreViewsOfTheStorage() throws {
        let first = try Tensor(shape: [2, 3], values: [1, 2, 3, 4, 5, 6] as [Float])
        let second = try Tensor(shape: [], values: [-9] as [Int64])
        let third = try Tensor(shape: [3], values: [true, false, true])
        let (payload, headers) = try OutgoingPayload.raw([first, second, third])
        let storage = gather(payload)
        let tensors = try PayloadLayout(headers).tensors(in: storage)
        #expect(tensors.count == 3 && tensors.allSatisfy { $0.storage === storage })
        #expect(tensors[0].isBitIdentical(to: first))
        #expect(tensors[1].isBitIdentical(to: second))
        #expect(tensors[2].isBitIdentical(to: third))
        #expect(tensors.allSatisfy { Int(bitPattern: $0.bytes.baseAddress) % TensorHeader.segmentAlignment == 0 })
    }

    private func gather(_ payload: OutgoingPayload) -> TensorStorage {
        var bytes: [UInt8] = []
        payload.forEachPiece(in: 0..<payload.byteCount) { bytes += $0 }
        return TensorStorage(copying: bytes)
    }

    @Test func anyRangeOfAPayloadIsTheSameBytes() throws {
        var generator = Generator(seed: 8)
        for _ in 0..<50 {
            let tensors = try (0..<generator.integer(0...6)).map { index in
                let whole = try Tensor(shape: [10, 40], values: pattern(400, UInt8(index)))
                let start = generator.integer(0...9)
                return try whole.slice(dimension: 0, start..<generator.integer(start...10))
            }
            let payload = try OutgoingPayload.raw(tensors).payload
            var whole: [UInt8] = []
            payload.forEachPiece(in: 0..<payload.byteCount) { whole += $0 }
            #expect(whole.count == payload.byteCount)
            for _ in 0..<20 {
                let start = generator.integer(0...payload.byteCount)
                let range = start..<generator.integer(start...payload.byteCount)
                var piece: [UInt8] = []
                payload.forEachPiece(in: range) { piece += $0 }
                #expect(piece == Array(whole[range]))
                #expect(payload.checksum(of: range) == piece.withUnsafeBytes { CRC32C.checksum($0) })
            }
        }
    }

    @Test func refusals() throws {
        let storage = TensorStorage(copying: [UInt8](repeating: 2, count: 64))
        let cases: [(String, [TensorHeader], WireError.Code)] = [
            ("a storage that is too short", [raw(.float32, [17])], .corruptPayload),
            ("a second segment beyond the end", [raw(.uint8, [1]), raw(.uint8, [1])], .corruptPayload),
            (
                "a segment that is not raw", [TensorHeader(dtype: .uint8, shape: [99], encoding: .zstd, wireByteCount: 9)],
                .corruptPayload
            ),
            ("bools that are neither 0 nor 1", [raw(.bool, [4])], .corruptPayload),
            (
                "a length that is another", [TensorHeader(dtype: .uint8, shape: [4], encoding: .raw, wireByteCount: 5)],
                .invalidValue
            ),
            ("a negative length", [TensorHeader(dtype: .uint8, shape: [4], encoding: .raw, wireByteCount: -4)], .invalidValue),
            ("too many tensors", [TensorHeader](repeating: raw(.uint8, [0]), count: 257), .limitExceeded),
            ("too many bytes", [TensorHeader](repeating: raw(.uint8, [1 << 32]), count: 3), .limitExceeded),
        ]
        for (name, headers, code) in cases {
            #expect(errorCode { _ = try PayloadLayout(headers).tensors(in: storage) } == code, "\(name)")
        }
    }
}
