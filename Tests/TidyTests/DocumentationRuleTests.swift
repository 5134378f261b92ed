import Testing

@Suite("The rules about documentation catch what they are for")
struct DocumentationRuleTests {
    typealias Case = RuleTests.Case

    static let comments = [
        Case("a type without a word", DocumentationRules.comments, "Sources/Client/A.swift", "public struct A {}", [1]),
        Case("with a word", DocumentationRules.comments, "Sources/Client/A.swift", "/// One.\npublic struct A {}", []),
        Case("with an empty one", DocumentationRules.comments, "Sources/Client/A.swift", "///\npublic struct A {}", [2]),
        Case("an ordinary comment", DocumentationRules.comments, "Sources/Client/A.swift", "// One.\npublic let a = 1", [2]),
        Case(
            "an attribute between", DocumentationRules.comments, "Sources/Client/A.swift", "/// One.\n@frozen\npublic enum A {}", []
        ),
        Case("words before it", DocumentationRules.comments, "Sources/Client/A.swift", "@frozen final public class A {}", [1]),
        Case("a type's member", DocumentationRules.comments, "Sources/Client/A.swift", "    public static var a: Int { 1 }", [1]),
        Case("an initialiser", DocumentationRules.comments, "Sources/Client/A.swift", "/// One.\n\n    public init() {}", [3]),
        Case("what is set in private", DocumentationRules.comments, "Sources/Client/A.swift", "public private(set) var a = 1", [1]),
        Case(
            "what the package sees", DocumentationRules.comments, "Sources/Client/A.swift", "package let a = 1\nlet public = 2", []),
        Case(
            "imports and extensions", DocumentationRules.comments, "Sources/Client/A.swift",
            "public import Wire\npublic extension Int {}", []),
        Case(
            "cases and their type", DocumentationRules.comments, "Sources/Client/A.swift",
            "/// One.\npublic enum A {\n    /// Two.\n    case two\n    case three\n}\nenum B {\n    case four\n}", [5]),
        Case(
            "what a method does is its own", DocumentationRules.comments, "Sources/Client/A.swift",
            "/// One.\npublic enum A {\n    func a() {\n        switch self {\n        case .two: 1\n        }\n    }\n}", [3]),
        Case(
            "requirements", DocumentationRules.comments, "Sources/Client/A.swift",
            "/// One.\npublic protocol A {\n    func two()\n}", [3]),
        Case("another module", DocumentationRules.comments, "Sources/Wire/A.swift", "public struct A {}", []),
        Case(
            "code that indentation marks", DocumentationRules.fences, "Sources/Client/A.swift", "/// One:\n///\n///     let a = 1",
            [3]),
        Case("a list's second line", DocumentationRules.fences, "Sources/Client/A.swift", "/// - a: one\n///     and two", []),
    ]

    @Test("a file", arguments: comments)
    func file(_ example: Case) {
        #expect(example.rule(SourceFile(example.path, example.text)).map(\.line) == example.lines)
    }

    @Test("an example that is compiled nowhere is found")
    func compiled() {
        let sources = [SourceFile("examples/swift-client/Sources/a/A.swift", "func a() {\n    let a = 1\n\n    let b = 2\n}")]
        let texts: [(String, String, [Int])] = [
            ("README.md", "```swift\nlet a = 1\nlet b = 2\n```", []),
            ("README.md", "A\n```swift\nlet b = 2\nlet a = 1\n```", [2]),
            ("README.md", "```\nlet c = 3\n```", []),
            ("README.md", "```swift\nlet a = 1\nlet b", [1]),
            ("docs/json.md", "```swift\nlet c = 3\n```", []),
            ("Sources/Client/AMP4ECClient.docc/AMP4ECClient.md", "```swift\nlet c = 3\n```", [1]),
            ("Sources/Client/A.swift", "    /// ```swift\n    /// let b = 2\n    /// ```\n    let c = 3", []),
            ("Sources/Client/A.swift", "/// ```swift\n/// let c = 3\n/// ```", [1]),
        ]
        for (path, text, lines) in texts {
            #expect(DocumentationRules.compiled(SourceFile(path, text), sources: sources).map(\.line) == lines, "\(path): \(text)")
        }
        // Files that are not built show nothing.
        let elsewhere = [SourceFile("Tests/A.swift", "let c = 3")]
        #expect(DocumentationRules.compiled(SourceFile("README.md", "```swift\nlet c = 3\n```"), sources: elsewhere).count == 1)
    }
}
