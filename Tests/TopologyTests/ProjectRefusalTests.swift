import Shell
import Testing
import Topology

/// What cannot be followed is refused by name: file, line, service, field, cause, fix.
@Suite("Compose projects that are refused")
struct ProjectRefusalTests {
    struct Refused: Sendable, CustomTestStringConvertible {
        let name: String
        let files: [String: String]
        var paths = ["compose.yaml"]
        /// All of these stand in the message.
        let says: [String]
        var testDescription: String { name }
    }

    private static func worker(_ fields: String) -> [String: String] {
        ["compose.yaml": "services:\n  other: {image: x}\n  w:\n    image: amp4ec\n    command: amp4ec-worker\n    \(fields)\n"]
    }

    private static func command(_ command: String) -> [String: String] {
        ["compose.yaml": "services:\n  w:\n    command: \(command)\n"]
    }

    static let networks = [
        Refused(
            name: "no network", files: worker("network_mode: none"),
            says: ["compose.yaml:6:19: service \"w\": network_mode", "reached by nobody", "x-amp4ec: {address: HOST:PORT}"]),
        Refused(
            name: "the network of nobody", files: worker("network_mode: service:othr"),
            says: ["compose.yaml:6:19", "there is no service \"othr\"", "did you mean other?"]),
        Refused(name: "its own network", files: worker("network_mode: service:w"), says: ["network_mode", "in a circle: w → w"]),
        Refused(
            name: "networks in a circle",
            files: [
                "compose.yaml":
                    "services: {w: {command: amp4ec-worker, network_mode: \"service:a\"}, a: {network_mode: \"service:w\"}}"
            ],
            says: ["in a circle: w → a → w"]),
        Refused(
            name: "a container of somebody else", files: worker("network_mode: container:abc"),
            says: ["network_mode", "container_name \"abc\"", "service:NAME"]),
        Refused(
            name: "ports beside another's network", files: worker("network_mode: service:other\n    ports: [\"1:9000\"]"),
            says: ["compose.yaml:7:", "ports", "move the ports to \"other\""]),
        Refused(
            name: "the network of several",
            files: [
                "compose.yaml": "services: {w: {command: amp4ec-worker, network_mode: \"service:a\"}, a: {image: x, scale: 2}}"
            ],
            says: ["network_mode", "\"a\" has 2 replicas"]),
        Refused(
            name: "the network of one that does not run",
            files: [
                "compose.yaml": "services: {w: {command: amp4ec-worker, network_mode: \"service:a\"}, a: {image: x, profiles: [p]}}"
            ],
            says: ["network_mode", "\"a\" does not run", "COMPOSE_PROFILES=p"]),
        Refused(
            name: "one port in one network",
            files: [
                "compose.yaml": "services: {a: {command: amp4ec-worker}, b: {command: amp4ec-worker, network_mode: \"service:a\"}}"
            ],
            says: ["service \"b\"", "\"b\" and \"a\" would both be at a:9000", "--listen"]),
        Refused(
            name: "an address that is none", files: worker("networks: {n: {ipv4_address: 10.0.0}}"),
            says: ["networks.n.ipv4_address", "\"10.0.0\" is not an IP address"]),
        Refused(
            name: "an address without a port", files: worker("x-amp4ec: {address: box}"), says: ["x-amp4ec.address", "HOST:PORT"]),
        Refused(
            name: "counts that differ", files: worker("scale: 2\n    deploy: {replicas: 3}"),
            says: ["scale", "deploy.replicas is 3"]),
        Refused(
            name: "a container's name for several", files: worker("scale: 2\n    container_name: one"),
            says: ["container_name", "2 replicas"]),
        Refused(name: "a quota that is none", files: worker("cpu_quota: half"), says: ["cpu_quota", "\"half\""]),
    ]

    static let files = [
        Refused(
            name: "an include that is not there", files: ["compose.yaml": "include: [more.yaml]\nservices: {}"],
            says: ["compose.yaml:1:11: include", "there is no file more.yaml", "mounted"]),
        Refused(
            name: "an include in a circle",
            files: ["compose.yaml": "include: [a/b.yaml]", "a/b.yaml": "include: [../compose.yaml]"],
            says: ["a/b.yaml:1:11", "in a circle: compose.yaml → a/b.yaml → compose.yaml"]),
        Refused(name: "an include of itself", files: ["compose.yaml": "include: [./x/../compose.yaml]"], says: ["circle"]),
        Refused(
            name: "includes that double at each of fourteen levels",
            files: Dictionary(
                uniqueKeysWithValues: (0..<14).map { level in
                    (level == 0 ? "compose.yaml" : "\(level).yaml", "include: [\(level + 1).yaml, \(level + 1).yaml]")
                } + [("14.yaml", "services: {a: {image: x}}")]),
            says: ["include", "more than 1000 projects"]),
        Refused(name: "an include as a text", files: ["compose.yaml": "include: a.yaml"], says: ["include", "must be a list"]),
        Refused(
            name: "an include of nothing", files: ["compose.yaml": "include: [{env_file: x}]"],
            says: ["include", "there is no path"]),
        Refused(
            name: "an include from elsewhere", files: ["compose.yaml": "include: [\"https://example.org/compose.git\"]"],
            says: ["include", "fetches nothing", "docker compose config"]),
        Refused(
            name: "an include from a registry", files: ["compose.yaml": "include: [oci://x/y]"],
            says: ["include", "fetches nothing"]),
        Refused(
            name: "an include with a mistyped key", files: ["compose.yaml": "include: [{pth: a.yaml}]"],
            says: ["include.pth", "did you mean path?"]),
        Refused(
            name: "variables of an include that are not there",
            files: ["compose.yaml": "include: [{path: a.yaml, env_file: b.env}]", "a.yaml": "services: {}"],
            says: ["include.env_file", "there is no file b.env"]),
        Refused(
            name: "an error in an included file",
            files: ["compose.yaml": "include: [a.yaml]", "a.yaml": "services:\n  w: {command: amp4ec-worker, cpus: x}"],
            says: ["a.yaml:2:37: service \"w\": cpus", "\"x\""]),
        Refused(
            name: "an included file that is not YAML", files: ["compose.yaml": "include: [a.yaml]", "a.yaml": "services: ["],
            says: ["a.yaml:", "not valid YAML"]),
        Refused(
            name: "extends from a file that is not there",
            files: ["compose.yaml": "services:\n  w: {extends: {file: ../base.yaml, service: w}}"],
            says: ["compose.yaml:2:23: service \"w\": extends.file", "there is no file ../base.yaml"]),
        Refused(
            name: "extends a service that is not in the file",
            files: [
                "compose.yaml": "services: {w: {extends: {file: b.yaml, service: wroker}}}", "b.yaml": "services: {worker: {}}",
            ],
            says: ["there is no service \"wroker\" in b.yaml", "did you mean worker?"]),
        Refused(
            name: "extends from a file without services",
            files: ["compose.yaml": "services: {w: {extends: {file: b.yaml, service: w}}}", "b.yaml": "x: 1"],
            says: ["b.yaml", "no services to extend"]),
        Refused(
            name: "extends over files in a circle",
            files: [
                "compose.yaml": "services: {w: {extends: {file: b.yaml, service: w}}}",
                "b.yaml": "services: {w: {extends: {file: c.yaml, service: w}}}",
                "c.yaml": "services: {w: {extends: {file: b.yaml, service: w}}}",
            ], says: ["extends", "in a circle"]),
        Refused(
            name: "extends nothing", files: ["compose.yaml": "services: {w: {extends: {file: b.yaml}}}"],
            says: ["extends", "names no service"]),
        Refused(
            name: "an override that is not YAML", files: ["compose.yaml": ProjectCase.w1, "compose.override.yaml": "a: ["],
            says: ["compose.override.yaml:", "not valid YAML"]),
        Refused(
            name: "an override that is a list", files: ["compose.yaml": ProjectCase.w1, "b.yaml": "- a"],
            paths: ["compose.yaml", "b.yaml"],
            says: ["b.yaml:1:1", "a list"]),
        Refused(
            name: "a second file that is not there", files: ["a.yaml": ProjectCase.w1], paths: ["a.yaml", "b.yaml"],
            says: ["b.yaml: the file cannot be read"]),
        Refused(name: "a folder without a project", files: ["x/y": ""], paths: ["x"], says: ["x: the folder has no compose.yaml"]),
        Refused(
            name: "a worker whose profile sleeps",
            files: ["compose.yaml": "services: {w: {command: amp4ec-worker, profiles: [gpu]}}"],
            says: ["no profile of \"w\" is active (gpu)", "COMPOSE_PROFILES=gpu"]),
    ]

    static let commands = [
        Refused(
            name: "a port of the container's own", files: command("sh -c 'amp4ec-worker --listen $$PORT'"),
            says: ["compose.yaml:3:14: service \"w\": command", "what $PORT becomes", "environment:"]),
        Refused(
            name: "a port that a program prints", files: command("sh -c 'amp4ec-worker --listen=`port`'"),
            says: ["what `port` becomes"]),
        Refused(
            name: "a port with an operator", files: command("sh -c 'amp4ec-worker --listen $${P%/}'"), says: ["what ${P%/} becomes"]
        ),
        Refused(
            name: "options of the container's own", files: command("sh -c 'amp4ec-worker --insecure $$OPTS'"),
            says: ["what $OPTS becomes"]),
        Refused(
            name: "a variable that depends", files: command("sh -c 'P=1; if x; then P=2; fi; amp4ec-worker --listen $$P'"),
            says: ["what $P becomes"]),
        Refused(
            name: "a port of the shell's that no shell sees", files: command("[amp4ec-worker, --listen, $$PORT]"),
            says: ["--listen $PORT is no address"]),
        Refused(name: "two ports", files: command("amp4ec-worker --listen 1 --listen 2"), says: ["--listen stands twice"]),
    ]

    @Test("by name", arguments: networks + files + commands)
    func refused(_ row: Refused) throws {
        let error = try #require(throws: TopologyError.self) { try read(row.files, paths: row.paths) }
        for expected in row.says { #expect(error.description.contains(expected), "\(error)") }
        #expect(error.exitStatus == .badData && !error.fix.isEmpty)
    }

    @Test(
        "what is left out is said",
        arguments: [
            (
                "services: {w: {command: amp4ec-worker}, v: {command: amp4ec-worker, profiles: [p]}}",
                "service \"v\": profiles: the worker is left out"
            ),
            (
                "services: {w: {command: amp4ec-worker}, v: {command: amp4ec-worker, scale: 0}}",
                "service \"v\": scale: the worker is left out: it has 0 replicas"
            ),
            (
                "services: {w: {command: amp4ec-worker}, v: {command: [sh, /run.sh, amp4ec-worker2, \"x; amp4ec-worker 'y\"]}}",
                "how it is started cannot be seen"
            ),
            (
                "services: {w: {command: amp4ec-worker}, v: {command: \"sh -c 'eval \\\"amp4ec-worker --listen 1\\\"'\"}}",
                "how it is started cannot be seen"
            ),
        ])
    func said(_ text: String, _ says: String) throws {
        let topology = try parse(text)
        #expect(topology.workers.map(\.name) == ["w"] && topology.warnings.count == 1)
        #expect(topology.warnings.first?.contains(says) == true, "\(topology.warnings)")
    }

    @Test(
        "others that name a worker are none",
        arguments: [
            "amp4ec drain amp4ec-worker", "amp4ec-coordinator --workers amp4ec-worker:1", "[amp4ec-check, --worker, amp4ec-worker]",
            "amp4ec-worker --check --listen 9000",
        ])
    func others(_ command: String) throws {
        let topology = try parse("services: {w: {command: amp4ec-worker}, v: {command: \(command)}}")
        #expect(topology.workers.map(\.name) == ["w"] && topology.warnings.isEmpty, "\(topology.warnings)")
    }

    @Test func optionsOfAnIncludedFileAreSaidNotToCount() throws {
        let topology = try read([
            "compose.yaml": "include: [a.yaml]\n" + ProjectCase.w1, "a.yaml": "x-amp4ec: {model: m.pt}\n" + ProjectCase.w2,
        ])
        #expect(topology.coordinatorOptions.isEmpty && topology.workers.count == 2)
        #expect(topology.warnings.count == 1 && topology.warnings[0].contains("a.yaml:1:11: x-amp4ec: options of an included file"))
    }

    @Test func aPathBelongsToTheFileThatNamesIt() throws {
        let topology = try read(
            ["compose.yaml": "x-amp4ec: {model: m.pt}\n" + ProjectCase.w1, "conf/b.yaml": "x-amp4ec: {model: n.pt, listen: 1}"],
            paths: ["compose.yaml", "conf/b.yaml"])
        #expect(topology.coordinatorOptions["model"] == "/srv/app/conf/n.pt" && topology.coordinatorOptions["listen"] == "1")
    }

    @Test(.timeLimit(.minutes(1)))
    func projectsThatGrowAreBounded() throws {
        var files: [String: String] = ["compose.yaml": "include: [f0.yaml]"]
        for number in 0..<40 { files["f\(number).yaml"] = "include: [f\(number + 1).yaml]" }
        #expect(try #require(throws: TopologyError.self) { try read(files) }.description.contains("nested over the limit of 16"))
        var wide: [String: String] = ["compose.yaml": "include: [\((0..<300).map { "g\($0).yaml" }.joined(separator: ", "))]"]
        for number in 0..<300 { wide["g\(number).yaml"] = "services: {}" }
        #expect(try #require(throws: TopologyError.self) { try read(wide) }.description.contains("over the limit of 256 files"))
        var chain = "services:\n"
        for number in 1...70 { chain += "  w\(number): {extends: w\(number + 1)}\n" }
        let long = try #require(throws: TopologyError.self) { try parse(chain + "  w71: {command: amp4ec-worker}\n") }
        #expect(long.description.contains("over the limit of 64"))
        // Many services that extend one with a long list.
        var heavy =
            "x-l: &l [\((0..<20_000).map(String.init).joined(separator: ","))]\nservices:\n  b: {command: amp4ec-worker, dns: *l}\n"
        for number in 0..<1_000 { heavy += "  w\(number): {extends: b, dns: [a]}\n" }
        #expect(try #require(throws: TopologyError.self) { try parse(heavy) }.description.contains("2000000 values"))
    }
}
