import Testing

/// Each rule finds what it is there to find, and lets through what looks like it: a rule that never fails guards nothing.
@Suite("The rules catch what they are for")
struct RuleTests {
    /// A file, the rule that reads it, and the lines where it must complain.
    struct Case: CustomTestStringConvertible, Sendable {
        let testDescription: String
        let rule: @Sendable (SourceFile) -> [Violation]
        let path: String
        let text: String
        let lines: [Int]

        init(
            _ description: String, _ rule: @escaping @Sendable (SourceFile) -> [Violation], _ path: String, _ text: String,
            _ lines: [Int]
        ) {
            testDescription = description
            self.rule = rule
            self.path = path
            self.text = text
            self.lines = lines
        }
    }

    static let imports = [
        Case("a pure module takes Foundation", ImportRules.order, "Sources/Planning/A.swift", "import Foundation", [1]),
        Case("a pure module takes a clock", ImportRules.order, "Sources/Cluster/A.swift", "\ninternal import Glibc", [2]),
        Case("the worker takes HTTP", ImportRules.order, "Sources/Worker/A.swift", "import FoundationNetworking", [1]),
        Case(
            "one type of a module is an import of it", ImportRules.order, "Sources/Wire/A.swift", "import struct Cluster.Plan", [1]),
        Case("a submodule is an import of it", ImportRules.order, "Sources/Tensors/A.swift", "public import Wire.Frames", [1]),
        Case(
            "attributes do not hide it", ImportRules.order, "Sources/Wire/A.swift", "@preconcurrency public import Transport", [1]),
        Case("a folder without a row", ImportRules.order, "Sources/Unknown/A.swift", "", [1]),
        Case("the C library for one function", ImportRules.order, "Sources/Wire/A.swift", "internal import Glibc", [1]),
        Case("one function of numbers", ImportRules.order, "Sources/Wire/A.swift", "internal import func Glibc.pow", []),
        Case("one function that is not of numbers", ImportRules.order, "Sources/Wire/A.swift", "import func Glibc.socket", [1]),
        Case("what the row allows", ImportRules.order, "Sources/Wire/A.swift", "internal import CZstd\npublic import Tensors", []),
        Case("an import that points up", FloorRules.order, "Sources/Wire/A.swift", "import Tensors\npublic import Cluster", [2]),
        Case("an import from the same floor", FloorRules.order, "Sources/Cluster/A.swift", "internal import Transport", [1]),
        Case(
            "imports from below and from outside", FloorRules.order, "Sources/CLI/A.swift",
            "import AMP4ECClient\nimport Logging\nimport CTorch", []),
        Case("a folder without a floor", FloorRules.order, "Sources/Unknown/A.swift", "", [1]),
        Case("a comment about an import", ImportRules.order, "Sources/Wire/A.swift", "// import Foundation", []),
        Case("a test is free", ImportRules.order, "Tests/WireTests/A.swift", "import Foundation", []),
        Case("C in the interface", ImportRules.wrapping, "Sources/Wire/A.swift", "public import CZstd", [1]),
        Case("C exported", ImportRules.wrapping, "Sources/Wire/A.swift", "@_exported import CWire", [1]),
        Case("C inside", ImportRules.wrapping, "Sources/Wire/A.swift", "import CZstd\ninternal import CWire", []),
        Case("Cluster is not C", ImportRules.wrapping, "Sources/CLI/A.swift", "public import Cluster", []),
        Case("the old framework", ImportRules.testing, "Tests/WireTests/A.swift", "import XCTest", [1]),
        Case("a look inside", ImportRules.testing, "Tests/WireTests/A.swift", "@testable " + "import Wire", [1]),
        Case("Swift Testing", ImportRules.testing, "Tests/WireTests/A.swift", "import Testing\nimport Wire", []),
    ]

    static let texts = [
        Case("work put off", TextRules.unfinished, "Sources/Wire/A.swift", "let a = 1\n// TO" + "DO: later", [2]),
        Case("in a script too", TextRules.unfinished, "scripts/setup", "# FIX" + "ME(name)", [1]),
        Case("a template's letters", TextRules.unfinished, "scripts/setup", "mktemp -d a.XX" + "XXXX", []),
        Case("a promise without proof", TextRules.concurrency, "Sources/Wire/A.swift", "class A: @unchecked " + "Sendable {}", [1]),
        Case("an unsafe global", TextRules.concurrency, "Sources/Wire/A.swift", "nonisolated" + "(unsafe) var a = 1", [1]),
        Case(
            "an unsafe value with its reason above it", TextRules.concurrency, "Sources/Wire/A.swift",
            "// Owned by the closure alone.\nnonisolated" + "(unsafe) let a = b", []),
        Case(
            "a promise with its proof", TextRules.concurrency, "Sources/Wire/A.swift",
            "/// ## Concurrency" + " model\nclass A: @unchecked " + "Sendable {}", []),
        Case("a forced try", TextRules.crashes, "Sources/Wire/A.swift", "let a = try" + "! read()", [1]),
        Case("a forced cast", TextRules.crashes, "Sources/Wire/A.swift", "let a = b as" + "! Int", [1]),
        Case("a silent end", TextRules.crashes, "Sources/Wire/A.swift", "default: fatalError" + "()", [1]),
        Case("an end that says why", TextRules.crashes, "Sources/Wire/A.swift", "fatalError(\"the lock is held\")", []),
        Case("somebody's home", TextRules.privatePaths, "docs/planning.md", "in `/ho" + "me/ann/models`", [1]),
        Case("the superuser's home", TextRules.privatePaths, "Makefile", "A=/ro" + "ot/.cache", [1]),
        Case("a variable's name", TextRules.privatePaths, "scripts/setup", "cd \"$root/scripts\"; cd a/ro" + "ot/b", []),
    ]

    static let layouts = [
        Case("too long", LayoutRules.length, "Sources/Wire/A.swift", String(repeating: "\n", count: 401), [401]),
        Case("a long script", LayoutRules.length, "scripts/setup", String(repeating: "\n", count: 500), [401]),
        Case("just short enough", LayoutRules.length, "Sources/Wire/A.swift", String(repeating: "\n", count: 400), []),
        Case("a named exception", LayoutRules.length, "Sources/C/CTorch/CTorch.cpp", String(repeating: "\n", count: 900), []),
        Case("a document may be long", LayoutRules.length, "docs/planning.md", String(repeating: "\n", count: 900), []),
    ]

    @Test("a file", arguments: imports + texts + layouts)
    func file(_ example: Case) {
        #expect(example.rule(SourceFile(example.path, example.text)).map(\.line) == example.lines)
    }

    @Test("a type's name in two places is found; nested types and extensions may have it")
    func names() {
        func violations(_ texts: String...) -> [String] {
            let files = texts.enumerated().map { SourceFile("Sources/\($0)/A.swift", $1) }
            return NameRules.declaredTwice(files).map { "\($0.path):\($0.line)" }
        }
        #expect(
            violations("public final class Peer {", "\nstruct Peer: Sendable {", "enum Peer {") == [
                "Sources/1/A.swift:2", "Sources/2/A.swift:1",
            ])
        #expect(violations("@frozen public struct Peer {", "package typealias Peer = Int") == ["Sources/1/A.swift:1"])
        #expect(violations("struct Peer {", "extension Peer {", "struct Other {\n    struct Peer {", "struct Peers {") == [])
    }

    @Test("a row that allows an import upwards is found, and a picture that lacks a floor or shows another")
    func floors() {
        #expect(FloorRules.upward(["Wire": ["Tensors", "CZstd", "Cluster"], "Base": ["Base"]]).count == 2)
        let lines = FloorRules.floors.enumerated().map { "  \($0) \($1.name)   \($1.folders.joined(separator: " "))  ← why" }
        #expect(FloorRules.missing(in: SourceFile("a", lines.joined(separator: "\n"))) == [])
        #expect(FloorRules.missing(in: SourceFile("a", lines.dropLast().joined(separator: "\n"))) == ["6 programs"])
        let other = lines.joined(separator: "\n").replacing("Cluster", with: "Bluster")
        #expect(FloorRules.missing(in: SourceFile("a", other)) == ["3 engine room"])
    }

    @Test("a folder without a target is found, whichever way targets are written")
    func targets() {
        let manifest = """
            pure("Tensors"), tests(
                "WireTests", []), .systemLibrary(name: "CZstd", path: "Sources/C/CZstd"), .target(
                name: "AMP4ECClient", path: "Sources/Client"), .product(name: "Yams", package: "Yams")
            """
        let folders = [
            "Sources", "Sources/Tensors", "Tests/WireTests", "Sources/C", "Sources/C/CZstd", "Sources/Client",
            "Sources/C/CZstd/include",
        ]
        #expect(LayoutRules.targets(manifest: manifest, folders: folders) == [])
        let dead = LayoutRules.targets(
            manifest: manifest, folders: folders + ["Sources/C/CLost", "Sources/Yams", "Tests/LostTests"])
        #expect(dead.map(\.path) == ["Sources/C/CLost", "Sources/Yams", "Tests/LostTests"])
    }

    @Test(
        "a script's manners",
        arguments: [
            ("#!/usr/bin/env bash\nset -euo pipefail\n# --help", true, 0),
            ("#!/usr/bin/env python3\nimport argparse", true, 0),
            ("#!/usr/bin/env bash\nset -euo pipefail\n# --help", false, 1),
            ("#!/usr/bin/env bash\n# --help", true, 1),
            ("set -euo pipefail; echo --help", true, 1),
            ("#!/usr/bin/env bash\nset -euo pipefail", true, 1),
        ])
    func script(text: String, isExecutable: Bool, complaints: Int) {
        #expect(LayoutRules.script(SourceFile("scripts/a", text), isExecutable: isExecutable).count == complaints)
        #expect(LayoutRules.script(SourceFile("scripts/lib/a.sh", text), isExecutable: isExecutable).isEmpty)
    }

    @Test("another version than the product's is found, and a list of changes that does not begin with it")
    func version() {
        let (current, other) = ("7.8" + ".9", "7.8" + ".8")
        #expect(VersionRules.current(SourceFile("a", "public static let current = \"\(current)\"")) == current)
        let text = """
            amp4ec:\(current) amp4ec:latest torch==2.0.0
            amp4ec:\(other)
            amp4ec:\(current) amp4ec-\(other)-linux
            newTag: "\(other)"
            """
        #expect(VersionRules.mentions(SourceFile("a", text), current: current).map(\.line) == [2, 3, 4])
        let headings = [
            ("# Changes\n## \(current) (soon)\n## \(other) (then)", []), ("\n## \(other) (then)\n## \(current) (soon)", [2]),
            ("", [1]),
        ]
        for (text, lines) in headings {
            #expect(VersionRules.heading(SourceFile("a", text), current: current).map(\.line) == lines)
        }
    }

    @Test("a link that leads nowhere is found; addresses and places in a page are left alone")
    func links() {
        let gone = "gone" + ".md"
        let text = "[b](json.md), [up](../README.md#x)\n[gone](\(gone)) [web](https://example.org) [here](#x)"
        let page = SourceFile("docs/planning.md", text)
        let found = LayoutRules.links(page) { ["docs/json.md", "README.md"].contains($0) }
        #expect(found.map(\.line) == [2])
    }
}
