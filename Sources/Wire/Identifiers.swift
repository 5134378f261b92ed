public import Base

/// A coordinator's run: 128 random bits, so that nothing from before a restart can be taken for today's.
public struct SessionID: Sendable, Hashable, CustomStringConvertible {
    public let bits: UInt128
    public init(bits: UInt128) { self.bits = bits }
    public var description: String { String(bits, radix: 16) }
}

/// A secret that one worker and its coordinator share, 128 bits of the coordinator's making.
public struct HolderToken: Sendable, Hashable {
    public let bits: UInt128
    public init(bits: UInt128) { self.bits = bits }
    /// Of a coordinator that has none.
    public static let none = HolderToken(bits: 0)
}

/// A process's run (its boot): tells a restarted node from the one that was there before.
public struct IncarnationID: Sendable, Hashable, CustomStringConvertible {
    public let bits: UInt128
    public init(bits: UInt128) { self.bits = bits }
    public var description: String { String(bits, radix: 16) }
}

/// How far a model was transformed before it runs.
public enum OptimizationLevel: UInt8, Sendable, Hashable, CaseIterable {
    /// As saved: bit-exact, the reference.
    case o0 = 0
    /// Frozen, folded, fused (`optimize_for_inference`).
    case o1 = 1

    public var name: String { "O\(rawValue)" }
}

/// What a partition is: layers `[firstLayer, endLayer)` of one model, as one cutter and libtorch version writes them, at one level.
public struct PartitionKey: Sendable, Hashable {
    /// SHA-256 of the model archive, 64 lower-case hexadecimal digits.
    public let modelDigest: String
    public let firstLayer: Int
    public let endLayer: Int
    /// Cutter and libtorch version: archives of another toolchain are other partitions.
    public let toolchain: String
    public let optimization: OptimizationLevel

    public init(modelDigest: String, firstLayer: Int, endLayer: Int, toolchain: String, optimization: OptimizationLevel) {
        self.modelDigest = modelDigest
        self.firstLayer = firstLayer
        self.endLayer = endLayer
        self.toolchain = toolchain
        self.optimization = optimization
    }
}

extension PartitionKey: CustomStringConvertible {
    public var description: String { "\(modelDigest.prefix(12)):\(firstLayer)-\(endLayer)@\(toolchain)/\(optimization.name)" }
}

/// One micro-batch on one try. The same request replayed has another `attempt`, so that a late reply of an older one is known for what it is.
public struct WorkKey: Sendable, Hashable, CustomStringConvertible {
    public let session: SessionID
    /// The coordinator's number of the client connection.
    public let client: UInt64
    /// The coordinator's number of the request, unique within the session.
    public let request: UInt64
    public let microBatch: UInt32
    public let attempt: UInt32
    /// Drawn by the coordinator and told to the nodes of the route alone: the other numbers can be guessed, and whoever guesses them must not be
    /// able to deliver, fail or stand in the way of the work.
    public let token: UInt64

    public init(session: SessionID, client: UInt64, request: UInt64, microBatch: UInt32, attempt: UInt32, token: UInt64 = 0) {
        self.session = session
        self.client = client
        self.request = request
        self.microBatch = microBatch
        self.attempt = attempt
        self.token = token
    }

    public var description: String { "\(client)/\(request)/\(microBatch)#\(attempt)" }
}

/// One station of a micro-batch: which node runs which partition. Names, never addresses.
public struct Hop: Sendable, Hashable {
    public let node: NodeID
    public let partition: PartitionKey
    public init(node: NodeID, partition: PartitionKey) {
        self.node = node
        self.partition = partition
    }
}

/// Why something did not work, in the terms that clients and scripts act on.
public enum StatusCode: UInt32, Sendable, Hashable, CaseIterable {
    case internalError = 1
    /// The request itself is wrong: shape, dtype, name; or the model rejects the input. Never retried.
    case invalidArgument = 2
    /// A bound was reached (in-flight requests, bytes, memory). Try again after the hint.
    case resourceExhausted = 3
    case deadlineExceeded = 4
    /// A node or the plan is missing.
    case unavailable = 5
    case cancelled = 6
    /// The peer is in the wrong state for this (a partition that it does not hold, a plan that does not serve).
    case failedPrecondition = 7
    /// Another coordinator, or a newer session of the same, holds this worker.
    case superseded = 8
    case unauthenticated = 9
    /// The peer speaks another protocol or version.
    case incompatible = 10
    /// The peer's key does not allow this.
    case permissionDenied = 11
}
