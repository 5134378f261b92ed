/// What a line may refer to: the repository stands by itself, so whoever reads it can open what it names. The forbidden words are put
/// together from halves, as in TextRules.
enum ReferenceRules {
    /// A document that is named, in whatever file, is one of the repository's (or one of the dependencies' and the web's, by its whole address).
    /// - Parameter paths: of all files of the repository.
    static func documents(_ file: SourceFile, paths: Set<String>) -> [Violation] {
        // A patch names its files with a letter before them.
        guard !file.path.hasSuffix(".patch") else { return [] }
        return lines(of: file) { line in
            guard line.utf8.contains(UInt8(ascii: ".")), line.contains(".md") else { return nil }
            for match in line.matches(of: /(?:[\w.-]+:\/\/)?[\w.\/-]*\w\.md\b/) {
                let name = String(match.0.drop(while: { $0 == "." || $0 == "/" }))
                guard !match.0.contains("://"), !paths.contains(where: { $0 == name || $0.hasSuffix("/" + name) }) else { continue }
                return "there is no document '\(name)' in the repository: say the reason itself, or link to one that is there"
            }
            return nil
        }
    }

    /// Sections are numbered in papers and standards alone, which the line names; of ours there are headings, and issues are not kept here.
    static func sections(_ file: SourceFile) -> [Violation] {
        let design = "DES" + "IGN"
        let sources = ["RFC", "paper", "://", "ISO", "POSIX"]
        return lines(of: file) { line in
            if line.utf8.contains(UInt8(ascii: "D")), line.contains(design), words(of: line).contains(where: { $0 == design }) {
                return "'\(design)' is no document of the repository: say the reason itself, or link to a page under docs/"
            }
            guard line.utf8.contains(where: { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }) else { return nil }
            guard let word = ["section ", "Section ", "issue #", "issue "].first(where: { line.contains($0) }) else { return nil }
            let isNumbered = line.ranges(of: word).contains { line[$0.upperBound...].first?.isNumber == true }
            guard isNumbered, !sources.contains(where: { line.contains($0) }) else { return nil }
            return "'\(word)' with a number, and no paper or standard that has it: name the source, or link to the heading"
        }
    }

    private static func words(of line: Substring) -> [Substring] {
        line.split(whereSeparator: { !$0.isLetter && !$0.isNumber && $0 != "_" })
    }

    private static func lines(of file: SourceFile, _ check: (Substring) -> String?) -> [Violation] {
        file.lines.enumerated().compactMap { index, line in
            check(line).map { Violation(path: file.path, line: index + 1, message: $0) }
        }
    }
}
