import AMP4ECClient
import Base
import Cluster
import Tensors
import Testing
import Wire

/// Word about micro-batches: results that are not what the model declares, and word of workers that are not on the route.
enum RogueRouteAttacks {
    /// So quick that every plan wants it, alone, for the whole model.
    static let wanted: RogueProfile = {
        var profile = RogueProfile()
        (profile.cores, profile.speed, profile.executors, profile.slots) = (64, 1_000, 16, 32)
        return profile
    }()

    /// So many ways are tried by one worker: the micro-batches that are under way at once reach all of them.
    private static let waysOfOneWorker = 4

    /// On its route, from its only hop: against a model that gives `float32[N,10]`. Honest requests that the rogue answers fail, and the error
    /// says why; nobody gets a wrong reply.
    static let onRoute: [Attack] = {
        let size = Attack.eachByItself ? 1 : waysOfOneWorker
        return stride(from: 0, to: results.count, by: size).map { start in
            let ways = Array(results[start..<min(start + size, results.count)])
            let names = ways.map(\.name).joined(separator: "; ")
            return Attack("results of \(names)", mayFailRequests: true) { scene in
                let before = try await scene.figures().residentBytes
                var script = RogueWorker.Script(name: "rogue-r\(start)")
                script.profile = wanted
                script.work = { rogue, work, _ in
                    // Those before it have been counted already.
                    ways[(rogue.works.count - 1) % ways.count].what(rogue, work, UInt64(work.items))
                }
                let rogue = try RogueWorker(script)
                try await rogue.register(at: scene.address)
                try await rogue.answered(ways.count)
                rogue.stop()
                try await scene.traffic.goesOn(16, within: .seconds(20))
                try scene.expectPeak(above: before, names)
            }
        }
    }()

    private typealias Result = @Sendable (RogueWorker, Work, UInt64) -> Void

    private static func floats(_ shape: [UInt64]) -> ProtoBytes {
        .tensor(dtype: 1, shape: shape, wireBytes: shape.reduce(4, *))
    }

    private static func bytes(_ count: UInt64) -> [UInt8] { [UInt8](repeating: 0, count: Int(count)) }

    private static let results: [Case<Result>] = [
        Case("no tensors") { rogue, work, _ in rogue.give(work.key, [], payload: []) },
        Case("two tensors where one is declared") { rogue, work, items in
            // The second one begins where the payload's alignment lets it.
            let second = (items * 40 + 63) / 64 * 64
            rogue.give(work.key, [floats([items, 10]), floats([items, 10])], payload: bytes(second + items * 40))
        },
        Case("another type") { rogue, work, _ in
            rogue.give(work.key, [.tensor(dtype: 3, shape: [2, 3, 4], wireBytes: 24)], payload: bytes(24))
        },
        Case("the same bytes as integers") { rogue, work, items in
            rogue.give(work.key, [.tensor(dtype: 4, shape: [items, 10], wireBytes: items * 40)], payload: bytes(items * 40))
        },
        Case("another extent") { rogue, work, items in rogue.give(work.key, [floats([items, 11])], payload: bytes(items * 44)) },
        Case("two rows too many") { rogue, work, items in
            rogue.give(work.key, [floats([items + 2, 10])], payload: bytes((items + 2) * 40))
        },
        Case("a row too few") { rogue, work, items in
            rogue.give(work.key, [floats([items - 1, 10])], payload: bytes((items - 1) * 40))
        },
        Case("no rows") { rogue, work, _ in rogue.give(work.key, [floats([0, 10])], payload: []) },
        Case("rows of nothing") { rogue, work, items in rogue.give(work.key, [floats([items, 0])], payload: []) },
        Case("a scalar") { rogue, work, _ in rogue.give(work.key, [floats([])], payload: bytes(4)) },
        Case("one dimension") { rogue, work, items in rogue.give(work.key, [floats([items * 10])], payload: bytes(items * 40)) },
        Case("98 kB that unpack to 3.2 GB") { rogue, work, _ in
            let bomb = Bomb.bytes(of: 3_200_000_000)
            let tensor = ProtoBytes.tensor(dtype: 1, shape: [800_000_000], encoding: 1, wireBytes: UInt64(bomb.count))
            rogue.give(work.key, [tensor], payload: bomb)
        },
        Case("the declared shape, packed, that unpacks to far more") { rogue, work, items in
            let bomb = Bomb.bytes(of: 1 << 20)
            rogue.give(
                work.key, [.tensor(dtype: 1, shape: [items, 10], encoding: 1, wireBytes: UInt64(bomb.count))], payload: bomb)
        },
        Case("packed bytes that are none") { rogue, work, items in
            rogue.give(work.key, [.tensor(dtype: 1, shape: [items, 10], encoding: 2, wireBytes: 30)], payload: bytes(30))
        },
        Case("1 GiB that never comes") { rogue, work, _ in
            let tensor = ProtoBytes.tensor(dtype: 1, shape: [1 << 28], wireBytes: 1 << 30)
            rogue.data?.begin(.workResult, ProtoBytes().message(1, .key(work.key)).message(2, tensor).bytes, of: 1 << 30)
        },
        Case("its own rows, given up half-way, and then of another shape") { rogue, work, items in
            let metadata = ProtoBytes().message(1, .key(work.key)).message(2, floats([items, 10])).bytes
            guard let data = rogue.data else { return }
            let stream = data.begin(.workResult, metadata, payload: bytes(items * 20), of: Int(items * 40))
            data.abort(stream)
            rogue.give(work.key, [floats([items, 9])], payload: bytes(items * 36))
        },
        Case("the highest figures in the trace, and no tensors") { rogue, work, _ in
            let trace = [rogue.name, "w1", "w2", ""].map { node in
                (2...8).reduce(ProtoBytes().text(1, node)) { $0.varint($1, .max) }
            }
            rogue.give(work.key, [], payload: [], traces: trace)
        },
    ]

    /// Off the route: about a micro-batch that runs on another worker. Against a model that gives `float32[N,4]`.
    static let offRoute: [Attack] =
        Attack.eachByItself
        ? claims.map { test in
            Attack("of a worker that is not on the route: \(test.name)") { try await lie($0, [test], rounds: 30_000) }
        }
        : [Attack("all that a worker can say of work that is not on it") { try await lie($0, claims, rounds: 100_000) }]

    /// Says it of every micro-batch that may be under way while one is.
    private static func lie(_ scene: Scene, _ claims: [Case<Claim>], rounds: Int64) async throws {
        let rogue = try await RogueWorker.idle("rogue-o", at: scene.address)
        let session = try #require(rogue.claim).session
        let client = try scene.cluster.client()
        defer { client.close() }
        let slow = try ConcurrencyTests.slowInputs(scene.traffic.manifest, seed: 3, rounds: rounds)
        let expected = try await client.infer(slow).outputs
        defer { scene.traffic.resume() }
        try await scene.traffic.pause()
        let counters = try await scene.cluster.cleanStatus().counters
        let request = Task { try await client.infer(slow).outputs }
        try await tell(scene, claims, as: rogue, session, counters)
        #expect(Comparison.relativeError(try await request.value, expected) <= HonestTraffic.tolerance)
        let after = try await scene.cluster.cleanStatus().counters
        #expect(after.microBatchesReplayed == counters.microBatchesReplayed, "sent again on a stranger's word")
        #expect(after.microBatchesDispatched == counters.microBatchesDispatched + 1, "sent again on a stranger's word")
        rogue.stop()
    }

    /// While an honest request runs. (The request is a task of the caller's: as a closure that this runs in a task group, the release compiler
    /// of 6.3.1 made a job without a function of it.)
    private static func tell(
        _ scene: Scene, _ claims: [Case<Claim>], as rogue: RogueWorker, _ session: SessionID, _ counters: Counters
    ) async throws {
        try await scene.cluster.status("it runs") { $0.nodes.contains { $0.executing > 0 } }
        // Requests are numbered from 1 in the order of their admission, clients by their connection.
        let admitted = counters.requestsCompleted + counters.requestsFailed + counters.requestsCancelled
        for claim in claims {
            for number in admitted...admitted + 2 {
                for connection: UInt64 in 0..<400 {
                    claim.what(rogue, WorkKey(session: session, client: connection, request: number, microBatch: 0, attempt: 1))
                }
            }
        }
    }

    /// Work under keys that are under way, sent by a stranger to the honest workers themselves: what they say of it must not be taken for word of
    /// the coordinator's own micro-batch, although they are on its route. Against a model that runs on both workers, one after the other.
    static let strangers = [Attack("work of a stranger under the keys of work that is under way") { try await interfere($0) }]

    private static func interfere(_ scene: Scene) async throws {
        let rogue = try await RogueWorker.idle("rogue-s", at: scene.address)
        let session = try #require(rogue.claim).session
        let client = try scene.cluster.client()
        defer { client.close() }
        let slow = try ConcurrencyTests.slowInputs(scene.traffic.manifest, seed: 4, rounds: 60_000)
        let expected = try await client.infer(slow).outputs
        let foreign = PartitionKey(
            modelDigest: String(repeating: "d", count: 64), firstLayer: 0, endLayer: 1, toolchain: "t", optimization: .o0)
        let names = Array(zip(scene.cluster.workers.map(\.name), scene.cluster.workerAddresses))
        let work = Case<Claim>("work") { _, key in
            for (name, address) in names {
                guard let peer = rogue.stranger(at: address) else { continue }
                let metadata = ProtoBytes().message(1, .key(key)).message(
                    2, ProtoBytes().text(1, name).message(2, .key(foreign))
                )
                .varint(3, 1).varint(4, 60_000).message(5, .tensor(dtype: 1, shape: [4], wireBytes: 16))
                peer.send(.work, metadata, payload: bytes(16))
            }
        }
        defer { scene.traffic.resume() }
        try await scene.traffic.pause()
        let counters = try await scene.cluster.cleanStatus().counters
        let request = Task { try await client.infer(slow).outputs }
        try await tell(scene, [work], as: rogue, session, counters)
        #expect(Comparison.relativeError(try await request.value, expected) <= HonestTraffic.tolerance)
        let after = try await scene.cluster.cleanStatus().counters
        #expect(after.microBatchesReplayed == counters.microBatchesReplayed, "sent again on account of a stranger's work")
        rogue.stop()
    }

    private typealias Claim = @Sendable (RogueWorker, WorkKey) -> Void

    private static let claims: [Case<Claim>] = [
        Case("a result of the right shape") { rogue, key in rogue.give(key, [floats([1, 4])], payload: bytes(16)) },
        Case("a result of 98 rows") { rogue, key in rogue.give(key, [floats([98, 4])], payload: bytes(98 * 16)) },
        Case("a result without tensors") { rogue, key in rogue.give(key, [], payload: []) },
        Case("a result on the control connection") { rogue, key in
            rogue.control?.send(.workResult, ProtoBytes().message(1, .key(key)).message(2, floats([1, 4])), payload: bytes(16))
        },
        Case("it failed") { rogue, key in
            try? rogue.control?.send(.workFailed(WorkFailed(key: key, node: "w1", code: .invalidArgument, message: "no")))
        },
        Case("it was dropped") { rogue, key in try? rogue.control?.send(.workDropped(WorkDropped(key: key, node: "w1"))) },
        Case("it was rejected for lack of room") { rogue, key in
            try? rogue.control?.send(
                .workRejected(WorkRejected(key: key, node: "w1", code: .resourceExhausted, message: "full")))
        },
        Case("it was rejected for lack of the partition") { rogue, key in
            try? rogue.control?.send(
                .workRejected(WorkRejected(key: key, node: "w1", code: .failedPrecondition, message: "not loaded")))
        },
        Case("its next hop is lost") { rogue, key in
            try? rogue.control?.send(.peerLost(PeerLost(from: NodeID(rogue.name), to: "w1", message: "gone", keys: [key])))
        },
        Case("the others' link is lost") { rogue, key in
            try? rogue.control?.send(.peerLost(PeerLost(from: "w1", to: "w2", message: "gone", keys: [key])))
        },
    ]
}
