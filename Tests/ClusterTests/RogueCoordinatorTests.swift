import AMP4ECClient
import Base
import Cluster
import Foundation
import Tensors
import Testing
import Transport
import Wire

/// Coordinators that claim a worker nobody holds, and say what no coordinator says: the worker runs on, and an honest coordinator can take it.
@Suite("Rogue coordinators")
struct RogueCoordinatorTests {
    struct Attack: Sendable {
        let name: String
        let run: @Sendable (String) async throws -> Void
        init(_ name: String, _ run: @escaping @Sendable (String) async throws -> Void) {
            self.name = name
            self.run = run
        }
    }

    private static let key = PartitionKey(
        modelDigest: String(repeating: "e", count: 64), firstLayer: 0, endLayer: 4, toolchain: "t", optimization: .o0)

    /// Orders on the control connection of a coordinator that the worker obeys, then its end.
    private static func orders(_ address: String, term: UInt64, _ give: (RogueConnection, SessionID) throws -> Void) async throws {
        let rogue = RogueCoordinator(address, term: term)
        let (control, answer) = try await rogue.open(.control)
        #expect(answer.welcome != nil, "\(answer)")
        try give(control, rogue.session)
        // What was said before has been looked at when the pong comes, or the worker has ended the connection.
        try control.send(.ping(Ping(sequence: 77, sentAtNanoseconds: .max)))
        try await eventually("the worker answers or closes", within: .seconds(10)) {
            control.isClosed || control.arrivals.contains { if case .pong = $0.message { true } else { false } }
        }
        control.close()
    }

    static let attacks: [Attack] = [
        Attack("the longest name, assigned to the worker") { address in
            for (number, name) in [String(repeating: "x", count: 255), "x"].enumerated() {
                let (connection, _) = try await RogueCoordinator(address, term: UInt64(10 + number)).open(
                    .control, assignedName: name)
                connection.close()
            }
        },
        Attack("warm-ups of petabytes, and of nothing") { address in
            try await orders(address, term: 20) { control, _ in
                for shape: [UInt64] in [[1 << 40, 1 << 8], [1 << 30], [1 << 31, 2], [0, 1 << 62], [], [.max]] {
                    let warmup = ProtoBytes().message(1, ProtoBytes().varint(1, 1).packed(2, shape))
                    let order = ProtoBytes().message(1, .key(key)).varint(2, .max).messages(
                        3, [ProtoBytes](repeating: warmup, count: 64))
                    control.send(.loadPartition, order)
                }
            }
        },
        Attack("a thousand partitions to load, and their release") { address in
            try await orders(address, term: 21) { control, _ in
                for layer in 0..<1_000 {
                    let key = PartitionKey(
                        modelDigest: String(repeating: "f", count: 64), firstLayer: layer, endLayer: layer + 1, toolchain: "t",
                        optimization: .o1)
                    control.send(.loadPartition, ProtoBytes().message(1, .key(key)).varint(2, 0))
                    control.send(.releasePartition, ProtoBytes().message(1, .key(key)))
                }
            }
        },
        Attack("archives that are none, under digests that are not theirs") { address in
            let rogue = RogueCoordinator(address, term: 22)
            let (control, _) = try await rogue.open(.control)
            let (data, _) = try await rogue.open(.data)
            for size in [0, 1, 100_000] {
                let metadata = ProtoBytes().message(1, .key(key)).text(2, String(repeating: "0", count: 64))
                data.send(.partitionData, metadata, payload: [UInt8](repeating: 3, count: size))
            }
            // Announced, and never sent.
            data.begin(
                .partitionData, ProtoBytes().message(1, .key(key)).text(2, String(repeating: "1", count: 64)).bytes, of: 8 << 30)
            try control.send(.loadPartition(LoadPartition(key: key, residentBytes: .max, warmups: [])))
            try control.send(.ping(Ping(sequence: 1, sentAtNanoseconds: 1)))
            try await eventually("the worker answers or closes", within: .seconds(10)) {
                control.isClosed || control.arrivals.contains { if case .pong = $0.message { true } else { false } }
            }
            control.close()
            data.close()
        },
        Attack("12,000 names that come and go in peer tables: heartbeats still fit") { address in
            let rogue = RogueCoordinator(address, term: 23)
            let (control, _) = try await rogue.open(.control)
            for version: UInt64 in 1...12 {
                let peers = (0..<1_024).map { number in
                    ProtoBytes().text(1, "peer-\(version)-\(number)").fixed64(2, 1).fixed64(3, version).text(4, "127.0.0.1:1")
                }
                control.send(.peerTable, ProtoBytes().varint(1, version).messages(2, peers))
            }
            control.send(.peerTable, ProtoBytes().varint(1, 13))
            let start = ContinuousClock.now
            try await eventually("heartbeats after the churn", within: .seconds(20)) {
                if control.isClosed { throw RogueConnection.Failure(description: "the worker's own heartbeat has cut it off") }
                let beats = control.arrivals.count { if case .heartbeat = $0.message { true } else { false } }
                return beats >= 4 && ContinuousClock.now - start > .seconds(1)
            }
            let last = control.arrivals.reversed().lazy.compactMap { arrival -> Heartbeat? in
                if case .heartbeat(let beat) = arrival.message { beat } else { nil }
            }.first
            #expect(
                (last?.links.count ?? 0) <= 64, "\(last?.links.count ?? 0) links of peers that are gone stand in each heartbeat")
            control.close()
        },
        Attack("peer tables of the highest version, of one peer many times, and of addresses that are none") { address in
            try await orders(address, term: 24) { control, _ in
                let addresses = ["", "x", "127.0.0.1:0", "127.0.0.1:99999", "[::1", "\n"]
                let peer = addresses.reduce(ProtoBytes().text(1, "p").fixed64(2, .max).fixed64(3, .max)) { $0.text(4, $1) }
                control.send(.peerTable, ProtoBytes().varint(1, .max).messages(2, [ProtoBytes](repeating: peer, count: 4_096)))
                control.send(.peerTable, ProtoBytes().varint(1, 0).message(2, peer))
            }
        },
        Attack("work with the highest deadline, items and route, and cancels of 4,096 keys") { address in
            let rogue = RogueCoordinator(address, term: 25)
            let (control, _) = try await rogue.open(.control)
            let (data, _) = try await rogue.open(.data)
            let hop = ProtoBytes().text(1, "nobody").message(2, .key(key))
            let trace = (2...8).reduce(ProtoBytes().text(1, "x")) { $0.varint($1, .max) }
            for number: UInt64 in 0..<50 {
                let work = ProtoBytes().message(
                    1, .key(WorkKey(session: rogue.session, client: .max, request: number, microBatch: .max, attempt: .max))
                )
                .messages(2, [ProtoBytes](repeating: hop, count: 64)).varint(3, UInt64(UInt32.max)).varint(4, UInt64(UInt32.max))
                .message(5, .tensor(dtype: 1, shape: [4], wireBytes: 16)).messages(6, [ProtoBytes](repeating: trace, count: 64))
                data.send(.work, work, payload: [UInt8](repeating: 0, count: 16))
            }
            let keys = (0..<4_096).map {
                ProtoBytes.key(WorkKey(session: rogue.session, client: 1, request: UInt64($0), microBatch: 0, attempt: 1))
            }
            for _ in 0..<20 { control.send(.cancelWork, ProtoBytes().messages(1, keys)) }
            try control.send(.ping(Ping(sequence: 1, sentAtNanoseconds: 1)))
            try await eventually("the worker answers or closes", within: .seconds(10)) {
                control.isClosed || control.arrivals.contains { if case .pong = $0.message { true } else { false } }
            }
            control.close()
            data.close()
        },
        Attack("every kind with the highest figures, on both connections") { address in
            for (number, kind) in Message.Kind.allCases.enumerated() {
                let rogue = RogueCoordinator(address, term: UInt64(30 + number))
                let (control, _) = try await rogue.open(.control)
                let (data, _) = try await rogue.open(.data)
                for metadata in RogueValueAttacks.extremes {
                    control.send(kind, metadata)
                    data.send(kind, metadata)
                }
                control.close()
                data.close()
            }
        },
        Attack("headers that announce much before the hello") { address in
            var header = FrameHeader(kind: Message.Kind.work.rawValue, stream: 1, metadataByteCount: WireLimits.metadataByteCount)
            [].withUnsafeBytes { header.seal(metadata: $0, payloadChecksum: 0) }
            let strangers = try (0..<200).map { _ in try RogueConnection(to: address, as: .cluster) }
            for stranger in strangers { stranger.send(RawPeer.bytes(of: header)) }
            strangers.forEach { $0.close() }
        },
        // The last: behind the highest term only the same one comes.
        Attack("hellos with terms at the ends of their type") { address in
            for term: UInt64 in [0, .max, .max - 1, 1 << 63, (1 << 63) - 1] {
                for channel in [Channel.data, .control] {
                    let (connection, _) = try await RogueCoordinator(address, term: term).open(channel)
                    connection.close()
                }
            }
        },
    ]

    @Test("each leaves the worker running, within its memory, and free for an honest coordinator")
    func claims() async throws {
        try await withProcesses { processes in
            var (worker, address) = try await processes.worker("w1")
            for (number, attack) in Self.attacks.enumerated() {
                let before = try ProcessFigures.residentBytes(worker)
                try ProcessFigures.resetPeak(worker)
                do { try await attack.run(address) } catch { Issue.record("\(attack.name): \(error)") }
                // A claim of the first term is refused only by terms that were obeyed, and by nobody's hold.
                try await eventually("the worker answers after: \(attack.name)", within: .seconds(10)) {
                    guard worker.isRunning else { return true }
                    let (connection, answer) = try await RogueCoordinator(address, term: UInt64(100 + number)).open(.data)
                    connection.close()
                    return answer.refusal?.isHeld != true
                }
                guard worker.isRunning else {
                    Issue.record("\(attack.name): the worker has ended\n\(worker.report)")
                    (worker, address) = try await processes.worker("w1", log: "w1-\(number)")
                    continue
                }
                let growth = try ProcessFigures.peakResidentBytes(worker) - before
                #expect(growth <= 64 << 20, "\(attack.name): the worker took \(growth >> 20) MiB")
            }
            let (coordinator, coordinatorAddress) = try await processes.coordinator(["--workers", address] + LooseProcesses.steady)
            let client = try processes.client(coordinatorAddress)
            defer { client.close() }
            try await processes.status(client, "an honest coordinator serves on the worker") { $0.state == "serving" }
            let manifest = try await client.model()
            let inputs = try TestInputs.make(manifest, items: 4)
            let expected = try await Reference.outputs(model: "cnn", manifest: manifest, inputs, batch: 4, in: processes.folder)
            #expect(Comparison.relativeError(try await client.infer(inputs).outputs, expected) <= HonestTraffic.tolerance)
            #expect(coordinator.isRunning && worker.isRunning)
        }
    }

    @Test("a refused hello changes nothing: what is compressed stays as the holder said")
    func refusedHello() async throws {
        try await withCluster("cnn", workers: 2, coordinatorOptions: ["--compress", "never", "--shape", "pipeline"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let inputs = try TestInputs.make(try await client.model(), items: 32)
            _ = try await client.infer(inputs)
            for address in cluster.workerAddresses {
                for term: UInt64 in [0, 1, 2, 1_000] {
                    for channel in [Channel.control, .data] {
                        let (connection, answer) = try await RogueCoordinator(address, term: term, compression: .always).open(
                            channel)
                        #expect(answer.refusal?.isHeld == true, "\(answer)")
                        connection.close()
                    }
                }
            }
            for _ in 0..<20 { _ = try await client.infer(inputs) }
            let status = try await cluster.status("heartbeats tell of the links") { status in
                status.links.contains { $0.from == "w1" || $0.from == "w2" }
            }
            // Two heartbeats later everything that was sent stands in the links' figures.
            let sent = status.links.reduce(0) { $0 + $1.messages }
            let later = try await cluster.status("the last messages stand in the figures") { status in
                status.links.reduce(0) { $0 + $1.messages } > sent || status.links.allSatisfy { $0.messages >= 20 }
            }
            #expect(later.links.allSatisfy { $0.compressedShare == 0 }, "\(later.links)")
        }
    }
}
