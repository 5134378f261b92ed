import AMP4ECClient
import Cluster
import Foundation
import Glibc
import Tensors
import Testing
import Transport
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

    /// `F_SETPIPE_SZ`, which the module of the C library does not show.
    static let setPipeSize: Int32 = 1_031

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
        let peer = try RogueConnection(to: try await TestCluster.listeningAddress(worker), as: .cluster)
        let hello = Hello(role: .worker, channel: .data, name: "raw", software: "test", incarnation: IncarnationID(bits: 1))
        try peer.send(.hello(hello))
        _ = try await peer.first("the worker's welcome") { if case .welcome = $0.message { true } else { nil } }
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

    @Test("a command whose output does not fit on the disk fails, and says that it is not complete")
    func fullOutput() async throws {
        let folder = try TemporaryFolder()
        let full = open("/dev/full", O_WRONLY | O_CLOEXEC)
        try #require(full >= 0)
        defer { close(full) }
        for arguments in [["simulate", "--seed", "1"], ["simulate", "--seed", "1", "--json"], ["--help"]] {
            let command = try ProcessUnderTest(.command, arguments, name: "full", output: full, in: folder)
            #expect(try await command.end(within: .seconds(60)) == .exited(1), "\(arguments): \(command.report)")
            #expect(command.text(.stderr).contains("not complete"), "\(arguments): \(command.report)")
        }
    }

    @Test("a reader of stdout that is slow, on a descriptor that does not block, gets all of it")
    func slowReader() async throws {
        let folder = try TemporaryFolder()
        let whole = try await CommandRun.run(.command, ["simulate", "--seed", "1", "--trace"], in: folder)
        #expect(whole.ending == .exited(0) && whole.output.utf8.count > 8_192, "more than the pipe below takes at once")
        let reader = try Reader()
        _ = fcntl(reader.writing, Self.setPipeSize, 4_096)
        _ = fcntl(reader.writing, F_SETFL, O_NONBLOCK)
        let command = try ProcessUnderTest(
            .command, ["simulate", "--seed", "1", "--trace"], name: "slow", output: reader.writing, in: folder)
        reader.closeOwnEnd()
        var text: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1_000)
        while case let count = read(reader.reading, &piece, piece.count), count > 0 { text += piece.prefix(count) }
        reader.goAway()
        #expect(try await command.end(within: .seconds(60)) == .exited(0), "\(command.report)")
        #expect(String(decoding: text, as: UTF8.self) == whole.output)
    }

    @Test("a process that is started without standard descriptors gives none of their numbers to a socket")
    func closedDescriptors() async throws {
        let folder = try TemporaryFolder()
        let worker = try ProcessUnderTest(
            .worker, ["--listen", "127.0.0.1:0", "--name", "w1"], name: "w1", closed: [0, 2], in: folder)
        let address = try await TestCluster.listeningAddress(worker)
        for number in [0, 2] {
            let target = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(worker.pid)/fd/\(number)")
            #expect(target == "/dev/null", "\(number)")
        }
        let check = try await CommandRun.run(.check, ["--worker", address], in: folder)
        #expect(check.ending == .exited(0), "\(check)")
        #expect(await worker.terminate() == .exited(0), "\(worker.report)")
    }

    @Test("SIGTERM to a coordinator does not wait for inputs that do not come, whatever their deadline")
    func headerOnly() async throws {
        try await withCluster("cnn", workers: 1) { cluster in
            let client = try cluster.client()
            defer { client.close() }
            let inputs = try TestInputs.make(try await client.model(), items: 1)
            let peer = try await RogueClient(cluster.address).connection
            defer { peer.close() }
            let headers = inputs.map {
                TensorHeader(dtype: $0.dtype, shape: $0.shape, encoding: .raw, wireByteCount: $0.byteCount)
            }
            let request = InferRequest(id: 1, deadlineMilliseconds: 3_600_000, names: [], tensors: headers)
            let total = try PayloadLayout(headers).byteCount
            try peer.begin(.inferRequest(request), payload: [1, 2, 3, 4], of: total)
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
            let slow = try ConcurrencyTests.slowInputs(try await client.model(), rounds: 4 * ConcurrencyTests.slowRounds)
            let reply = Task { try await client.infer(slow, deadline: .milliseconds(900)) }
            try await cluster.status("it is under way") { $0.microBatchesInFlight == 1 }
            cluster.coordinator.send(SIGTERM)
            let error = await #expect(throws: ClientError.self) { try await reply.value }
            #expect(error?.code == .unavailable && error?.message.contains("--drain-timeout") == true, "\(error as Any)")
            #expect(try await cluster.coordinator.end(within: .seconds(15)) == .exited(0), "\(cluster.coordinator.report)")
        }
    }
}
