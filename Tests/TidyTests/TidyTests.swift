import Foundation
import Testing

/// The rules over the real tree. What each of them catches is shown in RuleTests.
@Suite("The sources keep the rules of the house")
struct TidyTests {
    let tree: SourceTree

    init() throws { tree = try SourceTree.load() }

    /// A rule that reads one file at a time.
    struct Rule: CustomTestStringConvertible, Sendable {
        let name: String
        let check: @Sendable (SourceFile) -> [Violation]
        var testDescription: String { name }
    }

    static let rules = [
        Rule(name: "modules import only what their row allows", check: ImportRules.order),
        Rule(name: "imports point down", check: FloorRules.order),
        Rule(name: "C modules are imported internally", check: ImportRules.wrapping),
        Rule(name: "tests use Swift Testing and public interfaces", check: ImportRules.testing),
        Rule(name: "nothing is left unfinished in a comment", check: TextRules.unfinished),
        Rule(name: "unchecked sharing carries its proof", check: TextRules.concurrency),
        Rule(name: "nothing crashes without a message", check: TextRules.crashes),
        Rule(name: "no path of one machine", check: TextRules.privatePaths),
        Rule(name: "files are short enough to read", check: LayoutRules.length),
        Rule(name: "no section of a document that is not here", check: ReferenceRules.sections),
        Rule(name: "what is public in the client library is documented", check: DocumentationRules.comments),
        Rule(name: "examples of the client library stand between fences", check: DocumentationRules.fences),
    ]

    @Test("each file", arguments: rules)
    func eachFile(_ rule: Rule) { expectNone(tree.violations(of: rule.check)) }

    @Test("the table of imports points down, and the floors in the architecture's picture are these")
    func floors() throws {
        #expect(FloorRules.upward(ImportRules.allowed) == [])
        #expect(Set(FloorRules.floors.flatMap(\.folders)) == Set(ImportRules.allowed.keys))
        let document = try #require(tree.files.first { $0.path == "docs/ARCHITECTURE.md" })
        #expect(FloorRules.missing(in: document) == [])
    }

    @Test("the tree that is read is this package's")
    func treeIsRead() {
        let paths = Set(tree.files.map(\.path))
        #expect(paths.isSuperset(of: ["Package.swift", "Makefile", "scripts/setup", "Sources/Wire/Message.swift"]))
        #expect(tree.executables.contains("scripts/setup"))
        #expect(tree.folders.contains("Sources/Planning"))
    }

    @Test("every folder of Sources and Tests has a target")
    func targets() throws {
        let manifest = try #require(tree.files.first { $0.path == "Package.swift" }).text
        expectNone(LayoutRules.targets(manifest: manifest, folders: tree.folders))
    }

    @Test("scripts run, explain themselves and stop at errors")
    func scripts() {
        let scripts = tree.files.filter(LayoutRules.isScript)
        #expect(!scripts.isEmpty)
        expectNone(scripts.flatMap { LayoutRules.script($0, isExecutable: tree.executables.contains($0.path)) })
    }

    @Test("links of documents lead somewhere")
    func links() {
        let manager = FileManager.default
        expectNone(
            tree.violations { file in
                LayoutRules.links(file) { manager.fileExists(atPath: SourceTree.root.appending(path: $0).path()) }
            })
    }

    @Test("documents that are named are in the repository")
    func documents() {
        let paths = Set(tree.files.map(\.path))
        expectNone(tree.violations { ReferenceRules.documents($0, paths: paths) })
    }

    @Test("no type's name is declared twice")
    func names() {
        expectNone(NameRules.declaredTwice(tree.files))
        #expect(NameRules.declaredTwice(tree.files + [SourceFile("Sources/A/A.swift", "enum Message {}")]).count == 1)
    }

    @Test("examples of the client library are compiled")
    func examples() {
        expectNone(tree.violations { DocumentationRules.compiled($0, sources: tree.files) })
    }

    @Test("no block of ten lines stands in two places")
    func duplicates() {
        let blocks = DuplicateRules.blocks(tree.files)
        expectNone(blocks.filter { !DuplicateRules.isExcepted($0) }.map(\.violation))
        for exception in DuplicateRules.exceptions {
            #expect(blocks.contains { exception.files == $0.files }, "no longer needed: \(exception.files)")
        }
        // It reads what it is there to read.
        #expect(tree.files.count(where: DuplicateRules.isChecked) > 100)
    }

    @Test("one version everywhere, and what is new in it is said")
    func version() throws {
        let source = try #require(tree.files.first { $0.path == VersionRules.source })
        let current = try #require(VersionRules.current(source))
        expectNone(tree.violations { VersionRules.mentions($0, current: current) })
        expectNone(VersionRules.heading(try #require(tree.files.first { $0.path == VersionRules.changes }), current: current))
    }

    private func expectNone(_ violations: [Violation], sourceLocation: SourceLocation = #_sourceLocation) {
        for violation in violations { Issue.record("\(violation)", sourceLocation: sourceLocation) }
    }
}
