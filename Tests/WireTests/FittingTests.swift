import Base
import Testing
import Wire

/// Periodic messages fit into one message whatever they name: they are cut, or go in pages.
@Suite struct FittingTests {
    static let longest = String(repeating: "n", count: WireLimits.nameByteCount)

    static func name(_ number: Int) -> String { String((String(number) + longest).prefix(WireLimits.nameByteCount)) }

    static func partition(_ number: Int, toolchain: String = longest) -> PartitionKey {
        PartitionKey(
            modelDigest: String(repeating: "a", count: 64), firstLayer: number, endLayer: number + 1, toolchain: toolchain,
            optimization: .o1)
    }

    static func peer(_ number: Int, _ addresses: Int, length: Int = WireLimits.nameByteCount) -> PeerTable.Peer {
        PeerTable.Peer(
            name: NodeID(String(name(number).prefix(length))), incarnation: IncarnationID(bits: .max - UInt128(number)),
            addresses: (0..<addresses).map { String(("h\($0 + 1)" + longest).prefix(max(1, length - 5))) + ":9000" })
    }

    static func decode(_ message: Message) throws -> Message? {
        let encoded = try MessageCodec.encode(message)
        return try encoded.metadata.withUnsafeBytes { try MessageCodec.decode(kind: encoded.kind, metadata: $0) }
    }

    @Test(arguments: [(0, 3, 20), (1, 1, 20), (1_000, 2, 20), (262, 16, 255), (4_096, 16, 255), (4_096, 1, 1), (5_000, 1, 20)])
    func peerTables(peers: Int, addresses: Int, length: Int) throws {
        let all = (0..<peers).map { Self.peer($0, addresses, length: length) }
        let pages = PeerTable.pages(version: 7, peers: all)
        #expect(pages.map(\.page) == (0..<UInt32(pages.count)).map { $0 } && pages.allSatisfy { $0.version == 7 })
        #expect(pages.map(\.hasMore) == Array(repeating: true, count: pages.count - 1) + [false])
        #expect(pages.flatMap(\.peers) == Array(all.prefix(WireLimits.peers)))
        for page in pages { #expect(try Self.decode(.peerTable(page)) == .peerTable(page)) }
        // Usual names need no second page.
        if length == 20, peers <= 1_000 { #expect(pages.count == 1) }
    }

    @Test func heartbeats() throws {
        let links = (0..<6_000).map {
            LinkStatistics(
                peer: NodeID(Self.name($0)), isConnected: true, messages: WireRanges.counts.upperBound,
                rawBytes: WireRanges.totalBytes.upperBound, wireBytes: WireRanges.totalBytes.upperBound,
                bandwidthBytesPerSecond: 1e9, compressedShare: 1, roundTripMilliseconds: 1e3)
        }
        let partitions = (0..<6_000).map {
            PartitionStatistics(
                key: Self.partition($0), archiveBytes: 1 << 50, weightBytes: 1 << 50, isLoaded: true, runs: 1 << 40, items: 1 << 40,
                computeNanoseconds: 1 << 60, cpuNanoseconds: 1 << 60)
        }
        for (heldPartitions, heldLinks) in [(0, 6_000), (6_000, 0), (6_000, 6_000), (3, 4_096), (0, 0)] {
            let beat = Heartbeat(
                sequence: 9, partitions: Array(partitions.prefix(heldPartitions)), links: Array(links.prefix(heldLinks)))
            let fitted = beat.fitted
            #expect(try Self.decode(.heartbeat(fitted)) == .heartbeat(fitted))
            #expect(fitted.sequence == 9)
            #expect(fitted.partitions == Array(partitions.prefix(fitted.partitions.count)))
            #expect(fitted.links == Array(links.prefix(fitted.links.count)))
            #expect(fitted.partitions.count >= min(heldPartitions, 1_000))
            if heldPartitions <= 3 {
                #expect(fitted.partitions.count == heldPartitions && fitted.links.count >= min(heldLinks, 1_000))
            }
        }
    }

    @Test func inventories() throws {
        for toolchain in [Self.longest, "2.8.0"] {
            let profile = WorkerProfile(
                cores: 1, speed: 1, memoryLimitBytes: 1, memoryAvailableBytes: 1, executors: 1, slots: 1, slotBytes: 1,
                toolchain: toolchain,
                inventory: (0..<6_000).map {
                    HeldPartition(key: Self.partition($0, toolchain: toolchain), archiveBytes: 1, isLoaded: $0 < 3)
                }, processorGroup: Self.longest)
            let welcome = Welcome(
                role: .worker, name: Self.longest, software: Self.longest, incarnation: IncarnationID(bits: 1), term: 1,
                worker: profile.fitted)
            #expect(try Self.decode(.welcome(welcome)) == .welcome(welcome))
            #expect(profile.fitted.inventory.count >= 1_000)
        }
    }

    @Test func losses() throws {
        let keys = (0..<10_000 as Range<UInt64>).map {
            WorkKey(session: SessionID(bits: 1), client: 1, request: $0, microBatch: 0, attempt: 1)
        }
        for count in [0, 1, 4_096, 4_097, 10_000] {
            let loss = PeerLost(from: "a", to: "b", message: "no", keys: Array(keys.prefix(count)))
            #expect(loss.parts.count == max(1, (count + 4_095) / 4_096) && loss.parts.flatMap(\.keys) == loss.keys)
            for part in loss.parts { #expect(try Self.decode(.peerLost(part)) == .peerLost(part)) }
        }
    }
}
