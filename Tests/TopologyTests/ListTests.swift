import Shell
import Testing
import Topology

@Suite("Worker lists, DNS names and configuration files")
struct ListTests {
    @Test func workersAreNamedByTheirAddress() throws {
        let workers = try WorkerList.parse("a:9000, b:9001,[::1]:9002")
        #expect(workers.map(\.name) == ["a:9000", "b:9001", "[::1]:9002"])
        #expect(workers.allSatisfy { $0.publishedAddresses.isEmpty && $0.fixedAddresses.isEmpty })
        #expect(workers[2].host == "::1" && workers[2].port == 9_002)
    }

    @Test(
        "lists that are refused",
        arguments: [
            ("", "--workers: it is empty"), ("a:1,,b:1", "an entry of \"a:1,,b:1\" is empty"), ("a", "there is no port"),
            (":9000", "names no host"),
            ("a:0", "port 0"), ("a:1,A:1", "twice"), ("9000", "names no host"),
            (String(repeating: "h", count: 253) + ":9000", "258 bytes"),
            ("a\u{202E}b:1", "control character"),
        ])
    func badList(_ text: String, _ says: String) throws {
        let error = try #require(throws: TopologyError.self) { try WorkerList.parse(text) }
        #expect(error.description.contains(says) && error.exitStatus == .usage, "\(error)")
    }

    @Test func topologySources() throws {
        #expect(try TopologySource(parsing: "dns:tasks.worker:9000") == .dns(name: "tasks.worker", port: 9_000))
        #expect(try TopologySource(parsing: "deploy/compose.yaml") == .compose(paths: ["deploy/compose.yaml"]))
        for text in [
            "", "dns:", "dns:worker", "dns::9000", "dns:worker:0", "dns:10.0.0.1:9000", "dns:worker:99999",
            "dns:\(String(repeating: "h", count: 201)):9000",
        ] {
            let error = try #require(throws: TopologyError.self, "\(text)") { try TopologySource(parsing: text) }
            #expect(error.exitStatus == .usage)
        }
    }

    private func config(_ text: String) throws -> OptionValues {
        try ConfigFile.parse(text: text, file: "conf/a.yaml", directory: "/srv/conf", knownOptions: knownOptions)
    }

    @Test func aConfigurationFile() throws {
        let values = try config(
            "model: ./net.pt\nmicro-batch: 4\ninsecure: off\ntopology: dns:w:1\ninput:\n  - a:uint8[N]\ndeadline: \"$5s\"\n")
        #expect(
            values.values == [
                "model": ["/srv/conf/net.pt"], "micro-batch": ["4"], "insecure": ["false"], "topology": ["dns:w:1"],
                "input": ["a:uint8[N]"], "deadline": ["$5s"],
            ])
        #expect(
            values.arguments(notGivenIn: ["--model", "x", "--", "--deadline"])
                == ["--deadline=$5s", "--input=a:uint8[N]", "--micro-batch=4", "--topology=dns:w:1"])
        #expect(try config("topology: c.yaml")["topology"] == "/srv/conf/c.yaml")
        #expect(try config("~").isEmpty)
    }

    @Test func theConfigurationFileStandsAboveTheTopology() throws {
        let merged = try config("listen: 1").over(try config("listen: 2\nhttp: 3\ninsecure: true"))
        #expect(merged.values == ["listen": ["1"], "http": ["3"], "insecure": ["true"]])
        #expect(merged.arguments(notGivenIn: []) == ["--http=3", "--insecure", "--listen=1"])
    }

    @Test func errorsNameLineAndKey() throws {
        let unknown = try #require(throws: TopologyError.self) { try config("listen: 1\nmicro_batch: 4") }
        #expect(unknown.description == "conf/a.yaml:2:14: micro_batch: there is no option of that name; did you mean micro-batch?")
        let kind = try #require(throws: TopologyError.self) { try config("listen: {a: b}") }
        #expect(kind.description.hasPrefix("conf/a.yaml:1:9: listen: a single value must stand here"))
        let list = try #require(throws: TopologyError.self) { try config("[a]") }
        #expect(list.description.hasPrefix("conf/a.yaml:1:1: it must be a mapping"))
    }

    @Test func filesThatCannotBeRead() throws {
        for (path, says) in [("/nowhere/compose.yaml", "the file cannot be read"), ("/proc", "the folder has no compose.yaml")] {
            let error = try #require(throws: TopologyError.self) {
                try ComposeFile.read(path: path, environment: [:], knownOptions: knownOptions)
            }
            #expect(error.description.hasPrefix("\(path): \(says)"))
        }
        #expect(throws: TopologyError.self) { try ConfigFile.read(path: "/dev/zero", knownOptions: knownOptions) }
    }
}
