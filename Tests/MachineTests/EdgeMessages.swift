import Base
import Cluster
import Planning
import Tensors
import Simulator
import Wire

/// Messages with figures at the edges of what a decoder lets through: each is encoded (which takes wild figures to the edge) and decoded.
struct EdgeMessages {
    var random: SeededRandom
    /// Who may be named.
    let nodes: [String]
    let partitions: [PartitionKey]

    init(seed: UInt64, nodes: [String], partitions: [PartitionKey]) {
        random = SeededRandom(seed: seed)
        self.nodes = nodes
        self.partitions = partitions
    }

    mutating func pick<T>(_ values: [T]) -> T { values[random.int(in: 0...(values.count - 1))] }
    mutating func whole() -> UInt64 { pick([0, 1, 2, 9, 1_000, 1 << 40, 1 << 62, .max - 1, .max]) }
    mutating func narrow() -> UInt32 { pick([0, 1, 2, 1_000, 1 << 20, .max]) }
    mutating func real() -> Double { pick([0, -0.0, .leastNonzeroMagnitude, 1e-6, 0.5, 1, 1e9, 1e30, 1e200, .infinity, .nan, -1]) }
    mutating func name() -> String { pick(nodes) }
    mutating func node() -> NodeID { NodeID(name()) }
    mutating func key() -> PartitionKey { pick(partitions) }
    mutating func some<T>(_ most: Int, _ make: (inout EdgeMessages) -> T) -> [T] {
        (0..<random.int(in: 0...most)).map { _ in make(&self) }
    }

    /// As it comes out of a peer's encoder and our decoder; `nil` where one of them refuses it.
    static func travelled(_ message: Message) -> Message? {
        guard let encoded = try? MessageCodec.encode(message) else { return nil }
        return try? encoded.metadata.withUnsafeBytes { try MessageCodec.decode(kind: encoded.kind, metadata: $0) }
    }

    mutating func profile() -> WorkerProfile {
        WorkerProfile(
            cores: real(), speed: real(), memoryLimitBytes: whole(), memoryAvailableBytes: whole(), executors: narrow(),
            slots: narrow(), slotBytes: whole(), toolchain: "test",
            inventory: some(4) { HeldPartition(key: $0.key(), archiveBytes: $0.whole(), isLoaded: $0.random.chance(0.5)) },
            processorGroup: pick(["", "boot/1", "boot/2"]))
    }

    mutating func welcome(_ name: String) -> Welcome? {
        let welcome = Welcome(
            role: .worker, name: name, software: "", incarnation: IncarnationID(bits: pick([1, 2, 3])), term: whole(),
            worker: profile())
        guard case .welcome(let taken)? = Self.travelled(.welcome(welcome)) else { return nil }
        return taken
    }

    mutating func refused() -> Refused? {
        let refused = Refused(
            code: pick([.superseded, .superseded, .unavailable]), message: "no", term: whole(), isHeld: random.chance(0.3))
        guard case .refused(let taken)? = Self.travelled(.refused(refused)) else { return nil }
        return taken
    }

    mutating func claim() -> CoordinatorClaim {
        CoordinatorClaim(term: whole(), session: SessionID(bits: pick([10, 11, 12])), compression: .auto)
    }

    mutating func traces() -> [HopTrace] {
        some(4) {
            HopTrace(
                node: $0.node(), receive: $0.whole(), decode: $0.whole(), queue: $0.whole(), compute: $0.whole(),
                encode: $0.whole(), rawBytes: $0.whole(), wireBytes: $0.whole())
        }
    }

    mutating func heartbeat() -> Message {
        .heartbeat(
            Heartbeat(
                sequence: whole(), cpuUsedCores: real(), cpuQuotaCores: real(), cpuThrottledShare: real(), processCPUCores: real(),
                memoryUsedBytes: whole(), memoryLimitBytes: whole(), processResidentBytes: whole(), networkReceivedBytes: whole(),
                networkSentBytes: whole(), queued: narrow(), executing: narrow(), completed: whole(),
                partitions: some(6) {
                    PartitionStatistics(
                        key: $0.key(), archiveBytes: $0.whole(), weightBytes: $0.whole(), isLoaded: $0.random.chance(0.5),
                        runs: $0.whole(), items: $0.whole(), computeNanoseconds: $0.whole(), cpuNanoseconds: $0.whole())
                },
                links: some(4) {
                    LinkStatistics(
                        peer: NodeID($0.pick($0.nodes + [NodeID.coordinator.name])), isConnected: $0.random.chance(0.8),
                        messages: $0.whole(),
                        rawBytes: $0.whole(), wireBytes: $0.whole(), bandwidthBytesPerSecond: $0.real(), compressedShare: $0.real(),
                        roundTripMilliseconds: $0.real())
                }))
    }

    /// What a worker may say of anything.
    mutating func fromWorker(_ known: [WorkKey]) -> Message {
        let work = known.isEmpty ? CoordinatorDriver.unknownKey : pick(known)
        return switch random.int(in: 0...9) {
        case 0...3: heartbeat()
        case 4:
            .pong(
                Ping(
                    sequence: whole(), sentAtNanoseconds: whole(),
                    places: some(4) {
                        WorkPlace(
                            key: work, state: $0.pick(WorkPlace.State.allCases), sentBytes: $0.whole(), receivedBytes: $0.whole(),
                            rememberedMilliseconds: $0.narrow())
                    }))
        case 5:
            .partitionReport(
                PartitionReport(
                    key: key(), state: pick([.missing, .ready, .ready, .failed, .evicted]), archiveBytes: whole(),
                    weightBytes: whole(), loadMilliseconds: real(), message: "x", runMilliseconds: real()))
        case 6: .workDropped(WorkDropped(key: work, node: node()))
        case 7: .workRejected(WorkRejected(key: work, node: node(), code: pick(StatusCode.allCases), message: "x"))
        case 8: .workFailed(WorkFailed(key: work, node: node(), code: pick(StatusCode.allCases), message: "x"))
        default: .peerLost(PeerLost(from: node(), to: node(), message: "x", keys: [work]))
        }
    }

    mutating func request(_ number: UInt64) -> InferRequest? {
        let items = pick([0, 1, 2, 3, 64, 65_536, 65_537, 1 << 28])
        let tensor = TensorHeader(dtype: .float32, shape: [items], encoding: .raw, wireByteCount: items * 4)
        let request = InferRequest(id: number, deadlineMilliseconds: narrow(), names: [], tensors: [tensor])
        guard case .inferRequest(let taken)? = Self.travelled(.inferRequest(request)) else { return nil }
        return taken
    }
}
