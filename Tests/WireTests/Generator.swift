import Base
import Tensors
import Wire

/// SplitMix64: the same seed gives the same messages on every machine.
struct Generator: RandomNumberGenerator {
    private var state: UInt64
    /// Numbers as no peer takes them: all that their types hold.
    var isWild = false
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
    mutating func number<N: FixedWidthInteger & UnsignedInteger>(_ range: ClosedRange<N>) -> N {
        let chosen = [0, 1, 127, 128, range.lowerBound, range.upperBound, N.random(in: range, using: &self)].randomElement(
            using: &self)
        if isWild { return [chosen ?? 0, 0, N.max, N.max - 1, N(truncatingIfNeeded: next())].randomElement(using: &self) ?? 0 }
        return min(max(chosen ?? 0, range.lowerBound), range.upperBound)
    }
    /// An identifier: every value is as good as any other.
    mutating func id() -> UInt64 { number(0...UInt64.max) }
    mutating func id32() -> UInt32 { number(0...UInt32.max) }
    mutating func count() -> UInt64 { number(WireRanges.counts) }
    mutating func bytes() -> UInt64 { number(WireRanges.bytes) }
    mutating func total() -> UInt64 { number(WireRanges.totalBytes) }
    mutating func span() -> UInt64 { number(WireRanges.spanNanoseconds) }
    mutating func quantity(_ range: ClosedRange<Double>) -> Double {
        if isWild {
            return [.nan, .infinity, -.infinity, -1, -0.0, .leastNonzeroMagnitude, 1e-300, 1e30, 1e200, Double(bitPattern: next())]
                .randomElement(using: &self) ?? 0
        }
        return [0, range.lowerBound, range.upperBound, Double.random(in: range, using: &self)].randomElement(using: &self) ?? 0
    }
    mutating func pick<T>(_ values: [T]) -> T { values[integer(0...(values.count - 1))] }

    mutating func name() -> String {
        let letters = Array("abcxyz019-_.:äß日本🙂")
        return String((0..<integer(1...12)).map { _ in pick(letters) })
    }

    mutating func node() -> NodeID { NodeID(name()) }

    mutating func address() -> String {
        "\(pick(["", "w1", "10.0.0.7", "[fe80::1%eth0]", String(repeating: "h", count: 253), "wörker"])):\(UInt16(truncatingIfNeeded: next()))"
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
            session: SessionID(bits: bits()), client: id(), request: id(), microBatch: id32(), attempt: id32())
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
            node: node(), receive: span(), decode: span(), queue: span(), compute: span(), encode: span(), rawBytes: bytes(),
            wireBytes: bytes())
    }

    mutating func profile() -> WorkerProfile {
        WorkerProfile(
            cores: quantity(WireRanges.cores), speed: quantity(WireRanges.speeds), memoryLimitBytes: bytes(),
            memoryAvailableBytes: bytes(), executors: number(WireRanges.executors), slots: number(WireRanges.slots),
            slotBytes: number(WireRanges.slotBytes), toolchain: name(),
            inventory: list(0...3) { HeldPartition(key: $0.partitionKey(), archiveBytes: $0.bytes(), isLoaded: $0.flag()) },
            processorGroup: name())
    }

    mutating func heartbeat() -> Heartbeat {
        Heartbeat(
            sequence: count(), cpuUsedCores: quantity(WireRanges.cores), cpuQuotaCores: quantity(WireRanges.cores),
            cpuThrottledShare: quantity(WireRanges.shares), processCPUCores: quantity(WireRanges.cores), memoryUsedBytes: bytes(),
            memoryLimitBytes: bytes(), processResidentBytes: bytes(), networkReceivedBytes: total(), networkSentBytes: total(),
            queued: number(WireRanges.queued), executing: number(WireRanges.queued), completed: count(),
            partitions: list(0...3) {
                PartitionStatistics(
                    key: $0.partitionKey(), archiveBytes: $0.bytes(), weightBytes: $0.bytes(), isLoaded: $0.flag(),
                    runs: $0.count(), items: $0.count(), computeNanoseconds: $0.number(WireRanges.totalNanoseconds),
                    cpuNanoseconds: $0.number(WireRanges.totalNanoseconds))
            },
            links: list(0...3) {
                LinkStatistics(
                    peer: $0.pick([$0.node(), .coordinator]), isConnected: $0.flag(), messages: $0.count(), rawBytes: $0.total(),
                    wireBytes: $0.total(), bandwidthBytesPerSecond: $0.quantity(WireRanges.bandwidths),
                    compressedShare: $0.quantity(WireRanges.shares),
                    roundTripMilliseconds: $0.quantity(WireRanges.spanMilliseconds))
            }, executorCPUNanoseconds: number(WireRanges.totalNanoseconds), tables: flag() ? tables() : nil)
    }

    mutating func tables() -> WorkerTables {
        WorkerTables(
            connections: entries(), greeted: entries(), peers: entries(), links: entries(), microBatches: entries(),
            payloads: entries(), cancelledKeys: entries(), partitions: entries(), archives: entries())
    }

    mutating func ping() -> Ping {
        Ping(
            sequence: count(), sentAtNanoseconds: number(WireRanges.clockNanoseconds),
            questions: list(0...2) { WorkQuestion(key: $0.workKey(), from: $0.flag() ? nil : IncarnationID(bits: $0.bits() | 1)) },
            places: list(0...2) {
                WorkPlace(
                    key: $0.workKey(), state: $0.pick(WorkPlace.State.allCases), sentBytes: $0.total(), receivedBytes: $0.total(),
                    rememberedMilliseconds: $0.id32())
            })
    }

    private mutating func entries() -> UInt32 { number(WireRanges.entries) }

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
                            term: number(WireRanges.terms), session: SessionID(bits: bits()),
                            compression: pick(CompressionMode.allCases), holder: HolderToken(bits: bits())),
                    assignedName: flag() ? nil : node()))
        case .welcome:
            .welcome(
                Welcome(
                    role: pick([.coordinator, .worker, .client]), name: name(), software: name(),
                    incarnation: IncarnationID(bits: bits()), term: number(WireRanges.terms), worker: flag() ? nil : profile()))
        case .refused:
            .refused(
                Refused(
                    code: pick(StatusCode.allCases), message: name(), term: number(WireRanges.terms), isHeld: flag(),
                    incarnation: flag() ? nil : IncarnationID(bits: bits() | 1)))
        case .heartbeat: .heartbeat(heartbeat())
        case .ping: .ping(ping())
        case .pong: .pong(ping())
        case .peerTable:
            .peerTable(
                PeerTable(
                    version: count(),
                    peers: list(0...4) {
                        PeerTable.Peer(
                            name: $0.node(), incarnation: IncarnationID(bits: $0.bits()), addresses: $0.list(0...3) { $0.address() }
                        )
                    }, page: number(0...UInt32.max), hasMore: flag()))
        case .loadPartition:
            .loadPartition(
                LoadPartition(
                    key: partitionKey(), residentBytes: bytes(), warmups: list(0...3) { $0.list(0...2) { $0.warmup() } },
                    isStandby: flag()))
        case .partitionReport:
            .partitionReport(
                PartitionReport(
                    key: partitionKey(), state: pick([.missing, .ready, .failed, .evicted]), archiveBytes: bytes(),
                    weightBytes: bytes(), loadMilliseconds: quantity(WireRanges.spanMilliseconds),
                    code: flag() ? nil : pick(StatusCode.allCases), message: name(),
                    runMilliseconds: quantity(WireRanges.spanMilliseconds)))
        case .releasePartition: .releasePartition(ReleasePartition(key: partitionKey()))
        case .cancelWork: .cancelWork(CancelWork(keys: list(0...5) { $0.workKey() }))
        case .workDropped: .workDropped(WorkDropped(key: workKey(), node: node(), hasOverrun: flag()))
        case .workRejected:
            .workRejected(WorkRejected(key: workKey(), node: node(), code: pick(StatusCode.allCases), message: name()))
        case .workFailed: .workFailed(WorkFailed(key: workKey(), node: node(), code: pick(StatusCode.allCases), message: name()))
        case .peerLost: .peerLost(PeerLost(from: node(), to: node(), message: name(), keys: list(0...5) { $0.workKey() }))
        case .linkProbe: .linkProbe(LinkProbe())
        case .partitionData: .partitionData(PartitionData(key: partitionKey(), contentDigest: digest()))
        case .work:
            .work(
                Work(
                    key: workKey(), route: list(1...4) { Hop(node: $0.node(), partition: $0.partitionKey()) },
                    items: number(WireRanges.items), deadlineMilliseconds: id32(), tensors: list(0...4) { $0.tensorHeader() },
                    trace: list(0...4) { $0.hopTrace() }))
        case .workResult:
            .workResult(
                WorkResult(key: workKey(), tensors: list(0...4) { $0.tensorHeader() }, trace: list(0...4) { $0.hopTrace() }))
        case .inferRequest:
            .inferRequest(
                InferRequest(
                    id: id(), deadlineMilliseconds: id32(), names: list(0...3) { $0.name() },
                    tensors: list(0...3) { $0.tensorHeader() }))
        case .inferReply:
            .inferReply(
                InferReply(
                    id: id(), names: list(0...3) { $0.name() }, tensors: list(0...3) { $0.tensorHeader() },
                    timing: RequestTiming(
                        queue: span(), total: span(), replays: number(WireRanges.replays), isCached: flag(), receive: span())))
        case .inferError:
            .inferError(
                InferError(id: id(), code: pick(StatusCode.allCases), message: name(), retryAfterMilliseconds: id32()))
        case .cancelRequest: .cancelRequest(CancelRequest(id: id()))
        case .statusRequest:
            .statusRequest(
                StatusRequest(
                    id: id(),
                    history: flag()
                        ? HistoryRange(
                            node: name(), sinceMilliseconds: number(WireRanges.historyMilliseconds),
                            limit: number(0...UInt32(WireLimits.historySamples)))
                        : nil))
        case .statusReply: .statusReply(StatusReply(id: id()))
        case .modelRequest: .modelRequest(ModelRequest(id: id()))
        case .modelReply: .modelReply(ModelReply(id: id()))
        case .register: .register(Register(name: node(), addresses: list(1...3) { $0.address() }))
        case .registered: .registered(Registered(name: node()))
        case .leaving: .leaving(Leaving(message: name()))
        case .released: .released(Released())
        case .drainRequest: .drainRequest(DrainRequest(id: id(), node: node(), undo: flag(), force: flag()))
        case .drainReply: .drainReply(DrainReply(id: id(), message: name()))
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
