/// The client library is for people who do not read its sources: whatever is public there says what it is, and every example is one that
/// the compiler has seen.
enum DocumentationRules {
    static let library = "Sources/Client/"
    /// Built with everything else (`SwiftClientExample`, `SwiftClientSnippets` in Package.swift).
    static let examples = "examples/swift-client/Sources/"

    private static let modifiers: Set<Substring> = [
        "final", "static", "class", "nonisolated", "override", "required", "convenience", "mutating", "indirect", "consuming",
    ]
    private static let containers: Set<Substring> = ["enum", "protocol"]

    /// A public declaration has a doc comment right above it, and so has a case of a public enum or a requirement of a public protocol.
    static func comments(_ file: SourceFile) -> [Violation] {
        guard file.isSwift, file.path.hasPrefix(library) else { return [] }
        // The indentation of the public enums and protocols that are open at a line.
        var open: [Int] = []
        return file.lines.indices.compactMap { index in
            let line = file.lines[index]
            let indentation = line.prefix(while: { $0 == " " }).count
            let words = words(of: line)
            if let last = open.last, indentation <= last, !words.isEmpty { open.removeLast() }
            let isMember = open.last.map { indentation == $0 + 4 } ?? false && isImplicitlyPublic(words)
            let isPublic = isPublic(words)
            if isPublic, words.contains(where: containers.contains), !line.contains("}") { open.append(indentation) }
            guard isPublic || isMember, !hasComment(file, above: index) else { return nil }
            return Violation(
                path: file.path, line: index + 1,
                message: "it is public and has no doc comment: say what it is, or make it 'package' if clients do not need it")
        }
    }

    /// What stands between fences as Swift in the library's documentation and in the README is in a source file, so that it compiles.
    /// - Parameter sources: the files that are built.
    static func compiled(_ file: SourceFile, sources: [SourceFile]) -> [Violation] {
        guard file.path.hasPrefix(library) || file.path == "README.md" else { return [] }
        let texts = sources.filter { $0.isSwift && $0.path.hasPrefix(examples) }.map {
            $0.lines.map(trimmed).filter { !$0.isEmpty }
        }
        return blocks(file).compactMap { block in
            let isThere = texts.contains { text in
                text.count >= block.lines.count
                    && (0...(text.count - block.lines.count)).contains { text[$0...].starts(with: block.lines) }
            }
            guard !isThere || block.lines.isEmpty else { return nil }
            return Violation(
                path: file.path, line: block.line,
                message:
                    "no file below \(examples) has these lines one after the other: put the example there, where it is compiled")
        }
    }

    /// Code that only indentation marks would escape the rule above.
    static func fences(_ file: SourceFile) -> [Violation] {
        guard file.isSwift, file.path.hasPrefix(library) else { return [] }
        return file.lines.indices.dropFirst().compactMap { index in
            guard let text = comment(file.lines[index]), text.hasPrefix("    "), comment(file.lines[index - 1]) == "" else {
                return nil
            }
            return Violation(path: file.path, line: index + 1, message: "put the example between '```swift' and '```'")
        }
    }

    private struct Block {
        let line: Int
        var lines: [Substring]
    }

    /// Without indentation and blank lines; in a Swift file, those of its doc comments.
    private static func blocks(_ file: SourceFile) -> [Block] {
        var found: [Block] = []
        var current: Block?
        for (index, line) in file.lines.enumerated() {
            guard let text = file.isSwift ? comment(line).map(trimmed) : trimmed(line) else { continue }
            if let block = current, text == "```" {
                found.append(block)
                current = nil
            } else if current != nil {
                if !text.isEmpty { current?.lines.append(text) }
            } else if text == "```swift" {
                current = Block(line: index + 1, lines: [])
            }
        }
        return found + (current.map { [$0] } ?? [])
    }

    /// What stands behind the three strokes and the blank after them; `nil` on a line that is no doc comment.
    private static func comment(_ line: Substring) -> Substring? {
        let text = line.drop(while: { $0 == " " })
        guard text.hasPrefix("///") else { return nil }
        return text.dropFirst(3).first == " " ? text.dropFirst(4) : text.dropFirst(3)
    }

    private static func hasComment(_ file: SourceFile, above index: Int) -> Bool {
        let above = file.lines[..<index].last { !trimmed($0).hasPrefix("@") }
        return above.flatMap(comment).map { !$0.isEmpty } ?? false
    }

    private static func isPublic(_ words: [Substring]) -> Bool {
        let rest = words.drop(while: { $0.hasPrefix("@") || modifiers.contains($0) })
        guard let first = rest.first, first == "public" || first == "open" else { return false }
        // An extension's members are looked at one by one, and have `public` themselves.
        return !rest.dropFirst().contains { $0 == "import" || $0 == "extension" }
    }

    private static func isImplicitlyPublic(_ words: [Substring]) -> Bool {
        let rest = words.drop(while: { $0.hasPrefix("@") || modifiers.contains($0) })
        guard let first = rest.first else { return false }
        return ["case", "func", "var", "associatedtype", "subscript"].contains(first) || first.hasPrefix("init")
    }

    private static func words(of line: Substring) -> [Substring] { line.split(whereSeparator: { $0 == " " || $0 == "\t" }) }

    private static func trimmed(_ line: Substring) -> Substring {
        let start = line.drop(while: \.isWhitespace)
        return start.lastIndex(where: { !$0.isWhitespace }).map { start[...$0] } ?? ""
    }
}
