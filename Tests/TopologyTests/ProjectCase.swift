import Base
import Shell
import Testing
import Topology

/// A compose project that compose itself takes, and the workers in it.
struct ProjectCase: Sendable, CustomTestStringConvertible {
    let name: String
    /// Text by path.
    let files: [String: String]
    var paths = ["compose.yaml"]
    var envFiles: [String] = []
    var environment: [String: String] = [:]
    /// Engines up to 2.40 refuse it; those of 2026 take it.
    var isOfNewerEngines = false
    /// As ``summary(_:)`` says it.
    let workers: [String]
    var testDescription: String { name }

    func read() throws -> Topology {
        try ComposeFile.parse(
            files: files, project: ComposeProject(paths: paths, envFiles: envFiles), directory: "/srv/app",
            environment: environment,
            knownOptions: knownOptions)
    }
}

/// A project's text in memory.
func read(
    _ files: [String: String], paths: [String] = ["compose.yaml"], envFiles: [String] = [], environment: [String: String] = [:]
) throws -> Topology {
    try ProjectCase(name: "", files: files, paths: paths, envFiles: envFiles, environment: environment, workers: []).read()
}

/// Everything that the coordinator takes from a worker, in one line: `w w:9000 localhost:9001 --listen=9000 0.5cpus x2`.
func summary(_ worker: WorkerService) -> String {
    var parts = [worker.name, "\(HostPort(host: worker.host, port: worker.port))"]
    parts += worker.publishedAddresses.map(\.description).sorted() + worker.fixedAddresses.map { "@\($0)" }.sorted()
    parts += worker.options.sorted { $0.key < $1.key }.map { "--\($0.key)=\($0.value)" }
    if let cpus = worker.cpus { parts.append("\(cpus)cpus") }
    if let memory = worker.memoryBytes { parts.append("\(memory)bytes") }
    if let replicas = worker.replicas { parts.append("x\(replicas)") }
    if let stage = worker.annotation.stage { parts.append("stage\(stage)") }
    if worker.annotation.exclude { parts.append("excluded") }
    return parts.joined(separator: " ")
}

@Suite("Compose projects")
struct ProjectTests {
    @Test("as compose reads them", arguments: ProjectCase.all)
    func workers(_ row: ProjectCase) throws {
        #expect(try row.read().workers.map(summary) == row.workers)
    }

    @Test func namesAreUnique() {
        #expect(Set(ProjectCase.all.map(\.name)).count == ProjectCase.all.count && ProjectCase.all.count >= 60)
    }
}

extension ProjectCase {
    static let all = files + extending + variables + networks + commands
}
