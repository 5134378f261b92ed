internal import Base
internal import Loops
internal import Synchronization
public import Tensors
public import Wire

/// The codec thread: compresses and decompresses activations off the loop, one after another.
///
/// ## Concurrency model
/// Calls may come from any thread; completions run on the codec thread and hand their result on (through a ``Mailbox``). The one
/// ``ActivationCodec`` is under a mutex, which only the one thread takes.
public final class CodecQueue: Sendable {
    /// What a compression gave.
    public struct Encoded: Sendable {
        public let segments: [EncodedSegment]
        public let isCompressed: Bool
        public let sample: CompressionPolicy.CodecSample
    }

    private let queue: TaskQueue
    private let codec: Mutex<ActivationCodec>

    /// - Throws: ``WireError`` or ``SystemError`` when memory or threads are short.
    public init(capacity: Int) throws {
        queue = try TaskQueue(name: "codec", threadCount: 1, capacity: capacity)
        codec = Mutex(try ActivationCodec())
    }

    /// Compresses each tensor that gets smaller by it.
    /// - Parameter measuresDecoding: also decodes the result, so that the receiver's cost is known before it has one.
    /// - Returns: `false` when the queue is full; `completion` is not called then.
    public func encode(
        _ tensors: [Tensor], as encoding: TensorEncoding, level: Int, measuresDecoding: Bool,
        completion: @escaping @Sendable (Encoded) -> Void
    ) -> Bool {
        queue.submit { [self] in
            completion(codec.withLock { Self.encode(tensors, encoding, level, measuresDecoding, with: $0) })
        }
    }

    /// The tensors of a payload.
    /// - Returns: `false` when the queue is full; `completion` is not called then.
    public func decode(
        _ layout: PayloadLayout, in storage: TensorStorage,
        completion: @escaping @Sendable (Result<[Tensor], WireError>, Duration) -> Void
    ) -> Bool {
        queue.submit { [self] in
            let start = Instant.current()
            let result = codec.withLock { codec in
                Result { () throws(WireError) in try codec.decode(layout, in: storage) }
            }
            completion(result, Instant.current() - start)
        }
    }

    public func shutDown() { queue.shutDown(discardingQueued: true) }

    private static func encode(
        _ tensors: [Tensor], _ encoding: TensorEncoding, _ level: Int, _ measuresDecoding: Bool, with codec: ActivationCodec
    ) -> Encoded {
        let start = Instant.current()
        // A codec that finds no memory sends the tensor as it is: slower, and still right.
        let compressed = tensors.map { try? codec.encode($0, as: encoding, level: level) }
        let encode = Instant.current() - start
        let segments = zip(tensors, compressed).map { $1 ?? EncodedSegment(raw: $0) }
        var decode: Duration?
        if measuresDecoding {
            let decodeStart = Instant.current()
            for segment in compressed.compactMap({ $0 }) {
                _ = try? codec.decode(
                    segment.header, UnsafeRawBufferPointer(rebasing: segment.storage.bytes[..<segment.header.wireByteCount]))
            }
            decode = Instant.current() - decodeStart
        }
        let rawBytes = tensors.reduce(0) { $0 + $1.byteCount }
        let wireBytes = segments.reduce(0) { $0 + $1.header.wireByteCount }
        return Encoded(
            segments: segments, isCompressed: compressed.contains { $0 != nil },
            sample: .init(rawBytes: rawBytes, wireBytes: wireBytes, encode: encode, decode: decode))
    }
}
