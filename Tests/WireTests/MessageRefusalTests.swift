import Base
import Tensors
import Testing
import Wire

/// One thing that a peer may send and that must end in a typed error.
struct RefusedMetadata: Sendable, CustomTestStringConvertible {
    let name: String
    let kind: Message.Kind
    let metadata: [UInt8]
    let code: WireError.Code
    var testDescription: String { name }

    init(_ name: String, _ kind: Message.Kind, _ writer: ProtoWriter, _ code: WireError.Code) {
        self.name = name
        self.kind = kind
        self.metadata = writer.bytes
        self.code = code
    }
}

@Suite struct MessageRefusalTests {
    private static let digest = String(repeating: "0f", count: 32)
    private static let empty = ProtoWriter()

    private static func partition(
        digest: String = digest, first: UInt64 = 0, end: UInt64 = 4, toolchain: String = "2.13", level: UInt64 = 1
    ) -> ProtoWriter {
        empty.text(1, digest).number(2, first).number(3, end).text(4, toolchain).number(5, level)
    }
    private static let hop = empty.text(1, "w1").message(2, partition())
    private static func tensor(
        dtype: UInt64 = 1, shape: [UInt64] = [2, 3], encoding: UInt64 = 0, bytes: UInt64 = 24
    ) -> ProtoWriter {
        empty.number(1, dtype).raw(2, shape.flatMap { ProtoWriter.varint($0) }).number(3, encoding).number(4, bytes)
    }
    private static func work(
        key: ProtoWriter? = empty, hop: ProtoWriter = hop, hops: Int = 1, items: UInt64 = 1, tensors: [ProtoWriter] = [],
        traces: Int = 0
    ) -> ProtoWriter {
        var writer = key.map { empty.message(1, $0) } ?? empty
        writer = writer.messages(2, hop, count: hops).number(3, items)
        for tensor in tensors { writer = writer.message(5, tensor) }
        return writer.messages(6, empty.text(1, "w1"), count: traces)
    }
    private static func request(_ tensors: [ProtoWriter]) -> ProtoWriter {
        tensors.reduce(empty.number(1, 1)) { $0.message(4, $1) }
    }
    private static let hello = empty.number(1, 2).number(2, 1)
    private static func welcome(
        _ name: String = "w", cores: Double = 1, speed: Double = 1, holding held: (ProtoWriter, count: Int)? = nil
    )
        -> ProtoWriter
    {
        var profile = empty.fixed(1, cores).fixed(2, speed).number(5, 1).number(6, 1).number(7, 1)
        if let held { profile = profile.messages(9, held.0, count: held.count) }
        return empty.number(1, 2).text(2, name).message(7, profile)
    }
    private static let notUTF8: [UInt8] = [0x61, 0xC3, 0x28]

    /// The base of the cases below is right: what is refused is refused for the reason that the case names.
    @Test func theBasesAreAccepted() throws {
        #expect(refusal(.work, Self.work(tensors: [Self.tensor()], traces: 64).bytes) == nil)
        #expect(refusal(.work, Self.work(hops: 64).bytes) == nil)
        #expect(refusal(.inferRequest, Self.request([Self.tensor()]).bytes) == nil)
        #expect(refusal(.hello, Self.hello.bytes) == nil)
        #expect(refusal(.welcome, Self.welcome().bytes) == nil)
        #expect(refusal(.welcome, Self.welcome(holding: (Self.empty.message(1, Self.partition()), 4_096)).bytes) == nil)
        #expect(refusal(.releasePartition, Self.empty.message(1, Self.partition()).bytes) == nil)
    }

    static let broken: [RefusedMetadata] = [
        .init("random bytes", .work, ProtoWriter(bytes: [0xDE, 0xAD, 0xBE, 0xEF]), .malformedMetadata),
        .init("a field cut off", .hello, ProtoWriter(bytes: [0x1A, 0x7F, 0x61]), .malformedMetadata),
        .init(
            "a sub-message longer than its message", .work, ProtoWriter(bytes: [0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
            .malformedMetadata),
        .init("a varint without end", .ping, ProtoWriter(bytes: [0x08] + [UInt8](repeating: 0xFF, count: 20)), .malformedMetadata),
        .init("a string where a message belongs", .work, empty.text(1, "key"), .malformedMetadata),
        .init("metadata over 1 MiB", .hello, ProtoWriter(bytes: [UInt8](repeating: 0, count: (1 << 20) + 1)), .limitExceeded),
        .init(
            "empty messages that unpack to hundreds of MiB", .workResult, empty.messages(3, empty, count: 500_000),
            .malformedMetadata),
    ]
    static let missing: [RefusedMetadata] = [
        .init("work without key", .work, work(key: nil), .malformedMetadata),
        .init("result without key", .workResult, empty, .malformedMetadata),
        .init("hop without partition", .work, work(hop: empty.text(1, "w1")), .malformedMetadata),
        .init("hop without node", .work, work(hop: empty.message(2, partition())), .invalidValue),
        .init("load without key", .loadPartition, empty, .malformedMetadata),
        .init("question without key", .ping, empty.message(3, empty), .malformedMetadata),
        .init("place without key", .pong, empty.message(4, empty), .malformedMetadata),
        .init("report without key", .partitionReport, empty.number(2, 2), .malformedMetadata),
        .init("partition data without key", .partitionData, empty.text(2, digest), .malformedMetadata),
        .init("reply without timing", .inferReply, empty.number(1, 1), .malformedMetadata),
        .init("held partition without key", .welcome, welcome(holding: (empty, 1)), .malformedMetadata),
        .init("work without a route", .work, work(hops: 0), .invalidValue),
        .init("work with 0 items", .work, work(items: 0), .invalidValue),
    ]
    static let values: [RefusedMetadata] = [
        .init("no role", .hello, empty.number(2, 1), .invalidValue),
        .init("an unknown role", .hello, empty.number(1, 9).number(2, 1), .invalidValue),
        .init("an unknown channel", .hello, empty.number(1, 1).number(2, 3), .invalidValue),
        .init("an unknown compression mode", .hello, hello.message(7, empty.number(4, 3)), .invalidValue),
        .init("an unknown status code", .refused, empty.number(1, 12), .invalidValue),
        .init("no status code", .workFailed, empty.message(1, empty).text(2, "w"), .invalidValue),
        .init("an unknown partition state", .partitionReport, empty.message(1, partition()).number(2, 5), .invalidValue),
        .init("an unknown optimisation level", .releasePartition, empty.message(1, partition(level: 2)), .invalidValue),
        .init("an optimisation level over a byte", .releasePartition, empty.message(1, partition(level: 256)), .invalidValue),
        .init("tensor type 0", .inferRequest, request([tensor(dtype: 0)]), .invalidValue),
        .init("tensor type index out of range", .inferRequest, request([tensor(dtype: 7)]), .invalidValue),
        .init("tensor type index 257, which is 1 in a byte", .inferRequest, request([tensor(dtype: 257)]), .invalidValue),
        .init("tensor type index −1", .inferRequest, request([tensor(dtype: .max)]), .invalidValue),
        .init("an unknown encoding", .inferRequest, request([tensor(encoding: 3)]), .invalidValue),
        .init("digest too short", .releasePartition, empty.message(1, partition(digest: "0f")), .invalidValue),
        .init(
            "digest of other characters", .releasePartition,
            empty.message(1, partition(digest: String(repeating: "/.", count: 32))), .invalidValue),
        .init(
            "digest in capitals", .releasePartition, empty.message(1, partition(digest: String(repeating: "0F", count: 32))),
            .invalidValue),
        .init("content digest empty", .partitionData, empty.message(1, partition()), .invalidValue),
        .init("layers out of order", .releasePartition, empty.message(1, partition(first: 4, end: 3)), .invalidValue),
        .init("no layers", .releasePartition, empty.message(1, partition(first: 4, end: 4)), .invalidValue),
        .init("layers beyond any model", .releasePartition, empty.message(1, partition(end: 1 << 30)), .invalidValue),
        .init("cores NaN", .welcome, welcome(cores: .nan), .invalidValue),
        .init("speed infinite", .welcome, welcome(speed: .infinity), .invalidValue),
        .init("cpu negative", .heartbeat, empty.fixed(2, -1), .invalidValue),
        .init("bandwidth NaN", .heartbeat, empty.message(15, empty.text(1, "v").fixed(6, .nan)), .invalidValue),
        .init(
            "load time infinite", .partitionReport, empty.message(1, partition()).number(2, 2).fixed(5, .infinity), .invalidValue),
        .init("a name that is not UTF-8", .hello, hello.raw(3, notUTF8), .invalidValue),
        .init("a text that is not UTF-8", .refused, empty.number(1, 1).raw(2, notUTF8), .invalidValue),
        .init("an address that is not UTF-8", .peerTable, empty.message(2, empty.text(1, "w").raw(4, notUTF8)), .invalidValue),
        .init("a peer without a name", .peerTable, empty.message(2, empty.text(4, "a:1")), .invalidValue),
        .init("a loss between nobody", .peerLost, empty, .invalidValue),
    ]
    static let limits: [RefusedMetadata] = [
        .init("a name of 256 bytes", .hello, hello.text(3, String(repeating: "n", count: 256)), .limitExceeded),
        .init("a text of 4,097 bytes", .refused, empty.number(1, 1).text(2, String(repeating: "t", count: 4_097)), .limitExceeded),
        .init("a route of 65 hops", .work, work(hops: 65), .limitExceeded),
        .init("a trace of 65 hops", .work, work(traces: 65), .limitExceeded),
        .init("257 tensors", .inferRequest, request([ProtoWriter](repeating: tensor(), count: 257)), .limitExceeded),
        .init("257 input names", .inferRequest, empty.messages(3, ProtoWriter(bytes: [0x61]), count: 257), .limitExceeded),
        .init("4,097 keys", .cancelWork, empty.messages(1, empty, count: 4_097), .limitExceeded),
        .init("17 questions", .ping, empty.messages(3, empty, count: 17), .limitExceeded),
        .init("17 places", .pong, empty.messages(4, empty, count: 17), .limitExceeded),
        .init("4,097 keys of a loss", .peerLost, empty.text(1, "a").text(2, "b").messages(4, empty, count: 4_097), .limitExceeded),
        .init(
            "4,097 held partitions", .welcome, welcome(holding: (empty, 4_097)), .limitExceeded
        ),
        .init("4,097 peers", .peerTable, empty.messages(2, empty, count: 4_097), .limitExceeded),
        .init(
            "17 addresses", .peerTable,
            empty.message(2, empty.text(1, "w").messages(4, ProtoWriter(bytes: Array("a:1".utf8)), count: 17)),
            .limitExceeded),
        .init(
            "100,001 samples of a history", .statusRequest, empty.number(1, 1).message(2, empty.number(3, 100_001)), .limitExceeded),
        .init(
            "a history of a name of 256 bytes", .statusRequest,
            empty.message(2, empty.text(1, String(repeating: "n", count: 256))), .limitExceeded),
        .init("65 warm-ups", .loadPartition, empty.message(1, partition()).messages(3, empty, count: 65), .limitExceeded),
        .init("rank 9", .inferRequest, request([tensor(shape: [UInt64](repeating: 1, count: 9))]), .limitExceeded),
        .init("wire bytes over Int", .inferRequest, request([tensor(bytes: .max)]), .limitExceeded),
    ]
    static let tensors: [RefusedMetadata] = [
        .init(
            "a shape whose product is over 2^64", .inferRequest, request([tensor(shape: [1 << 32, 1 << 32, 4], bytes: 0)]),
            .invalidValue),
        .init("… with a 0 beside it", .inferRequest, request([tensor(shape: [0, 1 << 40, 1 << 40], bytes: 0)]), .invalidValue),
        .init("an extent over Int (negative in C)", .inferRequest, request([tensor(shape: [.max], bytes: 4)]), .invalidValue),
        .init("a tensor over 4 GiB", .inferRequest, request([tensor(shape: [1 << 33], bytes: 1 << 35)]), .invalidValue),
        .init("raw bytes one short", .inferRequest, request([tensor(bytes: 23)]), .invalidValue),
        .init("raw bytes one over", .inferRequest, request([tensor(bytes: 25)]), .invalidValue),
        .init("raw bytes 0 for a tensor that has some", .inferRequest, request([tensor(bytes: 0)]), .invalidValue),
        .init("compressed to 0 bytes", .inferRequest, request([tensor(encoding: 1, bytes: 0)]), .invalidValue),
        .init("compressed to more than zstd's bound", .inferRequest, request([tensor(encoding: 2, bytes: 1_000)]), .invalidValue),
        .init("an empty tensor, compressed", .inferRequest, request([tensor(shape: [0], encoding: 1, bytes: 9)]), .invalidValue),
        .init(
            "three tensors of 512 MiB", .inferRequest,
            request([ProtoWriter](repeating: tensor(shape: [1 << 27], bytes: 1 << 29), count: 3)), .limitExceeded),
        .init(
            "three tensors of 4 GiB", .work,
            work(tensors: [ProtoWriter](repeating: tensor(shape: [1 << 30], bytes: 1 << 32), count: 3)), .limitExceeded),
        .init(
            "a warm-up of 2^70 bytes", .loadPartition,
            empty.message(1, partition()).message(
                3,
                empty.message(
                    1,
                    empty.number(1, 1).raw(
                        2, [UInt8](repeating: 0, count: 0) + ProtoWriter.varint(1 << 40) + ProtoWriter.varint(1 << 30)))),
            .invalidValue),
    ]

    @Test(arguments: broken + missing)
    func isRefusedAsNoMessage(_ refused: RefusedMetadata) { #expect(refusal(refused.kind, refused.metadata) == refused.code) }

    @Test(arguments: values)
    func isRefusedForAValue(_ refused: RefusedMetadata) { #expect(refusal(refused.kind, refused.metadata) == refused.code) }

    @Test(arguments: limits)
    func isRefusedForALimit(_ refused: RefusedMetadata) { #expect(refusal(refused.kind, refused.metadata) == refused.code) }

    @Test(arguments: tensors)
    func isRefusedForATensor(_ refused: RefusedMetadata) { #expect(refusal(refused.kind, refused.metadata) == refused.code) }

    // MARK: What our own side does not send

    @Test func whatAReceiverWouldRefuseIsNotSent() {
        var generator = Generator(seed: 3)
        let key = generator.partitionKey()
        let workKey = generator.workKey()
        func partition(_ digest: String, _ first: Int, _ end: Int) -> Message {
            .releasePartition(
                ReleasePartition(
                    key: PartitionKey(modelDigest: digest, firstLayer: first, endLayer: end, toolchain: "t", optimization: .o0)))
        }
        func work(_ hops: Int, items: UInt32 = 1, _ tensors: [TensorHeader] = []) -> Message {
            .work(
                Work(
                    key: workKey, route: [Hop](repeating: Hop(node: "w", partition: key), count: hops), items: items,
                    deadlineMilliseconds: 1, tensors: tensors))
        }
        let longName = String(repeating: "n", count: 256)
        let cases: [(String, Message, WireError.Code)] = [
            ("a digest that is none", partition("abc", 0, 1), .invalidValue),
            ("layers out of order", partition(Self.digest, 2, 1), .invalidValue),
            ("a negative layer", partition(Self.digest, -1, 1), .invalidValue),
            ("no route", work(0), .invalidValue),
            ("too long a route", work(65), .limitExceeded),
            ("no items", work(1, items: 0), .invalidValue),
            (
                "a negative extent", work(1, [TensorHeader(dtype: .int32, shape: [-1], encoding: .raw, wireByteCount: 4)]),
                .invalidValue
            ),
            ("a wrong length", work(1, [TensorHeader(dtype: .int32, shape: [1], encoding: .raw, wireByteCount: 8)]), .invalidValue),
            ("too long a name", .workDropped(WorkDropped(key: workKey, node: NodeID(longName))), .limitExceeded),
            ("a zero byte in a name", .workDropped(WorkDropped(key: workKey, node: "a\0b")), .invalidValue),
            ("too many keys", .cancelWork(CancelWork(keys: [WorkKey](repeating: workKey, count: 4_097))), .limitExceeded),
            (
                "over 1 MiB in all",
                .peerTable(
                    PeerTable(
                        version: 1,
                        peers: [PeerTable.Peer](
                            repeating: .init(
                                name: NodeID(String(repeating: "n", count: 255)), incarnation: IncarnationID(bits: 1),
                                addresses: [String](repeating: String(repeating: "a", count: 250) + ":9000", count: 16)),
                            count: 4_096))),
                .limitExceeded
            ),
        ]
        for (name, message, code) in cases {
            #expect(throws: WireError.self, "\(name)") { try MessageCodec.encode(message) }
            do { _ = try MessageCodec.encode(message) } catch { #expect(error.code == code, "\(name): \(error)") }
        }
    }
}
