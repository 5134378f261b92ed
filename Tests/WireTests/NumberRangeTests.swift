import Testing
import Wire

/// Every number of every message has its range, and both directions know it.
@Suite struct NumberRangeTests {
    enum Range: Sendable {
        case whole(ClosedRange<UInt64>)
        case narrow(ClosedRange<UInt32>)
        /// 0 or within.
        case quantity(ClosedRange<Double>)
        /// Only compared: every value that the field holds.
        case opaque
        /// Several numbers that are checked together, in tests of their own.
        case shape

        func contains(_ value: UInt64) -> Bool {
            switch self {
            case .whole(let range): range.contains(value)
            case .narrow(let range): UInt32(exactly: value).map(range.contains) ?? false
            case .quantity, .shape: false
            case .opaque: true
            }
        }
    }

    static let ranges: [String: Range] = {
        var ranges: [String: Range] = [
            "PartitionKey.first_layer": .narrow(0...4), "PartitionKey.end_layer": .narrow(3...UInt32(WireLimits.layers)),
            "WorkKey.session_high": .opaque, "WorkKey.session_low": .opaque, "WorkKey.client": .opaque, "WorkKey.request": .opaque,
            "WorkKey.micro_batch": .opaque, "WorkKey.attempt": .opaque, "WorkKey.token": .opaque,
            "TensorHeader.shape": .shape, "TensorShape.shape": .shape,
            "TensorHeader.wire_byte_count": .whole(24...24), "CoordinatorClaim.term": .whole(WireRanges.terms),
            "CoordinatorClaim.holder_high": .opaque, "CoordinatorClaim.holder_low": .opaque, "Refused.incarnation_high": .opaque,
            "Refused.incarnation_low": .opaque, "PeerTable.page": .opaque,
            "Heartbeat.executor_cpu_nanoseconds": .whole(WireRanges.totalNanoseconds), "CoordinatorClaim.session_high": .opaque,
            "CoordinatorClaim.session_low": .opaque, "Hello.incarnation_high": .opaque,
            "Hello.incarnation_low": .opaque, "Welcome.incarnation_high": .opaque, "Welcome.incarnation_low": .opaque,
            "Welcome.term": .whole(WireRanges.terms), "Refused.term": .whole(WireRanges.terms),
            "HeldPartition.archive_bytes": .whole(WireRanges.bytes), "WorkerProfile.cores": .quantity(WireRanges.cores),
            "WorkerProfile.speed": .quantity(WireRanges.speeds), "WorkerProfile.memory_limit_bytes": .whole(WireRanges.bytes),
            "WorkerProfile.memory_available_bytes": .whole(WireRanges.bytes),
            "WorkerProfile.executors": .narrow(WireRanges.executors), "WorkerProfile.slots": .narrow(WireRanges.slots),
            "WorkerProfile.slot_bytes": .whole(WireRanges.slotBytes), "Ping.sequence": .whole(WireRanges.counts),
            "Ping.sent_at_nanoseconds": .whole(WireRanges.clockNanoseconds), "Peer.incarnation_high": .opaque,
            "Peer.incarnation_low": .opaque, "PeerTable.version": .whole(WireRanges.counts),
            "LoadPartition.resident_bytes": .whole(WireRanges.bytes), "Work.items": .narrow(WireRanges.items),
            "Work.deadline_milliseconds": .narrow(WireRanges.milliseconds),
            "InferRequest.deadline_milliseconds": .narrow(WireRanges.milliseconds),
            "InferError.retry_after_milliseconds": .narrow(WireRanges.milliseconds),
            "HistoryRange.since_milliseconds": .whole(WireRanges.historyMilliseconds),
            "HistoryRange.limit": .narrow(0...UInt32(WireLimits.historySamples)),
            "RequestTiming.replays": .narrow(WireRanges.replays),
            "LinkStatistics.bandwidth_bytes_per_second": .quantity(WireRanges.bandwidths),
            "LinkStatistics.compressed_share": .quantity(WireRanges.shares),
            "LinkStatistics.round_trip_milliseconds": .quantity(WireRanges.spanMilliseconds),
            "LinkStatistics.messages": .whole(WireRanges.counts), "LinkStatistics.raw_bytes": .whole(WireRanges.totalBytes),
            "LinkStatistics.wire_bytes": .whole(WireRanges.totalBytes),
            "WorkQuestion.from_high": .opaque, "WorkQuestion.from_low": .opaque,
            "WorkPlace.sent_bytes": .whole(WireRanges.totalBytes), "WorkPlace.received_bytes": .whole(WireRanges.totalBytes),
            "WorkPlace.remembered_milliseconds": .narrow(WireRanges.milliseconds),
        ]
        for field in ["receive", "decode", "queue", "compute", "encode"] {
            ranges["HopTrace.\(field)"] = .whole(WireRanges.spanNanoseconds)
        }
        for field in ["raw_bytes", "wire_bytes"] { ranges["HopTrace.\(field)"] = .whole(WireRanges.bytes) }
        for field in ["queue", "total", "receive"] { ranges["RequestTiming.\(field)"] = .whole(WireRanges.spanNanoseconds) }
        for field in ["archive_bytes", "weight_bytes"] {
            ranges["PartitionStatistics.\(field)"] = .whole(WireRanges.bytes)
            ranges["PartitionReport.\(field)"] = .whole(WireRanges.bytes)
        }
        for field in ["load", "run"] {
            ranges["PartitionReport.\(field)_milliseconds"] = .quantity(WireRanges.spanMilliseconds)
        }
        for field in ["runs", "items"] { ranges["PartitionStatistics.\(field)"] = .whole(WireRanges.counts) }
        for field in ["compute", "cpu"] {
            ranges["PartitionStatistics.\(field)_nanoseconds"] = .whole(WireRanges.totalNanoseconds)
        }
        for field in ["sequence", "completed"] { ranges["Heartbeat.\(field)"] = .whole(WireRanges.counts) }
        for field in [
            "connections", "greeted", "peers", "links", "micro_batches", "payloads", "cancelled_keys", "partitions", "archives",
        ] { ranges["WorkerTables.\(field)"] = .narrow(WireRanges.entries) }
        for field in ["queued", "executing"] { ranges["Heartbeat.\(field)"] = .narrow(WireRanges.queued) }
        for field in ["cpu_used_cores", "cpu_quota_cores", "process_cpu_cores"] {
            ranges["Heartbeat.\(field)"] = .quantity(WireRanges.cores)
        }
        ranges["Heartbeat.cpu_throttled_share"] = .quantity(WireRanges.shares)
        for field in ["memory_used", "memory_limit", "process_resident"] {
            ranges["Heartbeat.\(field)_bytes"] = .whole(WireRanges.bytes)
        }
        for field in ["received", "sent"] { ranges["Heartbeat.network_\(field)_bytes"] = .whole(WireRanges.totalBytes) }
        for message in [
            "InferRequest", "InferReply", "InferError", "CancelRequest", "StatusRequest", "StatusReply", "ModelRequest",
            "ModelReply", "DrainRequest", "DrainReply",
        ] { ranges["\(message).id"] = .opaque }
        return ranges
    }()

    private static let schema = ProtoSchema.shared
    private static let wide: [UInt64] = [
        0, 1, 127, 128, 1 << 31, 1 << 32, 1 << 48, 1 << 50, 1 << 53, 1 << 62, UInt64(Int64.max), 1 << 63, .max - 1, .max,
    ]
    private static let odd: [Double] = [
        0, -0.0, .leastNonzeroMagnitude, 1e-300, 1, 1e30, 1e200, .greatestFiniteMagnitude, .infinity, -.infinity, .nan, -1,
        -Double.leastNonzeroMagnitude,
    ]

    /// The numbers of a message, as `Type.field`.
    private static func numbers(of kind: Message.Kind) -> [(field: String, type: String)] {
        schema.reachable(from: schema.messageOfKind[kind.rawValue] ?? "").sorted().flatMap { message in
            (schema.messages[message] ?? []).filter { ["uint32", "uint64", "fixed64", "double"].contains($0.type) }
                .map { ("\(message).\($0.name)", $0.type) }
        }
    }

    @Test func everyNumberHasItsRange() {
        let known = Set(Message.Kind.allCases.flatMap { Self.numbers(of: $0).map(\.field) })
        #expect(known.count > 80)
        #expect(known == Set(Self.ranges.keys))
        #expect(Set(Self.schema.messageOfKind.keys) == Set(Message.Kind.allCases.map(\.rawValue)))
    }

    @Test(arguments: Message.Kind.allCases)
    func theTemplateIsTaken(kind: Message.Kind) throws {
        let message = try #require(try decode(kind, Self.schema.metadata(kind)))
        #expect(try decode(kind, try MessageCodec.encode(message).metadata) == message)
    }

    @Test(arguments: Message.Kind.allCases)
    func aNumberIsTakenWithinItsRangeAlone(kind: Message.Kind) throws {
        for (field, type) in Self.numbers(of: kind) {
            let range = try #require(Self.ranges[field])
            for value in Self.edges(range, isNarrow: type == "uint32") {
                let metadata = Self.schema.metadata(kind, with: field, value)
                let isInside: Bool
                switch (value, range) {
                case (.quantity(let quantity), .quantity(let range)): isInside = quantity == 0 || range.contains(quantity)
                case (.whole(let number), _): isInside = range.contains(number)
                default: continue
                }
                let code = refusal(kind, metadata)
                #expect((code == nil) == isInside, "\(field) = \(value): \(code.map { "\($0)" } ?? "taken")")
                if !isInside { #expect(code == .invalidValue || code == .limitExceeded, "\(field) = \(value)") }
                // What was taken from one can be sent to every other.
                guard code == nil, let message = try decode(kind, metadata) else { continue }
                #expect(try decode(kind, try MessageCodec.encode(message).metadata) == message, "\(field) = \(value)")
            }
        }
    }

    private static func edges(_ range: Range, isNarrow: Bool) -> [ProtoSchema.Value] {
        switch range {
        case .whole(let range):
            let around = [range.lowerBound &- 1, range.lowerBound, range.upperBound - 1, range.upperBound, range.upperBound &+ 1]
            return (wide + around).map { .whole($0) }
        case .narrow(let range):
            let around = [range.lowerBound &- 1, range.lowerBound, range.upperBound - 1, range.upperBound, range.upperBound &+ 1]
            return (wide.compactMap { UInt32(exactly: $0) } + [.max] + around).map { .whole(UInt64($0)) }
        case .quantity(let range):
            return (odd + [range.lowerBound.nextDown, range.lowerBound, range.upperBound, range.upperBound.nextUp])
                .map { .quantity($0) }
        case .opaque: return wide.filter { !isNarrow || $0 <= UInt32.max }.map { .whole($0) }
        case .shape: return []
        }
    }

    /// Figures of our own that ran wild are taken to what a receiver takes; only a micro-batch of nothing, or of more than any request has,
    /// is our mistake.
    @Test(arguments: Message.Kind.allCases)
    func ownFiguresAreNeverRefusedByThePeer(kind: Message.Kind) throws {
        var refused = 0
        for seed in 0..<300 {
            var generator = Generator(seed: UInt64(seed) << 16 | UInt64(kind.rawValue))
            generator.isWild = true
            let message = generator.message(kind)
            do {
                let metadata = try MessageCodec.encode(message).metadata
                #expect(refusal(kind, metadata) == nil, "seed \(seed): \(message)")
            } catch {
                guard case .work(let work) = message else { throw error }
                #expect(!WireRanges.items.contains(work.items))
                refused += 1
            }
        }
        #expect((refused > 0) == (kind == .work))
    }

    @Test func theLastTermStays() {
        #expect(WireRanges.term(after: 0) == 1)
        for term in [WireRanges.terms.upperBound - 1, WireRanges.terms.upperBound, .max] {
            #expect(WireRanges.term(after: term) == WireRanges.terms.upperBound)
        }
    }
}
