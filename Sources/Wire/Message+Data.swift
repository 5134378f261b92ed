public import Base
public import Tensors

/// How a tensor's bytes stand in a payload.
public enum TensorEncoding: UInt32, Sendable, Hashable, CaseIterable {
    case raw = 0
    case zstd = 1
    /// Bytes grouped by their place in the element (all first bytes, all second bytes, …) within blocks of 131,072 elements, then one zstd
    /// frame.
    case shuffledZstd = 2
}

/// Describes one tensor of a payload. Segments stand in the listed order, each starting at a multiple of ``TensorHeader/segmentAlignment``
/// (zero bytes between), so that one read into one aligned block puts raw tensors where they can be used.
public struct TensorHeader: Sendable, Hashable {
    public static let segmentAlignment = 64

    public var dtype: DType
    public var shape: [Int]
    public var encoding: TensorEncoding
    /// Length of the segment as it stands in the payload.
    public var wireByteCount: Int

    public init(dtype: DType, shape: [Int], encoding: TensorEncoding, wireByteCount: Int) {
        self.dtype = dtype
        self.shape = shape
        self.encoding = encoding
        self.wireByteCount = wireByteCount
    }
}

/// An archive for the partition store; the payload is the archive.
public struct PartitionData: Sendable, Hashable {
    public var key: PartitionKey
    /// SHA-256 of the archive, 64 hexadecimal digits: checked before anything parses it.
    public var contentDigest: String
    public init(key: PartitionKey, contentDigest: String) {
        self.key = key
        self.contentDigest = contentDigest
    }
}

/// A micro-batch on its way. The first hop of `route` is the receiver.
public struct Work: Sendable, Hashable {
    public var key: WorkKey
    public var route: [Hop]
    /// Items along the batch dimension (1 where the model has none).
    public var items: UInt32
    /// Time left until nobody waits for the answer.
    public var deadlineMilliseconds: UInt32
    public var tensors: [TensorHeader]
    /// What the hops so far took.
    public var trace: [HopTrace]

    public init(
        key: WorkKey, route: [Hop], items: UInt32, deadlineMilliseconds: UInt32, tensors: [TensorHeader], trace: [HopTrace] = []
    ) {
        self.key = key
        self.route = route
        self.items = items
        self.deadlineMilliseconds = deadlineMilliseconds
        self.tensors = tensors
        self.trace = trace
    }
}

/// Where the time of one micro-batch went on one node, in nanoseconds.
public struct HopTrace: Sendable, Hashable {
    public var node: NodeID
    /// From the first byte of the frame to the last.
    public var receive: UInt64
    public var decode: UInt64
    /// Waiting for an executor.
    public var queue: UInt64
    public var compute: UInt64
    public var encode: UInt64
    public var rawBytes: UInt64
    public var wireBytes: UInt64

    public init(
        node: NodeID, receive: UInt64 = 0, decode: UInt64 = 0, queue: UInt64 = 0, compute: UInt64 = 0, encode: UInt64 = 0,
        rawBytes: UInt64 = 0, wireBytes: UInt64 = 0
    ) {
        self.node = node
        self.receive = receive
        self.decode = decode
        self.queue = queue
        self.compute = compute
        self.encode = encode
        self.rawBytes = rawBytes
        self.wireBytes = wireBytes
    }
}

public struct WorkResult: Sendable, Hashable {
    public var key: WorkKey
    public var tensors: [TensorHeader]
    public var trace: [HopTrace]
    public init(key: WorkKey, tensors: [TensorHeader], trace: [HopTrace]) {
        self.key = key
        self.tensors = tensors
        self.trace = trace
    }
}

/// Bytes that mean nothing: by their payload the sender's kernel measures the link before an activation depends on it. Whoever gets them
/// lets them go.
public struct LinkProbe: Sendable, Hashable {
    public init() {}
}
