import Testing
import Transport
import Wire

/// Strangers at the ports of processes that have keys: nobody gets further than the handshake, costs much, or disturbs others.
///
/// `HostileBytesTests` has those at plain ports.
@Suite("Strangers before the handshake")
struct StrangerHandshakeTests {
    /// What a stranger reads before the end of its connection.
    enum Answer: Sendable, Equatable {
        case nothing
        /// A record of type alert (RFC 8446, section 6).
        case alert(UInt8)
        /// In plain text, with the fix.
        case refused
    }

    struct Case: Sendable {
        let name: String
        let bytes: [UInt8]
        /// Sent after those, one each second.
        var drip: [UInt8] = []
        /// Whether what came is enough to turn it away; others are waited for until the limit.
        var isClear = true
        let answer: Answer
    }

    /// What may pass from the connect to the end: the product's limit is five seconds, and this machine may be busy.
    private static let patience: Duration = .seconds(8)

    private static func cases() throws -> [Case] {
        let keys = try TestKeys.shared.get()
        let ours = try Hellos.ours(keys.dialing(as: .cluster))
        let foreign = try TLSContext(KeyRing([TestKeys.freshRoot().derived(.cluster)], for: .worker))
        let plainHello = try MessageCodec.encode(RawPeer.hello)
        let noHandshake: UInt8 = 40
        let wrongVersion: UInt8 = 70
        let noRoom: UInt8 = 80
        return [
            Case(name: "random bytes", bytes: (0..<100_000).map { _ in UInt8.random(in: 0...19) }, answer: .nothing),
            Case(name: "HTTP", bytes: Array("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8), answer: .nothing),
            Case(name: "a hello of TLS 1.2", bytes: Hellos.others(versions: []), answer: .alert(wrongVersion)),
            Case(name: "a hello of TLS 1.3 without a key", bytes: Hellos.others(versions: [0x0304]), answer: .alert(noHandshake)),
            Case(name: "a key of another cluster", bytes: try Hellos.ours(foreign), answer: .alert(noHandshake)),
            Case(
                name: "a record that announces 16 KiB", bytes: [22, 3, 1, 0x40, 0] + [UInt8](repeating: 1, count: 200),
                answer: .nothing),
            Case(name: "a record that announces 64 KiB, and no more", bytes: [22, 3, 1, 0xff, 0xff], answer: .nothing),
            Case(
                name: "a hello in plain text",
                bytes: RogueConnection.frame(kind: plainHello.kind, metadata: plainHello.metadata, total: 0, stream: 1),
                answer: .refused),
            Case(name: "nothing", bytes: [], isClear: false, answer: .alert(noRoom)),
            Case(name: "half a hello", bytes: Array(ours.prefix(ours.count / 2)), isClear: false, answer: .alert(noRoom)),
            Case(
                name: "a byte of a hello each second", bytes: Array(ours.prefix(5)), drip: Array(ours.dropFirst(5).prefix(30)),
                isClear: false, answer: .alert(noRoom)),
            // A whole hello that leads on to the server's answer, and then nothing: the client never proves that it has the key.
            Case(name: "a hello of ours, and nothing more", bytes: ours, isClear: false, answer: .nothing),
        ]
    }

    /// One stranger at one port.
    private final class Visit {
        let test: Case
        let door: String
        let peer: RawPeer
        let start = ContinuousClock.now
        var sent = 0
        var end: ContinuousClock.Instant?

        init(_ test: Case, at address: String, _ door: String) throws {
            (self.test, self.door) = (test, door)
            peer = try RawPeer(address)
            peer.send(test.bytes)
        }

        /// - Returns: whether it is over.
        func look() throws -> Bool {
            guard end == nil else { return true }
            if try peer.hasEnded() {
                end = .now
                return true
            }
            if sent < test.drip.count, ContinuousClock.now - start > .seconds(sent + 1) {
                peer.send([test.drip[sent]])
                sent += 1
            }
            return false
        }

        func judge() {
            let place = "\(test.name) at the \(door)"
            guard let end else {
                Issue.record("\(place): still connected after \(ContinuousClock.now - start)")
                return
            }
            #expect(end - start < StrangerHandshakeTests.patience, "\(place): \(end - start)")
            #expect(test.isClear || end - start > .seconds(3), "\(place): turned away before the limit, after \(end - start)")
            let received = peer.received
            switch test.answer {
            case .nothing where test.name == "a hello of ours, and nothing more":
                // The server's hello, a handshake record.
                #expect(received.first == 22, "\(place): \(received.prefix(16))")
            case .nothing: #expect(received.isEmpty, "\(place): \(received.prefix(16))")
            case .alert(let number):
                #expect(received.first == 21 && received.last == number, "\(place): \(received.prefix(16))")
            case .refused:
                let text = String(decoding: received, as: UTF8.self)
                #expect(text.hasPrefix("A4EC") && text.contains("--cluster-secret-file"), "\(place): \(text)")
            }
        }
    }

    @Test("each is turned away in time and in words that it understands; many at once cost little, and nobody else notices")
    func turnedAway() async throws {
        try await withCluster(
            "cnn", workers: 2, coordinatorOptions: ["--optimize", "O0", "--micro-batch", "4"], awaitsReady: false
        ) { cluster in
            let scene = Scene(cluster: cluster, traffic: try await HonestTraffic.start("cnn", at: cluster))
            try await scene.traffic.goesOn(within: TestCluster.startLimit)
            // What a process takes once for its first strangers is not counted.
            try await crowd(scene, 20)
            let before = try await scene.figures()
            for process in scene.processes { try ProcessFigures.resetPeak(process) }

            let doors = [("coordinator", cluster.address), ("worker", cluster.workerAddresses[0])]
            let visits = try doors.flatMap { door, address in try Self.cases().map { try Visit($0, at: address, door) } }
            let end = ContinuousClock.now + Self.patience * 2
            while ContinuousClock.now < end {
                let open = try visits.filter { try !$0.look() }
                if open.isEmpty { break }
                try await scene.traffic.goesOn(1)
            }
            for visit in visits { visit.judge() }
            for door in [cluster.coordinator, cluster.workers[0]] {
                #expect(door.text(.stderr).contains("peer turned away"), "\(door.report)")
            }

            try await crowd(scene, Self.crowd)
            try scene.expectPeak(within: Self.crowdAllowance, above: before.residentBytes, "\(Self.crowd) strangers of each kind")
            for process in scene.processes {
                let growth = try ProcessFigures.peakResidentBytes(process) - (before.residentBytes[process.name] ?? 0)
                print("strangers: \(process.name) took \(growth >> 10) KiB")
            }
            let counts = scene.traffic.now
            #expect(counts.wrong == 0 && counts.errors.isEmpty, "\(counts)")
            try await scene.rests("the state from before")
            #expect(scene.losses.isEmpty, "\(scene.losses)")
            try scene.areRunning()
            await scene.traffic.stop()
        }
    }

    /// As many as one address may have before their hello.
    private static let crowd = 250
    /// For each of them what a record and a TLS end may take, 24 KiB, and what honest requests need beside them; measured: 8 MiB.
    private static let crowdAllowance = 24 << 20

    /// Many of each kind at once, at both doors, one kind after the other.
    private func crowd(_ scene: Scene, _ count: Int) async throws {
        for address in [scene.address, scene.cluster.workerAddresses[0]] {
            for test in try Self.cases() {
                let peers = try (0..<count).map { _ in try RawPeer(address) }
                for peer in peers { peer.send(test.bytes) }
                try await scene.traffic.goesOn(2)
                withExtendedLifetime(peers) {}
            }
        }
    }
}
