import Shell
import Testing
import Topology

@Suite("Compose files that are refused")
struct ComposeRefusalTests {
    struct Refused: Sendable, CustomTestStringConvertible {
        let name: String
        let text: String
        /// All of these stand in the message.
        let says: [String]
        var testDescription: String { name }
    }

    static let worker = "services:\n  w:\n    command: amp4ec-worker\n"

    @Test(
        "whole files",
        arguments: [
            Refused(name: "empty", text: "", says: ["compose.yaml", "empty"]),
            Refused(name: "no mapping", text: "- a", says: ["compose.yaml:1:1", "a list"]),
            Refused(name: "no services", text: "name: x", says: ["services", "there are no services"]),
            Refused(name: "services is a list", text: "services: [a]", says: ["compose.yaml:1:11: services", "a list"]),
            Refused(name: "a service is a text", text: "services: {a: b}", says: ["service \"a\"", "mapping"]),
            Refused(name: "no worker", text: "services: {db: {image: x}}", says: ["none of them (db)", "amp4ec-worker --listen"]),
            Refused(name: "broken flow", text: "services: [a", says: ["compose.yaml:", "not valid YAML"]),
            Refused(name: "tab", text: "services:\n\tw: 1", says: ["compose.yaml:2:1:", "a tab stands there", "with blanks"]),
            Refused(
                name: "tab behind letters of two bytes", text: "# größe\r\nservices:\r\n  w:\r\n\t\timage: x",
                says: ["compose.yaml:4:1:", "a tab stands there"]),
            Refused(
                name: "another character that begins nothing", text: "services: @x",
                says: ["not valid YAML", "cannot start any token", "into quotes"]),
            Refused(name: "bad indent", text: "services:\n  a: 1\n b: 2", says: ["compose.yaml:3:", "not valid YAML"]),
            Refused(name: "unknown alias", text: "services: *x", says: ["compose.yaml:1:11", "undefined alias"]),
            Refused(name: "duplicate key", text: "services:\n  w: {}\n  w: {}", says: ["\"w\" stands twice", "compose.yaml:"]),
            Refused(name: "control character", text: "services: \u{1}", says: ["not valid YAML"]),
            Refused(name: "two documents", text: "a: 1\n---\nb: 1", says: ["there are no services"]),
            Refused(
                name: "unknown option", text: "x-amp4ec: {modle: a}\n" + worker, says: ["x-amp4ec.modle", "did you mean model?"]),
            Refused(
                name: "far option", text: "x-amp4ec: {qqqqqqq: a}\n" + worker,
                says: ["x-amp4ec.qqqqqqq", "use one of deadline, http"]),
            Refused(name: "option list", text: "x-amp4ec: {model: [a]}\n" + worker, says: ["x-amp4ec.model", "a list"]),
            Refused(
                name: "option null", text: "x-amp4ec:\n  model:\n" + worker, says: ["compose.yaml:2:", "x-amp4ec.model", "nothing"]),
            Refused(name: "flag", text: "x-amp4ec: {insecure: maybe}\n" + worker, says: ["x-amp4ec.insecure", "true or false"]),
            Refused(name: "options as text", text: "x-amp4ec: yes\n" + worker, says: ["x-amp4ec: it must be a mapping"]),
            Refused(
                name: "two of one name",
                text: "services: {a: {command: amp4ec-worker --name n}, b: {command: amp4ec-worker --name n}}",
                says: ["service \"b\"", "--name n is also the name of service \"a\""]),
            Refused(
                name: "the coordinator's name", text: "services: {w: {command: amp4ec-worker --name coordinator}}",
                says: ["service \"w\"", "called \"coordinator\""]),
            Refused(
                name: "a service that no worker can be called",
                text: "services: {\(String(repeating: "n", count: 201)): {command: amp4ec-worker}}", says: ["201 bytes"]),
            Refused(
                name: "extends a stranger", text: "services: {base: {}, w: {extends: {service: bsae}, command: amp4ec-worker}}",
                says: ["service \"w\"", "did you mean base?"]),
            Refused(
                name: "extends in a circle", text: "services: {a: {extends: b, command: amp4ec-worker}, b: {extends: a}}",
                says: ["extends", "circle"]),
            Refused(
                name: "extends another file", text: "services: {a: {extends: {file: x.yaml, service: b}, command: amp4ec-worker}}",
                says: ["extends.file", "there is no file x.yaml"]),
            Refused(name: "key is a list", text: "{[a, b]: 1}", says: ["a key is not a single value"]),
        ])
    func wholeFile(_ row: Refused) throws {
        let error = try #require(throws: TopologyError.self) { try parse(row.text) }
        for expected in row.says { #expect(error.description.contains(expected), "\(error)") }
        #expect(error.exitStatus == .badData)
    }

    @Test(
        "fields of a worker",
        arguments: [
            Refused(
                name: "port", text: "ports: [\"x:9000\"]", says: ["compose.yaml:4:", "ports", "\"x\" is not a port", "9001:9000"]),
            Refused(name: "port 70000", text: "ports: [70000]", says: ["ports", "70000"]),
            Refused(name: "range lengths", text: "ports: [\"1-3:1-2\"]", says: ["ports", "different lengths"]),
            Refused(name: "backward range", text: "ports: [\"3-1:9000\"]", says: ["ports", "\"3-1\""]),
            Refused(name: "host name", text: "ports: [\"localhost:1:9000\"]", says: ["ports", "\"localhost\" is not an IP"]),
            Refused(name: "protocol", text: "ports: [\"1:9000/tpc\"]", says: ["ports", "tpc"]),
            Refused(name: "no target", text: "ports: [{published: 1}]", says: ["ports", "target"]),
            Refused(name: "no octal", text: "ports: [{target: 9000, published: 09001}]", says: ["ports", "\"09001\"", "quotes"]),
            Refused(name: "no octal alone", text: "ports: [09000]", says: ["ports", "\"09000\"", "quotes"]),
            Refused(
                name: "hexadecimal text", text: "ports: [{target: 9000, published: \"0x2329\"}]", says: ["ports", "\"0x2329\""]),
            Refused(name: "half a replica", text: "scale: 1.5", says: ["scale", "\"1.5\" is not a whole number"]),
            Refused(name: "hexadecimal cpus", text: "cpus: \"0x2\"", says: ["cpus", "\"0x2\""]),
            Refused(name: "half a byte", text: "mem_limit: 0.5", says: ["mem_limit", "\"0.5\""]),
            Refused(name: "port list", text: "ports: [[1]]", says: ["ports", "a list"]),
            Refused(name: "ports is a text", text: "ports: \"1:2\"", says: ["ports", "must be a list"]),
            Refused(name: "cpus", text: "cpus: half", says: ["cpus", "\"half\"", "0.5"]),
            Refused(name: "cpus negative", text: "cpus: -1", says: ["cpus", "\"-1\""]),
            Refused(name: "cpus infinite", text: "cpus: .inf", says: ["cpus"]),
            Refused(name: "cpus exponent", text: "cpus: 1e30", says: ["cpus"]),
            Refused(
                name: "memory", text: "deploy: {resources: {limits: {memory: lots}}}",
                says: ["deploy.resources.limits.memory", "\"lots\""]),
            Refused(name: "memory absurd", text: "mem_limit: 99999999999p", says: ["mem_limit"]),
            Refused(name: "limits is a text", text: "deploy: {resources: x}", says: ["deploy.resources", "a single value"]),
            Refused(name: "deploy is a list", text: "deploy: [x]", says: ["deploy", "a list"]),
            Refused(name: "replicas", text: "deploy: {replicas: many}", says: ["deploy.replicas", "\"many\""]),
            Refused(name: "replicas absurd", text: "scale: 1000000", says: ["scale", "10000"]),
            Refused(name: "role", text: "x-amp4ec: {role: wroker}", says: ["x-amp4ec.role", "did you mean worker?"]),
            Refused(name: "annotation", text: "x-amp4ec: {stag: 1}", says: ["x-amp4ec.stag", "did you mean stage?"]),
            Refused(name: "stage", text: "x-amp4ec: {stage: -1}", says: ["x-amp4ec.stage"]),
            Refused(name: "exclude", text: "x-amp4ec: {exclude: 7}", says: ["x-amp4ec.exclude"]),
            Refused(name: "profiles", text: "profiles: gpu", says: ["profiles", "must be a list"]),
            Refused(name: "variable", text: "cpus: ${CPUS:?say how many}", says: ["cpus", "CPUS must be set: say how many"]),
            Refused(name: "unset variable", text: "cpus: ${CPUS}", says: ["cpus", "\"\" is not a number"]),
            Refused(name: "dollar", text: "mem_limit: 5$", says: ["mem_limit", "\"5$\" is not an amount"]),
            Refused(name: "open variable", text: "mem_limit: \"${X\"", says: ["mem_limit", "not closed"]),
        ])
    func field(_ row: Refused) throws {
        let error = try #require(throws: TopologyError.self) { try parse(ComposeRefusalTests.worker + "    \(row.text)\n") }
        for expected in row.says + ["compose.yaml:", "service \"w\""] { #expect(error.description.contains(expected), "\(error)") }
    }

    @Test(
        "commands of a worker",
        arguments: [
            ("amp4ec-worker --listen x", "--listen x is no address"), ("amp4ec-worker --listen 0", "free port"),
            ("amp4ec-worker --listen", "--listen true is no address"), ("amp4ec-worker --name a --name b", "--name stands twice"),
            ("amp4ec-worker --name 'a", "quote is not closed"),
        ])
    func command(_ command: String, _ says: String) throws {
        let error = try #require(throws: TopologyError.self) { try service("command: \(command)") }
        #expect(error.description.contains(says), "\(error)")
        #expect(error.service == "w" && error.field == "command" && error.line == 3)
    }

    @Test func replicasCannotShareAName() throws {
        let error = try #require(throws: TopologyError.self) { try service("command: amp4ec-worker --name a\nscale: 2") }
        #expect(error.description.contains("2 replicas would all have --name a"))
    }

    @Test(.timeLimit(.minutes(1)))
    func aliasBombsAreBounded() throws {
        var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
        for level in 1...30 {
            bomb += "a\(level): &a\(level) [" + Array(repeating: "*a\(level - 1)", count: 10).joined(separator: ", ") + "]\n"
        }
        let error = try #require(throws: TopologyError.self) { try parse(bomb + "services: *a30\n") }
        #expect(error.description.contains("aliases expanded"))
        let small = bomb.split(separator: "\n").prefix(5).joined(separator: "\n") + "\n"
        for key in [
            "*a4 : 1", "{[*a4]: 1}", "{ [ *a4 ] :1}", "? *a4\n: 1", "k: [? *a4]", "{? *a4 : 1}", "[*a4]: 1", "{{x: *a4}: 1}",
        ] {
            let text = key.hasPrefix("{") ? small + "k: " + key : small + key
            let error = try #require(throws: TopologyError.self, "\(key)") { try parse(text) }
            #expect(error.description.contains("a key is not a single value"), "\(key): \(error)")
        }
    }

    @Test func hugeAndDeepFilesAreRefused() throws {
        let huge = try #require(throws: TopologyError.self) { try parse(String(repeating: "#", count: 1 << 20) + "\n") }
        #expect(huge.description.contains("over the limit of 1048576 bytes"))
        for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", "")] {
            for depth in [100, 50_000] {
                let text = String(repeating: open, count: depth) + "x" + String(repeating: close, count: depth)
                #expect(throws: TopologyError.self) { try parse(text) }
            }
        }
    }

    @Test func mutatedFilesNeverTrap() {
        let good = Array(
            """
            x-amp4ec: {model: "a.pt", insecure: true}
            x-base: &base {image: amp4ec, deploy: {resources: {limits: {cpus: "0.5", memory: 512M}}}}
            services:
              w1: {<<: *base, command: "amp4ec-worker --listen ${P:-9000}", ports: ["9001-9003:9000-9002/tcp"]}
              w2:
                <<: [*base]
                extends: w1
                command: [amp4ec-worker, --name, 'b']
            """.utf8)
        var generator = SplitMix(state: 7)
        let alphabet = Array("{}[]:,*&?-#'\"\\$!|>%@\n\t 0a".utf8)
        var accepted = 0
        for _ in 0..<3_000 {
            var bytes = good
            for _ in 0...Int.random(in: 0..<4, using: &generator) {
                let position = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[position] = alphabet.randomElement(using: &generator) ?? 0
                case 1: bytes.insert(alphabet.randomElement(using: &generator) ?? 0, at: position)
                default: bytes.remove(at: position)
                }
            }
            do {
                _ = try parse(String(decoding: bytes, as: UTF8.self))
                accepted += 1
            } catch let error as TopologyError {
                #expect(!error.problem.isEmpty && !error.fix.isEmpty, "\(error)")
                let lines = 1...(bytes.count { $0 == UInt8(ascii: "\n") } + 1)
                #expect(error.line.map(lines.contains) != false, "\(error)")
            } catch { Issue.record("no typed error: \(error)") }
        }
        #expect((1..<3_000).contains(accepted))
    }
}

/// A small seeded generator, so that a failing mutation can be run again.
struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
