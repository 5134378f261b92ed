import Base
import Glibc
import Loops
import Synchronization
import Tensors
import Testing
import Transport
import Wire

/// What works: messages of all sizes, ciphers, identities, rotation.
@Suite struct TLSTests {
    @Test(arguments: TLSContext.Cipher.allCases) func messagesOfAllSizesGoBothWays(_ cipher: TLSContext.Cipher) throws {
        let options = tlsOptions(try tlsContext([try preSharedKey()], ciphers: [cipher]))
        let pair = try Pair(server: options, client: options)
        #expect(pair.connection.cipherSuite == cipher.rawValue)
        pair.server.onMessage = { connection, message, payload in
            connection.send(message, payload: payload.map { OutgoingPayload($0) } ?? .empty)
        }
        let sizes = [1, 0, 63, 16_383, 16_384, 16_385, 3, 65_536, 262_144, 262_145, 1 << 20, 40 << 20, 7]
        let payloads = sizes.enumerated().map { pattern($1, seed: UInt64($0)) }
        for (number, payload) in payloads.enumerated() { pair.connection.send(archive(number), payload: OutgoingPayload(payload)) }
        for number in 0..<100 { pair.connection.send(ping(UInt64(number))) }
        try pair.run("all echoes") { pair.client.received.count == sizes.count + 100 }
        for received in pair.client.received {
            guard case .partitionData(let data) = received.message else { continue }
            let expected = payloads[data.key.firstLayer]
            // An archive without a byte has no tensors either.
            #expect(expected.byteCount == 0 ? received.payload == nil : isEqual(received.payload, expected))
        }
        pair.connection.closeAfterFlush(.requested("done"))
        try pair.run("both ends") { pair.client.closed.count == 1 && pair.server.closed.count == 1 }
        #expect(pair.server.closed == [.peerClosed])
        #expect(pair.client.closed == [.requested("done")])
    }

    /// Both directions full at once, small shares and small buffers: every way of waiting comes about.
    @Test func fullPipesInBothDirectionsGoOn() throws {
        let context = try TLSContext(
            keys: [try preSharedKey()], ciphers: [.aes128GCM], protocolName: "amp4ec/1", recordsPerKey: 10, blockRecords: 3)
        var options = tlsOptions(context)
        options.firstMessageTimeout = nil
        options.socketBufferByteCount = 50_000
        options.readByteLimitPerWake = 7_000
        options.writeByteLimitPerWake = 10_000
        let pair = try Pair(server: options, client: options)
        let payloads = (0..<20).map { pattern(300_000 + $0, seed: UInt64($0)) }
        for (number, payload) in payloads.enumerated() {
            pair.connection.send(archive(number), payload: OutgoingPayload(payload))
            try pair.serverConnection.send(archive(number), payload: OutgoingPayload(payload))
        }
        try pair.run("all messages") { pair.client.received.count == 20 && pair.server.received.count == 20 }
        for received in pair.client.received + pair.server.received {
            guard case .partitionData(let data) = received.message else { continue }
            #expect(isEqual(received.payload, payloads[data.key.firstLayer]))
        }
        pair.connection.close(.requested("done"))
        try pair.run("the end") { pair.server.closed.count == 1 }
        #expect(pair.server.closed == [.peerClosed])
    }

    @Test func aPeerIsKnownByItsKey() throws {
        let root = try ClusterKey(rootOf: [UInt8](repeating: 7, count: 32))
        let keys = [
            try root.derived(.cluster), try root.derived(.operator, label: "anna"), try root.derived(.client),
            try root.derived(.client, label: "laptop"),
        ].compactMap(\.preSharedKey)
        let all = keys + [root.healthPreSharedKey]
        let server = tlsOptions(try tlsContext(all))
        for key in all {
            let pair = try Pair(server: server, client: tlsOptions(try tlsContext([key])))
            #expect(try pair.serverConnection.peerIdentity == key.identity)
            #expect(pair.connection.peerIdentity == key.identity)
        }
        let plain = try Pair()
        #expect(try plain.serverConnection.peerIdentity == nil)
        #expect(plain.connection.peerIdentity == nil)
    }

    /// The new key comes to the servers first, then to the clients, then the old one goes.
    @Test func bothKeysAreTakenDuringARotation() throws {
        let old = try preSharedKey(seed: 1)
        let new = try preSharedKey(seed: 2)
        let steps: [(server: [PreSharedKey], client: [PreSharedKey])] = [
            ([old], [old]), ([old, new], [old]), ([old, new], [new, old]), ([new, old], [old, new]), ([new, old], [new]),
            ([new], [new]),
        ]
        for step in steps {
            let pair = try Pair(server: tlsOptions(try tlsContext(step.server)), client: tlsOptions(try tlsContext(step.client)))
            pair.connection.send(ping(1))
            try pair.run("a message") { pair.server.received.count == 1 }
        }
    }

    @Test func keysCanBeLookedUpByName() throws {
        let key = try preSharedKey(.client, label: "laptop")
        let asked = Mutex<[String]>([])
        let server = try TLSContext(keys: [try preSharedKey()]) { name in
            asked.withLock { $0.append(name) }
            return name == key.name ? .key(key) : .unknown
        }
        let pair = try Pair(server: tlsOptions(server), client: tlsOptions(try tlsContext([key])))
        #expect(try pair.serverConnection.peerIdentity == PeerIdentity(.client, label: "laptop"))
        #expect(asked.withLock { $0 } == [key.name])
        withExtendedLifetime(pair) {}
    }

    @Test func manyConnectionsAtOnce() throws {
        let loop = try EventLoop()
        defer { loop.shutDown() }
        let options = tlsOptions(try tlsContext([try preSharedKey()]))
        let server = Recorder()
        server.onMessage = { connection, message, _ in connection.send(message) }
        let listener = try Listener(loop: loop, address: .loopback(port: 0), options: options) { _ in server }
        let clients = (0..<100).map { _ in Recorder() }
        for (number, client) in clients.enumerated() {
            let connection = Connection.connect(
                loop: loop, to: listener.address, timeout: .seconds(30), options: options, handler: client)
            connection.send(ping(UInt64(number)))
        }
        try run(loop, "all echoes") { clients.allSatisfy { $0.received.count == 1 } }
        for (number, client) in clients.enumerated() {
            guard case .ping(let ping) = client.received[0].message else { continue }
            #expect(ping.sequence == UInt64(number))
        }
    }

    /// One connection's failure is never read as another's, also where they take turns on one thread.
    @Test func aFailureDisturbsNobodyElse() throws {
        let good = try tlsContext([try preSharedKey()])
        let pair = try Pair(server: tlsOptions(good), client: tlsOptions(good))
        let strangers = try (0..<20).map { number in
            let stranger = try RawClient(port: pair.listener.address.port)
            try stranger.write([[0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0], [0x47, 0x45, 0x54], [0x17, 3, 3, 0, 2, 0, 0]][number % 3])
            return stranger
        }
        for number in 0..<20 { pair.connection.send(ping(UInt64(number))) }
        try pair.run("strangers' ends and messages") { pair.server.received.count == 20 && pair.server.closed.count == 20 }
        #expect(pair.client.closed.isEmpty)
        withExtendedLifetime(strangers) {}
    }

    /// Many threads share a context.
    @Test func threadsShareAContext() throws {
        let context = try tlsContext([try preSharedKey()])
        let done = Mutex(0)
        let queue = try TaskQueue(name: "tls", threadCount: 4, capacity: 40)
        for _ in 0..<40 {
            queue.submit {
                guard let client = try? LooseEnd(context, isServer: false), let server = try? LooseEnd(context, isServer: true)
                else { return }
                try? open(client, server)
                guard case .bytes(60_000) = client.write([UInt8](repeating: 5, count: 60_000)) else { return }
                server.give(client.take() ?? [])
                if server.read().1 == [UInt8](repeating: 5, count: 60_000) { done.withLock { $0 += 1 } }
            }
        }
        queue.shutDown()
        #expect(done.withLock { $0 } == 40)
    }
}
