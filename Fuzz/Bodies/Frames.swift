internal import Glibc
internal import Tensors
internal import Transport
internal import Wire

extension FuzzBody {
    /// The bytes as a connection receives them. Checksums are set right in a copy, as no mutation would ever hit them, and the copy is read
    /// whole and in small pieces, which must come to the same.
    enum Frames {
        /// Ends within heads as well as within payloads.
        private static let pieceByteCount = 23
        /// What tensors may take once they are decoded; a connection's owner has a bound of its own.
        private static let decodedLimit = 1 << 20

        static func run(_ bytes: UnsafeRawBufferPointer) -> Outcome {
            _ = receive(bytes, pieceByteCount: bytes.count)
            let sealed = seal(bytes)
            return sealed.withUnsafeBytes { sealed in
                let whole = receive(sealed, pieceByteCount: sealed.count)
                let pieces = receive(sealed, pieceByteCount: pieceByteCount)
                expect(whole == pieces, "the stream reads differently in pieces: \(whole), \(pieces)")
                for delivery in whole.deliveries { check(delivery) }
                return whole.deliveries.isEmpty ? .refused : .accepted
            }
        }

        private static func receive(_ bytes: UnsafeRawBufferPointer, pieceByteCount: Int) -> Owner.Record {
            let owner = Owner()
            owner.read(bytes, pieceByteCount: max(pieceByteCount, 1))
            return owner.record
        }

        /// Both checksums of each frame as its sender would set them, up to the first header that is none.
        private static func seal(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
            var sealed = [UInt8](bytes)
            sealed.withUnsafeMutableBytes { sealed in
                var start = 0
                while sealed.count - start >= FrameHeader.byteCount {
                    let rest = UnsafeRawBufferPointer(rebasing: sealed[start...])
                    guard var header = try? FrameHeader.decode(from: rest) else { return }
                    let metadata = rest.dropFirst(FrameHeader.byteCount).prefix(header.metadataByteCount)
                    let payload = rest.dropFirst(FrameHeader.byteCount + header.metadataByteCount).prefix(header.payloadByteCount)
                    header.seal(
                        metadata: UnsafeRawBufferPointer(rebasing: metadata),
                        payloadChecksum: CRC32C.checksum(UnsafeRawBufferPointer(rebasing: payload)))
                    header.encode(into: UnsafeMutableRawBufferPointer(rebasing: sealed[start..<start + FrameHeader.byteCount]))
                    start += FrameHeader.byteCount + metadata.count + payload.count
                }
            }
            return sealed
        }

        /// A message that was accepted can be sent to somebody else, who then reads the same; and its payload is what it says, or is refused.
        private static func check(_ delivery: Owner.Delivery) {
            let message = delivery.message
            do {
                let encoded = try MessageCodec.encode(message)
                let again = try encoded.metadata.withUnsafeBytes { try MessageCodec.decode(kind: encoded.kind, metadata: $0) }
                expect(again == message, "a \(message.kind) was encoded as something else: \(message)")
            } catch {
                fatalError("a \(message.kind) was accepted, but cannot be sent on: \(error)")
            }
            guard let headers = message.tensorHeaders, headers.decodedByteCount <= decodedLimit else { return }
            do throws(WireError) {
                let tensors = try ActivationCodec().decode(
                    try PayloadLayout(headers), in: TensorStorage(copying: delivery.payload))
                expect(tensors.map(\.shape) == headers.map(\.shape), "tensors have other shapes than were declared")
                for tensor in tensors { _ = tensor.bytes.readAll() }
            } catch {
                // Refused as it should be: the payload does not hold what the message says.
            }
        }
    }

    /// What stands in a connection's place: admits payloads, and writes down what is delivered.
    private final class Owner: FrameReceiverDelegate {
        struct Delivery: Equatable {
            let message: Message
            let payload: [UInt8]
        }

        struct Record: Equatable {
            var deliveries: [Delivery] = []
            var abortedCount = 0
            var isViolation = false
            var isIdle = true
        }

        /// Larger payloads are read over.
        private static let keptByteCount = 64 << 10
        /// As long as a loop's.
        private static let stagingByteCount = 64 << 10

        private(set) var record = Record()
        private var ticket: UInt64 = 0
        var isDelivering: Bool { true }

        func read(_ bytes: UnsafeRawBufferPointer, pieceByteCount: Int) {
            let staging = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.stagingByteCount, alignment: 64)
            defer { staging.deallocate() }
            let receiver = FrameReceiver(staging: staging, incomingByteLimit: WireLimits.openByteCount, delegate: self)
            let channel = MemoryChannel(bytes, pieceByteCount: pieceByteCount)
            while true {
                switch receiver.read(from: channel, socket: -1, limit: Int.max) {
                case .waits, .shareUsed: continue
                case .violation: record.isViolation = true
                case .endOfStream, .failed, .stopped: break
                }
                break
            }
            // After a violation nothing is read any more.
            record.isIdle = record.isViolation || receiver.isIdle
        }

        func receiverWillKeep(_ message: Message, layout: PayloadLayout?, payloadByteCount: Int) -> PayloadDisposition {
            guard payloadByteCount <= Self.keptByteCount else { return .discard }
            ticket += 1
            return .accept(TensorStorage(byteCount: payloadByteCount), ticket: ticket)
        }

        func receiverGot(
            _ message: Message, layout: PayloadLayout?, payload: TensorStorage?, ticket: UInt64?, duration: Duration
        ) {
            record.deliveries.append(Delivery(message: message, payload: payload.map { [UInt8]($0.bytes) } ?? []))
        }

        func receiverAborted(_ message: Message, ticket: UInt64) { record.abortedCount += 1 }
    }

    /// Bytes in memory as a channel that brings so many at a time.
    private final class MemoryChannel: ByteChannel {
        private var rest: UnsafeRawBufferPointer
        private let pieceByteCount: Int

        init(_ bytes: UnsafeRawBufferPointer, pieceByteCount: Int) {
            rest = bytes
            self.pieceByteCount = pieceByteCount
        }

        func handshake(on socket: Int32) -> ChannelHandshake { .done }

        func read(into pieces: UnsafeMutableBufferPointer<iovec>, from socket: Int32) -> ChannelOutcome {
            var count = 0
            for piece in pieces {
                let target = UnsafeMutableRawBufferPointer(start: piece.iov_base, count: piece.iov_len)
                let taken = UnsafeRawBufferPointer(rebasing: rest.prefix(min(target.count, pieceByteCount - count)))
                target.copyMemory(from: taken)
                rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(taken.count))
                count += taken.count
            }
            return count == 0 ? .endOfStream : .bytes(count)
        }

        func write(_ pieces: UnsafeMutableBufferPointer<iovec>, to socket: Int32) -> ChannelOutcome { .endOfStream }
        func finishWriting(on socket: Int32) {}
        /// There is no socket to tell that more is there.
        var hasBufferedInput: Bool { true }
    }
}
