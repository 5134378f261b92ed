import Foundation

/// How files lie in the repository: their length, their targets, the scripts' manners, the documents' links.
enum LayoutRules {
    /// Beyond this a file holds more than one thing and is read by nobody in one go.
    static let maximumLines = 400

    /// Files that may be longer, each with its reason.
    static let longFiles: [String: String] = [
        "Sources/C/CTorch/CTorch.cpp": "a C++ file that includes torch takes 20 s to compile: there is only this one",
        "Tests/Models/test_models.py": "a catalogue of small models, each read by itself",
        "Sources/C/CWire/amp4ec.pb-c.c": "generated from proto/amp4ec.proto",
        "Sources/C/CWire/include/amp4ec.pb-c.h": "generated from proto/amp4ec.proto",
    ]

    private static let codeEndings = [".swift", ".c", ".cpp", ".h", ".py", ".sh"]

    static func length(_ file: SourceFile) -> [Violation] {
        let isCode = codeEndings.contains(where: file.path.hasSuffix) || isScript(file)
        // The newline that ends the last line does not begin another.
        let count = file.lines.last == "" ? file.lines.count - 1 : file.lines.count
        guard isCode, longFiles[file.path] == nil, count > maximumLines else { return [] }
        return [
            Violation(
                path: file.path, line: maximumLines + 1,
                message: "\(count) lines, at most \(maximumLines): split it by topic (Type+Topic.swift)")
        ]
    }

    /// Every folder of Sources and Tests is built: a folder that no target names is dead code.
    static func targets(manifest: String, folders: some Collection<String>) -> [Violation] {
        // SwiftPM's own calls, and the manifest's two helpers.
        let named = manifest.matches(of: /(?:pure|tests)\(\s*"(\w+)"/).map { String($0.1) }
        let declared = manifest.matches(of: /\.(?:target|executableTarget|testTarget|systemLibrary)\(\s*name: "(\w+)"/)
        let placed = manifest.matches(of: /path: "(?:Sources|Tests)\/(?:C\/)?(\w+)"/).map { String($0.1) }
        let targets = Set(named + declared.map { String($0.1) } + placed)
        return folders.sorted().compactMap { folder in
            let parts = folder.split(separator: "/")
            // The C modules lie one folder deeper.
            let depth = folder == "Sources/C" || folder.hasPrefix("Sources/C/") ? 3 : 2
            // What makes the models that tests run, what tries the messages, and what looks at the dashboard, is Python.
            guard parts.count == depth, parts[0] == "Sources" || parts[0] == "Tests",
                !["Tests/Models", "Tests/Messages", "Tests/browser"].contains(folder)
            else { return nil }
            guard !targets.contains(String(parts[depth - 1])) else { return nil }
            return Violation(path: folder, line: 1, message: "no target in Package.swift builds this folder")
        }
    }

    /// A script right below scripts/, such as scripts/setup: those are what people type.
    static func isScript(_ file: SourceFile) -> Bool {
        file.path.hasPrefix("scripts/") && file.path.split(separator: "/").count == 2 && !file.path.contains(".")
    }

    /// A script runs as it is, explains itself, and (in bash) stops at the first error.
    static func script(_ file: SourceFile, isExecutable: Bool) -> [Violation] {
        guard isScript(file) else { return [] }
        var messages: [String] = []
        if file.lines.first?.hasPrefix("#!") != true { messages.append("begins with no '#!' line") }
        if !isExecutable { messages.append("is not executable: chmod +x") }
        if !file.text.contains("--help"), !file.text.contains("argparse") { messages.append("answers no --help") }
        if file.lines.first?.hasSuffix("bash") == true, !file.text.contains("set -euo pipefail") {
            messages.append("goes on after errors: set -euo pipefail")
        }
        return messages.map { Violation(path: file.path, line: 1, message: $0) }
    }

    /// A relative link of a document leads to a file or folder of the repository.
    static func links(_ file: SourceFile, exists: (String) -> Bool) -> [Violation] {
        guard file.path.hasSuffix(".md") else { return [] }
        let folder = file.path.split(separator: "/").dropLast().joined(separator: "/")
        return file.lines.enumerated().flatMap { index, line in
            line.matches(of: /\]\(([^)\s#:]+)(?:#[^)]*)?\)/).compactMap { match in
                let target = String(match.1)
                let path = URL(filePath: "/\(folder)/\(target)").standardized.path().drop(while: { $0 == "/" })
                guard !exists(String(path)) else { return nil }
                return Violation(path: file.path, line: index + 1, message: "the link to '\(target)' leads nowhere")
            }
        }
    }
}
