import Base
import Simulator
import Transport
import Wire

/// Peers of a worker put together by chance, at its own port: other workers that have work for it, coordinators that claim it, clients and checks
/// that have gone to the wrong door.
struct FuzzStrangers {
    private static let places = 8
    private static let keys: [ClusterKey.Kind] = [.cluster, .cluster, .cluster, .cluster, .cluster, .cluster, .operator, .client]
    private static let terms: [UInt64] = [0, 1, 2, 1 << 40, 1 << 62]

    private let scene: Scene
    private var connections: [RogueConnection] = []
    private(set) var words = 0

    init(_ scene: Scene) { self.scene = scene }

    mutating func turn(_ random: inout SeededRandom) async throws {
        connections.removeAll(where: \.isClosed)
        if connections.count < Self.places, connections.isEmpty || random.chance(0.3) {
            connections.append(try open(&random))
            return
        }
        guard let connection = connections.randomElement(using: &random) else { return }
        words += 1
        switch random.int(in: 0...9) {
        case 0: connection.close()
        case 1:
            connection.send(
                FieldMutation.scramble(RogueConnection.frame(kind: 49, metadata: [8, 1], total: 0, stream: 1), &random))
        case 2:
            let total = FieldMutation.pick([64, 70_000, 1 << 20, 1 << 30], &random)
            connection.begin(.work, work(&random).bytes, payload: [1, 2, 3], of: total)
        case 3...6: connection.send(.work, maybeChanged(work(&random).bytes, &random), payload: payload(&random))
        default:
            let message = template(&random)
            connection.send(
                message.kind, maybeChanged(try MessageCodec.encode(message).metadata, &random), payload: payload(&random))
        }
    }

    mutating func end() {
        for connection in connections { connection.close() }
        connections = []
    }

    private func open(_ random: inout SeededRandom) throws -> RogueConnection {
        // A worker takes the cluster key alone: with the others this ends in the handshake.
        let connection = try RogueConnection(
            to: FieldMutation.pick(scene.cluster.workerAddresses, &random),
            as: FieldMutation.pick(Self.keys, &random))
        let roles: [Role] = [.worker, .worker, .coordinator, .client]
        let role = FieldMutation.pick(roles, &random)
        let claim = CoordinatorClaim(
            term: FieldMutation.pick(Self.terms, &random), session: SessionID(bits: UInt128(random.next())),
            compression: .always, holder: HolderToken(bits: UInt128(random.next())))
        let hello = Hello(
            role: role, channel: random.chance(0.5) ? .data : .control, name: FieldMutation.pick(["fuzz", "w1", "w2"], &random),
            software: "test", incarnation: IncarnationID(bits: UInt128(random.next())),
            claim: role == .coordinator ? claim : nil)
        connection.send(.hello, maybeChanged(try MessageCodec.encode(.hello(hello)).metadata, &random))
        return connection
    }

    private func maybeChanged(_ metadata: [UInt8], _ random: inout SeededRandom) -> [UInt8] {
        random.chance(0.3) ? metadata : FieldMutation.mutate(metadata, &random)
    }

    private func payload(_ random: inout SeededRandom) -> [UInt8] {
        [UInt8](repeating: 0, count: FieldMutation.pick([0, 16, 64, 4_096, 300_000], &random))
    }

    private func key(_ random: inout SeededRandom) -> WorkKey {
        WorkKey(
            session: SessionID(bits: UInt128(random.next())), client: 1, request: UInt64(random.int(in: 0...50)), microBatch: 0,
            attempt: 1, token: random.next())
    }

    private static let partition = PartitionKey(
        modelDigest: String(repeating: "d", count: 64), firstLayer: 0, endLayer: 1, toolchain: "t", optimization: .o0)

    private func work(_ random: inout SeededRandom) -> ProtoBytes {
        let node = FieldMutation.pick(["w1", "w2"], &random)
        let hop = ProtoBytes().text(1, node).message(2, .key(Self.partition))
        let tensor = ProtoBytes.tensor(dtype: 1, shape: [4], encoding: UInt64(random.int(in: 0...2)), wireBytes: 16)
        return ProtoBytes().message(1, .key(key(&random))).messages(2, random.chance(0.5) ? [hop] : [hop, hop]).varint(3, 1)
            .varint(4, 60_000).message(5, tensor)
    }

    private func template(_ random: inout SeededRandom) -> Message {
        let messages: [Message] =
            [
                .loadPartition(LoadPartition(key: Self.partition, residentBytes: 1 << 20, warmups: [])),
                .releasePartition(ReleasePartition(key: Self.partition)), .cancelWork(CancelWork(keys: [key(&random)])),
                .partitionData(PartitionData(key: Self.partition, contentDigest: String(repeating: "e", count: 64))),
                .peerTable(
                    PeerTable(
                        version: 9, peers: [.init(name: "w2", incarnation: IncarnationID(bits: 3), addresses: ["127.0.0.1:9"])])),
                .workResult(WorkResult(key: key(&random), tensors: [], trace: [])), .ping(Ping(sequence: 1, sentAtNanoseconds: 1)),
                .heartbeat(Heartbeat(sequence: 1)), .linkProbe(LinkProbe()), .statusRequest(StatusRequest(id: 1)), RawPeer.hello,
                .inferRequest(InferRequest(id: 1, deadlineMilliseconds: 1_000, names: [], tensors: [])),
            ]
        return FieldMutation.pick(messages, &random)
    }
}
