import Base
import Simulator
import Transport
import Wire

/// Workers put together by chance: they register, say welcome and send heartbeats with changed figures, and speak about work that is not theirs.
///
/// None may come to be on a route: a worker that is chosen is trusted with the numbers that it gives. So all say that they have room for
/// nothing; what they say of themselves by chance is said by those that are gone again before a plan is made for them.
struct FuzzWorkers {
    private struct Rogue {
        let worker: RogueWorker
        let isRight: Bool
    }

    private static let places = 5
    /// Results at once: the right number at the right moment is a matter of many tries.
    private static let burst = 12

    private let scene: Scene
    private var rogues: [Rogue] = []
    private var connections: [RogueConnection] = []
    private(set) var words = 0

    init(_ scene: Scene) { self.scene = scene }

    mutating func turn(_ random: inout SeededRandom) async throws {
        connections.removeAll(where: \.isClosed)
        if rogues.count < Self.places, rogues.isEmpty || random.chance(0.15) { return try await join(&random) }
        guard let rogue = rogues.randomElement(using: &random) else { return }
        words += 1
        switch random.int(in: 0...11) {
        case 0:
            rogues.removeAll { $0.worker === rogue.worker }
            rogue.worker.stop()
        case 1: try await registration(&random)
        case 2...4: for _ in 0..<Self.burst { result(rogue.worker, &random) }
        default: try word(rogue.worker, &random)
        }
    }

    mutating func end() {
        for rogue in rogues { rogue.worker.stop() }
        for connection in connections { connection.close() }
        (rogues, connections) = ([], [])
    }

    // MARK: What they say

    private mutating func join(_ random: inout SeededRandom) async throws {
        let seed = random.next()
        var script = RogueWorker.Script(name: "fuzz")
        script.profile = .idle
        script.heartbeat = { sequence in
            var random = SeededRandom(seed: seed &+ sequence)
            guard random.chance(0.3) else { return ProtoBytes().varint(1, sequence).double(2, 0.1).double(3, 1) }
            return ProtoBytes(bytes: FieldMutation.mutate(Self.heartbeat.bytes, &random))
        }
        let isRight = random.chance(0.6)
        if !isRight {
            script.greeting = { hello, connection in
                var random = SeededRandom(seed: seed ^ 1)
                let kind: Message.Kind = random.chance(0.8) ? .welcome : .refused
                let words = kind == .welcome ? Self.welcome(hello) : ProtoBytes().varint(1, 8).text(2, "held").varint(3, 1)
                connection.send(kind, ProtoBytes(bytes: FieldMutation.mutate(words.bytes, &random)))
                connection.close()
            }
        }
        let rogue = try RogueWorker(script)
        do {
            try await rogue.register(at: scene.address)
            if isRight { try await rogue.taken() }
            rogues.append(Rogue(worker: rogue, isRight: isRight))
        } catch {
            // A place that others have taken: there are bounds on those too.
            rogue.stop()
        }
    }

    private mutating func registration(_ random: inout SeededRandom) async throws {
        guard connections.count < Self.places else { return connections.removeFirst().close() }
        let connection = try RogueConnection(to: scene.address, as: .cluster)
        let hello = try MessageCodec.encode(
            .hello(Hello(role: .worker, channel: .control, name: "fuzz", software: "test", incarnation: IncarnationID(bits: 7))))
        connection.send(.hello, random.chance(0.5) ? hello.metadata : FieldMutation.mutate(hello.metadata, &random))
        let register = try MessageCodec.encode(
            .register(Register(name: NodeID("fuzz-\(random.int(in: 0...99))"), addresses: ["127.0.0.1:1"])))
        for _ in 0..<random.int(in: 1...3) { connection.send(.register, FieldMutation.mutate(register.metadata, &random)) }
        connections.append(connection)
    }

    private func word(_ rogue: RogueWorker, _ random: inout SeededRandom) throws {
        let key = key(rogue, &random)
        let partition = PartitionKey(
            modelDigest: String(repeating: "d", count: 64), firstLayer: 0, endLayer: 1, toolchain: "t", optimization: .o0)
        let messages: [Message] =
            [
                .workFailed(WorkFailed(key: key, node: NodeID(rogue.name), code: .invalidArgument, message: "no")),
                .workFailed(WorkFailed(key: key, node: "w1", code: .internalError, message: "no")),
                .workDropped(WorkDropped(key: key, node: "w1", hasOverrun: random.chance(0.5))),
                .workRejected(WorkRejected(key: key, node: "w2", code: .resourceExhausted, message: "full")),
                .peerLost(PeerLost(from: NodeID(rogue.name), to: "w1", message: "gone", keys: [key])),
                .peerLost(PeerLost(from: "w1", to: "w2", message: "gone", keys: [key])),
                .partitionReport(
                    PartitionReport(
                        key: partition, state: .ready, archiveBytes: 1, weightBytes: 1, loadMilliseconds: 1, runMilliseconds: 1)),
                .leaving(Leaving(message: "bye")), .pong(Ping(sequence: 1, sentAtNanoseconds: 1)), .linkProbe(LinkProbe()),
            ]
        let message = FieldMutation.pick(messages, &random)
        let metadata = try MessageCodec.encode(message).metadata
        let connection = random.chance(0.8) ? rogue.control : rogue.data
        connection?.send(message.kind, random.chance(0.4) ? metadata : FieldMutation.mutate(metadata, &random))
    }

    /// Mostly of the shape of a micro-batch's, so that all that speaks against it is who says it.
    private func result(_ rogue: RogueWorker, _ random: inout SeededRandom) {
        let tensor = ProtoBytes.tensor(dtype: 1, shape: [4, 10], wireBytes: 160)
        let result = ProtoBytes().message(1, .key(key(rogue, &random))).message(2, tensor)
        guard random.chance(0.1) else {
            rogue.data?.send(.workResult, result, payload: [UInt8](repeating: 0, count: 160))
            return
        }
        let bytes = [UInt8](repeating: 0, count: FieldMutation.pick([0, 160, 161, 70_000], &random))
        rogue.data?.send(.workResult, FieldMutation.mutate(result.bytes, &random), payload: bytes)
    }

    /// Near those that are under way: requests are numbered as they are admitted, clients as they connect.
    private func key(_ rogue: RogueWorker, _ random: inout SeededRandom) -> WorkKey {
        let session = rogue.claim?.session ?? SessionID(bits: 1)
        let request = UInt64(max(0, scene.traffic.now.sent + random.int(in: -4...8)))
        return WorkKey(
            session: session, client: UInt64(random.int(in: 0...12)), request: request, microBatch: UInt32(random.int(in: 0...1)),
            attempt: UInt32(random.int(in: 1...2)), token: random.chance(0.5) ? 0 : random.next())
    }

    private static func welcome(_ hello: Hello) -> ProtoBytes {
        let welcome = ProtoBytes().varint(1, 2).text(2, "fuzz").text(3, "test").fixed64(4, 5).fixed64(5, 6).varint(6, 1)
        return hello.channel == .control ? welcome.message(7, RogueProfile.idle.bytes) : welcome
    }

    private static let heartbeat: ProtoBytes = {
        let key = PartitionKey(
            modelDigest: String(repeating: "d", count: 64), firstLayer: 0, endLayer: 1, toolchain: "t", optimization: .o0)
        var partition = ProtoBytes().message(1, .key(key))
        for field in [2, 3, 5, 6, 7] { partition = partition.varint(field, 4) }
        var link = ProtoBytes().text(1, "w1")
        for field in 2...5 { link = link.varint(field, 1) }
        link = link.double(6, 1e6)
        var beat = ProtoBytes().varint(1, 5)
        for field in 2...5 { beat = beat.double(field, 0.5) }
        for field in 6...13 { beat = beat.varint(field, 100) }
        return beat.message(14, partition).message(15, link).varint(16, 1_000_000)
    }()
}
