import Base
import Glibc
import Loops
import Testing
import Transport
import Wire

/// Peers that are wrong, slow, or somebody between two right ones.
@Suite struct TLSHostileTests {
    private let context: TLSContext

    init() throws { context = try tlsContext([try preSharedKey()]) }

    @Test func oneByteAtATime() throws {
        let client = try LooseEnd(context, isServer: false)
        let server = try LooseEnd(context, isServer: true)
        try open(client, server, step: 1)
        #expect(client.isOpen && server.isOpen)
        guard case .bytes(50) = client.write([UInt8](repeating: 9, count: 50)) else { throw Unexpected("not written") }
        let sealed = client.take() ?? []
        #expect(sealed.count == 50 + 22)
        for byte in sealed.dropLast() {
            server.give([byte])
            #expect(isWaiting(server.read().0))
            #expect(!server.channel.hasBufferedInput)
        }
        server.give([sealed[sealed.count - 1]])
        #expect(server.read().1 == [UInt8](repeating: 9, count: 50))
    }

    /// A reader with little room gets a record in parts, and knows when there is nothing more without the socket's word.
    @Test func smallReadsOfWholeAndHalfRecords() throws {
        let client = try LooseEnd(context, isServer: false)
        let server = try LooseEnd(context, isServer: true)
        try open(client, server)
        let plain = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        guard case .bytes(40_000) = client.write(plain) else { throw Unexpected("not written") }
        let sealed = client.take() ?? []
        // Two records of 16 KiB, and half of the third.
        let cut = 2 * (16_384 + 22) + 3_000
        server.give(Array(sealed[..<cut]))
        var got: [UInt8] = []
        while true {
            let (outcome, bytes) = server.read(1_000)
            if isWaiting(outcome) { break }
            got += bytes
            if got.count < 32_768 { #expect(server.channel.hasBufferedInput || got.count.isMultiple(of: 16_384)) }
        }
        #expect(got == Array(plain[..<32_768]))
        #expect(!server.channel.hasBufferedInput)
        server.give(Array(sealed[cut...]))
        while got.count < plain.count {
            let (outcome, bytes) = server.read(1_000)
            try #require(!isWaiting(outcome))
            got += bytes
        }
        #expect(got == plain)
        #expect(!server.channel.hasBufferedInput)
    }

    /// One call takes many small records out of the socket; what is left over is known to be whole records or the half of one.
    @Test(arguments: [30, 50, 1_000]) func smallRecordsThatOneCallBrings(room: Int) throws {
        let client = try LooseEnd(context, isServer: false)
        let server = try LooseEnd(context, isServer: true)
        try open(client, server)
        let plain = (0..<1_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        for begin in stride(from: 0, to: 1_000, by: 50) {
            guard case .bytes(50) = client.write(Array(plain[begin..<begin + 50])) else { throw Unexpected("not written") }
        }
        let sealed = client.take() ?? []
        // 19 records and the half of one.
        let cut = 19 * 72 + 30
        server.give(Array(sealed[..<cut]))
        var got: [UInt8] = []
        repeat {
            let (outcome, bytes) = server.read(room)
            if isWaiting(outcome) { throw Unexpected("waits with \(got.count) bytes read") }
            got += bytes
            #expect(server.channel.hasBufferedInput == (got.count < 950), "\(got.count) bytes")
        } while server.channel.hasBufferedInput
        #expect(got == Array(plain[..<950]))
        #expect(isWaiting(server.read(room).0))
        server.give(Array(sealed[cut...]))
        repeat { got += server.read(room).1 } while server.channel.hasBufferedInput
        #expect(got == plain)
    }

    /// A socket that takes little: what is reported as written is with the kernel, and what is offered again is not encrypted twice.
    @Test func aWriterWithLittleRoom() throws {
        let client = try LooseEnd(context, isServer: false, bufferByteCount: 4_096)
        let server = try LooseEnd(context, isServer: true)
        try open(client, server)
        let plain = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 13 ^ $0 >> 9) }
        var sent = 0
        var got: [UInt8] = []
        var waits = 0
        while got.count < plain.count {
            try #require(waits < 100_000)
            if sent < plain.count, case .bytes(let count) = client.write(Array(plain[sent...].prefix(400_000))) { sent += count }
            server.give(client.take(10_000) ?? [])
            got += server.read().1
            #expect(got.count <= sent + 16_384 * 9)
            waits += 1
        }
        #expect(got == plain)
        #expect(sent <= plain.count)
    }

    @Test(arguments: [false, true]) func anEndWithoutCloseNotifyIsAFailure(inMidMessage: Bool) throws {
        let server = try Server(tlsOptions(context))
        let client = try LooseEnd(context, isServer: false)
        let relay = try RawClient(port: server.listener.address.port)
        try bridge(client, relay, server)
        let bytes = try frame(ping(1))
        _ = client.write(inMidMessage ? bytes + Array(bytes.prefix(20)) : bytes)
        try relay.write(client.take() ?? [])
        try run(server.loop, "the message") { server.recorder.received.count == 1 }
        shutdown(relay.descriptor, Int32(SHUT_WR))
        try run(server.loop, "the end") { server.recorder.closed.count == 1 }
        guard case .failed(let error) = server.recorder.closed[0] else { throw Unexpected("\(server.recorder.closed[0])") }
        #expect(error.message.contains("close_notify"))
    }

    @Test(arguments: [false, true]) func anEndWithCloseNotifyIsOrderly(inMidMessage: Bool) throws {
        let server = try Server(tlsOptions(context))
        let client = try LooseEnd(context, isServer: false)
        let relay = try RawClient(port: server.listener.address.port)
        try bridge(client, relay, server)
        let bytes = try frame(ping(1))
        _ = client.write(inMidMessage ? bytes + Array(bytes.prefix(20)) : bytes)
        client.channel.finishWriting(on: client.socket)
        try relay.write(client.take() ?? [])
        // The TCP stream stays open: close_notify is the end.
        try run(server.loop, "the end") { server.recorder.closed.count == 1 }
        #expect(server.recorder.received.count == 1)
        #expect(server.recorder.closed == [inMidMessage ? .peerClosedInMessage : .peerClosed])
    }

    @Test func finishingWritesCloseNotifyAndFIN() throws {
        let client = try LooseEnd(context, isServer: false)
        let server = try LooseEnd(context, isServer: true)
        try open(client, server)
        client.channel.finishWriting(on: client.socket)
        let word = client.take() ?? []
        #expect(word.count == 24)
        #expect(client.take() == nil)
        server.give(word)
        guard case .endOfStream = server.read().0 else { throw Unexpected("no end") }
        // The other direction stays open.
        guard case .bytes(3) = server.write([1, 2, 3]) else { throw Unexpected("not written") }
        client.give(server.take() ?? [])
        #expect(client.read().1 == [1, 2, 3])
    }

    /// close_notify that finds no room is said when there is some.
    @Test func aLastWordWaitsForRoom() throws {
        let client = try LooseEnd(context, isServer: false, bufferByteCount: 4_096)
        let server = try LooseEnd(context, isServer: true)
        try open(client, server)
        // Fills the socket with whole records: the last report is of one that is wholly with the kernel.
        var count = 0
        while case .bytes(let written) = client.write([UInt8](repeating: 1, count: 10)) { count += written }
        // What could not be sent is offered again and goes first.
        var got: [UInt8] = []
        server.give(client.take(500) ?? [])
        while case .bytes(let written) = client.write([UInt8](repeating: 1, count: 10)) { count += written }
        while let bytes = client.take(), !bytes.isEmpty {
            server.give(bytes)
            got += server.read().1
            if case .bytes(let written) = client.write([UInt8](repeating: 1, count: 10)) { count += written }
            if count > 20_000 { break }
        }
        client.channel.finishWriting(on: client.socket)
        for _ in 0..<1_000 where client.channel.hasBufferedOutput {
            server.give(client.take(500) ?? [])
            client.channel.flushOutput(on: client.socket)
        }
        #expect(!client.channel.hasBufferedOutput)
        while let bytes = client.take(), !bytes.isEmpty { server.give(bytes) }
        var outcome = server.read()
        while case .bytes = outcome.0 {
            got += outcome.1
            outcome = server.read()
        }
        guard case .endOfStream = outcome.0 else { throw Unexpected("\(outcome.0)") }
        #expect(got.count == count)
    }

    @Test func aChangedByteEndsTheConnection() throws {
        let client = try LooseEnd(context, isServer: false)
        let server = try LooseEnd(context, isServer: true)
        try open(client, server)
        _ = client.write([UInt8](repeating: 3, count: 20_000))
        var sealed = client.take() ?? []
        sealed[18_000] ^= 1
        server.give(sealed)
        // The first record is right and comes out; the second does not.
        #expect(server.read().1.count == 16_384)
        #expect(server.channel.hasBufferedInput)
        guard case .failed(let error) = server.read().0 else { throw Unexpected("not failed") }
        #expect(error.message.contains("was changed on its way"))
        // The peer is told.
        client.give(server.take() ?? [])
        guard case .failed(let told) = client.read().0 else { throw Unexpected("not told") }
        #expect(told.message.contains("alert 20"))
    }

    /// Plain text in a connection that was encrypted.
    @Test func plainTextInBetween() throws {
        let client = try LooseEnd(context, isServer: false)
        let server = try LooseEnd(context, isServer: true)
        try open(client, server)
        server.give(try frame(ping(1)))
        guard case .failed = server.read().0 else { throw Unexpected("not failed") }
        guard case .failed = server.write([1]) else { throw Unexpected("goes on") }
    }

    /// Half a record is not input: the loop sleeps until the rest comes.
    @Test func halfARecordDoesNotSpin() throws {
        let server = try Server(tlsOptions(context))
        let client = try LooseEnd(context, isServer: false)
        let relay = try RawClient(port: server.listener.address.port)
        try bridge(client, relay, server)
        var bytes = try frame(ping(1))
        bytes += try frame(ping(2))
        _ = client.write(bytes)
        let sealed = client.take() ?? []
        for cut in [3, 5, 40, sealed.count - 1] {
            let begin = cut == 3 ? 0 : [5: 3, 40: 5][cut] ?? 40
            try relay.write(Array(sealed[begin..<cut]))
            var turns = 0
            let end = Instant.current() + .milliseconds(300)
            while Instant.current() < end {
                try server.loop.runOnce(maximumWait: .milliseconds(100))
                turns += 1
            }
            #expect(turns < 10, "\(turns) turns of the loop for \(cut) bytes")
        }
        #expect(server.recorder.received.isEmpty)
        try relay.write([sealed[sealed.count - 1]])
        try run(server.loop, "both messages") { server.recorder.received.count == 2 }
    }

    /// What TLS has not proved is given up with everybody else's first messages.
    @Test func aSlowHandshakeIsGivenUp() throws {
        var options = tlsOptions(context)
        options.firstMessageTimeout = .milliseconds(100)
        let server = try Server(options)
        let client = try LooseEnd(context, isServer: false)
        client.handshake()
        let hello = client.take() ?? []
        let relay = try RawClient(port: server.listener.address.port)
        var sent = 0
        let begin = Instant.current()
        while server.recorder.closed.isEmpty {
            try #require(Instant.current() - begin < .seconds(30))
            // A byte each turn, as long as it is there.
            if sent < hello.count - 1 { try relay.write([hello[sent]]) }
            sent += 1
            try server.loop.runOnce(maximumWait: .milliseconds(5))
        }
        #expect(server.recorder.closed == [.firstMessageTimeout(.milliseconds(100))])
        #expect(server.recorder.opened == 0)
    }

    @Test func randomBytesGetNoFurther() throws {
        let seed = UInt64.random(in: 1..<(.max))
        var state = seed
        func next() -> UInt8 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return UInt8(truncatingIfNeeded: state >> 33)
        }
        let valid = try LooseEnd(context, isServer: false)
        valid.handshake()
        let hello = valid.take() ?? []
        for round in 0..<600 {
            let server = try LooseEnd(context, isServer: true)
            var bytes: [UInt8]
            switch round % 3 {
            case 0: bytes = (0..<Int(next())).map { _ in next() }
            case 1: bytes = [0x16, 3, 1, 0, 200, 1, 0, 0, 196] + (0..<196).map { _ in next() }
            default:
                bytes = hello
                for _ in 0..<1 + Int(next() % 4) { bytes[5 + (Int(next()) << 8 | Int(next())) % (bytes.count - 5)] = next() }
            }
            server.give(bytes)
            for _ in 0..<4 { server.handshake() }
            #expect(!server.isOpen, "seed \(seed), round \(round)")
            let answer = server.take() ?? []
            // An alert alone, unless nothing that matters was changed (then a server's hello, to which only the key's owner can answer).
            if server.failure != nil { #expect(answer.isEmpty || answer[0] == 0x15, "seed \(seed), round \(round)") }
        }
    }

    /// Announced lengths cost nothing before the bytes are there.
    @Test(
        arguments: [
            [0x16, 3, 1, 0x10, 0x01], [0x16, 3, 1, 0, 8, 1, 1, 0, 0, 1, 2, 3, 4], [0x16, 3, 1, 0, 4, 1, 0, 0, 1],
            [0x16, 3, 1, 0, 1, 1],
            [0x16, 3, 1, 0, 0],
        ] as [[UInt8]]) func announcedLengthsAreCompared(_ bytes: [UInt8]) throws
    {
        let server = try LooseEnd(context, isServer: true)
        server.give(bytes)
        server.handshake()
        #expect(server.failure != nil)
        #expect(server.take()?.isEmpty == true)
    }

    @Test func endlessRecordsAreGivenUp() throws {
        let server = try LooseEnd(context, isServer: true)
        var rounds = 0
        while server.failure == nil {
            try #require(rounds < 5_000)
            rounds += 1
            // Changes of cipher, which TLS 1.3 reads over once it has a hello, and empty ones.
            server.give([20, 3, 3, 0, 1, 1])
            server.handshake()
        }
    }

    /// Carries the handshake between a channel and a server's socket.
    private func bridge(_ client: LooseEnd, _ relay: RawClient, _ server: Server) throws {
        try run(server.loop, "the handshake") {
            client.handshake()
            let bytes = client.take() ?? []
            if !bytes.isEmpty { try? relay.write(bytes) }
            client.give(relay.readAvailable() ?? [])
            return server.recorder.opened == 1
        }
    }
}
