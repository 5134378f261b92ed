import AMP4ECClient
import Base
import Cluster
import Planning
import Testing

/// Coordinators and workers that a test starts, stops and starts again in its own order; what still runs at its end is ended politely.
///
/// ## Concurrency model
/// Used by one test.
final class LooseProcesses {
    let folder: TemporaryFolder
    private var started: [ProcessUnderTest] = []

    init(_ folder: TemporaryFolder) { self.folder = folder }

    /// The plan does not depend on what was measured, so that two coordinators cut alike.
    static let steady = ["--cost", "macs", "--optimize", "O0", "--micro-batch", "4"]

    func coordinator(
        _ options: [String], model: String = "cnn", port: String = "0", name: String = "coordinator"
    ) async throws -> (process: ProcessUnderTest, address: String) {
        let process = try ProcessUnderTest(
            .coordinator,
            ["--listen", "127.0.0.1:\(port)", "--model", Places.testModel("\(model).pt")] + TestCluster.anyLoad + options,
            name: name,
            in: folder)
        started.append(process)
        return (process, try await TestCluster.listeningAddress(process))
    }

    func worker(_ name: String, _ options: [String] = [], port: String = "0", log: String? = nil) async throws -> (
        process: ProcessUnderTest, address: String
    ) {
        let process = try ProcessUnderTest(
            .worker, ["--listen", "127.0.0.1:\(port)", "--name", name] + options, name: log ?? name, in: folder)
        started.append(process)
        return (process, try await TestCluster.listeningAddress(process))
    }

    /// The library as users have it: it goes on trying until each request's deadline.
    func client(_ address: String) throws -> AMP4ECClient { try AMP4ECClient(coordinator: address, options: .ofTest()) }

    /// Waits until the status is as wanted.
    @discardableResult func status(
        _ client: AMP4ECClient, _ what: String, within limit: Duration = .seconds(30), where isRight: (ClusterStatus) -> Bool
    ) async throws -> ClusterStatus {
        var last: ClusterStatus?
        try await eventually(what, within: limit, about: { last.map { "the last status: \($0)" } ?? "" }) {
            let status = try await client.status()
            last = status
            return isRight(status)
        }
        return try #require(last)
    }

    func command(_ arguments: [String], at address: String) async throws -> CommandRun {
        try await CommandRun.run(.command, arguments + ["--coordinator", address], in: folder)
    }

    var report: String { started.map(\.report).joined(separator: "\n") }

    func stop() async {
        for process in started where process.isRunning { #expect(await process.terminate() == .exited(0), "\(process.report)") }
    }
}

/// Runs a test with processes of its own, and ends them after it, whatever it does.
func withProcesses(_ body: (LooseProcesses) async throws -> Void) async throws {
    try await Gate.clusters.through {
        let processes = LooseProcesses(try TemporaryFolder())
        do {
            try await body(processes)
            await processes.stop()
        } catch {
            Issue.record(error, "\(processes.report)")
            await processes.stop()
            throw error
        }
    }
}

extension ClusterStatus {
    /// A plan of so many stages serves, and every node that is known is ready.
    func serves(stages: Int) -> Bool {
        state == "serving" && plan?.stages.count == stages && nodes.count { $0.state == "ready" } == stages
    }
    func state(of name: String) -> String? { nodes.first { $0.name.description == name }?.state }
}
