import Glibc
import Tensors
import Testing
import Wire

/// Figures for docs and reports, printed with `AMP4EC_MEASURE=1 swift test -c release --filter WireTests.Measurements`.
///
/// They assert nothing about speed: a shared machine would make such a test fail by chance.
@Suite(.enabled(if: getenv("AMP4EC_MEASURE") != nil), .serialized) struct Measurements {
    /// This thread's time on a core, which other processes of the machine do not change.
    private func threadSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// The median of several runs, in seconds of thread CPU for one round.
    private func median(rounds: Int, _ body: () throws -> Void) rethrows -> Double {
        var seconds: [Double] = []
        for _ in 0..<9 {
            let start = threadSeconds()
            for _ in 0..<rounds { try body() }
            seconds.append((threadSeconds() - start) / Double(rounds))
        }
        return seconds.sorted()[4]
    }

    private func show(_ name: String, _ value: Double, _ unit: String) {
        print("\(name): \((value * 100).rounded() / 100) \(unit)")
    }

    @Test func metadataOfAWorkMessageWithThreeHops() throws {
        var generator = Generator(seed: 2)
        let work = Message.work(
            Work(
                key: generator.workKey(), route: (0..<3).map { Hop(node: "worker-\($0)", partition: generator.partitionKey()) },
                items: 4,
                deadlineMilliseconds: 60_000,
                tensors: [
                    TensorHeader(dtype: .float32, shape: [4, 32, 112, 112], encoding: .raw, wireByteCount: 4 * 32 * 112 * 112 * 4)
                ],
                trace: [generator.hopTrace(), generator.hopTrace()]))
        let encoded = try MessageCodec.encode(work)
        show("work message: metadata", Double(encoded.metadata.count), "bytes")
        show("work message: encode", try median(rounds: 5_000) { _ = try MessageCodec.encode(work) } * 1e6, "µs")
        show("work message: decode", try median(rounds: 5_000) { _ = try decode(.work, encoded.metadata) } * 1e6, "µs")
    }

    @Test func framesOfALargeMessage() throws {
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

    @Test func codec() throws {
        let codec = try ActivationCodec()
        let count = 4 * 32 * 112 * 112
        let tensor = try Tensor(shape: [4, 32, 112, 112], values: ActivationCodecTests.activation(count))
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

    @Test func shuffle() {
        let total = 32 << 20
        let source = TensorStorage(copying: ActivationCodecTests.noise(total))
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
