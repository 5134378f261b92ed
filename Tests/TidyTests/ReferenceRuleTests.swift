import Testing

/// What the rules about references and about lines that stand twice find, and what they let through.
@Suite("References and duplicates are found")
struct ReferenceRuleTests {
    private static let gone = "gone" + ".md"

    @Test(
        "a document that is not there",
        arguments: [
            ("see docs/planning.md", []), ("`planning.md` says why", []), ("[up](../README.md#x), [b](planning.md)", []),
            ("\n// \(gone) says why", [2]), ("[a](docs/\(gone)) and docs/planning.md", [1]), ("echo \"see docs/\(gone)\"", [1]),
            ("https://example.org/docs/\(gone)", []), ("a name that ends otherwise: a.mdx, .md", []),
        ])
    func documents(text: String, lines: [Int]) {
        let paths: Set = ["README.md", "docs/planning.md"]
        #expect(ReferenceRules.documents(SourceFile("Sources/Wire/A.swift", text), paths: paths).map(\.line) == lines)
        #expect(ReferenceRules.documents(SourceFile("Mutants/a.patch", text), paths: paths).isEmpty)
    }

    @Test(
        "a section of nothing",
        arguments: [
            ("// DES" + "IGN says so", [1]), ("a RED" + "ESIGN, REDES" + "IGNED", []),
            ("as in sect" + "ion 4.2", [1]), ("\nSect" + "ion 3 of it", [2]), ("a section of the file", []),
            ("the AMP4EC paper's section" + " 4", []), ("RFC 9113, section" + " 5.1", []),
            ("(iss" + "ue 16)", [1]), ("an issue" + " #7", [1]), ("a known issue of the engine", []),
        ])
    func sections(text: String, lines: [Int]) {
        #expect(ReferenceRules.sections(SourceFile("scripts/a", text)).map(\.line) == lines)
    }

    /// As many lines that count as asked for, with others between them.
    private func code(_ count: Int, indent: String = "", from first: Int = 0) -> String {
        (first..<(first + count)).map { "\(indent)let a\($0) = \($0)\n\n// \(indent.count)\n\(indent)}\n" }.joined()
    }

    @Test("ten lines that stand twice are found once, with their length; nine are not")
    func blocks() {
        func found(_ a: String, _ b: String) -> [DuplicateRules.Block] {
            DuplicateRules.blocks([SourceFile("Sources/A/A.swift", a), SourceFile("Sources/B/B.swift", b)])
        }
        #expect(found(code(9), code(9)).isEmpty)
        let twice = found("import A\n" + code(12), "\n\n" + code(12, indent: "    ").replacing("let a3", with: "private let a3"))
        #expect(
            twice == [DuplicateRules.Block(path: "Sources/B/B.swift", line: 3, other: "Sources/A/A.swift", otherLine: 2, count: 12)]
        )
        #expect(twice.first?.files == ["Sources/A/A.swift", "Sources/B/B.swift"])
        // Other lines before and after, and one in the middle that makes two short ones of it.
        #expect(found(code(1, from: 90) + code(10) + code(1, from: 91), code(10) + code(1, from: 92)).map(\.count) == [10])
        #expect(found(code(14), code(7) + code(1, from: 93) + code(7, from: 7)).isEmpty)
    }

    @Test("a block that stands twice in one file is found, and what is generated or no code of ours is left alone")
    func places() {
        let twice = code(10) + code(1, from: 90) + code(10)
        #expect(DuplicateRules.blocks([SourceFile("Sources/A/A.swift", twice)]).map(\.line) == [45])
        for path in ["Tests/A/A.swift", "Sources/CWire/a.pb-c.c", "docs/planning.md"] {
            #expect(DuplicateRules.blocks([SourceFile(path, twice)]).isEmpty)
        }
    }

    @Test("imports do not make files alike")
    func imports() {
        let text = (0..<12).map { "internal import Module\($0)\n" }.joined()
        #expect(DuplicateRules.blocks(["A", "B"].map { SourceFile("Sources/\($0)/A.swift", text) }).isEmpty)
    }
}
