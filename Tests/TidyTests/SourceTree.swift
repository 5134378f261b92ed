import Foundation

/// One text file of the repository, by its path from the package's root.
struct SourceFile: Sendable {
    let path: String
    let lines: [Substring]

    init(_ path: String, _ text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    var text: String { lines.joined(separator: "\n") }
    var isSwift: Bool { path.hasSuffix(".swift") }

    /// The folder below Sources or Tests that the file belongs to, as `Wire` for `Sources/Wire/Message.swift`.
    func module(below top: String) -> String? {
        let parts = path.split(separator: "/")
        return parts.count > 2 && parts[0] == top ? String(parts[1]) : nil
    }
}

/// What a rule found, with the place and the way out, so that a failed test reads like a compiler's message.
struct Violation: Equatable, CustomStringConvertible, Sendable {
    let path: String
    let line: Int
    let message: String

    var description: String { "\(path):\(line): \(message)" }
}

/// The text files of this package, read from the disk next to the tests' own sources.
struct SourceTree: Sendable {
    let files: [SourceFile]
    let executables: Set<String>
    let folders: Set<String>

    /// The package's root: this file lies in Tests/TidyTests below it.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// What is ours to keep tidy. Anything else at the top is built, downloaded or made, and ignored by git.
    private static let topFolders = [
        "Sources", "Tests", "Fuzz", "Benchmarks", "Mutants", "scripts", "docs", "proto", "compose", "deploy", "examples", ".ci",
    ]

    /// Reads every file of the repository that is text; others (images, arrays, archives) have no lines to check.
    static func load() throws -> SourceTree {
        let manager = FileManager.default
        var paths = try manager.contentsOfDirectory(atPath: root.path()).filter { !topFolders.contains($0) && $0 != ".git" }
        for top in topFolders {
            let below = manager.enumerator(atPath: root.appending(path: top).path())
            while let entry = below?.nextObject() as? String { paths.append("\(top)/\(entry)") }
        }
        var files: [SourceFile] = []
        var executables: Set<String> = []
        var folders: Set<String> = []
        for path in paths.sorted() {
            let url = root.appending(path: path)
            var isFolder: ObjCBool = false
            guard manager.fileExists(atPath: url.path(), isDirectory: &isFolder) else { continue }
            guard !isFolder.boolValue else {
                folders.insert(path)
                continue
            }
            // Inputs for the parsers, made up by a program: no text of ours.
            guard !path.hasPrefix("Fuzz/Corpus/") else { continue }
            if manager.isExecutableFile(atPath: url.path()) { executables.insert(path) }
            if let text = String(data: try Data(contentsOf: url), encoding: .utf8), !text.contains("\0") {
                files.append(SourceFile(path, text))
            }
        }
        return SourceTree(files: files, executables: executables, folders: folders)
    }

    /// What one rule finds in the whole tree.
    func violations(of rule: (SourceFile) -> [Violation]) -> [Violation] { files.flatMap(rule) }
}
