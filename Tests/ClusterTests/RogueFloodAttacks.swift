import AMP4ECClient
import Cluster
import Foundation
import Tensors
import Testing
import Transport
import Wire

/// What fills memory, tables or the loop's time: announced and not sent, sent and not read, asked again and again.
enum RogueFloodAttacks {
    /// An honest user's question is answered within this while somebody floods: far below what a person calls hanging.
    static let patience: Duration = .seconds(1)

    /// Against a model of one picture each, `float32[N,3,32,32]`: 12,288 bytes an item.
    static let attacks: [Attack] = [
        Attack("eight headers that announce 6 GB, and then nothing") { scene in
            let rogues = try await clients(2, scene)
            for number: UInt64 in 0..<8 {
                rogues[Int(number) % 2].connection.begin(
                    .inferRequest, header(id: number, items: 62_000, deadlineMilliseconds: 3_600_000), of: 62_000 * 12_288)
            }
            try await honestAnswersGoOn(scene)
            rogues.forEach { $0.close() }
        },
        Attack("a thousand headers of small requests that never come") { scene in
            let rogues = try await clients(20, scene)
            for rogue in rogues {
                for number: UInt64 in 0..<55 {
                    rogue.connection.begin(.inferRequest, header(id: number, items: 1, deadlineMilliseconds: 3_600_000), of: 12_288)
                }
            }
            try await honestAnswersGoOn(scene)
            rogues.forEach { $0.close() }
        },
        Attack("a request of 150 MB that expires while it comes: its bytes go with it, not with its connection") { scene in
            let before = try await scene.figures().residentBytes
            let rogue = try await RogueClient(scene.address)
            let total = 12_288 * 16_000
            let stream = rogue.connection.begin(.inferRequest, header(id: 1, items: 16_000, deadlineMilliseconds: 1_500), of: total)
            rogue.connection.resume(stream, payload: [UInt8](repeating: 1, count: 150 << 20))
            #expect(try await rogue.outcome(of: 1).code == .deadlineExceeded)
            let coordinator = scene.cluster.coordinator
            let start = before[coordinator.name] ?? 0
            try await eventually("the expired request's bytes are given back while its connection stands", within: .seconds(5)) {
                try ProcessFigures.residentBytes(coordinator) - start <= Attack.memoryAllowance
            }
            rogue.close()
        },
        Attack("cancelled in the middle, again and again, on one connection") { scene in
            let before = try await scene.figures().residentBytes
            let rogue = try await RogueClient(scene.address)
            let piece = [UInt8](repeating: 1, count: 16 << 20)
            for number: UInt64 in 0..<16 {
                let stream = rogue.connection.begin(
                    .inferRequest, header(id: number, items: 8_000, deadlineMilliseconds: 60_000), of: 8_000 * 12_288)
                rogue.connection.resume(stream, payload: piece)
                try rogue.connection.send(.cancelRequest(CancelRequest(id: number)))
            }
            let coordinator = scene.cluster.coordinator
            let start = before[coordinator.name] ?? 0
            try await eventually("what was cancelled is given back while its connection stands", within: .seconds(5)) {
                try ProcessFigures.residentBytes(coordinator) - start <= Attack.memoryAllowance
            }
            rogue.close()
        },
        Attack("headers that announce 1 MiB of metadata before any hello, at every door") { scene in
            let before = try await scene.figures().residentBytes
            for address in [scene.address, scene.cluster.workerAddresses[0]] {
                var header = FrameHeader(
                    kind: Message.Kind.hello.rawValue, stream: 1, metadataByteCount: WireLimits.metadataByteCount)
                [].withUnsafeBytes { header.seal(metadata: $0, payloadChecksum: 0) }
                let strangers = try (0..<300).map { _ in try RogueConnection(to: address, as: .cluster) }
                for stranger in strangers { stranger.send(RawPeer.bytes(of: header)) }
                try await scene.traffic.goesOn()
                strangers.forEach { $0.close() }
            }
            try scene.expectPeak(above: before, "metadata that was only announced")
        },
        Attack("questions about the status as fast as they can be sent") { scene in
            let rogue = try await RogueClient(scene.address)
            try await flood(rogue, scene, .statusRequest(StatusRequest(id: 1)), times: 16_000)
        },
        Attack("questions and requests whose answers are never read") { scene in
            let before = try await scene.figures().residentBytes
            for _ in 0..<4 {
                let rogue = try await RogueClient(scene.address, reads: false)
                try await flood(rogue, scene, .statusRequest(StatusRequest(id: 1)), times: 4_000)
            }
            try scene.expectPeak(above: before, "answers that nobody reads")
        },
        Attack("the numbers of a thousand cancelled and unknown requests in each message") { scene in
            let rogue = try await RogueClient(scene.address)
            try await flood(rogue, scene, .cancelRequest(CancelRequest(id: 5)), times: 50_000)
        },
        Attack("a bomb in a request: 98 kB that unpack to 1,000 times what is declared") { scene in
            let before = try await scene.figures().residentBytes
            let rogue = try await RogueClient(scene.address)
            let bomb = Bomb.bytes(of: 98 << 20)
            let tensor = ProtoBytes.tensor(dtype: 1, shape: [8, 3, 32, 32], encoding: 1, wireBytes: UInt64(bomb.count))
            rogue.connection.send(.inferRequest, ProtoBytes().varint(1, 1).varint(2, 9_000).message(4, tensor), payload: bomb)
            #expect(try await rogue.outcome(of: 1).code == .invalidArgument)
            rogue.close()
            try scene.expectPeak(above: before, "a bomb")
        },
    ]

    /// One message again and again, as fast as it goes; honest answers go on meanwhile. Ends the rogue.
    private static func flood(_ rogue: RogueClient, _ scene: Scene, _ message: Message, times: Int) async throws {
        let encoded = try MessageCodec.encode(message)
        let frame = RogueConnection.frame(kind: encoded.kind, metadata: encoded.metadata, total: 0, stream: 1)
        let flood = [[UInt8]](repeating: frame, count: times).flatMap { $0 }
        let sending = Task.detached { rogue.connection.send(flood) }
        try await honestAnswersGoOn(scene)
        rogue.close()
        _ = await sending.value
    }

    static func clients(_ count: Int, _ scene: Scene) async throws -> [RogueClient] {
        var clients: [RogueClient] = []
        for _ in 0..<count { clients.append(try await RogueClient(scene.address)) }
        return clients
    }

    static func header(id: UInt64, items: UInt64, deadlineMilliseconds: UInt64) -> [UInt8] {
        let tensor = ProtoBytes.tensor(dtype: 1, shape: [items, 3, 32, 32], wireBytes: items * 12_288)
        return ProtoBytes().varint(1, id).varint(2, deadlineMilliseconds).message(4, tensor).bytes
    }

    /// Honest requests and questions are answered while it goes on, without a long wait.
    static func honestAnswersGoOn(_ scene: Scene) async throws {
        let clock = ContinuousClock()
        let client = try scene.cluster.client(deadline: .seconds(10))
        defer { client.close() }
        for index in 0..<5 {
            let start = clock.now
            #expect(scene.traffic.isRight(try await client.infer(scene.traffic.inputs[index]).outputs, index))
            let asked = clock.now
            _ = try await client.status()
            let (request, question) = (asked - start, clock.now - asked)
            #expect(request < patience && question < patience, "a request took \(request), a question \(question)")
        }
    }
}
