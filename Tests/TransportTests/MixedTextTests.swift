import Base
import Glibc
import Loops
import Testing
import Transport
import Wire

/// Peers with and without a key meet: what each is told, and the time of a change in which both are taken.
@Suite struct MixedTextTests {
    private func root() throws -> ClusterKey { try ClusterKey(rootOf: (0..<32).map { $0 &* 5 &+ 3 }) }

    private func security(
        _ owner: KeyRing.Owner, _ kind: ClusterKey.Kind = .root, server: PeerRights.Server? = nil, acceptsPlain: Bool = false,
        objection: String? = nil
    ) throws -> ConnectionSecurity {
        let key = try kind == .root ? root() : root().derived(kind)
        return ConnectionSecurity(
            tls: try TLSContext(try KeyRing([key], for: owner)), server: server, acceptsPlain: acceptsPlain,
            plainObjection: { _ in objection })
    }

    private let plain = ConnectionSecurity(tls: nil, server: nil, acceptsPlain: false) { _ in nil }

    private let hello = Hello(
        role: .client, channel: .control, name: "c", software: "test", incarnation: IncarnationID(bits: 7))

    /// A coordinator that says welcome to everybody, and a client that dials it.
    private final class Scene {
        let loop: EventLoop
        let server = Recorder()
        let listener: Listener
        var outcome: Result<(Connection, Welcome), Dialer.Failure>?

        init(_ server: ConnectionSecurity) throws {
            let loop = try EventLoop()
            self.loop = loop
            let recorder = self.server
            recorder.onMessage = { connection, message, _ in
                guard case .hello = message else { return }
                connection.send(
                    .welcome(
                        Welcome(
                            role: .coordinator, name: "coordinator", software: "test", incarnation: IncarnationID(bits: 1), term: 1)
                    ))
            }
            listener = try Listener(loop: loop, address: .loopback(port: 0), options: server.applied(to: ConnectionOptions())) {
                _ in
                recorder
            }
        }

        deinit { loop.shutDown() }

        func dial(_ client: ConnectionSecurity, _ hello: Hello) throws {
            outcome = nil
            Dialer(
                loop: loop, addresses: [listener.address.description], hello: hello, settings: client.dialing(ConnectionOptions())
            ) { [self] in outcome = $0 }
            try run(loop, "an outcome") { outcome != nil }
        }

        var failure: String? { if case .failure(let failure)? = outcome { failure.message } else { nil } }
        var opened: Connection? { if case .success((let connection, _))? = outcome { connection } else { nil } }
    }

    @Test func aPeerWithoutAKeyIsToldWhatItNeedsInPlainText() throws {
        let scene = try Scene(security(.coordinator, server: .coordinator))
        try scene.dial(plain, hello)
        #expect(scene.failure?.contains("takes encrypted connections alone") == true)
        #expect(scene.failure?.contains("--cluster-secret-file") == true)
        try run(scene.loop, "the server's end") { scene.server.closed.count == 1 }
        #expect(scene.server.closed[0].description.contains("the peer talks plain text, and this process takes TLS alone"))
        #expect(scene.server.opened == 0 && scene.server.received.isEmpty)
    }

    @Test func duringAChangeBothAreTaken() throws {
        let scene = try Scene(security(.coordinator, server: .coordinator, acceptsPlain: true))
        try scene.dial(plain, hello)
        let first = try #require(scene.opened, "\(scene.failure ?? "")")
        #expect(first.peerIdentity == nil)
        try scene.dial(security(.client, .client), hello)
        let second = try #require(scene.opened, "\(scene.failure ?? "")")
        #expect(second.cipherSuite != nil)
        #expect(scene.server.connections.map(\.peerIdentity) == [nil, PeerIdentity(.client)])
    }

    @Test func duringAChangePlainTextStillHasItsPolicy() throws {
        let scene = try Scene(
            security(.coordinator, server: .coordinator, acceptsPlain: true, objection: "it is a public address"))
        try scene.dial(plain, hello)
        #expect(scene.failure?.contains("it is a public address") == true)
        #expect(scene.server.opened == 0)
    }

    @Test func duringAChangeAPeerWithoutAKeyIsDialledInPlainText() throws {
        let scene = try Scene(plain)
        try scene.dial(security(.client, .client, acceptsPlain: true), hello)
        #expect(scene.opened != nil, "\(scene.failure ?? "")")
        #expect(scene.opened?.cipherSuite == nil)
        // And at no other time.
        try scene.dial(security(.client, .client), hello)
        #expect(scene.failure?.contains("where it has no cluster secret it talks plain text") == true)
        // Nor where plain text is not for that address.
        try scene.dial(security(.client, .client, acceptsPlain: true, objection: "no"), hello)
        #expect(scene.opened == nil)
    }

    @Test func duringAChangeAnotherClustersPeerIsNotTakenForAPlainOne() throws {
        let scene = try Scene(security(.coordinator, server: .coordinator))
        let other = ConnectionSecurity(
            tls: try TLSContext(try KeyRing([try ClusterKey(rootOf: Array(repeating: 9, count: 32))], for: .client)), server: nil,
            acceptsPlain: true
        ) { _ in nil }
        try scene.dial(other, hello)
        #expect(scene.failure?.contains("give both sides keys of the same root") == true)
        try run(scene.loop, "the server's end") { scene.server.closed.count == 1 }
        #expect(scene.server.opened == 0)
    }

    @Test func whatAKeyDoesNotAllowEndsTheConnection() throws {
        let scene = try Scene(security(.coordinator, server: .coordinator))
        try scene.dial(security(.client, .client), hello)
        let connection = try #require(scene.opened, "\(scene.failure ?? "")")
        let client = Recorder()
        connection.handler = client
        connection.send(.register(Register(name: "w9", addresses: ["127.0.0.1:9"])))
        try run(scene.loop, "both ends") { scene.server.closed.count == 1 && client.closed.count == 1 }
        guard case .refused(let refused)? = client.received.last?.message else {
            Issue.record("no refusal came: \(client.received)")
            return
        }
        #expect(refused.code == .permissionDenied && refused.message.contains("may not send register"))
        #expect(scene.server.received.count == 1, "the hello alone")
        #expect(scene.server.closed[0].description == refused.message)
    }

    @Test func aCommandThatAKeyDoesNotAllowIsAnsweredSoManyTimes() throws {
        let scene = try Scene(security(.coordinator, server: .coordinator))
        try scene.dial(security(.client, .client), hello)
        let connection = try #require(scene.opened, "\(scene.failure ?? "")")
        let client = Recorder()
        connection.handler = client
        func drain(_ id: UInt64) { connection.send(.drainRequest(DrainRequest(id: id, node: "w1", undo: false, force: false))) }
        drain(5)
        try run(scene.loop, "an answer") { client.received.count == 1 }
        guard case .inferError(let error) = client.received[0].message else {
            Issue.record("\(client.received[0].message)")
            return
        }
        #expect(error.id == 5 && error.code == .permissionDenied && error.message.contains("operator's key"))
        // The rest of the connection goes on, but not for ever.
        #expect(client.closed.isEmpty)
        for id in 6..<40 { drain(UInt64(id)) }
        try run(scene.loop, "the end") { client.closed.count == 1 }
        #expect(client.received.count == 17)
    }

    /// A process out of descriptors: it accepts, has no place for the handshake, and no place to wait for the peer's end.
    @Test(arguments: [true, false]) func aServerWithoutRoomSaysSoBeforeAnyHandshake(_ isEncrypted: Bool) throws {
        let loop = try EventLoop()
        defer { loop.shutDown() }
        let server = Recorder()
        let listener = try Listener(
            loop: loop, address: .loopback(port: 0),
            options: security(.coordinator, server: .coordinator).applied(to: ConnectionOptions()), room: DescriptorRoom(limit: 2)
        ) { _ in server }
        let client = Recorder()
        let own = try isEncrypted ? security(.client, .client).applied(to: ConnectionOptions()) : ConnectionOptions()
        let connection = Connection.connect(loop: loop, to: listener.address, timeout: .seconds(5), options: own, handler: client)
        // With plain text the server looks at what has come.
        if !isEncrypted { connection.send(.hello(hello)) }
        try run(loop, "the client's end") { client.closed.count == 1 }
        if isEncrypted {
            #expect(client.closed[0].description.contains("takes no connection just now"), "\(client.closed[0])")
        } else if case .refused(let refused)? = client.received.last?.message {
            #expect(refused.code == .resourceExhausted || refused.code == .unauthenticated)
        } else {
            #expect(client.closed[0].description.contains("talks TLS"), "\(client.closed[0])")
        }
        #expect(server.opened == 0)
    }
}
