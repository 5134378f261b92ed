import Shell
import Testing
import Topology

@Suite("Variables, and the files that set them")
struct VariableTests {
    @Test(
        "variables as compose replaces them",
        arguments: [
            ("$A", "1"), ("${A}", "1"), ("x${A}y$A", "x1y1"), ("$$A", "$A"), ("${U}", ""), ("${U:-d}", "d"), ("${U-d}", "d"),
            ("${E:-d}", "d"), ("${E-d}", ""), ("${A:-d}", "1"), ("${A:+o}", "o"), ("${U:+o}", ""), ("${E+o}", "o"), ("${E:+o}", ""),
            ("${U:-${A}}", "1"), ("${U:-$A-$$}", "1-$"), ("${A:?m}", "1"), ("${U:-a:b}", "a:b"), ("${U:-}", ""), ("${E?m}", ""),
            ("${U+${X:?no}}", ""), ("${A+${E:-${U-deep}}}", "deep"), ("${U:-{a}}", "{a}"), ("$", "$"), ("a$", "a$"), ("$1", "$1"),
            ("$-", "$-"), ("$$$$", "$$"), ("$${A}", "${A}"), ("${U:-?*&<<}", "?*&<<"), ("${U:--}", "-"), ("${U-:-}", ":-"),
            ("${A}}", "1}"), ("${_a1}", "under"), ("é$A", "é1"), ("${U:-é}", "é"),
        ])
    func interpolation(_ text: String, _ expected: String) throws {
        let worker = try service(
            "command: [amp4ec-worker, \"--name=\(text)\"]", environment: ["A": "1", "E": "", "_a1": "under"])
        #expect(worker.declaredNodeName == expected)
    }

    @Test(
        "forms that compose does not know",
        arguments: [
            ("${", "not closed"), ("${A", "not closed"), ("${}", "names no variable"), ("${1}", "names no variable"),
            ("${A!b}", "not a form"), ("${A:b}", "not a form"), ("${A B}", "not a form"), ("${U:?}", "U must be set"),
            ("${U?why $A}", "U must be set: why 1"), ("${${A}}", "names no variable"),
            (String(repeating: "${U:-", count: 80) + String(repeating: "}", count: 80), "over the limit of 64 levels"),
        ])
    func refused(_ text: String, _ says: String) throws {
        let error = try #require(throws: TopologyError.self) {
            try service("command: [amp4ec-worker, \"--name=\(text)\"]", environment: ["A": "1"])
        }
        #expect(error.description.contains(says) && error.line == 3 && error.field == "command", "\(error)")
    }

    @Test func unsetVariablesOfWorkersAreWarnedOfOnce() throws {
        let topology = try parse(
            """
            x-amp4ec: {listen: "127.0.0.1:${LISTEN:-1}", deadline: "${DEADLINE}5s"}
            services:
              db: {image: "db:${TAG}", command: "serve ${ONLY_THERE}"}
              w:
                image: "amp4ec:${TAG}"
                command: amp4ec-worker --listen 9000 --cache-dir "/c/${NAME}${NAME}"
                ports: ["${P:-1}:9000"]
            """)
        #expect(
            topology.warnings == [
                "compose.yaml:1:56: x-amp4ec.deadline: the variable DEADLINE is not set and counts as empty; set it, or write ${DEADLINE:-value}",
                "compose.yaml:6:14: service \"w\": command: the variable NAME is not set and counts as empty; set it, or write ${NAME:-value}",
            ])
    }

    @Test(
        "files of variables",
        arguments: [
            ("A=1", "1"), ("A = 1", "1"), ("A=1 ", "1"), ("\n\n  A=1\r\n", "1"), ("export A=1", "1"), ("export\tA=1", "1"),
            ("A: 1", "1"),
            ("A=1 # c", "1"), ("A=1#c", "1#c"), ("A=#c", "#c"), ("A='1 # c' # d", "1 # c"), ("A=\"1\" # d", "1"), ("A=", ""),
            ("A=''", ""),
            ("B=2\nA=$B", "2"), ("B=2\nA=${B}x", "2x"), ("B=2\nA='$B'", "$B"), ("B=2\nA=\"$B\"", "2"), ("B=2\nA=\"\\$B\"", "$B"),
            ("A=$$B", "$B"), ("A=$OUTER", "o"), ("OUTER=mine\nA=$OUTER", "o"), ("A=${U:-d}", "d"), ("A=a\\nb", "a\\nb"),
            ("A=\"a\\nb\"", "a\nb"),
            ("A='a\\nb'", "a\\nb"), ("A='it\\'s'", "it's"), ("A=\"say \\\"hi\\\"\"", "say \"hi\""), ("A=\"a\nb\"", "a\nb"),
            ("A='a\n#b'", "a\n#b"),
            ("A=1\nA=2", "2"), ("OUTER\nA=$OUTER", "o"), ("# ? * & << 'unclosed\nA=1", "1"), ("a.b-c[0]=x\nA=1", "1"),
            ("\u{FEFF}A=1", "1"),
            ("A=é", "é"), ("Ü=1\nA=2", "2"), ("A=1=2", "1=2"), ("A=b c", "b c"), ("exported=1\nA=2", "2"), ("A=\"\"B=2", ""),
        ])
    func environmentFiles(_ text: String, _ expected: String) throws {
        let topology = try read(
            ["compose.yaml": "services: {w: {command: [amp4ec-worker, \"--cache-dir=$A\"]}}", ".env": text],
            environment: ["OUTER": "o"])
        #expect(topology.workers[0].options["cache-dir"] == expected)
    }

    @Test(
        "files of variables that are refused",
        arguments: [
            ("A=1\nB 2\n", ".env:2:", "holds a blank"), ("A='x\ny", ".env:1:", "a quote is not closed"),
            ("A=\"x", ".env:1:", "not closed"),
            ("x\n=1", ".env:2:", "a name is missing"), ("A=1\n<html>", ".env:2:", "does not begin with a variable's name"),
            ("A=${", ".env:1:", "not closed"), ("A=1\nB=${U:?say it}", ".env:2:", "U must be set: say it"),
            ("{\"a\": 1}", ".env:1:", "begin"),
        ])
    func refusedFiles(_ text: String, _ place: String, _ says: String) throws {
        let error = try #require(throws: TopologyError.self) {
            try read(["compose.yaml": "services: {w: {command: amp4ec-worker}}", ".env": text])
        }
        #expect(error.description.hasPrefix(place) && error.description.contains(says), "\(error)")
    }

    @Test(.timeLimit(.minutes(1)))
    func valuesThatGrowAreBounded() throws {
        var doubling = "A0=0123456789\n"
        for level in 1...40 { doubling += "A\(level)=$A\(level - 1)$A\(level - 1)\n" }
        let compose = "services: {w: {command: amp4ec-worker}}"
        let error = try #require(throws: TopologyError.self) { try read(["compose.yaml": compose, ".env": doubling]) }
        #expect(error.description.contains("over the limit of"), "\(error)")
        let long = "A=" + String(repeating: "x", count: 100_000) + "\n"
        let many = "services: {w: {command: \"amp4ec-worker --name \(String(repeating: "$A", count: 50))\"}}"
        let wide = try #require(throws: TopologyError.self) { try read(["compose.yaml": many, ".env": long]) }
        #expect(wide.description.contains("over the limit of 1048576 bytes"), "\(wide)")
        let script =
            "services: {w: {environment: {A: \(String(repeating: "x", count: 100_000))}, command: \"sh -c 'amp4ec-worker \(String(repeating: "$$A", count: 50))'\"}}"
        #expect(throws: TopologyError.self) { try read(["compose.yaml": script]) }
    }
}
