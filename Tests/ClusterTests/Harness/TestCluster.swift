import AMP4ECClient
import Cluster
import Foundation
import Glibc
import Testing

/// Workers and a coordinator on free ports of this machine.
final class TestCluster: Sendable {
    static let startLimit: Duration = .seconds(60)

    /// What else this machine does must not decide over the plan.
    static let anyLoad = ["--maximum-load", "1"]

    let folder: TemporaryFolder
    let workers: [ProcessUnderTest]
    let workerAddresses: [String]
    let coordinator: ProcessUnderTest
    /// Of the coordinator.
    let address: String

    private init(
        folder: TemporaryFolder, workers: [ProcessUnderTest], workerAddresses: [String], coordinator: ProcessUnderTest,
        address: String
    ) {
        self.folder = folder
        self.workers = workers
        self.workerAddresses = workerAddresses
        self.coordinator = coordinator
        self.address = address
    }

    /// The port of an address.
    static func port(_ address: String) -> String { String(address.split(separator: ":").last ?? "") }

    /// The address that a worker or coordinator says it listens on.
    static func listeningAddress(_ process: ProcessUnderTest, within limit: Duration = startLimit) async throws -> String {
        let marker = "listening on "
        let line = try await process.line("\(marker)…", on: .stdout, within: limit) { $0.hasPrefix(marker) }
        return String(line.dropFirst(marker.count))
    }

    static func startWorker(
        _ name: String, _ options: [String] = [], port: String = "0", limits: ProcessLimits = .none, in folder: TemporaryFolder
    ) throws -> ProcessUnderTest {
        try ProcessUnderTest(
            .worker, ["--listen", "127.0.0.1:\(port)", "--name", name] + options, name: name, descriptorLimit: limits.descriptors,
            memoryGroup: limits.group(), in: folder)
    }

    static func start(
        model: String, workers count: Int, workerOptions: [String], coordinatorOptions: [String], awaitsReady: Bool,
        limits: ProcessLimits = .none
    ) async throws -> TestCluster {
        let folder = try TemporaryFolder()
        let workers = try (1...count).map { try startWorker("w\($0)", workerOptions, limits: limits, in: folder) }
        var addresses: [String] = []
        for worker in workers { addresses.append(try await listeningAddress(worker)) }
        let coordinator = try ProcessUnderTest(
            .coordinator,
            ["--listen", "127.0.0.1:0", "--workers", addresses.joined(separator: ","), "--model", model] + anyLoad
                + coordinatorOptions,
            name: "coordinator", descriptorLimit: limits.descriptors, memoryGroup: limits.group(), in: folder)
        let address = try await listeningAddress(coordinator)
        if awaitsReady {
            let ready = try await coordinator.line("ready: …", on: .stdout, within: startLimit) { $0.hasPrefix("ready: ") }
            #expect(ready == "ready: \(count) stages on \(count) nodes")
        }
        return TestCluster(folder: folder, workers: workers, workerAddresses: addresses, coordinator: coordinator, address: address)
    }

    /// Ends every process as an operator would, and expects each to take that well; those that the test has ended are left alone.
    func stop() async {
        for process in [coordinator] + workers where process.isRunning {
            let ending = await process.terminate()
            #expect(ending == .exited(0), "\(process.report)")
        }
    }

    /// What a failed test shows of all processes.
    var report: String { ([coordinator] + workers).map(\.report).joined(separator: "\n") }

    func client(deadline: Duration = .seconds(60)) throws -> AMP4ECClient {
        var options = try AMP4ECClient.Options.ofTest()
        options.deadline = deadline
        options.maximumConnectFailures = 3
        return try AMP4ECClient(coordinator: address, options: options)
    }

    /// A run of the `amp4ec` command to its end.
    func command(_ arguments: String..., within limit: Duration = .seconds(60)) async throws -> CommandRun {
        try await CommandRun.run(.command, arguments + ["--coordinator", address], within: limit, in: folder)
    }

    /// Waits until the status is as wanted.
    @discardableResult func status(
        _ what: String, within limit: Duration = .seconds(30), where isRight: (ClusterStatus) -> Bool
    ) async throws -> ClusterStatus {
        let client = try client(deadline: limit)
        defer { client.close() }
        var last: ClusterStatus?
        try await eventually(what, within: limit, about: { last.map { "the last status: \($0)\n" } ?? "" + self.report }) {
            let status = try await client.status()
            last = status
            return isRight(status)
        }
        return try #require(last)
    }

    /// Nothing is in flight and nothing is held: what every test must leave behind.
    @discardableResult func cleanStatus() async throws -> ClusterStatus {
        try await status("nothing in flight, nothing held") {
            $0.requestsInFlight == 0 && $0.microBatchesInFlight == 0 && $0.heldBytes == 0 && $0.nodes.allSatisfy { $0.load == 0 }
        }
    }
}

/// Starts a cluster that serves a test model, and ends it after the body, whatever that does.
func withCluster<Result: Sendable>(
    _ model: String, workers: Int = 3, workerOptions: [String] = [], coordinatorOptions: [String] = [], awaitsReady: Bool = true,
    limits: ProcessLimits = .none, _ body: (TestCluster) async throws -> Result
) async throws -> Result {
    let path = try Places.testModel("\(model).pt")
    return try await Gate.clusters.through {
        let cluster = try await TestCluster.start(
            model: path, workers: workers, workerOptions: workerOptions, coordinatorOptions: coordinatorOptions,
            awaitsReady: awaitsReady, limits: limits)
        do {
            let result = try await body(cluster)
            await cluster.stop()
            return result
        } catch {
            Issue.record(error, "\(cluster.report)")
            await cluster.stop()
            throw error
        }
    }
}

/// A process that runs to its end, and what came of it.
struct CommandRun: Sendable, CustomStringConvertible {
    let ending: ProcessUnderTest.Ending
    let output: String
    let errors: String
    let description: String

    static func run(
        _ product: Product, _ arguments: [String], environment: [String: String] = [:], within limit: Duration = .seconds(60),
        descriptorLimit: Int? = nil, memoryGroup: MemoryGroup? = nil, in folder: TemporaryFolder
    ) async throws -> CommandRun {
        let name = "\(product.rawValue)-\(UUID().uuidString.prefix(8))"
        let process = try ProcessUnderTest(
            product, arguments, name: name, environment: environment, descriptorLimit: descriptorLimit, memoryGroup: memoryGroup,
            in: folder)
        let ending = try await process.end(within: limit)
        return CommandRun(ending: ending, output: process.text(.stdout), errors: process.text(.stderr), description: process.report)
    }

    /// For tests that have no cluster of their own, and of which a table starts at once.
    static func inTurn(
        _ product: Product, _ arguments: [String], environment: [String: String] = [:], in folder: TemporaryFolder
    ) async throws -> CommandRun {
        try await Gate.commands.through { try await run(product, arguments, environment: environment, in: folder) }
    }
}
