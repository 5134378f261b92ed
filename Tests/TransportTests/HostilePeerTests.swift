import Glibc
import Loops
import Tensors
import Testing
import Transport
import Wire

/// What strangers, broken peers and slow peers get.
@Suite struct HostilePeerTests {
    struct Garbage: Sendable, CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        let code: WireError.Code
        var testDescription: String { name }
    }

    static let goodFrame = (try? frame(ping(1))) ?? []

    static func changed(_ message: Message = ping(1), _ change: (inout FrameHeader) -> Void) -> [UInt8] {
        (try? frame(message, change: change)) ?? []
    }

    @Test(arguments: [
        Garbage(name: "HTTP", bytes: Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), code: .badMagic),
        Garbage(name: "one byte of TLS", bytes: [0x16], code: .badMagic),
        Garbage(name: "random bytes", bytes: (0..<100).map { UInt8(truncatingIfNeeded: $0 &* 73 &+ 5) }, code: .badMagic),
        Garbage(name: "magic, then a stranger", bytes: Array("A4E".utf8) + [0], code: .badMagic),
        Garbage(
            name: "metadata over the limit", bytes: changed { $0.metadataByteCount = WireLimits.metadataByteCount + 1 },
            code: .limitExceeded),
        Garbage(
            name: "frame over the limit",
            bytes: changed {
                $0.payloadByteCount = WireLimits.frameByteCount + 1
                $0.totalPayloadByteCount = WireLimits.frameByteCount + 1
            }, code: .limitExceeded),
        Garbage(
            name: "payload over the limit", bytes: changed { $0.totalPayloadByteCount = WireLimits.payloadByteCount + 1 },
            code: .limitExceeded),
        Garbage(
            name: "a ping with a payload", bytes: changed { $0.totalPayloadByteCount = 10 }, code: .limitExceeded),
        Garbage(
            name: "a continuation of nothing",
            bytes: (try? frame(ping(1), change: { $0.flags = .continuation })).map { Array($0.prefix(40)) } ?? [],
            code: .malformedHeader),
        Garbage(
            name: "a changed byte in the metadata", bytes: goodFrame.dropLast() + [goodFrame[goodFrame.count - 1] ^ 1],
            code: .checksumMismatch),
    ])
    func bytesThatCannotBeUnderstoodEndTheConnection(_ garbage: Garbage) throws {
        let server = try Server()
        let client = try RawClient(port: server.listener.address.port)
        try client.write(garbage.bytes)
        try run(server.loop, "the end") { server.recorder.closed.count == 1 }
        guard case .wire(let error) = server.recorder.closed[0] else {
            Issue.record("another reason: \(server.recorder.closed[0])")
            return
        }
        #expect(error.code == garbage.code, "\(error)")
        #expect(server.recorder.received.isEmpty && server.recorder.announced.isEmpty)
        #expect(server.listener.connectionCount == 0)
    }

    @Test func aChangedByteInThePayloadEndsTheConnection() throws {
        let server = try Server()
        let client = try RawClient(port: server.listener.address.port)
        var bytes = try frame(archive(1), payload: OutgoingPayload(pattern(1_000, seed: 1)))
        bytes[bytes.count - 1] ^= 1
        try client.write(bytes)
        try run(server.loop, "the end") { server.recorder.closed.count == 1 }
        guard case .wire(let error) = server.recorder.closed[0] else {
            Issue.record("another reason: \(server.recorder.closed[0])")
            return
        }
        #expect(error.code == .checksumMismatch)
        #expect(server.recorder.received.isEmpty)
    }

    @Test func anotherMajorVersionIsToldBothVersions() throws {
        let server = try Server()
        let client = try RawClient(port: server.listener.address.port)
        try client.write(try frame(ping(1)) { $0.major = 9 })
        var answer: [UInt8] = []
        var isAtEnd = false
        try run(server.loop, "the refusal") {
            if let bytes = client.readAvailable() { answer += bytes } else { isAtEnd = true }
            return isAtEnd
        }
        client.close()
        try run(server.loop, "the end") { server.recorder.closed.count == 1 }
        guard case .wire(let error) = server.recorder.closed[0] else {
            Issue.record("another reason: \(server.recorder.closed[0])")
            return
        }
        #expect(error.code == .incompatibleVersion(theirs: 9, ours: FrameHeader.majorVersion))
        let message = try answer.withUnsafeBytes { bytes in
            let header = try FrameHeader.decode(from: bytes)
            return try MessageCodec.decode(
                kind: header.kind,
                metadata: UnsafeRawBufferPointer(
                    rebasing: bytes[FrameHeader.byteCount..<FrameHeader.byteCount + header.metadataByteCount]))
        }
        guard case .refused(let refusal) = message else {
            Issue.record("no refusal: \(String(describing: message))")
            return
        }
        #expect(refusal.code == .incompatible)
        #expect(refusal.message.contains("version 9") && refusal.message.contains("version \(FrameHeader.majorVersion)"))
    }

    @Test(arguments: [1, 39, 40, 45, 200])
    func aPeerThatLeavesInTheMiddleLosesItsMessage(_ kept: Int) throws {
        let server = try Server()
        let client = try RawClient(port: server.listener.address.port)
        try client.write(Array(try frame(archive(1), payload: OutgoingPayload(pattern(1_000, seed: 1))).prefix(kept)))
        client.close()
        try run(server.loop, "the end") { server.recorder.closed.count == 1 }
        #expect(server.recorder.closed == [.peerClosedInMessage])
        #expect(server.recorder.received.isEmpty)
    }

    @Test func aPeerThatLeavesBetweenMessagesIsNoError() throws {
        let server = try Server()
        let client = try RawClient(port: server.listener.address.port)
        try client.write(try frame(ping(1)))
        client.close()
        try run(server.loop, "the end") { server.recorder.closed.count == 1 }
        #expect(server.recorder.closed == [.peerClosed])
        #expect(server.recorder.received.map(\.message) == [ping(1)])
    }

    @Test func aMessageInSingleBytesIsUnderstood() throws {
        let server = try Server()
        let client = try RawClient(port: server.listener.address.port)
        let payload = pattern(300, seed: 1)
        for byte in try frame(ping(1)) + frame(archive(2), payload: OutgoingPayload(payload)) + frame(ping(3)) {
            try client.write([byte])
            try server.loop.runOnce(maximumWait: .zero)
        }
        try run(server.loop, "the messages") { server.recorder.received.count == 3 }
        #expect(server.recorder.received.map(\.message) == [ping(1), archive(2), ping(3)])
        #expect(isEqual(server.recorder.received[1].payload, payload))
    }

    @Test func aSilentStrangerIsNotKept() throws {
        var options = ConnectionOptions()
        options.firstMessageTimeout = .milliseconds(50)
        let server = try Server(options)
        let silent = try RawClient(port: server.listener.address.port)
        // Half a message, byte after byte, does not extend the time.
        let dripping = try RawClient(port: server.listener.address.port)
        try dripping.write(Array(try frame(ping(1)).prefix(20)))
        try run(server.loop, "both ends") { server.recorder.closed.count == 2 }
        #expect(server.recorder.closed == Array(repeating: .firstMessageTimeout(.milliseconds(50)), count: 2))
        withExtendedLifetime((silent, dripping)) {}
    }

    @Test func aMessageThatIsNotContinuedEndsTheConnection() throws {
        var options = ConnectionOptions()
        options.partialMessageTimeout = .milliseconds(50)
        let server = try Server(options)
        let client = try RawClient(port: server.listener.address.port)
        try client.write(try frame(ping(1)))
        try run(server.loop, "the whole message") { server.recorder.received.count == 1 }
        try client.write(Array(try frame(archive(1), payload: OutgoingPayload(pattern(1_000, seed: 1))).dropLast(10)))
        try run(server.loop, "the end") { server.recorder.closed.count == 1 }
        #expect(server.recorder.closed == [.partialMessageTimeout(.milliseconds(50))])
    }

    @Test func silenceEndsTheConnectionWhereThatIsAskedFor() throws {
        var options = ConnectionOptions()
        options.idleTimeout = .milliseconds(50)
        let server = try Server(options)
        let client = try RawClient(port: server.listener.address.port)
        try client.write(try frame(ping(1)))
        try run(server.loop, "the end") { server.recorder.closed.count == 1 }
        #expect(server.recorder.closed == [.idleTimeout(.milliseconds(50))])
    }

    @Test func aPeerThatReadsNothingIsGivenUpAndTheOthersDoNotNotice() throws {
        var options = ConnectionOptions()
        options.writeStallTimeout = .milliseconds(200)
        options.socketBufferByteCount = 16 << 10
        let pair = try Pair(server: options)
        let slow = try RawClient(port: pair.listener.address.port, receiveBufferByteCount: 4 << 10)
        try slow.write(try frame(ping(1)))
        try pair.run("the slow peer's hello") { pair.server.received.count == 1 }
        let slowConnection = try pair.serverConnection
        let good = pair.connection
        slowConnection.send(archive(1), payload: OutgoingPayload(pattern(8 << 20, seed: 1)))
        var echoes = 0
        pair.client.onMessage = { connection, _, _ in
            echoes += 1
            connection.send(ping(9))
        }
        pair.server.onMessage = { connection, message, _ in connection.send(message) }
        good.send(ping(9))
        try pair.run("the end of the slow one") { pair.server.closed.count == 1 }
        #expect(pair.server.closed == [.writeStalled(.milliseconds(200))])
        #expect(good.isOpen && echoes > 0)
        let before = echoes
        try pair.run("an echo afterwards") { echoes > before }
    }

    @Test func aQueueOverItsLimitEndsTheConnection() throws {
        var options = ConnectionOptions()
        options.outgoingByteLimit = 1 << 20
        options.socketBufferByteCount = 16 << 10
        let server = try Server(options)
        let client = try RawClient(port: server.listener.address.port, receiveBufferByteCount: 4 << 10)
        try client.write(try frame(ping(1)))
        var connection: Connection?
        server.recorder.onMessage = { accepted, _, _ in connection = accepted }
        try run(server.loop, "the hello") { connection != nil }
        let peer = try #require(connection)
        let piece = pattern(100 << 10, seed: 1)
        var outcomes: [SendOutcome] = []
        var sent = 0
        while peer.isOpen, sent < 100 {
            peer.send(archive(sent), payload: OutgoingPayload(piece)) { outcomes.append($0) }
            sent += 1
        }
        #expect(!peer.isOpen)
        #expect((10...11).contains(sent))
        try run(server.loop, "the end") { server.recorder.closed.count == 1 && outcomes.count == sent }
        guard case .slowReader(let bytes, let messages) = server.recorder.closed[0] else {
            Issue.record("another reason: \(server.recorder.closed[0])")
            return
        }
        #expect(bytes <= 1 << 20 && messages == sent - 1)
    }

    @Test func oneMessageLargerThanTheQueueDoesNotShutOutTheOthers() throws {
        var options = ConnectionOptions()
        options.outgoingByteLimit = 1 << 20
        let pair = try Pair(client: options)
        pair.connection.send(archive(1), payload: OutgoingPayload(pattern(5 << 20, seed: 1)))
        pair.connection.send(archive(2), payload: OutgoingPayload(pattern(500 << 10, seed: 2)))
        try pair.run("both") { pair.server.received.count == 2 }
        #expect(pair.connection.isOpen)
    }
}
