import Base
import CLI
import Foundation
import Testing
import Transport

/// `amp4ec secret` as a process, in a home of its own.
@Suite("amp4ec secret") struct SecretCommandTests {
    /// A home that goes with the test.
    private final class Home {
        let path: String
        var key: String { "\(path)/.config/amp4ec/secret" }

        init() throws {
            let folder = FileManager.default.temporaryDirectory.appending(path: "amp4ec-secret-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            path = folder.path
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func text(_ file: String) throws -> String { try String(contentsOfFile: file, encoding: .utf8) }

        func mode(_ file: String) throws -> Int {
            try #require(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int)
        }
    }

    private struct Outcome {
        let status: Int32
        let output: String
        let error: String
    }

    private static func run(_ arguments: [String], in home: Home, variables: [String: String] = [:]) throws -> Outcome {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let products = ProcessInfo.processInfo.environment["AMP4EC_PRODUCTS"] ?? root.appending(path: ".build/release").path
        let process = Process()
        process.executableURL = URL(filePath: "\(products)/amp4ec")
        process.arguments = ["secret"] + arguments
        process.environment = ["HOME": home.path].merging(variables) { $1 }
        let (output, error) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = error
        try process.run()
        // Each says less than a pipe holds.
        let said = [output, error].map { String(decoding: $0.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) }
        process.waitUntilExit()
        return Outcome(status: process.terminationStatus, output: said[0], error: said[1])
    }

    /// The key that stands on stdout, and nothing else.
    private static func key(_ arguments: [String], in home: Home) throws -> ClusterKey {
        let made = try run(arguments, in: home)
        try #require(made.status == 0, "\(made.error)")
        #expect(made.error == "" && made.output.split(separator: "\n", omittingEmptySubsequences: false).count == 2)
        return try ClusterKey(parsing: made.output)
    }

    @Test("a new root is put where it is found, for its owner alone, and never over another")
    func home() throws {
        let home = try Home()
        let made = try Self.run([], in: home)
        #expect(made.status == 0 && made.error == "")
        let text = try home.text(home.key)
        let root = try ClusterKey(parsing: text)
        #expect(root.kind == .root && text == root.secretText + "\n")
        #expect(!made.output.contains(try #require(text.split(separator: ":").last?.prefix(8))))
        #expect(
            try made.output.contains("made \(home.key)\n")
                && made.output.contains(#require(root.derived(.cluster).preSharedKey).name))
        #expect(try home.mode(home.key) == 0o600 && home.mode("\(home.path)/.config/amp4ec") == 0o700)

        let again = try Self.run([], in: home)
        #expect(again.status == 65 && again.output == "" && again.error.contains("\(home.key): it is there already"))
        #expect(try home.text(home.key) == text)

        let elsewhere = try Self.run([], in: home, variables: ["XDG_CONFIG_HOME": "\(home.path)/other"])
        #expect(elsewhere.status == 0)
        #expect(try home.text("\(home.path)/other/amp4ec/secret") != text)
        #expect(try Self.run([], in: home, variables: ["HOME": ""]).status == 64)
    }

    @Test("each root is another") func fresh() throws {
        let home = try Home()
        let keys = try (0..<3).map { _ in try Self.key(["--output", "-"], in: home) }
        #expect(Set(keys.map(\.secretText)).count == 3 && keys.allSatisfy { $0.kind == .root })
        #expect(!FileManager.default.fileExists(atPath: home.key))
    }

    @Test("keys are derived from the root of the usual places, or of the file that is given")
    func derived() throws {
        let home = try Home()
        let other = "\(home.path)/other"
        for arguments in [[], ["--output", other]] { try #require(try Self.run(arguments, in: home).status == 0) }
        #expect(try home.mode(other) == 0o600)
        let roots = try [home.key, other].map { try ClusterKey(parsing: home.text($0)) }
        try #require(roots[0] != roots[1])
        for (words, kind, label) in [
            (["cluster"], .cluster, nil), (["operator"], .operator, nil), (["client", "--label", "laptop"], .client, "laptop"),
        ] as [([String], ClusterKey.Kind, String?)] {
            let derive = ["--derive"] + words
            #expect(try Self.key(derive, in: home) == roots[0].derived(kind, label: label))
            #expect(try Self.key(derive + ["--cluster-secret-file", other], in: home) == roots[1].derived(kind, label: label))
        }
        let made = "\(home.path)/made"
        let arguments = ["--derive", "client", "--output", made]
        #expect(try Self.run(arguments, in: home, variables: [KeyPlaces.environmentVariable: other]).status == 0)
        #expect(try ClusterKey(parsing: home.text(made)) == roots[1].derived(.client))
        #expect(try home.mode(made) == 0o600)
    }

    @Test("a token is a line of fresh bytes", arguments: [("client", nil), ("operator", "anna")] as [(String, String?)])
    func token(_ role: String, _ label: String?) throws {
        let home = try Home()
        let arguments = ["--http-token", role] + (label.map { ["--label", $0] } ?? [])
        let lines = try (0..<2).map { _ in try Self.run(arguments, in: home).output }
        #expect(lines[0] != lines[1])
        for line in lines {
            let parts = line.dropLast().split(separator: ":")
            #expect(line.hasSuffix("\n") && parts.count == (label == nil ? 2 : 3))
            #expect(parts[0] == "amp4ec-http-\(role)" && Base64URL.decode(parts[1].utf8)?.count == 32)
            if let label { #expect(parts[2] == label) }
        }
    }

    @Test("what is made is made of the bytes that are given") func pureToken() {
        let text = SecretText(token: .client, label: "x", bytes: Array(0..<32)).text
        #expect(text == "amp4ec-http-client:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8:x")
    }

    /// What --check says of a file, by its mode and kind.
    @Test("a look at a file says what it is, and not what is in it")
    func check() throws {
        let home = try Home()
        try #require(try Self.run([], in: home).status == 0)
        let file = "\(home.path)/laptop"
        try #require(try Self.run(["--derive", "client", "--label", "laptop", "--output", file], in: home).status == 0)
        let secret = try #require(try home.text(file).split(separator: ":").dropFirst().first)
        let name = try #require(try ClusterKey(parsing: home.text(file)).preSharedKey).name

        let good = try Self.run(["--check", file], in: home)
        #expect(good.status == 0 && good.error == "")
        for part in ["kind: client, label laptop", name, "mode: 0600, all right"] {
            #expect(good.output.contains(part), "\(good.output)")
        }

        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file)
        let open = try Self.run(["--check", file, "--json"], in: home)
        #expect(open.status == 65 && open.error.contains("chmod 600 \(file)"))
        let report = try JSONDecoder().decode(SecretReport.self, from: Data(open.output.utf8))
        #expect(report.mode == "0644" && report.problem != nil && report.names == [name] && report.secret == nil)
        for text in [good.output, good.error, open.output, open.error] { #expect(!text.contains(secret)) }

        try Data("amp4ec-client:\(secret.dropLast(3))".utf8).write(to: URL(filePath: file))
        let short = try Self.run(["--check", file], in: home)
        #expect(
            short.status == 65 && short.output == "" && short.error.contains("it has from 32")
                && !short.error.contains(secret.prefix(8)))
        #expect(try Self.run(["--check", home.path], in: home).error.contains("it is a folder"))
    }

    @Test("with --json there is one object, with the secret only where it goes to stdout")
    func json() throws {
        let home = try Home()
        func report(_ arguments: [String]) throws -> SecretReport {
            try JSONDecoder().decode(SecretReport.self, from: Data(Self.run(arguments + ["--json"], in: home).output.utf8))
        }
        let root = try report([])
        #expect(root.kind == "root" && root.file == home.key && root.secret == nil && root.names?.count == 3)
        let derived = try report(["--derive", "operator", "--label", "anna"])
        #expect(derived.label == "anna" && derived.file == nil)
        #expect(try ClusterKey(parsing: #require(derived.secret)).kind == .operator)
        #expect(try report(["--http-token", "client"]).secret?.hasPrefix("amp4ec-http-client:") == true)
    }

    @Test("only the root has other keys in it") func derivedFromDerived() throws {
        let home = try Home()
        try #require(try Self.run([], in: home).status == 0)
        let file = "\(home.path)/worker"
        try #require(try Self.run(["--derive", "cluster", "--output", file], in: home).status == 0)
        let outcome = try Self.run(["--derive", "client", "--cluster-secret-file", file], in: home)
        #expect(outcome.status == 65 && outcome.error.contains("it is a cluster key"))
    }
}
