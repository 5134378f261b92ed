import AMP4ECClient
import Base
import Tensors
import Simulator
import Transport
import Wire

/// Clients put together by chance: right sessions, in which something goes wrong.
///
/// Each connection sends only inputs of which the right replies are known, whole or put together of two halves. Every reply that comes back is
/// looked at row by row: it must be that to one of the inputs that were sent under its number, and of no two of them.
struct FuzzClients {
    /// Whose first and whose second half an input is made of.
    private struct Halves: Hashable {
        let first: Int
        let second: Int
    }

    private struct Session {
        let client: RogueClient
        var sent: [UInt64: Set<Halves>] = [:]
        /// Sent with changed metadata: its number may be any.
        var changed: Set<Halves> = []
        var numbers: [UInt64] = []
        var halves: [(stream: RogueConnection.Stream, id: UInt64, input: Int)] = []
        var ended: [RogueConnection.Stream] = []
        var next: UInt64 = 1
        var checked = 0
    }

    private static let places = 6
    /// Room for what a peer of the right size may have under way.
    private static let pending = 12

    private let scene: Scene
    private var sessions: [Session] = []
    private(set) var replies = 0

    init(_ scene: Scene) { self.scene = scene }

    mutating func turn(_ random: inout SeededRandom) async throws {
        try check()
        sessions.removeAll { $0.client.connection.isClosed }
        if sessions.count < Self.places, sessions.isEmpty || random.chance(0.2) {
            sessions.append(Session(client: try await RogueClient(scene.address, as: random.chance(0.5) ? .client : .operator)))
            return
        }
        let index = random.int(in: 0...sessions.count - 1)
        try act(&sessions[index], &random)
    }

    mutating func end() async throws {
        // What is under way may end, so that its replies are looked at too.
        try await scene.traffic.goesOn(4)
        try check()
        for session in sessions { session.client.close() }
        sessions = []
    }

    // MARK: What it does

    private func act(_ session: inout Session, _ random: inout SeededRandom) throws {
        let input = random.int(in: 0...HonestTraffic.distinctInputs - 1)
        let connection = session.client.connection
        switch random.int(in: 0...15) {
        case 0...3: session.client.send(try request(&session, fresh(&session), input))
        case 4: session.client.send(try request(&session, used(session, &random) ?? fresh(&session), input))
        case 5, 6:
            let right = try RogueClient.request(fresh(&session), scene.traffic.inputs[input])
            session.changed.insert(Halves(first: input, second: input))
            let payload = random.chance(0.5) ? right.payload : Array(right.payload.prefix(random.int(in: 0...right.payload.count)))
            connection.send(.inferRequest, FieldMutation.mutate(right.metadata, &random), payload: payload)
        case 7:
            guard session.halves.count < Self.pending else { return }
            let id = random.chance(0.3) ? used(session, &random) ?? 1 : fresh(&session)
            let right = try RogueClient.request(id, scene.traffic.inputs[input])
            session.halves.append((session.client.sendHalf(right), id, input))
        case 8, 9:
            guard let half = session.halves.popLast() else { return }
            // Perhaps the second half of another input: a request like any other.
            let second = random.chance(0.5) ? half.input : input
            session.sent[half.id, default: []].insert(Halves(first: half.input, second: second))
            session.client.sendRest(try RogueClient.request(half.id, scene.traffic.inputs[second]), on: half.stream)
            session.ended.append(half.stream)
        case 10:
            guard let half = session.halves.popLast() else { return }
            connection.abort(half.stream)
            session.ended.append(half.stream)
        case 11:
            guard let stream = session.ended.randomElement(using: &random) else { return }
            connection.resume(stream, payload: [UInt8](repeating: 1, count: random.int(in: 0...9)))
        case 12:
            let id = used(session, &random) ?? UInt64.random(in: 0 ... .max, using: &random)
            try connection.send(.cancelRequest(CancelRequest(id: id)))
        case 13: connection.send(.inferRequest, ProtoBytes().varint(1, fresh(&session)).varint(2, 5_000).message(4, Self.noItems))
        case 14: try send(Self.template(&random), on: connection, &random)
        default:
            if random.chance(0.5) { session.client.close() } else { connection.send(Self.frame(&random)) }
        }
    }

    private func fresh(_ session: inout Session) -> UInt64 {
        session.next += 1
        session.numbers.append(session.next)
        return session.next
    }

    private func used(_ session: Session, _ random: inout SeededRandom) -> UInt64? { session.numbers.randomElement(using: &random) }

    private func request(_ session: inout Session, _ id: UInt64, _ input: Int) throws -> RogueClient.Request {
        session.sent[id, default: []].insert(Halves(first: input, second: input))
        return try RogueClient.request(id, scene.traffic.inputs[input])
    }

    private func send(_ message: Message, on connection: RogueConnection, _ random: inout SeededRandom) throws {
        let metadata = try MessageCodec.encode(message).metadata
        let payload = [UInt8](repeating: 0, count: FieldMutation.pick([0, 0, 1, 64, 70_000], &random))
        connection.send(message.kind, random.chance(0.8) ? FieldMutation.mutate(metadata, &random) : metadata, payload: payload)
    }

    private static let noItems = ProtoBytes.tensor(dtype: 1, shape: [0, 3, 32, 32], wireBytes: 0)

    private static func template(_ random: inout SeededRandom) -> Message {
        let session = SessionID(bits: UInt128(random.next()))
        let key = WorkKey(session: session, client: 1, request: 1, microBatch: 0, attempt: 1)
        let messages: [Message] =
            [
                RawPeer.hello, .statusRequest(StatusRequest(id: 1)), .modelRequest(ModelRequest(id: 2)),
                .statusRequest(StatusRequest(id: 3, history: HistoryRange(node: "w1", sinceMilliseconds: 9, limit: 5))),
                .drainRequest(DrainRequest(id: 4, node: "nobody", undo: true, force: false)),
                .ping(Ping(sequence: 1, sentAtNanoseconds: 1)), .heartbeat(Heartbeat(sequence: 1)),
                .register(Register(name: "fuzz", addresses: ["127.0.0.1:1"])),
                .workFailed(WorkFailed(key: key, node: "w1", code: .internalError, message: "no")),
                .workDropped(WorkDropped(key: key, node: "w1")), .cancelWork(CancelWork(keys: [key])),
                .peerLost(PeerLost(from: "w1", to: "w2", message: "gone", keys: [key])), .linkProbe(LinkProbe()),
            ]
        return FieldMutation.pick(messages, &random)
    }

    /// A frame whose header was thrown together; the checksums are right, so that what lies behind them is reached.
    private static func frame(_ random: inout SeededRandom) -> [UInt8] {
        let kind = FieldMutation.pick(Message.Kind.allCases.map(\.rawValue) + [0, 9_999, .max], &random)
        let payload = [UInt8](repeating: 7, count: FieldMutation.pick([0, 1, 100, 4_096], &random))
        let total = FieldMutation.pick([payload.count, 0, payload.count + 1, 1 << 20, 1 << 40], &random)
        let flags = FrameHeader.Flags(rawValue: UInt16(random.int(in: 0...7)))
        let metadata = FieldMutation.scramble([8, 1], &random)
        return RogueConnection.frame(
            kind: kind, metadata: metadata, payload: payload, total: total, stream: UInt32(random.int(in: 0...9)), flags: flags)
    }

    // MARK: What comes back

    /// Looks at the replies that are new.
    private mutating func check() throws {
        for index in sessions.indices {
            let arrivals = sessions[index].client.connection.arrivals
            for arrival in arrivals[sessions[index].checked...] {
                guard case .inferReply(let reply) = arrival.message else { continue }
                replies += 1
                let inputs = sessions[index].changed.union(sessions[index].sent[reply.id] ?? [])
                guard isRight(try arrival.tensors, inputs) else {
                    throw RogueConnection.Failure(
                        description: "the reply to request \(reply.id) is not that to any input that was sent under this number")
                }
            }
            sessions[index].checked = arrivals.count
        }
    }

    private func isRight(_ outputs: [Tensor], _ inputs: Set<Halves>) -> Bool {
        guard let rows = outputs.first?.shape.first, rows <= HonestTraffic.items else { return false }
        return inputs.contains { halves in
            (0..<rows).allSatisfy { row in
                isRow(outputs, row, of: row < HonestTraffic.items / 2 ? halves.first : halves.second)
            }
        }
    }

    private func isRow(_ outputs: [Tensor], _ row: Int, of input: Int) -> Bool {
        let traffic = scene.traffic
        guard let actual = try? Batching.slice(outputs, traffic.manifest.outputs, row..<row + 1),
            let right = try? Batching.slice(traffic.expected[input], traffic.manifest.outputs, row..<row + 1)
        else { return false }
        return Comparison.relativeError(actual, right) <= HonestTraffic.tolerance
    }
}
