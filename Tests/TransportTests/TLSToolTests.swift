import Base
import Glibc
import Loops
import Synchronization
import Testing
import Transport
import Wire

private let tool = "/usr/bin/openssl"

/// What another program, OpenSSL's own, gets at a port of ours.
@Suite(.enabled(if: access(tool, X_OK) == 0)) struct TLSToolTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let what: String
        let options: [String]
        /// What this process says of it.
        let reason: String
        /// What the tool says of the alert that it got.
        let alert: String
        var testDescription: String { what }
    }

    private static let key = "0011223344556677889900112233445566778899001122334455667788990011"

    @Test(arguments: [
        Case(what: "no key", options: [], reason: "without a pre-shared key", alert: "alert number 40"),
        Case(what: "TLS 1.2", options: ["-tls1_2"], reason: "does not speak TLS 1.3", alert: "alert number 70"),
        Case(what: "TLS 1.2 and 1.3", options: ["-no_ssl3"], reason: "without a pre-shared key", alert: "alert number 40"),
        Case(
            what: "an unknown name", options: ["-psk_identity", "admin", "-psk", key],
            reason: "the peer's key admin is not known here",
            alert: "alert number 40"),
        Case(
            what: "the right name", options: ["-psk_identity", "NAME", "-psk", key],
            reason: "the peer names the key NAME and does not have its secret", alert: "alert number 47"),
        Case(
            what: "another protocol", options: ["-psk_identity", "NAME", "-psk", "SECRET", "-alpn", "http/1.1"],
            reason: "another protocol than amp4ec/1", alert: "alert number 120"),
        Case(
            what: "no protocol", options: ["-psk_identity", "NAME", "-psk", "SECRET"], reason: "another protocol than amp4ec/1",
            alert: ""),
        Case(
            what: "another group alone",
            options: ["-psk_identity", "NAME", "-psk", "SECRET", "-alpn", "amp4ec/1", "-groups", "P-521"],
            reason: "TLS failed", alert: "alert number 40"),
    ]) func getsNoFurtherThanAnAlert(_ test: Case) throws {
        let (server, output) = try meet(test.options) { $0.closed.count == 1 }
        #expect(server.opened == 0)
        let name = try preSharedKey().name
        let reason = test.reason.replacing("NAME", with: name)
        #expect(server.closed[0].description.contains(reason), "\(server.closed[0])")
        #expect(output.contains(test.alert), "\(output)")
    }

    /// The library's other side is no different from our own: with the key it gets in, by either group.
    @Test(arguments: ["X25519", "P-256:X25519", "P-384:P-256"]) func getsInWithTheKey(_ groups: String) throws {
        let (server, _) = try meet(
            ["-psk_identity", "NAME", "-psk", "SECRET", "-alpn", "amp4ec/1", "-groups", groups]
        ) { $0.opened == 1 && $0.closed.count == 1 }
        // Its input is empty, so it says goodbye at once.
        #expect(server.closed == [.peerClosed])
        #expect(server.connections[0].peerIdentity == PeerIdentity(.cluster))
    }

    /// Somebody between who has a certificate and no key: the server's side of TLS can be had without one.
    @Test func aCertificateIsNoKey() throws {
        let folder = try #require(temporaryFolder())
        defer { _ = Self.output(of: ["rm", "-r", folder]) }
        let (certificate, secret) = ("\(folder)/certificate", "\(folder)/secret")
        _ = Self.output(of: [
            tool, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=127.0.0.1",
            "-out",
            certificate, "-keyout", secret,
        ])
        let command =
            "'\(tool)' s_server -accept 127.0.0.1:0 -tls1_3 -alpn amp4ec/1 -cert '\(certificate)' -key '\(secret)' -naccept 1 -www"
        let pipe = try #require(popen("exec \(command) 2>&1", "r"))
        var line = [CChar](repeating: 0, count: 4_096)
        var port: UInt16?
        while port == nil {
            try #require(fgets(&line, 4_096, pipe) != nil, "the tool has ended")
            let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            if text.hasPrefix("ACCEPT ") { port = text.split(separator: ":").last.flatMap { UInt16($0.dropLast()) } }
        }
        let loop = try EventLoop()
        defer { loop.shutDown() }
        let client = Recorder()
        Connection.connect(
            loop: loop, to: .loopback(port: try #require(port)), timeout: .seconds(10),
            options: tlsOptions(try tlsContext([try preSharedKey()])), handler: client)
        try run(loop, "the end") { client.closed.count == 1 }
        #expect(client.opened == 0)
        #expect(client.closed[0].description.contains("without a pre-shared key"), "\(client.closed[0])")
        pclose(pipe)
    }

    private func temporaryFolder() -> String? {
        var template = Array("/tmp/amp4ec-tls-XXXXXX".utf8CString)
        return template.withUnsafeMutableBufferPointer { $0.baseAddress.flatMap(mkdtemp).map { String(cString: $0) } }
    }

    /// Runs `openssl s_client` at a listener until the condition holds. Returns what it printed.
    private func meet(_ options: [String], until condition: (Recorder) -> Bool) throws -> (Recorder, String) {
        let key = try preSharedKey()
        let secret = (0..<32).map { UInt8($0) &* 31 &+ 1 }.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        let server = try Server(tlsOptions(try tlsContext([key])))
        let options = options.map { $0 == "NAME" ? key.name : $0 == "SECRET" ? secret : $0 }
        let output = Mutex("")
        let queue = try TaskQueue(name: "openssl", threadCount: 1, capacity: 1)
        let arguments = [tool, "s_client", "-connect", "127.0.0.1:\(server.listener.address.port)"] + options
        queue.submit {
            let text = Self.output(of: arguments)
            output.withLock { $0 = text }
        }
        try run(server.loop, "the tool") { condition(server.recorder) }
        queue.shutDown()
        return (server.recorder, output.withLock { $0 })
    }

    private static func output(of arguments: [String]) -> String {
        let command = arguments.map { "'\($0)'" }.joined(separator: " ") + " </dev/null 2>&1"
        guard let pipe = popen(command, "r") else { return "" }
        defer { pclose(pipe) }
        var text: [UInt8] = []
        var bytes = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = fread(&bytes, 1, bytes.count, pipe)
            guard count > 0 else { return String(decoding: text, as: UTF8.self) }
            text += bytes.prefix(count)
        }
    }
}
