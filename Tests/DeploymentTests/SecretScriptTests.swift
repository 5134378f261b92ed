import Base
import Foundation
import Testing
import Transport

/// `scripts/secret`, which `make secret`, `make image` and `make demo` run, in a home of its own.
@Suite("scripts/secret")
struct SecretScriptTests {
    private final class Home {
        let path: String
        var key: String { "\(path)/.config/amp4ec/secret" }
        var folder: String { "\(path)/secrets" }

        init() throws {
            let folder = FileManager.default.temporaryDirectory.appending(path: "amp4ec-make-secret-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            path = folder.path
        }

        deinit { try? FileManager.default.removeItem(atPath: path) }

        func text(_ file: String) throws -> String { try String(contentsOfFile: file, encoding: .utf8) }

        func mode(_ file: String) throws -> Int {
            try #require(try FileManager.default.attributesOfItem(atPath: file)[.posixPermissions] as? Int)
        }

        func run(_ arguments: [String] = []) throws -> (status: Int32, said: String) {
            let process = Process()
            process.executableURL = URL(filePath: Document.path("scripts/secret"))
            process.arguments = ["--folder", folder] + arguments
            process.environment = ["HOME": path, "PATH": ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"]
            let pipe = Pipe()
            process.standardOutput = pipe
            process.standardError = pipe
            try process.run()
            let said = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            process.waitUntilExit()
            return (process.terminationStatus, said)
        }
    }

    private static let names = ["amp4ec_root", "amp4ec_cluster", "amp4ec_http_tokens"]

    @Test("makes what is missing, for containers to read and for other users not to reach, and changes nothing afterwards")
    func made() throws {
        let home = try Home()
        let first = try home.run()
        try #require(first.status == 0, "\(first.said)")
        let root = try KeyFile.read(home.key, at: .home).key
        #expect(try home.mode(home.key) == 0o600 && home.mode(home.folder) == 0o700)
        for name in Self.names { #expect(try home.mode("\(home.folder)/\(name)") == 0o444, "\(name)") }
        #expect(try KeyFile.read("\(home.folder)/amp4ec_root", at: .mounted).key == root)
        #expect(try KeyFile.read("\(home.folder)/amp4ec_cluster", at: .mounted).key == root.derived(.cluster))
        let tokens = try home.text("\(home.folder)/amp4ec_http_tokens").split(separator: "\n").map { $0.split(separator: ":") }
        #expect(tokens.map { "\($0[0]) \($0[2])" } == ["amp4ec-http-client metrics", "amp4ec-http-operator admin"])
        #expect(Set(tokens.map { $0[1] }).count == 2)

        let files = [home.key] + Self.names.map { "\(home.folder)/\($0)" }
        let texts = try files.map(home.text)
        let second = try home.run()
        #expect(try second.status == 0 && files.map(home.text) == texts)
        for text in [first.said, second.said] {
            for secret in texts.flatMap({ $0.split { ":\n".contains($0) } }) where secret.count >= 43 {
                #expect(!text.contains(secret))
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: home.folder).sorted() == Self.names.sorted())

        // What an engine leaves where a file was missing, and a copy of another cluster's.
        for name in Self.names { try FileManager.default.removeItem(atPath: "\(home.folder)/\(name)") }
        try FileManager.default.createDirectory(atPath: "\(home.folder)/amp4ec_root", withIntermediateDirectories: false)
        try Data("amp4ec-cluster:other\n".utf8).write(to: URL(filePath: "\(home.folder)/amp4ec_cluster"))
        #expect(try home.run().status == 0)
        #expect(try files.prefix(3).map(home.text) == Array(texts.prefix(3)))
    }

    @Test("a root that is in one place is copied to the other, and two roots are refused as they are")
    func twoPlaces() throws {
        let (home, other) = (try Home(), try Home())
        for one in [home, other] { try #require(try one.run().status == 0) }
        let text = try home.text(home.key)
        try FileManager.default.removeItem(atPath: home.key)
        #expect(try home.run().status == 0 && home.text(home.key) == text && home.mode(home.key) == 0o600)
        try FileManager.default.removeItem(atPath: home.key)
        try FileManager.default.copyItem(atPath: other.key, toPath: home.key)
        let outcome = try home.run()
        #expect(outcome.status == 1 && outcome.said.contains("are different keys"))
        #expect(try home.text("\(home.folder)/amp4ec_root") == text && home.text(home.key) == other.text(other.key))
    }

    @Test("a rotation makes other keys and keeps the old ones beside them")
    func rotated() throws {
        let home = try Home()
        try #require(try home.run().status == 0)
        let files = [home.key, "\(home.folder)/amp4ec_root", "\(home.folder)/amp4ec_cluster"]
        let texts = try files.map(home.text)
        let outcome = try home.run(["--rotate"])
        try #require(outcome.status == 0, "\(outcome.said)")
        #expect(try files.map { try home.text($0 + ".old") } == texts)
        #expect(try zip(files, texts).allSatisfy { try home.text($0) != $1 })
        let root = try KeyFile.read(home.key, at: .home).key
        #expect(try KeyFile.read("\(home.folder)/amp4ec_cluster", at: .mounted).key == root.derived(.cluster))
        #expect(try home.mode(home.key + ".old") == 0o600)
    }

    @Test("a key at home that is no root is left alone, and nothing is made of it")
    func noRoot() throws {
        let home = try Home()
        try FileManager.default.createDirectory(
            atPath: (home.key as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        let text = try ClusterKey(rootOf: Array(0..<32)).derived(.client).secretText
        try Data(text.utf8).write(to: URL(filePath: home.key))
        let outcome = try home.run()
        #expect(outcome.status == 1 && outcome.said.contains("\(home.key) is no root key"))
        #expect(try home.text(home.key) == text)
        for name in Self.names { #expect(!FileManager.default.fileExists(atPath: "\(home.folder)/\(name)")) }
    }
}
