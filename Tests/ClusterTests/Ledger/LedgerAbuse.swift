import Base
import Foundation
import Testing
import Transport
import Wire

/// One kind of bounded abuse, held for a while beside honest requests.
struct LedgerAbuse: Sendable {
    let name: String
    /// Returns what must stay open while it is held, and what goes on.
    let begin: @Sendable (Ground) async throws -> Hold

    struct Ground: Sendable {
        let scene: Scene
        let http: String
    }

    /// What stands until it is let go.
    ///
    /// ## Concurrency model
    /// Made by one task and handed to another, which alone has it then: the idle peers are never used by two.
    struct Hold: @unchecked Sendable {
        var clients: [RogueConnection] = []
        /// Only kept: peers that do nothing more. Used by one test.
        var idle: [RawPeer] = []
        /// Done again and again.
        var again: (@Sendable () async throws -> Void)?

        func end() { clients.forEach { $0.close() } }
    }

    init(_ name: String, _ begin: @escaping @Sendable (Ground) async throws -> Hold) {
        self.name = name
        self.begin = begin
    }

    /// A model of one picture each, `float32[N,3,32,32]`.
    private static let itemBytes = 12_288

    static let all: [LedgerAbuse] = [
        LedgerAbuse("nothing") { _ in Hold() },
        LedgerAbuse("headers only: 1,000 of small requests, eight that announce 6 GB") { ground in
            let clients = try await clients(20, ground.scene)
            for (index, client) in clients.enumerated() {
                for number: UInt64 in 0..<50 { client.begin(.inferRequest, header(number, items: 1), of: itemBytes) }
                if index < 8 { client.begin(.inferRequest, header(99, items: 62_000), of: 62_000 * itemBytes) }
            }
            return Hold(clients: clients)
        },
        LedgerAbuse("uploads that never end: 32 of 1 MB and four of 40 MB, without their last bytes; then a byte now and then") {
            ground in
            let clients = try await clients(36, ground.scene)
            let streams = clients.enumerated().map { index, client in
                let items = index < 4 ? 3_300 : 80
                let total = items * itemBytes
                let stream = client.begin(.inferRequest, header(1, items: UInt64(items)), of: total)
                client.resume(stream, payload: [UInt8](repeating: 1, count: total - 4_096))
                return stream
            }
            return Hold(clients: clients) {
                for (client, stream) in zip(clients, streams) { client.resume(stream, payload: [1]) }
            }
        },
        LedgerAbuse("floods of questions: four clients that read and four that do not") { ground in
            let flood = try [Message.statusRequest(StatusRequest(id: 1)), .modelRequest(ModelRequest(id: 2))].flatMap { message in
                let encoded = try MessageCodec.encode(message)
                let frame = RogueConnection.frame(kind: encoded.kind, metadata: encoded.metadata, total: 0, stream: 1)
                return [[UInt8]](repeating: frame, count: 2_000).flatMap { $0 }
            }
            var clients: [RogueConnection] = []
            for number in 0..<8 {
                clients.append(try RogueConnection(to: ground.scene.address, as: .client, reads: number < 4, keepsArrivals: false))
            }
            for client in clients {
                try client.send(RawPeer.hello)
                // A thread of its own each: who does not read is not read, and its sending waits.
                Thread.detachNewThread { while client.send(flood) {} }
            }
            return Hold(clients: clients)
        },
        LedgerAbuse("1,100 idle clients") { ground in
            Hold(clients: try await RogueClient.many(1_100, at: ground.scene.address).map(\.connection))
        },
        LedgerAbuse("1,100 silent connections at the coordinator and at each worker") { ground in
            let doors = [ground.scene.address] + ground.scene.cluster.workerAddresses
            return Hold(idle: try (0..<1_100).flatMap { _ in try doors.map { try RawPeer($0) } })
        },
        LedgerAbuse("600 HTTP heads that do not end") { ground in
            let halves = try (0..<600).map { _ in try RawPeer(ground.http) }
            for half in halves { half.send(Array("GET /metrics HTTP/1.1\r\nHost: te".utf8)) }
            return Hold(idle: halves)
        },
        LedgerAbuse("HTTP questions on 64 connections, as fast as they are answered") { ground in
            Hold {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in 0..<64 {
                        group.addTask {
                            _ = try await PlainHTTP.get(number.isMultiple(of: 2) ? "/metrics" : "/status", from: ground.http)
                        }
                    }
                    try await group.waitForAll()
                }
            }
        },
        LedgerAbuse("registrations of names where nobody answers, one after another") { ground in
            Hold {
                for number in 0..<32 {
                    let connection = try await RogueWorker.registrant(at: ground.scene.address)
                    try connection.send(.register(Register(name: NodeID("ledger-\(number)"), addresses: ["127.0.0.1:1"])))
                    connection.close()
                }
            }
        },
        LedgerAbuse("requests that unpack to a thousand times their bytes") { ground in
            let bomb = Bomb.bytes(of: 96 << 20)
            let tensor = ProtoBytes.tensor(dtype: 1, shape: [8_192, 3, 32, 32], encoding: 1, wireBytes: UInt64(bomb.count))
            let request = ProtoBytes().varint(1, 1).varint(2, 5_000).message(4, tensor)
            return Hold {
                let clients = try await clients(4, ground.scene)
                for client in clients { client.send(.inferRequest, request, payload: bomb) }
                for client in clients {
                    _ = try await client.first("an answer to a bomb") { arrival -> Bool? in
                        switch arrival.message {
                        case .inferError, .inferReply: true
                        default: nil
                        }
                    }
                    client.close()
                }
            }
        },
    ]

    private static func clients(_ count: Int, _ scene: Scene) async throws -> [RogueConnection] {
        var clients: [RogueConnection] = []
        for _ in 0..<count { clients.append(try await RogueClient(scene.address).connection) }
        return clients
    }

    private static func header(_ id: UInt64, items: UInt64) -> [UInt8] {
        RogueFloodAttacks.header(id: id, items: items, deadlineMilliseconds: 600_000)
    }
}
