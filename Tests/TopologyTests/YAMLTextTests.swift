import Testing
import Topology

/// Text that looks like YAML's signs, where it is only text.
@Suite("YAML as it is parsed")
struct YAMLTextTests {
    static let signs = [
        "?", "*", "**Note:", "<<", "<<: *x", "&", "&a", "*a", "? *a", "*a : b", "[*a]: 1", "{", "]", "!reset", "%", "@", "|", ">-",
    ]

    /// Two workers by anchors and a merge key, and `line` as a line of its own.
    private func file(_ line: String) -> String {
        """
        x-worker: &worker {image: amp4ec, command: amp4ec-worker --listen 9000}
        services:
        \(line)
          w1: {<<: *worker, ports: ["127.0.0.1:9001:9000"]}
          w2: {<<: *worker, ports: ["127.0.0.1:9002:9000"]}
        """
    }

    private static let expected = ["w1 w1:9000 localhost:9001 --listen=9000", "w2 w2:9000 localhost:9002 --listen=9000"]

    static let places: [(name: String, line: @Sendable (String) -> String)] = [
        ("a comment", { "  # Do we need this \($0)" }),
        ("a comment of its own column", { "#\($0)" }),
        ("a comment behind a value", { "  site: {image: nginx} # \($0)" }),
        ("double quotes", { "  site: {image: nginx, environment: {A: \"x \($0)\"}}" }),
        ("double quotes alone", { "  site: {image: nginx, environment: [\"\($0)\"]}" }),
        ("single quotes", { "  site: {image: nginx, labels: {a: '\($0) y'}}" }),
        ("quotes over lines", { "  site: {image: \"nginx\n    \($0)\n    z\"}" }),
        ("a block that keeps lines", { "  site:\n    image: nginx\n    command: |\n      run \($0)\n      \($0) x\n" }),
        ("a block that folds", { "  site:\n    image: nginx\n    command: >-\n      \($0)\n      x\n" }),
        ("a quoted key", { "  site: {image: nginx, labels: {\"\($0)\": 1}}" }),
        (
            "the middle of a word",
            { "  site:\n    image: nginx\n    command: a\($0.filter { !"{}[]:#".contains($0) && $0 != " " })b\n" }
        ),
    ]

    @Test("signs that are text", arguments: places.map(\.name))
    func text(_ place: String) throws {
        let line = try #require(Self.places.first { $0.name == place }).line
        for sign in Self.signs {
            let text = file(line(sign))
            #expect(throws: Never.self, "\(sign)") { try parse(text) }
            #expect(try parse(text).workers.map(summary) == Self.expected, "\(sign)")
        }
    }

    @Test(
        "keys in YAML's own forms",
        arguments: [
            "x-n: &n w1\nservices:\n  *n : {image: x, command: amp4ec-worker}",
            "services:\n  ? w1\n  : {image: x, command: amp4ec-worker}",
            "services: {? w1 : {image: x, command: amp4ec-worker}}",
            "services:\n  \"w1\": {image: x, \"command\": amp4ec-worker}",
            "services:\n  &k w1: {image: x, command: amp4ec-worker}\nx-k: *k",
            "services:\n  ? !!str w1\n  :\n    ? command\n    : amp4ec-worker",
            "%YAML 1.1\n---\nservices: {w1: {command: amp4ec-worker}}\n...\n",
            "\u{FEFF}services:\r\n  w1:\r\n    command: amp4ec-worker\r\n",
            "\u{FEFF}name: app\nservices:\n  w1:\n    command: amp4ec-worker\n",
            "\u{FEFF}# a comment\r\nname: app\r\nservices:\r\n  w1: {command: amp4ec-worker}\r\n",
            "\u{FEFF}---\nname: app\nservices: {w1: {command: amp4ec-worker}}\n",
        ])
    func keys(_ text: String) throws { #expect(try parse(text).workers.map(\.name) == ["w1"]) }

    @Test(
        "merge keys",
        arguments: [
            ("{<<: *a}", "1.0"), ("{<<: [*a, *b]}", "1.0"), ("{<<: [*b, *a]}", "2.0"), ("{<<: *b, cpus: 3}", "3.0"),
            ("{cpus: 3, <<: *b}", "3.0"), ("{<<: *l}", "2.0"), ("{\"<<\": *b, cpus: 4}", "4.0"), ("{<<: {cpus: 5}}", "5.0"),
            ("{? << : *b}", "2.0"), ("{!!merge <<: *b}", "2.0"),
        ])
    func merges(_ service: String, _ cpus: String) throws {
        let text = "x-a: &a {cpus: 1}\nx-b: &b {cpus: 2}\nx-l: &l [*b, *a]\nservices:\n  w: \(service)\n"
        let with = text.replacing("cpus: 1", with: "cpus: 1, command: amp4ec-worker").replacing(
            "cpus: 2", with: "cpus: 2, command: amp4ec-worker"
        )
        .replacing("cpus: 5", with: "cpus: 5, command: amp4ec-worker").replacing("cpus: 4", with: "cpus: 4, command: amp4ec-worker")
        #expect(try parse(with).workers.first?.cpus == Double(cpus))
    }

    @Test(
        "what is not YAML, or not a project's",
        arguments: [
            ("services: {<<: x}", "the merge key << takes a mapping"), ("services: {<<: [[a]]}", "the merge key <<"),
            ("services: {<<: }", "the merge key <<"), ("a: &a {b: *a}", "undefined alias"), ("a: *a", "undefined alias"),
            ("x: 1\nx: 2", "the key \"x\" stands twice"), ("services: {<<: {a: 1}, <<: {b: 1}}", "stands twice"),
            ("? [a]\n: 1", "a key is not a single value"), ("{{}: 1}", "a key is not a single value"), ("a: 'b", "not valid YAML"),
            ("a: \"\\q\"", "not valid YAML"), ("a: b: c", "not valid YAML"), ("a: @b", "not valid YAML"),
            ("--- [", "not valid YAML"), ("a: !<", "not valid YAML"),
        ])
    func refused(_ text: String, _ says: String) throws {
        let error = try #require(throws: TopologyError.self) { try parse(text) }
        #expect(error.description.contains(says) && error.description.contains("compose.yaml:"), "\(error)")
    }

    @Test(.timeLimit(.minutes(1)))
    func documentsAndDepthAreBounded() throws {
        let many = String(repeating: "---\na: 1\n", count: 65)
        #expect(try #require(throws: TopologyError.self) { try parse(many) }.description.contains("more than 64 documents"))
        // Each level alone is shallow; together they are not.
        var deep = "a0: &a0 [x]\n"
        for level in 1...20 { deep += "a\(level): &a\(level) [[[[*a\(level - 1)]]]]\n" }
        #expect(try #require(throws: TopologyError.self) { try parse(deep) }.description.contains("nested over the limit of 64"))
        let chain = "x-a: &a {<<: \(String(repeating: "{<<: ", count: 80))1\(String(repeating: "}", count: 80))}"
        #expect(throws: TopologyError.self) { try parse(chain) }
    }
}
