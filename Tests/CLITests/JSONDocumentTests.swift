import ArgumentParser
import CLI
import Check
import Foundation
import Testing

/// `docs/json.md` says what the commands print with `--json`, no less and no more.
@Suite("JSON of the commands, and its documentation")
struct JSONDocumentTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Each document with its keys.
    private static func printed() throws -> [String: [String: String]] {
        var all = ["amp4ec-check": try KeyRecorder.keys(of: CheckReport.self, convertsKeys: false)]
        for document in JSONDocument.all {
            all[document.title] = try KeyRecorder.keys(of: document.type, convertsKeys: document.convertsKeys)
        }
        return all
    }

    /// Each table of the page: key and kind.
    private static func documented() throws -> [String: [String: String]] {
        let page = try String(contentsOf: folder.appending(path: "docs/json.md"), encoding: .utf8)
        var tables: [String: [String: String]] = [:]
        var title: String?
        for line in page.split(separator: "\n") {
            if line.hasPrefix("## ") { title = String(line.dropFirst(3)) }
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
            guard let title, cells.count == 6, cells[1].hasPrefix("`"), cells[1].hasSuffix("`") else { continue }
            let key = String(cells[1].dropFirst().dropLast())
            #expect(tables[title]?[key] == nil, "\(title): \(key) stands twice")
            tables[title, default: [:]][key] = cells[2]
        }
        return tables
    }

    static let titles = JSONDocument.all.map(\.title) + ["amp4ec-check"]

    @Test("every key is documented, and every documented key is printed", arguments: titles) func keys(_ title: String) throws {
        let printed = try #require(try Self.printed()[title])
        let documented = try #require(try Self.documented()[title], "docs/json.md has no table below the heading \"\(title)\"")
        for (key, kind) in printed.sorted(by: { $0.key < $1.key }) {
            #expect(
                documented[key] == kind, "\(title): `\(key)` is \(kind), docs/json.md says \(documented[key] ?? "nothing of it")")
        }
        for key in documented.keys.sorted() {
            #expect(printed[key] != nil, "\(title): docs/json.md has `\(key)`, which is not printed")
        }
    }

    @Test func everyTableIsOfADocument() throws {
        #expect(try Self.documented().keys.sorted() == Self.titles.sorted())
    }

    @Test("keys are snake_case", arguments: titles) func snakeCase(_ title: String) throws {
        let keys = try #require(try Self.printed()[title])
        #expect(!keys.isEmpty)
        for key in keys.keys { #expect(key.wholeMatch(of: /[a-z0-9_]+(\[\])?(\.[a-z0-9_]+(\[\])?)*/) != nil, "\(title): \(key)") }
    }

    @Test("every command takes --json") func everyCommand() {
        #expect(JSONDocument.commands.count >= 8)
        for (name, help) in JSONDocument.commands {
            #expect(help.contains("--json"), "\(name)")
            #expect(JSONDocument.all.contains { $0.title.split { " ,".contains($0) }.contains(Substring(name)) }, "\(name)")
        }
        #expect(CheckOptions.helpMessage().contains("--json"))
    }

    @Test("the recorder sees what a type has") func recorder() throws {
        struct Inner: Codable { var aKey: Int? }
        struct Outer: Codable {
            var inner: Inner
            var others: [Inner]
            var texts: [String]?
            var map: [String: Int]
        }
        let keys = try KeyRecorder.keys(of: Outer.self, convertsKeys: true)
        #expect(
            keys == [
                "inner": "object", "inner.a_key": "integer", "others": "as `inner`", "texts": "list of texts",
                "map": "map to integers",
            ])
    }
}
