import Base
import Cluster
import Foundation
import Planning
import Testing

/// The health check of containers: only a process that answers counts as one that lives.
@Suite("Health check")
struct CheckTests {
    /// Long for a process that answers, short for a test that waits for it to pass.
    private static let deadline = ["--deadline", "3s"]

    private func check(_ arguments: [String], _ product: Product = .check, in folder: TemporaryFolder) async throws -> CommandRun {
        try await CommandRun.run(product, arguments, in: folder)
    }

    @Test("a worker and a coordinator that answer; each is not the other")
    func answers() async throws {
        try await withCluster("cnn", workers: 1) { cluster in
            let folder = try TemporaryFolder()
            let worker = cluster.workerAddresses[0]
            for (product, arguments) in [
                (Product.check, ["--worker", worker]), (.worker, ["--check", "--listen", worker]),
                (.check, ["--coordinator", cluster.address]), (.check, ["--worker", worker, "--coordinator", cluster.address]),
            ] {
                let run = try await check(arguments, product, in: folder)
                #expect(run.ending == .exited(0) && run.output.contains("answers") && run.errors.isEmpty, "\(run)")
            }
            for arguments in [["--worker", cluster.address], ["--coordinator", worker]] {
                let run = try await check(arguments, in: folder)
                #expect(run.ending == .exited(69) && run.errors.contains("this is "), "\(run)")
            }
            // The cluster took no notice.
            let status = try await cluster.status("serving") { $0.state == "serving" }
            #expect(status.nodes.map(\.name) == ["w1"], "\(status)")
        }
    }

    @Test("a stopped worker still takes connections, and does not count as living")
    func stopped() async throws {
        let folder = try TemporaryFolder()
        let worker = try TestCluster.startWorker("w1", in: folder)
        let address = try await TestCluster.listeningAddress(worker)
        worker.send(SIGSTOP)
        let asleep = try await check(["--worker", address] + Self.deadline, in: folder)
        #expect(asleep.ending == .exited(69) && asleep.errors.contains("no answer"), "\(asleep)")
        worker.send(SIGCONT)
        let awake = try await check(["--worker", address], in: folder)
        #expect(awake.ending == .exited(0), "\(awake)")
        #expect(await worker.terminate() == .exited(0), "\(worker.report)")
    }

    @Test("somebody else's port, and nobody's")
    func others() async throws {
        let folder = try TemporaryFolder()
        let silent = try TakenPort()
        for arguments in [["--worker", "127.0.0.1:\(silent.port)"], ["--coordinator", "\(silent.port)"]] {
            let run = try await check(arguments + ["--deadline", "500ms"], in: folder)
            #expect(run.ending == .exited(69) && run.errors.contains("no answer"), "\(run)")
        }
        for (product, arguments) in [
            (Product.check, ["--worker", "127.0.0.1:1"]), (.check, ["--coordinator", ":1"]),
            (.worker, ["--check", "--listen", "127.0.0.1:1"]),
        ] {
            let run = try await check(arguments, product, in: folder)
            #expect(run.ending == .exited(69) && run.errors.contains("refused"), "\(run)")
        }
    }

    @Test("wrong usage", arguments: [["--worker", "9000:x"], ["--worker", ":0"], ["--deadline", "0s"]])
    func usage(arguments: [String]) async throws {
        let run = try await check(arguments, in: TemporaryFolder())
        #expect(run.ending == .exited(64), "\(run)")
    }
}
