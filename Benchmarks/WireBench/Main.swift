internal import Base
import Glibc
import Tensors
import Wire

/// `WireBench`: what messages, frames, checksums and the codecs of activations cost, in CPU time of one thread. It prints figures and judges
/// none: `swift run -c release WireBench`.
@main
enum WireBench {
    static func main() throws {
        try metadataOfAWorkMessage()
        try framesOfALargeMessage()
        try codec()
        shuffle()
    }

    /// This thread's time on a core, which other processes of the machine do not change.
    private static func threadSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// The median of several runs, in seconds of thread CPU for one round.
    private static func median(rounds: Int, _ body: () throws -> Void) rethrows -> Double {
        var seconds: [Double] = []
        for _ in 0..<9 {
            let start = threadSeconds()
            for _ in 0..<rounds { try body() }
            seconds.append((threadSeconds() - start) / Double(rounds))
        }
        return seconds.sorted()[4]
    }

    private static func show(_ name: String, _ value: Double, _ unit: String) {
        print("\(name): \((value * 100).rounded() / 100) \(unit)")
    }

    /// As after a ReLU: half of the values 0, the others of similar size.
    private static func activation(_ count: Int) -> [Float] {
        var generator = SystemRandomNumberGenerator()
        return (0..<count).map { _ in max(0, Float.random(in: -1..<1, using: &generator)) }
    }

    /// Three hops, two of them behind it, and one large tensor.
    private static func metadataOfAWorkMessage() throws {
        let partition = PartitionKey(
            modelDigest: String(repeating: "0123456789abcdef", count: 4), firstLayer: 0, endLayer: 50, toolchain: "libtorch 2.13.0",
            optimization: .o1)
        let work = Message.work(
            Work(
                key: WorkKey(session: SessionID(bits: 1), client: 1, request: 2, microBatch: 3, attempt: 1),
                route: (0..<3).map { Hop(node: NodeID("worker-\($0)"), partition: partition) }, items: 4,
                deadlineMilliseconds: 60_000,
                tensors: [
                    TensorHeader(dtype: .float32, shape: [4, 32, 112, 112], encoding: .raw, wireByteCount: 4 * 32 * 112 * 112 * 4)
                ],
                trace: []))
        let encoded = try MessageCodec.encode(work)
        show("work message: metadata", Double(encoded.metadata.count), "bytes")
        show("work message: encode", try median(rounds: 5_000) { _ = try MessageCodec.encode(work) } * 1e6, "µs")
        let kind = encoded.kind
        let decode = try median(rounds: 5_000) {
            _ = try encoded.metadata.withUnsafeBytes { try MessageCodec.decode(kind: kind, metadata: $0) }
        }
        show("work message: decode", decode * 1e6, "µs")
    }

    private static func framesOfALargeMessage() throws {
        let encoded = EncodedMessage(kind: Message.Kind.statusReply.rawValue, metadata: [])
        let payload = TensorStorage(copying: [UInt8](repeating: 1, count: 32 << 20))
        let seconds = try median(rounds: 1) {
            var scheduler = FrameScheduler()
            _ = try scheduler.enqueue(encoded, payloadByteCount: payload.byteCount)
            let outgoing = OutgoingPayload(payload)
            while let frame = scheduler.next() {
                withUnsafeTemporaryAllocation(byteCount: frame.headByteCount, alignment: 8) { head in
                    frame.writeHead(to: head, payloadChecksum: outgoing.checksum(of: frame.payloadRange))
                }
            }
        }
        show("sender: frames and CRC32C", Double(payload.byteCount) / seconds / 1e9, "GB/s")
        let crc = median(rounds: 10) { _ = CRC32C.checksum(payload.bytes) }
        show("CRC32C alone", Double(payload.byteCount) / crc / 1e9, "GB/s")
    }

    private static func codec() throws {
        let codec = try ActivationCodec()
        let tensor = try Tensor(shape: [4, 32, 112, 112], values: activation(4 * 32 * 112 * 112))
        for encoding in [TensorEncoding.zstd, .shuffledZstd] {
            for level in [-5, -1, 1, 3] {
                guard let segment = try codec.encode(tensor, as: encoding, level: level) else { continue }
                let encode = try median(rounds: 1) { _ = try codec.encode(tensor, as: encoding, level: level) }
                let decode = try median(rounds: 1) { _ = try codec.decode(segment.header, segment.storage.bytes) }
                show("\(encoding) \(level): ratio", Double(segment.header.wireByteCount) / Double(tensor.byteCount), "")
                show("\(encoding) \(level): encode", Double(tensor.byteCount) / encode / 1e6, "MB/s")
                show("\(encoding) \(level): decode", Double(tensor.byteCount) / decode / 1e6, "MB/s")
            }
        }
    }

    private static func shuffle() {
        let total = 32 << 20
        let source = TensorStorage(copying: (0..<total).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) })
        let block = TensorStorage(byteCount: 1 << 20)
        let target = TensorStorage(copying: source.bytes)
        for width in [2, 4, 8] {
            let step = ByteShuffle.blockElementCount * width
            let shuffle = median(rounds: 1) {
                for start in stride(from: 0, to: total, by: step) {
                    ByteShuffle.shuffle(source.pointer + start, to: block.pointer, count: step / width, width: width)
                }
            }
            let unshuffle = median(rounds: 1) {
                for start in stride(from: 0, to: total, by: step) {
                    ByteShuffle.unshuffle(block.pointer, to: target.pointer + start, count: step / width, width: width)
                }
            }
            show("shuffle of \(width)-byte elements", Double(total) / shuffle / 1e9, "GB/s")
            show("unshuffle of \(width)-byte elements", Double(total) / unshuffle / 1e9, "GB/s")
        }
    }
}
