import Foundation
import Testing
import Topology

/// The official engine's own word on the projects of these tests: what `docker compose config` makes of each has the same workers as the
/// project itself. Needs no daemon; without the engine the test is left out by name. `AMP4EC_COMPOSE` names its program, where it is not
/// found as `docker compose` or `docker-compose`.
@Suite("Compose's own reading")
struct ComposeEngineTests {
    /// The program and its first arguments.
    static let engine: [String]? = {
        let named = ProcessInfo.processInfo.environment["AMP4EC_COMPOSE"].map { [[$0]] }
        return (named ?? [["docker", "compose"], ["docker-compose"]]).first { command in
            // Version 1 is another program, which knows neither includes nor tags.
            guard let said = try? run(command + ["version", "--short"], in: "/", [:]), said.status == 0 else { return false }
            let version = said.output.drop { !$0.isNumber }
            return !version.hasPrefix("1.") && version.first?.isNumber == true
        }
    }()

    struct Said {
        let status: Int32
        let output: String
        let errors: String
    }

    static func run(_ command: [String], in folder: String, _ environment: [String: String]) throws -> Said {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        process.currentDirectoryURL = URL(fileURLWithPath: folder)
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        process.environment = environment.merging(["PATH": path, "HOME": folder]) { mine, _ in mine }
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        process.standardInput = FileHandle.nullDevice
        try process.run()
        // Small: a pipe holds it.
        let text = output.fileHandleForReading.readDataToEndOfFile()
        let said = errors.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return Said(
            status: process.terminationStatus, output: String(decoding: text, as: UTF8.self),
            errors: String(decoding: said, as: UTF8.self))
    }

    @Test(
        "docker compose config has the same workers", .enabled(if: engine != nil, "there is no docker compose 2 here"),
        arguments: ProjectCase.all)
    func config(_ row: ProjectCase) throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("amp4ec-compose-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        for (path, text) in row.files {
            let file = folder.appendingPathComponent("app/" + path)
            try FileManager.default.createDirectory(at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
            try text.write(to: file, atomically: true, encoding: .utf8)
        }
        // A project under compose's own name is read without -f, which leaves out what overrides it.
        let isOwn = row.paths == ["."] || row.paths.count == 1 && ["compose.yaml", "docker-compose.yml"].contains(row.paths[0])
        let arguments = (isOwn ? [] : row.paths.flatMap { ["-f", $0] }) + row.envFiles.flatMap { ["--env-file", $0] }
        let said = try Self.run((Self.engine ?? []) + arguments + ["config"], in: folder.path + "/app", row.environment)
        if said.status != 0 && row.isOfNewerEngines { return }
        try #require(said.status == 0, "\(said.errors)")
        // Read alone: what the project's variables said is in it, but which profiles are active is not.
        var environment = row.environment.filter { $0.key == "COMPOSE_PROFILES" }
        if row.files[".env"]?.contains("COMPOSE_PROFILES") == true { environment["COMPOSE_PROFILES"] = "*" }
        let made = try ComposeFile.parse(
            text: said.output, file: "config.yaml", directory: "/srv/app", environment: environment, knownOptions: knownOptions)
        #expect(made.workers.map(summary).sorted() == row.workers.sorted(), "\(said.output)")
        #expect(made.warnings.isEmpty, "\(made.warnings)")
        // And from the disk, as the coordinator does it.
        let project = ComposeProject(
            paths: row.paths.map { "\(folder.path)/app/\($0)" }, envFiles: row.envFiles.map { "\(folder.path)/app/\($0)" })
        let reading = project.read(environment: row.environment, knownOptions: knownOptions)
        #expect(try reading.result.get().workers.map(summary) == row.workers)
        #expect(
            row.files.keys.filter { $0.hasSuffix("yaml") && $0.hasPrefix("compose") }.allSatisfy { name in
                row.paths == ["."] || !row.paths.contains(name) || reading.files.contains("\(folder.path)/app/\(name)")
            })
    }
}
