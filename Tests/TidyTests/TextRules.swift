/// What a line may not say. The forbidden words are put together from halves here and in the tests, so that these
/// files pass their own rules and none needs an exception.
enum TextRules {
    /// Work that is put off belongs in an issue, where somebody finds it.
    static func unfinished(_ file: SourceFile) -> [Violation] {
        let words: Set<Substring> = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
        return lines(of: file) { line in
            let found = line.split(whereSeparator: { !$0.isLetter && !$0.isNumber && $0 != "_" }).first(where: words.contains)
            return found.map { "'\($0)': finish it, or file an issue and say nothing here" }
        }
    }

    /// Sharing that the compiler cannot check carries its proof: a type in the same file, a single value right above it.
    static func concurrency(_ file: SourceFile) -> [Violation] {
        let heading = "## Concurrency" + " model"
        let type = "@unchecked " + "Sendable"
        let value = "nonisolated" + "(unsafe)"
        guard file.isSwift, !file.text.contains(heading) else { return [] }
        return file.lines.indices.compactMap { index in
            let line = file.lines[index]
            let above = index > 0 ? file.lines[index - 1].drop(while: { $0 == " " }) : ""
            let message: String
            if line.contains(type) {
                message = "'\(type)' needs a doc comment with '\(heading)' that says why it is safe"
            } else if line.contains(value), !above.hasPrefix("//") {
                message = "'\(value)' needs a comment right above it that says why it is safe"
            } else {
                return nil
            }
            return Violation(path: file.path, line: index + 1, message: message)
        }
    }

    /// An error is thrown to who can handle it, and a broken promise says which one.
    static func crashes(_ file: SourceFile) -> [Violation] {
        let silent = ["fatalError", "preconditionFailure", "assertionFailure"].map { $0 + "()" }
        guard file.isSwift else { return [] }
        return lines(of: file) { line in
            if line.contains("try" + "!") { return "a forced try ends the process: throw, or catch and say what failed" }
            if line.contains("as" + "! ") { return "a forced cast ends the process: use 'as?' and an error" }
            return silent.first(where: { line.contains($0) }).map { "'\($0)' without a message: say which promise was broken" }
        }
    }

    /// A path of one person's machine works on no other.
    static func privatePaths(_ file: SourceFile) -> [Violation] {
        let roots = ["/ho" + "me/", "/ro" + "ot/", "/Us" + "ers/", "/wo" + "rk/", "/opt/wh" + "eels"]
        return lines(of: file) { line in
            for root in roots {
                for range in line.ranges(of: root) {
                    let before = range.lowerBound > line.startIndex ? line[line.index(before: range.lowerBound)] : " "
                    let partOfLonger = before.isLetter || before.isNumber || "._-$}~".contains(before)
                    if !partOfLonger { return "'\(root)…' is a path of one machine: take it from a setting or the package's root" }
                }
            }
            return nil
        }
    }

    private static func lines(of file: SourceFile, _ check: (Substring) -> String?) -> [Violation] {
        file.lines.enumerated().compactMap { index, line in
            check(line).map { Violation(path: file.path, line: index + 1, message: $0) }
        }
    }
}
