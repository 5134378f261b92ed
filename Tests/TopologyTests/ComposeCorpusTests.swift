import Testing
import Topology

/// Several hundred small projects, made from the ways in which people write the parts of one: none may be refused or lose a worker.
@Suite("A corpus of compose projects")
struct ComposeCorpusTests {
    /// Lines of a service, and what they come to.
    struct Part {
        let lines: [String]
        let says: String
    }

    static let commands = [
        Part(lines: ["command: amp4ec-worker --listen 9000"], says: "--listen=9000"),
        Part(lines: ["command: [\"/usr/local/bin/amp4ec-worker\", \"--listen=:9000\"]"], says: "--listen=:9000"),
        Part(lines: ["command: sh -c \"exec amp4ec-worker --listen 9000\""], says: "--listen=9000"),
        Part(
            lines: ["entrypoint: [tini, --]", "command:", "  - amp4ec-worker", "  - --listen", "  - '9000'"], says: "--listen=9000"),
        Part(lines: ["command: >-", "  amp4ec-worker", "  --listen 0.0.0.0:9000"], says: "--listen=0.0.0.0:9000"),
        Part(
            lines: [
                "entrypoint: /bin/sh -c", "command:", "  - |", "    ulimit -n 4096  # ? * &",
                "    exec amp4ec-worker --listen ${PORT}",
            ], says: "--listen=9000"),
        Part(
            lines: ["environment: {LISTEN: \"9000\"}", "command: [bash, -ec, 'amp4ec-worker --listen \"$$LISTEN\"']"],
            says: "--listen=9000"),
    ]

    static let ports = [
        Part(lines: [], says: ""),
        Part(lines: ["ports: [\"9001:9000\"]"], says: "localhost:9001"),
        Part(lines: ["ports:", "  - 127.0.0.1:${HOST_PORT:-9001}:${PORT}/tcp", "  - 8080"], says: "localhost:9001"),
        Part(
            lines: ["ports:", "  - target: 9000", "    published: \"9001\"", "    mode: host", "    protocol: tcp"],
            says: "localhost:9001"),
        Part(lines: ["expose: [\"9000\"]", "ports: ['192.168.1.5:9001:9000', \"53:53/udp\"]"], says: "192.168.1.5:9001"),
    ]

    static let limits = [
        Part(lines: [], says: ""),
        Part(lines: ["deploy:", "  resources: {limits: {cpus: '0.50', memory: 512M}}"], says: "0.5cpus 536870912bytes"),
        Part(lines: ["cpus: 1.5", "mem_limit: 1g", "mem_reservation: 512m"], says: "1.5cpus 1073741824bytes"),
        Part(lines: ["deploy: {replicas: 1, restart_policy: {condition: any}}"], says: "x1"),
        Part(lines: ["cpu_quota: 50000", "cpuset: 0-3", "scale: 1"], says: "0.5cpus x1"),
        Part(
            lines: ["deploy: {mode: replicated, replicas: 1, resources: {limits: {memory: \"268435456\"}}}"],
            says: "268435456bytes x1"),
        Part(lines: ["x-amp4ec: {stage: 1, exclude: no}"], says: "stage1"),
        Part(lines: ["cpus: ${CPUS:-0.25}"], says: "0.25cpus"),
    ]

    static let rest = [
        [],
        ["healthcheck: {test: [CMD-SHELL, \"test $$(( 1 ? 2 : 3 )) && curl -f 'http://*:9000' || exit 1\"], interval: 10s}"],
        ["depends_on: {db: {condition: service_started, required: false}}", "restart: unless-stopped"],
        ["networks:", "  default:", "    aliases: [edge, \"*.edge\"]"],
        ["labels: [\"traefik.http.routers.w.rule=Host(`w.example.org`) && Path(`/?*`)\"]", "logging: {driver: json-file}"],
        ["environment: [\"A=1\", \"B\", \"C=x=y\"]", "tmpfs: /run", "read_only: true"],
        ["volumes: [\"cache:/var/cache/amp4ec\", {type: bind, source: ., target: /x, read_only: true}]"],
        ["build: {context: ., args: {V: \"${V:-1}\"}}", "# **Note**: ? * & << are text here", "user: \"65532:65532\""],
        [
            "container_name: edge", "hostname: edge-host", "cap_drop: [ALL]", "security_opt: [\"no-new-privileges:true\"]",
            "stop_grace_period: 1m30s",
        ],
    ]

    private static let database = "  db: {image: \"postgres:16\", environment: {P: \"a?b*c&d\"}}\n"

    private static func indented(_ lines: [String], _ depth: Int) -> String {
        lines.map { String(repeating: "  ", count: depth) + $0 + "\n" }.joined()
    }

    /// The same service laid out in one of eight ways.
    private static func project(_ number: Int, run: [String], more: [String]) -> ProjectCase {
        let all = ["image: amp4ec:latest"] + run + more
        let plain = "services:\n\(database)  w:\n\(indented(all, 2))"
        var files: [String: String] = [:]
        var paths = ["compose.yaml"]
        let layout = number % 8
        switch layout {
        case 0: files["compose.yaml"] = plain
        case 1:
            files["compose.yaml"] =
                "x-w: &w\n\(indented(["image: amp4ec:latest"] + run, 1))services:\n\(database)  w:\n    <<: *w\n\(indented(more, 2))"
        case 2:
            files["compose.yaml"] =
                "services:\n\(database)  base:\n    profiles: [never]\n\(indented(all, 2))  w:\n    extends: {service: base}\n    profiles: !reset []\n"
        case 3:
            files["compose.yaml"] =
                "services:\n\(database)  w:\n    extends:\n      file: common/workers.yaml\n      service: worker\n\(indented(more, 2))"
            files["common/workers.yaml"] = "services:\n  worker:\n\(indented(["image: amp4ec:latest"] + run, 2))"
        case 4:
            files["compose.yaml"] = "include:\n  - path: edge/compose.yaml\nservices:\n\(database)"
            files["edge/compose.yaml"] = "services:\n  w:\n\(indented(all, 2))"
        case 5:
            files["compose.yaml"] = "services:\n\(database)  w:\n\(indented(["image: amp4ec:latest"] + run, 2))"
            files["compose.override.yaml"] = more.isEmpty ? "services: {}\n" : "services:\n  w:\n\(indented(more, 2))"
        case 6:
            files["a.yaml"] = "services:\n\(database)"
            files["b.yaml"] = "---\nservices:\n  w:\n\(indented(all, 2))...\n"
            paths = ["a.yaml", "b.yaml"]
        default:
            files["docker-compose.yml"] = "version: '3.8'\n" + plain + "volumes: {cache: {}}\n"
            paths = ["docker-compose.yml"]
        }
        files[".env"] = "# made by hand\nPORT=9000\nexport CPUS='0.25'\n"
        return ProjectCase(name: "\(number)", files: files, paths: paths, environment: ["CPUS": "0.25"], workers: [])
    }

    @Test("none is refused, and each has its worker as it was written")
    func corpus() throws {
        var texts = Set<[String: String]>()
        for number in 0..<720 {
            let (command, port) = (Self.commands[number % 7], Self.ports[number / 8 % 5])
            let (limit, rest) = (Self.limits[number / 3 % 8], Self.rest[number % 9])
            let hasEnvironment = command.lines.contains { $0.hasPrefix("environment") }
            let more = port.lines + limit.lines + rest.filter { !(hasEnvironment && $0.hasPrefix("environment")) }
            let project = Self.project(number, run: command.lines, more: more)
            texts.insert(project.files)
            let expected = ["w w:9000", port.says, command.says, limit.says].filter { !$0.isEmpty }.joined(separator: " ")
            let topology: Topology
            do { topology = try project.read() } catch {
                Issue.record("\(error) \(project.files)")
                continue
            }
            #expect(topology.workers.map(summary) == [expected], "\(project.files)")
            #expect(topology.warnings.isEmpty, "\(topology.warnings) \(project.files)")
        }
        #expect(texts.count >= 200)
    }
}
