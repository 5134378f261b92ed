import Tensors
import Wire

/// SplitMix64: the same seed gives the same messages on every machine.
struct Generator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

extension Generator {
    mutating func integer(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
    mutating func flag() -> Bool { next() & 1 == 0 }
    /// Small and edge values as often as any other.
    mutating func number() -> UInt64 { [0, 1, 127, 128, UInt64.max, next()].randomElement(using: &self) ?? 0 }
    mutating func number32() -> UInt32 {
        [0, 1, 127, 128, UInt32.max, UInt32(truncatingIfNeeded: next())].randomElement(using: &self) ?? 0
    }
    mutating func quantity() -> Double {
        [0, 0.5, 1e-300, 1e300, Double(integer(0...1_000_000)) / 7].randomElement(using: &self) ?? 0
    }
    mutating func pick<T>(_ values: [T]) -> T { values[integer(0...(values.count - 1))] }

    mutating func name() -> String {
        let letters = Array("abcxyz019-_.:äß日本🙂")
        return String((0..<integer(1...12)).map { _ in pick(letters) })
    }

    mutating func digest() -> String { String((0..<64).map { _ in pick(Array("0123456789abcdef")) }) }
    mutating func bits() -> UInt128 { UInt128(next()) << 64 | UInt128(next()) }
    mutating func list<T>(_ range: ClosedRange<Int>, _ element: (inout Generator) -> T) -> [T] {
        (0..<integer(range)).map { _ in element(&self) }
    }

    mutating func partitionKey() -> PartitionKey {
        let first = integer(0...200)
        return PartitionKey(
            modelDigest: digest(), firstLayer: first, endLayer: first + integer(1...200), toolchain: name(),
            optimization: pick(OptimizationLevel.allCases))
    }

    mutating func workKey() -> WorkKey {
        WorkKey(
            session: SessionID(bits: bits()), client: number(), request: number(), microBatch: number32(), attempt: number32())
    }

    mutating func tensorHeader() -> TensorHeader {
        let dtype = pick(DType.allCases)
        let shape = list(0...4) { $0.integer(0...9) }
        let bytes = shape.reduce(dtype.byteWidth, *)
        let encoding = bytes > 1 ? pick(TensorEncoding.allCases) : .raw
        return TensorHeader(
            dtype: dtype, shape: shape, encoding: encoding, wireByteCount: encoding == .raw ? bytes : integer(1...bytes))
    }

    mutating func hopTrace() -> HopTrace {
        HopTrace(
            node: name(), receive: number(), decode: number(), queue: number(), compute: number(), encode: number(),
            rawBytes: number(), wireBytes: number())
    }

    mutating func profile() -> WorkerProfile {
        WorkerProfile(
            cores: quantity(), speed: quantity(), memoryLimitBytes: number(), memoryAvailableBytes: number(), executors: number32(),
            slots: number32(), slotBytes: number(), toolchain: name(),
            inventory: list(0...3) { HeldPartition(key: $0.partitionKey(), archiveBytes: $0.number(), isLoaded: $0.flag()) },
            processorGroup: name())
    }

    mutating func heartbeat() -> Heartbeat {
        Heartbeat(
            sequence: number(), cpuUsedCores: quantity(), cpuQuotaCores: quantity(), cpuThrottledShare: quantity(),
            processCPUCores: quantity(), memoryUsedBytes: number(), memoryLimitBytes: number(), processResidentBytes: number(),
            networkReceivedBytes: number(), networkSentBytes: number(), queued: number32(), executing: number32(),
            completed: number(),
            partitions: list(0...3) {
                PartitionStatistics(
                    key: $0.partitionKey(), archiveBytes: $0.number(), weightBytes: $0.number(), isLoaded: $0.flag(),
                    runs: $0.number(), items: $0.number(), computeNanoseconds: $0.number(), cpuNanoseconds: $0.number())
            },
            links: list(0...3) {
                LinkStatistics(
                    peer: $0.name(), isConnected: $0.flag(), messages: $0.number(), rawBytes: $0.number(), wireBytes: $0.number(),
                    bandwidthBytesPerSecond: $0.quantity(), compressedShare: $0.quantity(),
                    roundTripMilliseconds: $0.quantity())
            }, executorCPUNanoseconds: number())
    }

    mutating func warmup() -> TensorHeader {
        let dtype = pick(DType.allCases)
        let shape = list(0...4) { $0.integer(0...9) }
        return TensorHeader(dtype: dtype, shape: shape, encoding: .raw, wireByteCount: shape.reduce(dtype.byteWidth, *))
    }

    mutating func message(_ kind: Message.Kind) -> Message {
        switch kind {
        case .hello:
            .hello(
                Hello(
                    role: pick([.coordinator, .worker, .client]), channel: pick([.control, .data]), name: name(), software: name(),
                    incarnation: IncarnationID(bits: bits()),
                    claim: flag()
                        ? nil
                        : CoordinatorClaim(
                            term: number(), session: SessionID(bits: bits()), compression: pick(CompressionMode.allCases),
                            holder: HolderToken(bits: bits())),
                    assignedName: flag() ? nil : name()))
        case .welcome:
            .welcome(
                Welcome(
                    role: pick([.coordinator, .worker, .client]), name: name(), software: name(),
                    incarnation: IncarnationID(bits: bits()), term: number(), worker: flag() ? nil : profile()))
        case .refused:
            .refused(
                Refused(
                    code: pick(StatusCode.allCases), message: name(), term: number(), isHeld: flag(),
                    incarnation: flag() ? nil : IncarnationID(bits: bits() | 1)))
        case .heartbeat: .heartbeat(heartbeat())
        case .ping: .ping(Ping(sequence: number(), sentAtNanoseconds: number()))
        case .pong: .pong(Ping(sequence: number(), sentAtNanoseconds: number()))
        case .peerTable:
            .peerTable(
                PeerTable(
                    version: number(),
                    peers: list(0...4) {
                        PeerTable.Peer(
                            name: $0.name(), incarnation: IncarnationID(bits: $0.bits()), addresses: $0.list(0...3) { $0.name() })
                    }, page: number32(), hasMore: flag()))
        case .loadPartition:
            .loadPartition(
                LoadPartition(
                    key: partitionKey(), residentBytes: number(), warmups: list(0...3) { $0.list(0...2) { $0.warmup() } },
                    isStandby: flag()))
        case .partitionReport:
            .partitionReport(
                PartitionReport(
                    key: partitionKey(), state: pick([.missing, .ready, .failed, .evicted]), archiveBytes: number(),
                    weightBytes: number(), loadMilliseconds: quantity(), code: flag() ? nil : pick(StatusCode.allCases),
                    message: name(), runMilliseconds: quantity()))
        case .releasePartition: .releasePartition(ReleasePartition(key: partitionKey()))
        case .cancelWork: .cancelWork(CancelWork(keys: list(0...5) { $0.workKey() }))
        case .workDropped: .workDropped(WorkDropped(key: workKey(), node: name(), hasOverrun: flag()))
        case .workRejected:
            .workRejected(WorkRejected(key: workKey(), node: name(), code: pick(StatusCode.allCases), message: name()))
        case .workFailed: .workFailed(WorkFailed(key: workKey(), node: name(), code: pick(StatusCode.allCases), message: name()))
        case .peerLost: .peerLost(PeerLost(from: name(), to: name(), message: name(), keys: list(0...5) { $0.workKey() }))
        case .linkProbe: .linkProbe(LinkProbe())
        case .partitionData: .partitionData(PartitionData(key: partitionKey(), contentDigest: digest()))
        case .work:
            .work(
                Work(
                    key: workKey(), route: list(1...4) { Hop(node: $0.name(), partition: $0.partitionKey()) },
                    items: max(1, number32()), deadlineMilliseconds: number32(), tensors: list(0...4) { $0.tensorHeader() },
                    trace: list(0...4) { $0.hopTrace() }))
        case .workResult:
            .workResult(
                WorkResult(key: workKey(), tensors: list(0...4) { $0.tensorHeader() }, trace: list(0...4) { $0.hopTrace() }))
        case .inferRequest:
            .inferRequest(
                InferRequest(
                    id: number(), deadlineMilliseconds: number32(), names: list(0...3) { $0.name() },
                    tensors: list(0...3) { $0.tensorHeader() }))
        case .inferReply:
            .inferReply(
                InferReply(
                    id: number(), names: list(0...3) { $0.name() }, tensors: list(0...3) { $0.tensorHeader() },
                    timing: RequestTiming(
                        queue: number(), total: number(), replays: number32(), isCached: flag(), receive: number())))
        case .inferError:
            .inferError(
                InferError(id: number(), code: pick(StatusCode.allCases), message: name(), retryAfterMilliseconds: number32()))
        case .cancelRequest: .cancelRequest(CancelRequest(id: number()))
        case .statusRequest:
            .statusRequest(
                StatusRequest(
                    id: number(),
                    history: flag()
                        ? HistoryRange(
                            node: name(), sinceMilliseconds: number(), limit: number32() % UInt32(WireLimits.historySamples + 1))
                        : nil))
        case .statusReply: .statusReply(StatusReply(id: number()))
        case .modelRequest: .modelRequest(ModelRequest(id: number()))
        case .modelReply: .modelReply(ModelReply(id: number()))
        case .register: .register(Register(name: name(), addresses: list(0...3) { $0.name() }))
        case .registered: .registered(Registered(name: name()))
        case .leaving: .leaving(Leaving(message: name()))
        case .released: .released(Released())
        case .drainRequest: .drainRequest(DrainRequest(id: number(), node: name(), undo: flag(), force: flag()))
        case .drainReply: .drainReply(DrainReply(id: number(), message: name()))
        }
    }
}

/// Decodes and gives the error's code, so that a case can name what it expects.
func refusal(_ kind: Message.Kind, _ metadata: [UInt8]) -> WireError.Code? {
    do {
        _ = try metadata.withUnsafeBytes { try MessageCodec.decode(kind: kind.rawValue, metadata: $0) }
        return nil
    } catch let error as WireError {
        return error.code
    } catch {
        return nil
    }
}

func decode(_ kind: Message.Kind, _ metadata: [UInt8]) throws -> Message? {
    try metadata.withUnsafeBytes { try MessageCodec.decode(kind: kind.rawValue, metadata: $0) }
}

/// Writes protobuf by hand, for messages that our encoder refuses to write.
struct ProtoWriter {
    var bytes: [UInt8] = []

    static func varint(_ value: UInt64) -> [UInt8] {
        var rest = value
        var bytes: [UInt8] = []
        repeat {
            let low = UInt8(rest & 0x7F)
            rest >>= 7
            bytes.append(rest == 0 ? low : low | 0x80)
        } while rest != 0
        return bytes
    }

    func number(_ field: UInt64, _ value: UInt64) -> ProtoWriter {
        ProtoWriter(bytes: bytes + Self.varint(field << 3) + Self.varint(value))
    }
    func fixed(_ field: UInt64, _ value: Double) -> ProtoWriter {
        ProtoWriter(bytes: bytes + Self.varint(field << 3 | 1) + withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) })
    }
    func raw(_ field: UInt64, _ value: [UInt8]) -> ProtoWriter {
        ProtoWriter(bytes: bytes + Self.varint(field << 3 | 2) + Self.varint(UInt64(value.count)) + value)
    }
    func text(_ field: UInt64, _ value: String) -> ProtoWriter { raw(field, Array(value.utf8)) }
    func message(_ field: UInt64, _ value: ProtoWriter) -> ProtoWriter { raw(field, value.bytes) }
    func messages(_ field: UInt64, _ value: ProtoWriter, count: Int) -> ProtoWriter {
        var result = bytes
        let one = ProtoWriter().message(field, value).bytes
        for _ in 0..<count { result += one }
        return ProtoWriter(bytes: result)
    }
}
