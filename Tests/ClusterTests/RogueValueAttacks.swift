import AMP4ECClient
import Base
import Tensors
import Testing
import Transport
import Wire

/// What a client may write into a message: figures at the ends of their types, shapes and names that the model does not have, kinds that a
/// client has no business to send.
enum RogueValueAttacks {
    /// Against a model of one picture each, `float32[N,3,32,32]`.
    static let requests: [Attack] = [
        Attack("requests whose tensors are not the model's") { scene in
            let picture = 3 * 32 * 32 * 4
            let right = ProtoBytes.tensor(dtype: 1, shape: [1, 3, 32, 32], wireBytes: UInt64(picture))
            let bytes = [UInt8](repeating: 0, count: picture)
            try await expectErrors(
                scene,
                [
                    Request("no tensors", []),
                    Request("no items", [.tensor(dtype: 1, shape: [0, 3, 32, 32], wireBytes: 0)]),
                    Request("2^62 items, and a zero beside them", [.tensor(dtype: 1, shape: [1 << 62, 0, 32, 32], wireBytes: 0)]),
                    Request("a scalar", [.tensor(dtype: 1, shape: [], wireBytes: 4)], payload: [0, 0, 0, 0]),
                    Request("no type", [.tensor(dtype: 0, shape: [1, 3, 32, 32], wireBytes: 0)]),
                    Request(
                        "another type", [.tensor(dtype: 3, shape: [4, 3, 32, 32], wireBytes: UInt64(picture))], payload: bytes),
                    Request("two tensors", [right, .tensor(dtype: 1, shape: [0], wireBytes: 0)], payload: bytes),
                    Request("a name that is not the model's", [right], names: ["nothing"], payload: bytes),
                    Request("a name twice", [right], names: ["image", "image"], payload: bytes),
                    Request("256 names", [right], names: [String](repeating: "image", count: 256), payload: bytes),
                    Request("an empty name", [right], names: [""], payload: bytes),
                    Request("a name with a line's end", [right], names: ["im\nage"], payload: bytes),
                    Request(
                        "compressed bytes that are none", [.tensor(dtype: 1, shape: [1, 3, 32, 32], encoding: 1, wireBytes: 100)],
                        payload: [UInt8](repeating: 7, count: 100)),
                    Request(
                        "shuffled bytes that are none", [.tensor(dtype: 1, shape: [1, 3, 32, 32], encoding: 2, wireBytes: 100)],
                        payload: [UInt8](repeating: 7, count: 100)),
                    Request("more items than the limit", [.tensor(dtype: 1, shape: [80_000, 3, 32, 32], wireBytes: 983_040_000)]),
                ])
        },
        Attack("requests whose tensors cannot be: each ends its own connection") { scene in
            for (what, tensor, total) in impossibleTensors {
                let rogue = try await RogueClient(scene.address)
                let metadata = ProtoBytes().varint(1, 1).varint(2, 60_000).message(4, tensor).bytes
                rogue.connection.begin(.inferRequest, metadata, of: total)
                try await rogue.connection.closed(what)
            }
        },
        Attack("deadlines of nothing and of everything, and the highest numbers") { scene in
            let rogue = try await RogueClient(scene.address)
            for (id, deadline): (UInt64, UInt32) in [(.max, .max), (0, 0), (1 << 63, 1 << 31)] {
                rogue.send(try RogueClient.request(id, scene.traffic.inputs[3], deadlineMilliseconds: deadline))
                try scene.expectRight(try await rogue.outcome(of: id), 3)
            }
            rogue.send(try RogueClient.request(5, scene.traffic.inputs[3], deadlineMilliseconds: 1))
            _ = try await rogue.outcome(of: 5)
            rogue.close()
        },
    ]

    static let others: [Attack] = [
        Attack("every kind that is not a client's, with the highest figures in each field") { scene in
            for kind in Message.Kind.allCases {
                for metadata in extremes {
                    let rogue = try await RogueClient(scene.address)
                    rogue.connection.send(kind, metadata)
                    rogue.connection.send(kind, metadata)
                    try? rogue.connection.send(.ping(Ping(sequence: 1, sentAtNanoseconds: .max)))
                    rogue.close()
                }
            }
        },
        Attack("questions with the highest figures, and about nodes that cannot be") { scene in
            let rogue = try await RogueClient(scene.address, as: .operator)
            let ranges = [
                HistoryRange(node: String(repeating: "x", count: 255), sinceMilliseconds: .max, limit: 100_000),
                HistoryRange(node: "w1", sinceMilliseconds: .max, limit: 1), HistoryRange(node: "'; DROP TABLE samples; --"),
            ]
            for (number, range) in ranges.enumerated() {
                try rogue.connection.send(.statusRequest(StatusRequest(id: .max - UInt64(number), history: range)))
            }
            for node: NodeID in ["nobody", NodeID(String(repeating: "x", count: 200))] {
                try rogue.connection.send(.drainRequest(DrainRequest(id: 77, node: node, undo: true, force: true)))
            }
            try rogue.connection.send(.statusRequest(StatusRequest(id: 4)))
            try rogue.connection.send(.modelRequest(ModelRequest(id: 5)))
            try rogue.connection.send(.ping(Ping(sequence: .max, sentAtNanoseconds: 1 << 62)))
            _ = try await rogue.connection.first("a pong with what the ping said") { arrival -> Bool? in
                if case .pong(let ping) = arrival.message, ping.sentAtNanoseconds == 1 << 62 { true } else { nil }
            }
            rogue.close()
        },
        Attack("a hello with a claim, a second hello, and a hello of each role and channel") { scene in
            for role: UInt64 in 0...5 {
                for channel: UInt64 in 0...3 {
                    // A worker, a coordinator, or whatever a client says that it is.
                    let peer = try RogueConnection(to: scene.address, as: channel.isMultiple(of: 2) ? .client : .cluster)
                    let claim = ProtoBytes().varint(1, .max).fixed64(2, .max).fixed64(3, .max).varint(4, 1)
                    let hello = ProtoBytes().varint(1, role).varint(2, channel).text(3, "").fixed64(5, .max).fixed64(6, .max)
                        .message(7, claim).text(8, "w1")
                    for _ in 0..<2 { peer.send(.hello, hello) }
                    peer.close()
                }
            }
        },
        Attack("frames that continue, end or give up what was never begun") { scene in
            for flags: FrameHeader.Flags in [.continuation, .abort, [.continuation, .abort]] {
                for kind in [Message.Kind.inferRequest, .workResult, .hello] {
                    let rogue = try await RogueClient(scene.address)
                    let payload: [UInt8] = flags.contains(.abort) ? [] : [1, 2, 3]
                    rogue.connection.send(
                        RogueConnection.frame(kind: kind.rawValue, payload: payload, total: 3, stream: 99, flags: flags))
                    try await rogue.connection.closed("\(flags) of \(kind)")
                }
            }
        },
    ]

    struct Request {
        let name: String
        let tensors: [ProtoBytes]
        let names: [String]
        let payload: [UInt8]

        init(_ name: String, _ tensors: [ProtoBytes], names: [String] = [], payload: [UInt8] = []) {
            self.name = name
            self.tensors = tensors
            self.names = names
            self.payload = payload
        }
    }

    /// Each is answered with an error, or costs the connection that it came on.
    private static func expectErrors(_ scene: Scene, _ requests: [Request]) async throws {
        for request in requests {
            let rogue = try await RogueClient(scene.address)
            let names = request.names.reduce(ProtoBytes().varint(1, 1).varint(2, 60_000)) { $0.text(3, $1) }
            rogue.connection.send(.inferRequest, names.messages(4, request.tensors), payload: request.payload)
            try await eventually("an error for: \(request.name)", within: .seconds(10)) {
                try rogue.connection.isClosed || !rogue.outcomes(of: 1).isEmpty
            }
            #expect(try rogue.outcomes(of: 1).allSatisfy { $0.tensors == nil }, "\(request.name)")
            rogue.close()
        }
    }

    private static let impossibleTensors: [(what: String, tensor: ProtoBytes, total: Int)] = [
        ("extents whose product overflows", .tensor(dtype: 1, shape: [1 << 32, 1 << 32, 1 << 32, 4], wireBytes: 0), 0),
        ("an extent of 2^64 - 1", .tensor(dtype: 1, shape: [.max], wireBytes: 4), 4),
        ("an extent of 2^63", .tensor(dtype: 1, shape: [1 << 63, 3, 32, 32], wireBytes: 0), 0),
        ("nine dimensions", .tensor(dtype: 1, shape: [UInt64](repeating: 1, count: 9), wireBytes: 4), 4),
        ("a segment of 2^64 - 1 bytes", .tensor(dtype: 1, shape: [1, 3, 32, 32], wireBytes: .max), 12_288),
        ("a compressed segment of 2^63 bytes", .tensor(dtype: 1, shape: [1, 3, 32, 32], encoding: 1, wireBytes: 1 << 63), 100),
        ("a raw segment that is too short", .tensor(dtype: 1, shape: [1, 3, 32, 32], wireBytes: 100), 100),
        ("an unknown encoding", .tensor(dtype: 1, shape: [1, 3, 32, 32], encoding: 9, wireBytes: 12_288), 12_288),
        ("an unknown type", .tensor(dtype: 77, shape: [1, 3, 32, 32], wireBytes: 12_288), 12_288),
        ("a payload that the message does not describe", .tensor(dtype: 1, shape: [1, 3, 32, 32], wireBytes: 12_288), 1 << 30),
    ]

    /// Fields 1 to 16 with the highest number, as a number, as eight bytes and as nested messages; each kind takes from it what it knows.
    static let extremes: [[UInt8]] = {
        let fields = 1...16
        let numbers = fields.reduce(ProtoBytes()) { $0.varint($1, .max) }
        let wide = fields.reduce(ProtoBytes()) { $0.fixed64($1, .max) }
        let infinite = fields.reduce(ProtoBytes()) { $0.double($1, .greatestFiniteMagnitude) }
        let texts = fields.reduce(ProtoBytes()) { $0.bytes($1, [0xff, 0xfe, 0x00, 0x0a]) }
        let nested = fields.reduce(ProtoBytes()) { $0.message($1, fields.reduce(ProtoBytes()) { $0.varint($1, .max) }) }
        let mixed = ProtoBytes().varint(1, .max).varint(2, .max).text(3, "w1").text(4, "w1").varint(5, .max)
        return [numbers, wide, infinite, texts, nested, mixed, ProtoBytes()].map(\.bytes)
    }()
}
