import Base
import Glibc
import Loops
import Tensors
import Testing
import Transport
import Wire

@Suite struct ConnectionTests {
    @Test(arguments: [0, 1, 63, 64, 4_095, 4_097, 65_536, 256 << 10, (256 << 10) + 1, (1 << 20) + 7, 20 << 20])
    func aMessageComesBackBitForBit(_ byteCount: Int) throws {
        let pair = try Pair()
        pair.server.onMessage = { connection, message, payload in
            connection.send(message, payload: payload.map { OutgoingPayload($0) } ?? .empty)
        }
        let sent = pattern(byteCount, seed: UInt64(byteCount))
        var outcome: SendOutcome?
        pair.connection.send(archive(7), payload: OutgoingPayload(sent)) { outcome = $0 }
        try pair.run("the echo") { pair.client.received.count == 1 && outcome != nil }
        let echo = pair.client.received[0]
        #expect(echo.message == archive(7))
        if byteCount == 0 { #expect(echo.payload == nil) } else { #expect(isEqual(echo.payload, sent)) }
        guard case .written = outcome else {
            Issue.record("the message was not written: \(String(describing: outcome))")
            return
        }
        let counters = pair.connection.counters
        #expect(counters.sentMessages == 1 && counters.receivedMessages == 1)
        #expect(counters.sentBytes == counters.receivedBytes && counters.sentBytes > UInt64(byteCount))
        #expect(pair.connection.queuedByteCount == 0)
    }

    @Test func tensorsArriveAlignedAndExactWithZerosBetween() throws {
        let pair = try Pair()
        let shapes = [[3], [7, 5], [1], [0], [129, 3]]
        let tensors = try shapes.enumerated().map { index, shape in
            let byteCount = try Tensor.byteCount(of: .float32, shape: shape)
            return try Tensor(
                dtype: .float32, shape: shape, storage: pattern(byteCount + 64, seed: UInt64(index)), byteOffset: 4 * index)
        }
        let (payload, headers) = try OutgoingPayload.raw(tensors)
        let reply = Message.inferReply(InferReply(id: 3, names: [], tensors: headers, timing: RequestTiming()))
        pair.connection.send(reply, payload: payload)
        try pair.run("the tensors") { pair.server.received.count == 1 }
        let received = pair.server.received[0]
        #expect(received.message == reply)
        let storage = try #require(received.payload)
        let layout = try PayloadLayout(headers)
        #expect(storage.byteCount == layout.byteCount)
        for (index, tensor) in try layout.tensors(in: storage).enumerated() {
            #expect(UInt(bitPattern: tensor.bytes.baseAddress) % UInt(TensorHeader.segmentAlignment) == 0)
            #expect(Array(tensor.bytes) == Array(tensors[index].bytes))
        }
        var covered = [Bool](repeating: false, count: layout.byteCount)
        for index in headers.indices { for place in layout.range(of: index) { covered[place] = true } }
        #expect(covered.indices.allSatisfy { covered[$0] || storage.bytes[$0] == 0 })
    }

    @Test func aSmallMessageOvertakesALargeOneAndLargeOnesShareTheLink() throws {
        let pair = try Pair()
        let big = pattern(20 << 20, seed: 1)
        let second = pattern(1 << 20, seed: 2)
        pair.connection.send(archive(1), payload: OutgoingPayload(big))
        pair.connection.send(archive(2), payload: OutgoingPayload(second))
        pair.connection.send(ping(3))
        try pair.run("all three") { pair.server.received.count == 3 }
        #expect(pair.server.received.map(\.message) == [ping(3), archive(2), archive(1)])
        #expect(isEqual(pair.server.received[1].payload, second))
        #expect(isEqual(pair.server.received[2].payload, big))
    }

    @Test func manySmallMessagesKeepTheirOrder() throws {
        let pair = try Pair()
        for number in 0..<5_000 { pair.connection.send(ping(UInt64(number))) }
        try pair.run("all of them") { pair.server.received.count == 5_000 }
        #expect(pair.server.received.map(\.message) == (0..<5_000).map { ping(UInt64($0)) })
    }

    @Test func aCancelledMessageIsAbortedAndTheConnectionGoesOn() throws {
        let pair = try Pair()
        var outcomes: [SendOutcome] = []
        let big = pattern(64 << 20, seed: 1)
        pair.connection.send(archive(1), payload: OutgoingPayload(big), tag: 1) { outcomes.append($0) }
        try pair.run("the beginning of the large message") { pair.server.announced.count == 1 }
        pair.connection.send(archive(2), payload: OutgoingPayload(big), tag: 2) { outcomes.append($0) }
        pair.connection.cancelSend(tag: 2)
        pair.connection.cancelSend(tag: 1)
        pair.connection.cancelSend(tag: 99)
        pair.connection.send(ping(5))
        try pair.run("the abort and the ping") { pair.server.aborted.count == 1 && pair.server.received.count == 1 }
        #expect(pair.server.aborted == [archive(1)])
        #expect(pair.server.received[0].message == ping(5))
        #expect(outcomes == [.cancelled(wasStarted: false), .cancelled(wasStarted: true)])
        #expect(pair.connection.queuedByteCount == 0 && pair.connection.isOpen)
        #expect(pair.connection.counters.sentBytes < UInt64(big.byteCount))
    }

    @Test func aDiscardedPayloadIsReadOver() throws {
        let pair = try Pair()
        pair.server.disposition = { message, count in
            message == archive(1) ? .discard : .accept(TensorStorage(byteCount: count))
        }
        let kept = pattern(300_000, seed: 2)
        pair.connection.send(archive(1), payload: OutgoingPayload(pattern(900_000, seed: 1)))
        pair.connection.send(archive(2), payload: OutgoingPayload(kept))
        try pair.run("the kept message") { pair.server.received.count == 1 }
        #expect(pair.server.received[0].message == archive(2))
        #expect(isEqual(pair.server.received[0].payload, kept))
        pair.connection.send(ping(1))
        try pair.run("the ping") { pair.server.received.count == 2 }
    }

    @Test func aHandlerMayCloseInsteadOfAccepting() throws {
        let pair = try Pair()
        pair.server.disposition = { _, _ in .close(.requested("no archives here")) }
        pair.connection.send(archive(1), payload: OutgoingPayload(pattern(1 << 20, seed: 1)))
        try pair.run("both ends") { pair.server.closed.count == 1 && pair.client.closed.count == 1 }
        #expect(pair.server.closed == [.requested("no archives here")])
        #expect(pair.server.received.isEmpty)
    }

    @Test func aMessageOverABoundIsRefusedWithoutHarm() throws {
        let pair = try Pair()
        var outcome: SendOutcome?
        pair.connection.send(ping(1), payload: OutgoingPayload(pattern(10, seed: 1))) { outcome = $0 }
        pair.connection.send(ping(2))
        try pair.run("the second message") { pair.server.received.count == 1 && outcome != nil }
        guard case .refused(let error) = outcome else {
            Issue.record("a payload on a ping went out: \(String(describing: outcome))")
            return
        }
        #expect(error.code == .limitExceeded)
        #expect(pair.connection.isOpen)
        // Nobody asked what became of it: the connection ends rather than lose it silently.
        pair.connection.send(ping(3), payload: OutgoingPayload(pattern(10, seed: 1)))
        try pair.run("the end") { pair.client.closed.count == 1 }
        guard case .wire = pair.client.closed[0] else {
            Issue.record("closed for another reason: \(pair.client.closed[0])")
            return
        }
    }

    @Test func theLastWordArrivesBeforeTheEnd() throws {
        let pair = try Pair()
        // Bytes that the closing side never reads must not reset the connection under the last word.
        pair.connection.send(archive(1), payload: OutgoingPayload(pattern(3 << 20, seed: 1)))
        try pair.serverConnection.refuse(.superseded, "another coordinator holds this worker")
        try pair.run("both ends") { pair.client.closed.count == 1 && pair.server.closed.count == 1 }
        #expect(
            pair.client.received.map(\.message)
                == [.refused(Refused(code: .superseded, message: "another coordinator holds this worker"))])
        #expect(pair.client.closed == [.peerClosed])
        #expect(pair.server.closed == [.requested("another coordinator holds this worker")])
        #expect(pair.server.received.isEmpty)
    }

    @Test func closingTellsBothEndsOnceAndLosesWhatIsQueued() throws {
        let pair = try Pair()
        var outcomes: [SendOutcome] = []
        pair.connection.send(archive(1), payload: OutgoingPayload(pattern(64 << 20, seed: 1))) { outcomes.append($0) }
        try pair.run("the beginning") { pair.server.announced.count == 1 }
        pair.connection.close(.requested("enough"))
        pair.connection.close(.requested("twice"))
        #expect(pair.client.closed.isEmpty, "told from a fresh stack")
        pair.connection.send(ping(1)) { outcomes.append($0) }
        try pair.run("both ends") { pair.client.closed.count == 1 && pair.server.closed.count == 1 && outcomes.count == 2 }
        #expect(pair.client.closed == [.requested("enough")])
        #expect(Set(outcomes) == [.lost(.requested("enough")), .lost(.requested("the connection was closed before"))])
        #expect(pair.server.received.isEmpty)
        #expect(pair.connection.handler == nil)
    }

    @Test func connectingWhereNobodyListensFailsWithTheAddress() throws {
        let loop = try EventLoop()
        let recorder = Recorder()
        let listener = try Listener(loop: loop, address: .loopback(port: 0)) { _ in recorder }
        let address = listener.address
        listener.close()
        let connection = Connection.connect(loop: loop, to: address, timeout: .seconds(5), handler: recorder)
        var outcome: SendOutcome?
        connection.send(ping(1)) { outcome = $0 }
        try run(loop, "the failure") { recorder.closed.count == 1 && outcome != nil }
        guard case .connectFailed(let error) = recorder.closed[0] else {
            Issue.record("another reason: \(recorder.closed[0])")
            return
        }
        #expect(error.code == .connectionRefused)
        #expect(error.message.contains(address.description))
        #expect(recorder.opened == 0)
    }

    @Test(.enabled(if: hasIPv6)) func ipv6Works() throws {
        let loop = try EventLoop()
        let server = Recorder()
        let client = Recorder()
        let listener = try Listener(loop: loop, address: try #require(SocketAddress("[::1]:0"))) { _ in server }
        let connection = Connection.connect(loop: loop, to: listener.address, timeout: .seconds(5), handler: client)
        connection.send(ping(1))
        try run(loop, "the ping") { server.received.count == 1 }
        #expect(connection.peerAddress.isLoopback && connection.localAddress?.isIPv6 == true)
        loop.shutDown()
    }

    @Test func deliveryRateIsMeasuredOnceBytesHaveGone() throws {
        let pair = try Pair()
        pair.connection.send(archive(1), payload: OutgoingPayload(pattern(8 << 20, seed: 1)))
        try pair.run("the message") { pair.server.received.count == 1 }
        #expect(try #require(pair.connection.path().deliveryRate) > 1_000_000)
    }

    @Test func twoThreadsTalk() throws {
        let loop = try EventLoop()
        var ports: [UInt16] = []
        let started = loop.mailbox(capacity: 1) { ports.append($0) }
        let thread = try LoopThread(name: "echo") { inner in
            let echo = Recorder()
            echo.onMessage = { connection, message, payload in
                connection.send(message, payload: payload.map { OutgoingPayload($0) } ?? .empty)
            }
            guard let listener = try? Listener(loop: inner, address: .loopback(port: 0), accept: { _ in echo }) else { return }
            started.post(listener.address.port)
        }
        try run(loop, "the listener") { ports.count == 1 }
        let client = Recorder()
        let connection = Connection.connect(loop: loop, to: .loopback(port: ports[0]), timeout: .seconds(5), handler: client)
        let payloads = (0..<20).map { pattern(($0 * 173_117) % 1_500_000 + 1, seed: UInt64($0)) }
        for (number, payload) in payloads.enumerated() { connection.send(archive(number), payload: OutgoingPayload(payload)) }
        try run(loop, "all echoes") { client.received.count == payloads.count }
        for received in client.received {
            guard case .partitionData(let data) = received.message else { continue }
            #expect(isEqual(received.payload, payloads[data.key.firstLayer]))
        }
        thread.stop()
        try run(loop, "the end") { client.closed.count == 1 }
        thread.join()
        loop.shutDown()
    }

    /// One connection's small messages come by the thousand in a read; each costs its handler time.
    @Test func aFloodOnOneConnectionLeavesTheOthersTheirTurn() throws {
        let server = try Server()
        let flood = try RawClient(port: server.listener.address.port)
        var bytes: [UInt8] = []
        for number in 0..<800 { bytes += try frame(ping(UInt64(number))) }
        server.recorder.onMessage = { _, message, _ in
            guard case .ping(let ping) = message, ping.sequence < 1_000 else { return }
            let end = Instant.current() + .microseconds(500)
            while Instant.current() < end {}
        }
        try flood.write(bytes)
        try run(server.loop, "the flood has begun") { server.recorder.received.count > 0 }
        let honest = try RawClient(port: server.listener.address.port)
        try honest.write(frame(ping(5_000)))
        var before: Int?
        try run(server.loop, "the honest message") {
            before = server.recorder.received.firstIndex { $0.message == ping(5_000) }
            return before != nil
        }
        // It waits for some turns of the flood, not for its end.
        #expect(try #require(before) < 400)
        try run(server.loop, "the whole flood") { server.recorder.received.count == 801 }
        #expect(server.recorder.received.map(\.message).filter { $0 != ping(5_000) } == (0..<800).map { ping(UInt64($0)) })
        #expect(server.loop.longestTurn < .milliseconds(300), "\(server.loop.longestTurn)")
    }
}
