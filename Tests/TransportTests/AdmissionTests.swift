import Loops
import Tensors
import Testing
import Transport
import Wire

/// A payload belongs to the admission that it was read for.
@Suite struct AdmissionTests {
    static func request(_ shapes: [[Int]], id: UInt64 = 1) -> (Message, OutgoingPayload) {
        let headers = shapes.map { TensorHeader(dtype: .uint8, shape: $0, encoding: .raw, wireByteCount: $0.reduce(1, *)) }
        let byteCount = (try? PayloadLayout(headers).byteCount) ?? 0
        let message = Message.inferRequest(InferRequest(id: id, deadlineMilliseconds: 0, names: [], tensors: headers))
        return (message, byteCount == 0 ? .empty : OutgoingPayload(pattern(byteCount, seed: id)))
    }

    @Test(arguments: [[[2, 0]], [[0]], [[0, 3], [4, 0]], []])
    func tensorsWithoutABytesAreAdmittedAndDelivered(_ shapes: [[Int]]) throws {
        let pair = try Pair()
        pair.server.disposition = { .accept(TensorStorage(byteCount: $1), ticket: 7) }
        var tickets: [UInt64?] = []
        pair.server.onMessage = { connection, _, _ in tickets.append(connection.ticket) }
        let (message, payload) = Self.request(shapes)
        pair.connection.send(message, payload: payload)
        try pair.run("delivery") { pair.server.received.count == 1 }
        #expect(pair.server.announced == [0] && tickets == [7])
        #expect(pair.server.received[0].payload?.byteCount == 0)
    }

    @Test func aRefusedMessageWithoutBytesIsNotDelivered() throws {
        let pair = try Pair()
        pair.server.disposition = { _, _ in .discard }
        pair.connection.send(Self.request([[2, 0]]).0)
        pair.connection.send(ping(1))
        try pair.run("the message behind it") { pair.server.received.count == 1 }
        #expect(pair.server.received[0].message == ping(1))
    }

    @Test func messagesOfOneNumberKeepTheirTickets() throws {
        let pair = try Pair()
        var next: UInt64 = 0
        pair.server.disposition = { _, count in
            next += 1
            return .accept(TensorStorage(byteCount: count), ticket: next)
        }
        var delivered: [UInt64: Int] = [:]
        pair.server.onMessage = { connection, _, payload in delivered[connection.ticket ?? 0] = payload?.byteCount }
        // Large ones take turns on the wire, so that both are under way at once, and the second ends first.
        for count in [3 << 20, 1 << 20] {
            let (message, payload) = Self.request([[count]])
            pair.connection.send(message, payload: payload)
        }
        try pair.run("both") { delivered.count == 2 }
        #expect(delivered == [1: 3 << 20, 2: 1 << 20])
    }

    @Test func whatIsNotWaitedForAnyMoreIsLetGoOfAtOnce() throws {
        let pair = try Pair()
        weak var storage: TensorStorage?
        pair.server.disposition = { _, count in
            let made = TensorStorage(byteCount: count)
            storage = made
            return .accept(made, ticket: 5)
        }
        let (message, payload) = Self.request([[8 << 20]])
        pair.connection.send(message, payload: payload)
        let server = try pair.serverConnection
        try pair.run("some bytes") { (server.receivedByteCount(ticket: 5) ?? 0) > 0 }
        #expect(server.receivedByteCount(ticket: 6) == nil)
        server.stopReceiving(ticket: 6)
        #expect(storage != nil)
        server.stopReceiving(ticket: 5)
        #expect(storage == nil && server.receivedByteCount(ticket: 5) == nil)
        pair.connection.send(ping(9))
        try pair.run("the message behind it") { pair.server.received.contains { $0.message == ping(9) } }
        try pair.run("the rest is read over") { pair.connection.queuedByteCount == 0 }
        pair.connection.send(ping(10))
        try pair.run("and another") { pair.server.received.count == 2 }
    }

    @Test func anAbortNamesTheAdmission() throws {
        let pair = try Pair()
        pair.server.disposition = { .accept(TensorStorage(byteCount: $1), ticket: 11) }
        let (message, payload) = Self.request([[64 << 20]])
        pair.connection.send(message, payload: payload, tag: 1)
        let server = try pair.serverConnection
        try pair.run("some bytes") { (server.receivedByteCount(ticket: 11) ?? 0) > 0 }
        pair.connection.cancelSend(tag: 1)
        try pair.run("the abort") { pair.server.aborted.count == 1 }
        #expect(server.ticket == 11)
    }

    @Test(arguments: [4 << 10, (4 << 10) + 1, 1 << 20])
    func aStrangersFirstMetadataIsSmall(_ byteCount: Int) throws {
        let server = try Server()
        let client = try RawClient(port: server.listener.address.port)
        var header = FrameHeader(kind: Message.Kind.hello.rawValue, stream: 1, metadataByteCount: byteCount)
        withUnsafeBytes(of: 0) { header.seal(metadata: UnsafeRawBufferPointer(rebasing: $0.prefix(0)), payloadChecksum: 0) }
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        bytes.withUnsafeMutableBytes { header.encode(into: $0) }
        try client.write(bytes + [1])
        guard byteCount > 4 << 10 else {
            // Waited for, like any other message that is cut off.
            client.close()
            return try run(server.loop, "the end") { !server.recorder.closed.isEmpty }
        }
        try run(server.loop, "the end") { !server.recorder.closed.isEmpty }
        guard case .wire(let error)? = server.recorder.closed.first else {
            Issue.record("closed as \(server.recorder.closed)")
            return
        }
        #expect(error.code == .limitExceeded && error.message.contains("\(4 << 10)"))
    }
}
