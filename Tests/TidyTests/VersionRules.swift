/// The version stands in `Sources/Shell/ProductVersion.swift`; what cannot ask there (manifests, examples of documents) says the same.
enum VersionRules {
    static let source = "Sources/Shell/ProductVersion.swift"
    static let changes = "CHANGELOG.md"

    /// The version that the programs report.
    static func current(_ source: SourceFile) -> String? {
        source.text.firstMatch(of: /static let current = "(\d+\.\d+\.\d+)"/).map { String($0.1) }
    }

    /// Image tags and the names of tarballs, wherever they stand, are of this version.
    static func mentions(_ file: SourceFile, current: String) -> [Violation] {
        file.lines.enumerated().flatMap { index, line -> [Violation] in
            let hasDigit = line.utf8.contains { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard hasDigit, line.contains("amp4ec") || line.contains("newTag") else { return [] }
            let found = line.matches(of: /(?:amp4ec:|amp4ec-|newTag: ")(\d+\.\d+\.\d+)\b/).map { String($0.1) }
            return found.filter { $0 != current }.map {
                Violation(
                    path: file.path, line: index + 1, message: "version \($0), and the product's is \(current): scripts/set-version"
                )
            }
        }
    }

    /// What is new in the version that is being worked on, or was just released, stands on top.
    static func heading(_ changes: SourceFile, current: String) -> [Violation] {
        let top = changes.lines.firstIndex { $0.hasPrefix("## ") }
        let isCurrent = top.map { changes.lines[$0].hasPrefix("## \(current) (") } ?? false
        guard !isCurrent else { return [] }
        let message = "the first section is not '## \(current) (…)': scripts/set-version"
        return [Violation(path: changes.path, line: (top ?? 0) + 1, message: message)]
    }
}
