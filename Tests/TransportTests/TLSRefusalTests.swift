import Base
import Glibc
import Loops
import Testing
import Transport
import Wire

/// Two sides that do not fit: each says which side lacks what.
@Suite struct TLSRefusalTests {
    /// A key under the name of another.
    private func disguised(_ key: PreSharedKey, seed: UInt8) throws -> PreSharedKey {
        let number = try #require(key.name.split(separator: "#").last)
        return PreSharedKey(
            key.identity, secret: SecretBytes(copying: (0..<32).map { $0 &+ seed }), number: String(number))
    }

    @Test func anUnknownKeyIsNamedOnBothSides() throws {
        let own = try preSharedKey(seed: 1)
        let other = try preSharedKey(seed: 2)
        let meeting = try Meeting(server: tlsOptions(try tlsContext([own])), client: tlsOptions(try tlsContext([other])))
        let reasons = try meeting.reasons()
        #expect(reasons.server.contains("the peer's key \(other.name) is not known here (this process has \(own.name))"))
        #expect(reasons.client.contains("the peer does not take this process's key \(other.name)"))
        #expect(meeting.server.opened == 0 && meeting.client.opened == 0)
    }

    @Test func anotherSecretUnderAKnownName() throws {
        let own = try preSharedKey(seed: 1)
        let meeting = try Meeting(
            server: tlsOptions(try tlsContext([own])), client: tlsOptions(try tlsContext([try disguised(own, seed: 99)])))
        let reasons = try meeting.reasons()
        #expect(reasons.server.contains("the peer names the key \(own.name) and does not have its secret"))
        #expect(reasons.client.contains("the peer has another secret for this process's key \(own.name)"))
        #expect(meeting.server.opened == 0 && meeting.client.opened == 0)
    }

    @Test func aPlainClientAtATLSPort() throws {
        var plain = ConnectionOptions()
        plain.firstMessageTimeout = nil
        let loop = try EventLoop()
        defer { loop.shutDown() }
        let server = Recorder()
        let client = Recorder()
        let listener = try Listener(
            loop: loop, address: .loopback(port: 0), options: tlsOptions(try tlsContext([try preSharedKey()]))
        ) { _ in server }
        let connection = Connection.connect(
            loop: loop, to: listener.address, timeout: .seconds(5), options: plain, handler: client)
        connection.send(ping(1))
        try run(loop, "both ends") { server.closed.count == 1 && client.closed.count == 1 }
        #expect(server.closed[0].description.contains("the peer talks plain text, and this process takes TLS alone"))
        #expect(server.opened == 0)
    }

    @Test func aTLSClientAtAPlainPort() throws {
        let meeting = try Meeting(server: ConnectionOptions(), client: tlsOptions(try tlsContext([try preSharedKey()])))
        let reasons = try meeting.reasons()
        #expect(reasons.client.contains("where it has no cluster secret it talks plain text"))
        #expect(meeting.client.opened == 0)
    }

    @Test func anotherProtocolInside() throws {
        let key = try preSharedKey()
        let other = try TLSContext(keys: [key], ciphers: [.aes128GCM], protocolName: "amp4ec/2", recordsPerKey: 1 << 20)
        let meeting = try Meeting(server: tlsOptions(try tlsContext([key])), client: tlsOptions(other))
        let reasons = try meeting.reasons()
        #expect(reasons.server.contains("another protocol than amp4ec/1"))
        #expect(reasons.client.contains("another protocol than amp4ec/1"))
    }

    @Test func noCipherInCommon() throws {
        let key = try preSharedKey()
        let meeting = try Meeting(
            server: tlsOptions(try tlsContext([key], ciphers: [.aes128GCM])),
            client: tlsOptions(try tlsContext([key], ciphers: [.chaCha20Poly1305])))
        let reasons = try meeting.reasons()
        #expect(reasons.server.contains("TLS") && reasons.client.contains("TLS"))
        #expect(meeting.server.opened == 0 && meeting.client.opened == 0)
    }

    @Test(arguments: [
        ("A4EC", "the peer talks plain text, and this process takes TLS alone: start the peer"),
        ("GET / HTTP/1.1\r\n\r\n", "the peer talks plain text (HTTP)"), ("SSH-2.0-x\r\n", "plain text or another protocol"),
        ("\u{16}\u{2}", "plain text or another protocol"), ("\u{16}\u{3}\u{1}\u{7F}\u{7F}", "over the limit"),
    ]) func foreignFirstBytes(_ text: String, _ reason: String) throws {
        let server = try Server(tlsOptions(try tlsContext([try preSharedKey()])))
        let stranger = try RawClient(port: server.listener.address.port)
        try stranger.write(Array(text.utf8))
        try run(server.loop, "the end") { server.recorder.closed.count == 1 }
        #expect(server.recorder.closed[0].description.contains(reason), "\(server.recorder.closed[0])")
        withExtendedLifetime(stranger) {}
    }

    /// And the same from a server at which we dial.
    @Test(arguments: [
        ("A4EC", "the peer talks plain text"), ("HTTP/1.1 400 Bad Request", "HTTP"),
        ("\u{15}\u{3}\u{3}\u{0}\u{2}\u{2}F", "TLS 1.3"),
        ("\u{15}\u{3}\u{3}\u{0}\u{2}\u{2}\u{A}", "alert 10"),
    ]) func foreignAnswers(_ text: String, _ reason: String) throws {
        let client = try LooseEnd(try tlsContext([try preSharedKey()]), isServer: false)
        client.handshake()
        client.give(Array(text.utf8))
        client.handshake()
        #expect(client.failure?.message.contains(reason) == true, "\(client.failure?.message ?? "nothing")")
    }

    /// Who finds no room is told so inside TLS.
    @Test func aRefusalIsEncryptedToo() throws {
        let options = tlsOptions(try tlsContext([try preSharedKey()]))
        let server = try Server(options, maximumConnectionCount: 1)
        server.recorder.onMessage = { connection, message, _ in connection.send(message) }
        let clients = [Recorder(), Recorder()]
        for client in clients {
            let connection = Connection.connect(
                loop: server.loop, to: server.listener.address, timeout: .seconds(10), options: options, handler: client)
            connection.send(ping(1))
            try run(server.loop, "an answer") { client.received.count == 1 }
        }
        guard case .refused = clients[1].received[0].message else { throw Unexpected("\(clients[1].received[0].message)") }
    }

    @Test func contextsThatCannotBe() throws {
        #expect(throws: ValueError.self) { try TLSContext(keys: []) }
        #expect(throws: ValueError.self) { try TLSContext(keys: [try preSharedKey()], ciphers: []) }
        #expect(throws: ValueError.self) {
            try TLSContext(keys: [try preSharedKey(.client, label: String(repeating: "x", count: 300))])
        }
    }
}
