import AMP4ECClient
import Arrays
import Cluster
import Foundation
import Synchronization
import Tensors
import Testing
import Transport
import Wire

/// Coordinators that answer with what cannot be: the client library throws, the commands end with an error, and neither ends by a signal or takes
/// much memory.
@Suite("Answers of rogue coordinators")
struct RogueServerTests {
    typealias Answer = @Sendable (RogueConnection, Message) -> Void

    /// Something that listens and answers each message as a script says.
    final class Server: Sendable {
        let address: String
        private let listener: TakenPort
        private let connections = Mutex<[RogueConnection]>([])

        init(_ answer: @escaping Answer) throws {
            listener = try TakenPort(backlog: 64)
            address = "127.0.0.1:\(listener.port)"
            let context = try Security.current.accepting(as: .coordinator)
            Thread.detachNewThread { [weak self, listener] in
                while let descriptor = listener.accept() {
                    guard
                        let connection = try? RogueConnection(accepted: descriptor, context, onArrival: { answer($0, $1.message) })
                    else { continue }
                    self?.connections.withLock { $0.append(connection) }
                }
            }
        }

        func stop() {
            listener.stop()
            for connection in connections.withLock({ $0 }) { connection.close() }
        }
    }

    private static let manifest =
        #"{"name":"m","inputs":[{"name":"x","dtype":"float32","shape":["N",4]}],"outputs":[{"name":"y","dtype":"float32","shape":["N",2]}]}"#

    /// Welcomes and answers as it should, but for what `odd` says it has answered itself.
    private static func mostly(_ odd: @escaping @Sendable (RogueConnection, Message) -> Bool) -> Answer {
        { connection, message in
            guard !odd(connection, message) else { return }
            switch message {
            case .hello: connection.send(.welcome, ProtoBytes().varint(1, 1).text(2, "c").fixed64(4, 1).fixed64(5, 1).varint(6, 1))
            case .modelRequest(let request):
                connection.send(.modelReply, ProtoBytes().varint(1, request.id), payload: Array(manifest.utf8))
            case .statusRequest(let request):
                connection.send(.statusReply, ProtoBytes().varint(1, request.id), payload: Array("{}".utf8))
            case .inferRequest(let request):
                connection.send(.inferError, ProtoBytes().varint(1, request.id).varint(2, 2).text(3, "no"))
            case .drainRequest(let request): connection.send(.drainReply, ProtoBytes().varint(1, request.id).text(2, "done"))
            default: break
            }
        }
    }

    private static func document(_ text: String) -> Answer {
        mostly { connection, message in
            switch message {
            case .modelRequest(let request):
                connection.send(.modelReply, ProtoBytes().varint(1, request.id), payload: Array(text.utf8))
            case .statusRequest(let request):
                connection.send(.statusReply, ProtoBytes().varint(1, request.id), payload: Array(text.utf8))
            default: return false
            }
            return true
        }
    }

    private static func model(_ shape: String, output: String = #"["N",2]"#) -> Answer {
        document(
            #"{"name":"m","inputs":[{"name":"x","dtype":"float32","shape":\#(shape)}],"outputs":[{"name":"y","dtype":"float32","shape":\#(output)}]}"#
        )
    }

    private static func reply(_ give: @escaping @Sendable (RogueConnection, UInt64) -> Void) -> Answer {
        mostly { connection, message in
            guard case .inferRequest(let request) = message else { return false }
            give(connection, request.id)
            return true
        }
    }

    private static func tensors(_ id: UInt64, _ tensors: [ProtoBytes], names: [String] = ["y"], timing: ProtoBytes = ProtoBytes())
        -> ProtoBytes
    {
        names.reduce(ProtoBytes().varint(1, id)) { $0.text(2, $1) }.messages(3, tensors).message(4, timing)
    }

    private static func floats(_ shape: [UInt64]) -> ProtoBytes { .tensor(dtype: 1, shape: shape, wireBytes: shape.reduce(4, *)) }

    private static func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

    private static let highest = (1...5).reduce(ProtoBytes()) { $0.varint($1, .max) }

    static let answers: [Case<Answer>] = [
        Case(
            "a welcome of the highest term, without a name",
            mostly { connection, message in
                guard case .hello = message else { return false }
                connection.send(.welcome, ProtoBytes().varint(1, 1).varint(6, .max))
                return true
            }),
        Case(
            "a welcome of no role",
            mostly { connection, message in
                guard case .hello = message else { return false }
                connection.send(.welcome, ProtoBytes())
                return true
            }),
        Case(
            "a refusal of 4 kB of control characters",
            mostly { connection, message in
                guard case .hello = message else { return false }
                connection.send(
                    .refused, ProtoBytes().varint(1, 8).bytes(2, [UInt8](repeating: 0x1b, count: 4_096)).varint(3, .max))
                return true
            }),
        Case("documents that are no JSON", document("no")),
        Case("empty documents", document("")),
        Case("documents of a hundred thousand brackets", document(String(repeating: "[", count: 100_000))),
        Case("documents of a hundred thousand objects in each other", document(String(repeating: #"{"nodes":"#, count: 100_000))),
        Case(
            "documents that are no UTF-8",
            mostly { connection, message in
                switch message {
                case .modelRequest(let request):
                    connection.send(.modelReply, ProtoBytes().varint(1, request.id), payload: [0x22, 0xff, 0xfe, 0x22])
                case .statusRequest(let request):
                    connection.send(.statusReply, ProtoBytes().varint(1, request.id), payload: [0x22, 0xff, 0x22])
                default: return false
                }
                return true
            }),
        Case(
            "numbers beyond every type",
            document(#"{"name":"m","requests_in_flight":1e999,"held_bytes":99999999999999999999999,"nodes":[],"links":[]}"#)),
        Case("a model of negative extents", model(#"["N",-4]"#)),
        Case("a model of 2^62 columns", model(#"["N",4611686018427387904]"#)),
        Case("a model of extents whose product overflows", model(#"["N",4294967296,4294967296,4294967296]"#)),
        Case("a model of 2^40 columns", model(#"["N",1099511627776]"#)),
        Case("a model of no columns", model(#"["N",0]"#)),
        Case("a model of no batch", model("[4]", output: "[]")),
        Case("a model of many dimensions", model("[" + [String](repeating: "1", count: 500).joined(separator: ",") + "]")),
        Case("a model without inputs", document(#"{"name":"m","inputs":[],"outputs":[]}"#)),
        Case("no reply", reply { _, _ in }),
        Case("the end in place of a reply", reply { connection, _ in connection.close() }),
        Case("a reply without tensors", reply { $0.send(.inferReply, tensors($1, [], names: [])) }),
        Case("a reply with fewer tensors than names", reply { $0.send(.inferReply, tensors($1, [], names: ["y", "y", "z"])) }),
        Case(
            "a reply with fewer names than tensors",
            reply {
                $0.send(.inferReply, tensors($1, [floats([1, 2]), floats([0]), floats([0])]), payload: zeros(8))
            }),
        Case(
            "a reply with another number of rows",
            reply { $0.send(.inferReply, tensors($1, [floats([7, 2])]), payload: zeros(56)) }),
        Case("a reply of a scalar", reply { $0.send(.inferReply, tensors($1, [floats([])]), payload: zeros(4)) }),
        Case(
            "a reply of another type",
            reply {
                $0.send(.inferReply, tensors($1, [.tensor(dtype: 6, shape: [2], wireBytes: 2)]), payload: [0, 7])
            }),
        Case(
            "a reply with the highest figures in its timing",
            reply {
                $0.send(.inferReply, tensors($1, [floats([1, 2])], timing: highest), payload: zeros(8))
            }),
        Case(
            "a packed reply",
            reply {
                let bomb = Bomb.bytes(of: 1 << 30)
                $0.send(
                    .inferReply, tensors($1, [.tensor(dtype: 1, shape: [1 << 28], encoding: 1, wireBytes: UInt64(bomb.count))]),
                    payload: bomb)
            }),
        Case(
            "a reply twice, and one to every number",
            reply { connection, id in
                for number in [id, id, 0, id + 1, .max] {
                    connection.send(.inferReply, tensors(number, [floats([1, 2])]), payload: zeros(8))
                }
            }),
        Case(
            "1 GiB of which nothing comes",
            reply { connection, id in
                let metadata = tensors(id, [floats([1 << 20, 256])]).bytes
                connection.begin(.inferReply, metadata, of: 1 << 30)
            }),
        Case(
            "half a reply, given up, and then an error",
            reply { connection, id in
                let stream = connection.begin(.inferReply, tensors(id, [floats([2, 2])]).bytes, payload: zeros(8), of: 16)
                connection.abort(stream)
                connection.send(.inferError, ProtoBytes().varint(1, id).varint(2, 1).text(3, "x"))
            }),
        Case(
            "an answer of another kind under the number",
            reply { connection, id in
                connection.send(.statusReply, ProtoBytes().varint(1, id), payload: Array("{}".utf8))
                connection.send(.drainReply, ProtoBytes().varint(1, id).text(2, "x"))
                connection.send(.inferError, ProtoBytes().varint(1, id).varint(2, 3).varint(4, UInt64(UInt32.max)))
            }),
        Case(
            "try again in 49 days",
            reply { $0.send(.inferError, ProtoBytes().varint(1, $1).varint(2, 3).varint(4, UInt64(UInt32.max))) }),
        Case("try again at once, always", reply { $0.send(.inferError, ProtoBytes().varint(1, $1).varint(2, 5).varint(4, 1)) }),
        Case(
            "an error of 4 kB of line ends, of no code",
            reply { $0.send(.inferError, ProtoBytes().varint(1, $1).bytes(3, [UInt8](repeating: 10, count: 4_096))) }),
        Case(
            "every kind with the highest figures",
            mostly { connection, message in
                guard case .hello = message else { return false }
                connection.send(.welcome, ProtoBytes().varint(1, 1).text(2, "c"))
                for kind in Message.Kind.allCases {
                    for metadata in RogueValueAttacks.extremes { connection.send(kind, metadata) }
                }
                return true
            }),
        Case(
            "noise after the welcome",
            mostly { connection, message in
                guard case .hello = message else { return false }
                connection.send(.welcome, ProtoBytes().varint(1, 1).text(2, "c"))
                connection.send([UInt8](repeating: 0x41, count: 100_000))
                return true
            }),
    ]

    @Test("the commands end with an error or an answer, none by a signal")
    func commands() async throws {
        let folder = try TemporaryFolder()
        let input = folder.path("x.npy")
        try NPY.write(input, Tensor(shape: [1, 4], values: [Float](repeating: 1, count: 4)))
        let infer = ["infer", "--json", "--input", input, "--output", folder.path("y.npz")]
        // Each answer meets a request, and one of the other commands in turn.
        let others = [["status"], ["drain", "w1"], ["bench", "--requests", "3", "--concurrency", "1", "--batch", "2"]]
        try await Gate.clusters.through {
            await withTaskGroup(of: Void.self) { group in
                for (number, answer) in Self.answers.enumerated() {
                    if number >= Self.concurrency { await group.next() }
                    group.addTask { await Self.run([infer, others[number % others.count]], against: answer, in: folder) }
                }
            }
        }
    }

    /// They mostly wait for their deadlines.
    private static let concurrency = 4

    private static func run(_ lines: [[String]], against answer: Case<Answer>, in folder: TemporaryFolder) async {
        do {
            let server = try Server(answer.what)
            defer { server.stop() }
            for line in lines {
                let run = try await CommandRun.run(
                    .command, line + ["--coordinator", server.address, "--deadline", "400ms"], within: .seconds(60), in: folder)
                guard case .exited(let status) = run.ending else {
                    Issue.record("\(answer.name): amp4ec \(line[0]) ended by a signal: \(run)")
                    continue
                }
                #expect([0, 1, 65, 69].contains(status), "\(answer.name): amp4ec \(line[0]): \(run)")
                #expect(
                    !(run.output + run.errors).contains("\u{1b}"), "\(answer.name): control characters reach the terminal: \(run)")
            }
        } catch {
            Issue.record("\(answer.name): \(error)")
        }
    }
}
