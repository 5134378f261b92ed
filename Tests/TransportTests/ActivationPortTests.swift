import Base
import Cluster
import Hosting
import Loops
import Planning
import Tensors
import Testing
import Transport
import Wire

/// A worker without a machine: sends tensors over one connection, and decodes what comes by the other end.
private final class Process: ActivationOwner, ConnectionHandler {
    let activations: ActivationPort<WorkKey>
    let pair: Pair
    var decoded: [WorkKey: [Tensor]] = [:]
    var outcomes: [WorkKey: Result<UInt64, WireError>] = [:]
    var samples: [WorkKey: CompressionPolicy.CodecSample] = [:]
    var layouts: [PayloadLayout?] = []
    var isWanted = true

    init() throws {
        pair = try Pair()
        activations = try ActivationPort(loop: pair.loop, capacity: 16)
        activations.start(for: self)
        let server = try pair.serverConnection
        server.handler = self
    }

    func end() {
        activations.shutDown()
        pair.loop.shutDown()
    }

    func send(_ tensors: [Tensor], _ number: UInt64, route: [Hop] = [], mode: CompressionMode) -> WorkKey {
        let key = WorkKey(session: SessionID(bits: 1), client: 1, request: number, microBatch: 0, attempt: 1, token: number)
        let work = Work(key: key, route: route, items: 1, deadlineMilliseconds: 1_000, tensors: [], trace: [])
        let shipment = Shipment(over: "next", on: ConnectionID(pair.connection.id), work, tag: key.token)
        activations.send(tensors, as: shipment, mode: mode, for: self)
        return key
    }

    // MARK: ActivationOwner

    func arrived(_ key: WorkKey, _ tensors: Result<[Tensor], WireError>, decoding: Duration) {
        decoded[key] = try? tensors.get()
    }

    func connection(for encoded: EncodedShipment) -> Connection? { isWanted ? pair.connection : nil }

    func message(for encoded: EncodedShipment, _ tensors: [TensorHeader], wireByteCount: Int) -> Message {
        samples[encoded.shipment.work.key] = encoded.sample
        return .workResult(WorkResult(key: encoded.shipment.work.key, tensors: tensors, trace: []))
    }

    func sent(_ key: WorkKey, _ outcome: Result<UInt64, WireError>) { outcomes[key] = outcome }

    // MARK: ConnectionHandler

    func connection(_ connection: Connection, willReceive message: Message, payloadByteCount: Int) -> PayloadDisposition {
        layouts.append(connection.layout)
        return .accept(TensorStorage(byteCount: payloadByteCount))
    }

    func connection(_ connection: Connection, didReceive message: Message, payload: TensorStorage?) {
        layouts.append(connection.layout)
        guard case .workResult(let result) = message, let payload, let layout = connection.layout else { return }
        activations.decode(layout, in: payload, as: result.key, for: self)
    }

    func connectionClosed(_ connection: Connection, reason: CloseReason) {}
}

@Suite struct ActivationPortTests {
    @Test(arguments: [CompressionMode.never, .always])
    func tensorsArriveAsTheyWere(mode: CompressionMode) throws {
        let process = try Process()
        defer { process.end() }
        let tensors = [
            try Tensor(shape: [64, 64], values: (0..<4_096).map { Float($0 / 64) }), try Tensor(shape: [0, 3], values: [Float]()),
        ]
        let key = process.send(tensors, 1, mode: mode)
        try process.pair.run("arriving") { process.decoded[key] != nil && process.outcomes[key] != nil }
        let arrived = try #require(process.decoded[key])
        #expect(arrived.map(\.shape) == [[64, 64], [0, 3]])
        #expect(arrived[0].withUnsafeBytes { Array($0) } == tensors[0].withUnsafeBytes { Array($0) })
        let link = try #require(process.activations.links["next"])
        let isCompressed = mode == .always
        #expect(link.messages == 1 && link.rawBytes == 16_384 && link.compressedShare == (isCompressed ? 1 : 0))
        #expect((link.wireBytes < link.rawBytes) == isCompressed && (process.samples[key] != nil) == isCompressed)
        let sent = try #require(process.outcomes[key]).get()
        #expect(sent == process.pair.connection.counters.sentBytes)
        // The same layout at admission and at delivery: the payload's.
        #expect(process.layouts.count == 2 && process.layouts[0] == process.layouts[1])
        #expect(process.layouts[0]?.isRaw == !isCompressed && process.layouts[0]?.decodedByteCount == 16_384)
        #expect(process.layouts[0]?.byteCount == Int(link.wireBytes))
    }

    @Test(arguments: [CompressionMode.never, .always])
    func whatNobodyWaitsForIsNeitherSentNorCounted(mode: CompressionMode) throws {
        let process = try Process()
        defer { process.end() }
        process.isWanted = false
        let tensor = try Tensor(shape: [4_096], values: [Float](repeating: 1, count: 4_096))
        _ = process.send([tensor], 1, mode: mode)
        // The codec's answer comes back in any case: the policy learns of it.
        if mode == .always { try process.pair.run("encoding") { process.activations.links["next"]?.policy.ratio != nil } }
        process.isWanted = true
        let key = process.send([tensor], 2, mode: .never)
        try process.pair.run("the second") { process.decoded[key] != nil && process.outcomes[key] != nil }
        #expect(process.decoded.count == 1 && process.outcomes.count == 1 && process.activations.links["next"]?.messages == 1)
    }

    @Test func aShipmentOverTheBoundIsRefusedByItsName() throws {
        let process = try Process()
        defer { process.end() }
        let tensors = try (0...WireLimits.tensors).map { _ in try Tensor(shape: [1], values: [Float(0)]) }
        let key = process.send(tensors, 1, mode: .never)
        #expect(throws: WireError.self) { try process.outcomes[key]?.get() }
        #expect(process.activations.links["next"]?.messages == 0)
    }

    @Test func aNewModeBeginsANewPolicy() throws {
        var link = ActivationLink(mode: .never, at: .current())
        #expect(link.decide(rawByteCount: 1 << 20, mode: .never, at: .current()) == .raw)
        guard case .compress = link.decide(rawByteCount: 1 << 20, mode: .always, at: .current()) else {
            Issue.record("not compressed")
            return
        }
        #expect(link.policy.mode == .always)
    }
}
