import AMP4ECClient
import Cluster
import Foundation
import Glibc
import Tensors
import Testing
import Wire

/// The processes outlive who reads their words, and their end is nobody else's to decide.
@Suite("Surroundings")
struct SurroundingsTests {
    /// The end of a process' stderr that a test holds.
    final class Reader: Sendable {
        let reading: Int32
        let writing: Int32

        init() throws {
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
            (reading, writing) = (ends[0], ends[1])
        }

        /// Nobody reads any more.
        func goAway() { close(reading) }
        func closeOwnEnd() { close(writing) }
    }

    enum Fate: String, CaseIterable, Sendable { case stalls, goesAway }

    @Test("a reader of stderr that stalls or goes away ends and delays nothing", arguments: Fate.allCases)
    func logReader(_ fate: Fate) async throws {
        let folder = try TemporaryFolder()
        let reader = try Reader()
        let worker = try ProcessUnderTest(
            .worker, ["--listen", "127.0.0.1:0", "--name", "w1", "--log-level", "debug"], name: "w1", errors: reader.writing,
            in: folder)
        reader.closeOwnEnd()
        let address = try await TestCluster.listeningAddress(worker)
        if fate == .goesAway { reader.goAway() }
        // Each connection is a line; together they are more than a pipe and the queue behind it hold of bytes.
        for _ in 0..<2_000 {
            let peer = try RawPeer(address)
            peer.send(Array("no hello\r\n".utf8))
        }
        let check = try await CommandRun.run(.check, ["--worker", address, "--deadline", "20s"], in: folder)
        #expect(check.ending == .exited(0), "\(check)")
        worker.send(SIGTERM)
        #expect(try await worker.end() == .exited(0), "\(worker.report)")
        if fate == .stalls { reader.goAway() }
    }

    @Test("a full disk under the logs ends nothing")
    func fullDisk() async throws {
        let folder = try TemporaryFolder()
        let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
        try #require(full >= 0)
        defer { close(full) }
        let worker = try ProcessUnderTest(
            .worker, ["--listen", "127.0.0.1:0", "--name", "w1"], name: "w1", errors: full, in: folder)
        let address = try await TestCluster.listeningAddress(worker)
        let check = try await CommandRun.run(.check, ["--worker", address], in: folder)
        #expect(check.ending == .exited(0), "\(check)")
        #expect(await worker.terminate() == .exited(0), "\(worker.report)")
    }

    @Test("a crash closes the sockets at once", arguments: [SIGILL, SIGSEGV, SIGTRAP])
    func crash(_ signal: Int32) async throws {
        let folder = try TemporaryFolder()
        let worker = try TestCluster.startWorker("w1", in: folder)
        let peer = try RawPeer(try await TestCluster.listeningAddress(worker))
        let hello = Hello(role: .worker, channel: .data, name: "raw", software: "test", incarnation: IncarnationID(bits: 1))
        try peer.send(.hello(hello))
        try await peer.receive(atLeast: 1)
        worker.send(signal)
        try await peer.closed("the worker has crashed")
        #expect(try await worker.end() == .signalled(signal), "\(worker.report)")
        // What would keep the sockets open for four seconds and more is the runtime's backtrace; the product's own line is short.
        #expect(!worker.text(.stderr).contains("Backtrace took"), "\(worker.report)")
        #expect(!worker.text(.stderr).contains("Program crashed"), "\(worker.report)")
    }

    @Test("a command whose output nobody reads any more ends as a filter does")
    func closedOutput() async throws {
        let folder = try TemporaryFolder()
        let reader = try Reader()
        let command = try ProcessUnderTest(
            .command, ["simulate", "--seed", "1", "--trace"], name: "simulate", output: reader.writing, in: folder)
        reader.closeOwnEnd()
        reader.goAway()
        #expect(try await command.end(within: .seconds(60)) == .signalled(SIGPIPE), "\(command.report)")
        #expect(command.text(.stderr).isEmpty, "\(command.report)")
    }

    @Test("SIGTERM to a coordinator does not wait for inputs that do not come, whatever their deadline")
    func headerOnly() async throws {
        try await withCluster("cnn", workers: 1) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let inputs = try TestInputs.make(try await client.model(), items: 1)
            let peer = try RawPeer(cluster.address)
            try peer.send(RawPeer.hello)
            try await peer.receive(atLeast: 1)
            let headers = inputs.map {
                TensorHeader(dtype: $0.dtype, shape: $0.shape, encoding: .raw, wireByteCount: $0.byteCount)
            }
            let request = InferRequest(id: 1, deadlineMilliseconds: 3_600_000, names: [], tensors: headers)
            let total = try PayloadLayout(headers).byteCount
            try peer.send(.inferRequest(request), payload: [1, 2, 3, 4], of: total)
            try await cluster.status("it is announced") { $0.requestsInFlight == 1 }
            cluster.coordinator.send(SIGTERM)
            #expect(try await cluster.coordinator.end(within: .seconds(15)) == .exited(0), "\(cluster.coordinator.report)")
        }
    }

    @Test("what runs longer than --drain-timeout is given up with an error that says so, and the coordinator ends with 0")
    func drainTimeout() async throws {
        try await withCluster("slow", workers: 1, coordinatorOptions: ["--drain-timeout", "100ms"]) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let slow = try ConcurrencyTests.slowInputs(try await client.model())
            let reply = Task { try await client.infer(slow, deadline: .milliseconds(900)) }
            try await cluster.status("it is under way") { $0.microBatchesInFlight == 1 }
            cluster.coordinator.send(SIGTERM)
            let error = await #expect(throws: ClientError.self) { try await reply.value }
            #expect(error?.code == .unavailable && error?.message.contains("--drain-timeout") == true, "\(error as Any)")
            #expect(try await cluster.coordinator.end(within: .seconds(15)) == .exited(0), "\(cluster.coordinator.report)")
        }
    }
}
