import Base
import Foundation
import Synchronization
import Testing
import Transport
import Wire

/// Names that come, do something usual or something rude, and go: each registers a worker, and opens connections to the coordinator, to its HTTP
/// side and to a worker.
struct Churn: Sendable {
    /// Visits at once: enough to overlap, few enough that no limit of one address is met.
    static let lanes = 16
    /// One name in so many is a worker that answers; the others give an address where nobody listens.
    static let answeredEvery = 4
    /// One worker process of the product joins and leaves beside so many names.
    static let namesBesideJoiner = 400
    /// Names that are long enough for what is kept of them to be seen in memory, too.
    static let nameByteCount = 120
    /// Nobody listens there, and who dials is told at once.
    private static let nowhere = "127.0.0.1:1"

    let scene: Scene
    let http: String

    /// Names that answer, among the first so many.
    static func answered(of count: Int) -> Int { (count + answeredEvery - 1) / answeredEvery }

    /// Returns when all of these have gone.
    func run(_ numbers: Range<Int>) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for lane in 0..<Self.lanes {
                group.addTask {
                    for number in stride(from: numbers.lowerBound + lane, to: numbers.upperBound, by: Self.lanes) {
                        try await visit(number)
                    }
                }
            }
            group.addTask {
                for number in stride(from: numbers.lowerBound, to: numbers.upperBound, by: Self.namesBesideJoiner) {
                    try await RogueRegistrationAttacks.anHonestWorkerRegisters(scene, "joiner-\(number)")
                }
            }
            try await group.waitForAll()
        }
    }

    private func visit(_ number: Int) async throws {
        try await asClient(number)
        try await overHTTP(number)
        try await asPeerOfWorker(number)
        if number.isMultiple(of: Self.answeredEvery) {
            try await asWorker(number)
        } else {
            try await asNobody(number)
        }
    }

    private func asClient(_ number: Int) async throws {
        guard number % 5 > 0 else { return try RogueConnection(to: scene.address, as: .client).close() }
        let client = try await RogueClient(scene.address)
        defer { client.close() }
        let index = number % HonestTraffic.distinctInputs
        let request = try RogueClient.request(1, scene.traffic.inputs[index])
        switch number % 5 {
        case 1:
            try client.connection.send(.statusRequest(StatusRequest(id: 1)))
            _ = try await client.connection.first("the status") { if case .statusReply = $0.message { true } else { nil } }
        case 2:
            client.send(request)
            try scene.expectRight(try await client.outcome(of: 1), index)
        // Half an upload, and a request whose answer nobody waits for.
        case 3: _ = client.sendHalf(request)
        default:
            client.send(request)
            if number.isMultiple(of: 2) { try client.connection.send(.cancelRequest(CancelRequest(id: 1))) }
        }
    }

    private func overHTTP(_ number: Int) async throws {
        switch number % 4 {
        case 0: #expect(try await PlainHTTP.get("/healthz", from: http).status == 200)
        case 1: #expect(try await PlainHTTP.get("/readyz", from: http).status == 200)
        case 2: try RawPeer(http).send(Array("GET /metrics HTTP/1.1\r\nHost: te".utf8))
        default: try RawPeer(http).send(Array("GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n".utf8))
        }
    }

    private func asPeerOfWorker(_ number: Int) async throws {
        let addresses = scene.cluster.workerAddresses
        let link = try RogueConnection(to: addresses[number % addresses.count], as: .cluster)
        defer { link.close() }
        guard number % 3 > 0 else { return }
        try link.send(
            .hello(
                Hello(
                    role: .worker, channel: .data, name: name(number), software: "test",
                    incarnation: IncarnationID(bits: UInt128(number) + 1))))
        _ = try await link.first("the worker's welcome") { if case .welcome = $0.message { true } else { nil } }
        guard number % 3 > 1 else { return }
        // Nobody told the worker of it: that ends the connection from its side.
        let work = ProtoBytes().message(1, ProtoBytes()).varint(3, 1).message(5, .tensor(dtype: 1, shape: [4], wireBytes: 16))
        link.begin(.work, work.bytes, of: 16)
    }

    private func asNobody(_ number: Int) async throws {
        let connection = try await RogueWorker.registrant(at: scene.address)
        defer { connection.close() }
        try connection.send(.register(Register(name: NodeID(name(number)), addresses: [Self.nowhere])))
        _ = try await connection.first("the coordinator's word") { if case .registered = $0.message { true } else { nil } }
    }

    /// It is taken, every honest worker is told of it and dials it, and then it is gone without a word.
    private func asWorker(_ number: Int) async throws {
        let beats = Mutex(0)
        var script = RogueWorker.Script()
        script.heartbeat = { sequence in
            beats.withLock { $0 += 1 }
            return ProtoBytes().varint(1, sequence).double(2, 0.1).double(3, 1)
        }
        script.name = Array(name(number).utf8)
        script.profile = .idle
        let worker = try RogueWorker(script)
        defer { worker.stop() }
        try await worker.register(at: scene.address)
        try await worker.taken()
        let known = scene.cluster.workers.count
        try await eventually("the honest workers dial \(number)", within: .seconds(20)) {
            worker.hellos.count { $0.role == .worker } >= known
        }
        // As often as an honest worker beats, so that their heartbeats have it.
        let heard = beats.withLock { $0 }
        try await eventually("heartbeats of \(number)") { beats.withLock { $0 } >= heard + 2 }
    }

    private func name(_ number: Int) -> String {
        let name = "churn-\(number)-"
        return name + String(repeating: "n", count: Self.nameByteCount - name.utf8.count)
    }
}
