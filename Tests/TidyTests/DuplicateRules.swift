/// Code that stands in two places is mended in one of them. Ten lines that are alike are found by a hash of each window of ten; what the
/// compiler or the formatter makes people write again does not count: blank lines, comments, imports, lines of braces alone, how far a line is
/// indented, and who may see a declaration.
enum DuplicateRules {
    static let windowLines = 10

    /// Two places that may be alike, by their files, in the order of their names.
    struct Exception: Sendable {
        let files: [String]
        let reason: String
    }

    /// Those that are known. One that is no longer needed fails the test too.
    static let exceptions: [Exception] = []

    /// A line that counts, and where it stands.
    private struct Line {
        let number: Int
        let text: String
    }

    /// A block of lines that stands in two places.
    struct Block: Equatable {
        let path: String
        let line: Int
        let other: String
        let otherLine: Int
        let count: Int

        var violation: Violation {
            Violation(
                path: path, line: line,
                message:
                    "\(count) lines that \(other):\(otherLine) has too: write them once, or say why not in \(DuplicateRules.self)")
        }
        var files: [String] { [path, other].sorted() }
    }

    static func isChecked(_ file: SourceFile) -> Bool {
        file.module(below: "Sources") != nil && !file.path.contains(".pb-c.")
            && [".swift", ".c", ".cpp", ".h"].contains(where: file.path.hasSuffix)
    }

    /// All blocks of ten lines or more that stand in two places, each once, with its whole length.
    static func blocks(_ files: [SourceFile]) -> [Block] {
        let texts = files.filter(isChecked).map { (path: $0.path, lines: counted($0)) }
        var seen: [Int: [(file: Int, index: Int)]] = [:]
        var found: [Block] = []
        for (number, file) in texts.enumerated() where file.lines.count >= windowLines {
            let hashes = file.lines.map(\.text.hashValue)
            for index in 0...(file.lines.count - windowLines) {
                var hasher = Hasher()
                for hash in hashes[index..<(index + windowLines)] { hasher.combine(hash) }
                let key = hasher.finalize()
                for place in seen[key, default: []] {
                    let other = texts[place.file]
                    // A window within a block that was found by its first one. Blocks that overlap themselves count once, too.
                    if index > 0, place.index > 0, file.lines[index - 1].text == other.lines[place.index - 1].text { continue }
                    let count = length(file.lines[index...], other.lines[place.index...])
                    guard count >= windowLines else { continue }
                    found.append(
                        Block(
                            path: file.path, line: file.lines[index].number, other: other.path,
                            otherLine: other.lines[place.index].number, count: count))
                }
                seen[key, default: []].append((number, index))
            }
        }
        return found
    }

    private static func length(_ a: ArraySlice<Line>, _ b: ArraySlice<Line>) -> Int {
        zip(a, b).prefix(while: { $0.text == $1.text }).count
    }

    private static let access: Set<Substring> = ["public", "package", "internal", "fileprivate", "private"]

    private static func counted(_ file: SourceFile) -> [Line] {
        let imports = Set(ImportRules.imports(of: file).map(\.line))
        return file.lines.enumerated().compactMap { index, line in
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard let first = words.first, !first.hasPrefix("//"), !first.hasPrefix("#include"), !imports.contains(index + 1),
                words.contains(where: { $0.contains(where: { $0.isLetter || $0.isNumber }) })
            else { return nil }
            return Line(number: index + 1, text: words.filter { !access.contains($0) }.joined(separator: " "))
        }
    }

    static func isExcepted(_ block: Block) -> Bool { exceptions.contains { $0.files == block.files } }
}
