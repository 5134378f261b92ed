import AMP4ECClient
import Cluster
import Tensors
import Testing
import Wire

/// Strangers on the ports: their connection ends, the processes and everybody else go on.
///
/// The processes talk plain text, so that what a stranger says meets the protocol itself; `StrangerHandshakeTests` has those at ports that
/// take TLS alone.
@Suite("Bytes of strangers", .plainText)
struct HostileBytesTests {
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let bytes: [UInt8]
        /// What the process answers before it closes, if anything must come.
        var answer: Message.Kind?
    }

    static var cases: [Case] {
        get throws {
            var random: UInt64 = 99
            let noise = (0..<100_000).map { _ -> UInt8 in
                random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return UInt8(truncatingIfNeeded: random >> 33)
            }
            func sealed(_ change: (inout FrameHeader) -> Void, metadata: [UInt8] = []) -> [UInt8] {
                var header = FrameHeader(kind: Message.Kind.hello.rawValue, stream: 1, metadataByteCount: metadata.count)
                change(&header)
                metadata.withUnsafeBytes { header.seal(metadata: $0, payloadChecksum: 0) }
                return RawPeer.bytes(of: header) + metadata
            }
            let request = try MessageCodec.encode(.statusRequest(StatusRequest(id: 1)))
            return [
                Case(testDescription: "random bytes", bytes: noise),
                Case(testDescription: "HTTP", bytes: Array("GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)),
                Case(testDescription: "TLS", bytes: [0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03]),
                Case(testDescription: "another major version", bytes: sealed { $0.major = 9 }, answer: .refused),
                Case(
                    testDescription: "a payload of 2^62 bytes",
                    bytes: sealed {
                        $0.kind = Message.Kind.inferRequest.rawValue
                        $0.totalPayloadByteCount = 1 << 62
                    }),
                Case(testDescription: "metadata of 4 GiB", bytes: sealed { $0.metadataByteCount = Int(UInt32.max) }),
                Case(testDescription: "a checksum that is wrong", bytes: sealed({ _ in }, metadata: [1, 2, 3]).dropLast() + [9]),
                Case(testDescription: "a hello that is no hello", bytes: sealed({ _ in }, metadata: [0xff, 0xff, 0xff])),
                Case(
                    testDescription: "a request before the hello",
                    bytes: sealed({ $0.kind = request.kind }, metadata: request.metadata), answer: .refused),
            ]
        }
    }

    @Test("each is closed on the worker's and on the coordinator's port, and the cluster serves on")
    func strangers() async throws {
        try await withCluster("cnn", workers: 2) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let inputs = try TestInputs.make(try await client.model(), items: 4)
            let expected = try await client.infer(inputs).outputs
            for address in [cluster.address, cluster.workerAddresses[0]] {
                for test in try Self.cases {
                    let peer = try RawPeer(address)
                    peer.send(test.bytes)
                    try await peer.closed("\(test.testDescription) at \(address)")
                    if let answer = test.answer {
                        let kind =
                            peer.received.count >= FrameHeader.byteCount
                            ? UInt16(peer.received[6]) | UInt16(peer.received[7]) << 8 : 0
                        #expect(kind == answer.rawValue, "\(test.testDescription) at \(address): \(peer.received.count) bytes")
                    }
                }
            }
            for process in cluster.workers + [cluster.coordinator] { #expect(process.isRunning, "\(process.report)") }
            #expect(Comparison.relativeError(try await client.infer(inputs).outputs, expected) <= 1e-4)
            let status = try await cluster.cleanStatus()
            #expect(status.counters.nodesLost == 0)
        }
    }

    @Test("who says nothing is not kept")
    func silent() async throws {
        let folder = try TemporaryFolder()
        let worker = try TestCluster.startWorker("w1", in: folder)
        let peer = try RawPeer(try await TestCluster.listeningAddress(worker))
        try await peer.closed("a connection without a word")
        #expect(await worker.terminate() == .exited(0), "\(worker.report)")
    }

    @Test("a client at a worker, a coordinator's port taken for a worker's: told so", arguments: [Security.plain, .encrypted])
    func wrongDoor(_ security: Security) async throws {
        try await Security.$current.withValue(security) { try await wrongDoors() }
    }

    private func wrongDoors() async throws {
        try await withCluster("cnn", workers: 1) { cluster in
            let run = try await CommandRun.run(
                .command, ["status", "--coordinator", cluster.workerAddresses[0]], in: cluster.folder)
            #expect(run.ending == .exited(69), "\(run)")
            // With keys a worker does not even say what it is to whom its coordinator's clients are.
            #expect(run.errors.contains("worker"), "\(run)")
            if Security.current == .plain { #expect(run.errors.contains("coordinator"), "\(run)") }
            let other = try ProcessUnderTest(
                .coordinator, ["--listen", "127.0.0.1:0", "--workers", cluster.address, "--model", Places.testModel("cnn.pt")],
                name: "other", in: cluster.folder)
            _ = try await other.line("what is wrong with the worker's address", on: .stderr) {
                $0.contains("cannot be reached") && $0.contains("coordinator")
            }
            #expect(await other.terminate() == .exited(0))
        }
    }
}
