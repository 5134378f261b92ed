import ArgumentParser
import Base
import Cluster
import Coordinator
import Foundation
import Planning
import Shell
import Tensors
import Testing
import Topology
import Wire

/// The coordinator's command line, and the files whose options stand behind it.
@Suite struct OptionTests {
    @Test func defaultsAreTheContract() throws {
        let options = try CoordinatorOptions.parse([])
        #expect(options.listen == HostPort(host: nil, port: 9_100) && options.optimize == "O1")
        #expect(options.strategy == .optimal && options.shape == .pipeline && options.objective == .throughput)
        #expect(options.cost == .profiled && options.microBatch == .auto && options.compress == .auto)
        #expect(options.heartbeatTimeout == .seconds(2) && options.joinTimeout == .seconds(5) && options.deadline == .seconds(60))
        // Both are off unless given.
        #expect(options.http == nil && options.resultCache == nil)
    }

    @Test func everyOptionIsRead() throws {
        let options = try CoordinatorOptions.parse([
            "--workers", "a:1,b:2", "--model", "m.pt", "--input", "x:float32[N,2]", "--input", "y:int64[N]", "--listen",
            "127.0.0.1:0",
            "--optimize", "O0", "--strategy", "ralos", "--shape", "auto", "--objective", "latency", "--cost", "macs",
            "--micro-batch", "8",
            "--compress", "never", "--heartbeat-timeout", "1s", "--join-timeout", "1s", "--deadline", "2s", "--insecure",
            "--http", ":9101", "--result-cache", "256MiB",
            "--state-dir", "state",
        ])
        let settings = try CoordinatorSettings(options)
        #expect(settings.inputs.map(\.name) == ["x", "y"] && settings.level == .o0 && settings.modelPath == "m.pt")
        #expect(options.microBatch == .items(8) && options.compress == .never && options.strategy == .ralos)
        #expect(options.http == HostPort(host: nil, port: 9_101) && options.resultCache == ByteCount(256 << 20))
        #expect(options.heartbeatTimeout == .seconds(1) && options.stateDir == "state")
        guard case .listed(let services) = settings.workers else {
            Issue.record("the workers are not listed")
            return
        }
        var directory = WorkerDirectory()
        directory.replace(services.map { .init($0, isListed: true) })
        let targets = directory.targets()
        #expect(targets.map(\.name) == ["a:1", "b:2"] && targets.map(\.addresses) == [["a:1"], ["b:2"]])
    }

    struct Refusal: Sendable, CustomTestStringConvertible {
        let arguments: [String]
        let says: String
        var testDescription: String { "\(arguments.joined(separator: " ")): \(says)" }
    }

    static let workers = ["--workers", "a:1"]
    static let model = ["--model", "m.pt"]

    static let refusals = [
        Refusal(arguments: workers, says: "no model"),
        Refusal(arguments: workers + model + ["--topology", "compose.yaml"], says: "exclude each other"),
        Refusal(arguments: workers + model + ["--optimize", "O2"], says: "O2 (int8) does not exist yet; use O0 or O1"),
        Refusal(arguments: workers + model + ["--optimize", "fast"], says: "there is no level \"fast\""),
        Refusal(arguments: workers + model + ["--heartbeat-timeout", "999ms"], says: "it must be at least 1s, for heartbeats"),
        Refusal(arguments: workers + model + ["--input", "x"], says: "float32[N"),
        Refusal(arguments: ["--workers", "a"] + model, says: "there is no port"),
        Refusal(arguments: ["--topology", "dns:worker"] + model, says: "dns:"),
        Refusal(arguments: ["--topology", "/nowhere/compose.yaml"] + model, says: "/nowhere/compose.yaml"),
        Refusal(arguments: workers + model + ["--config", "/nowhere/options.yaml"], says: "/nowhere/options.yaml"),
        Refusal(
            arguments: workers + model + ["--http-token-file", "t"], says: "--http-token-file says something of HTTP, which is off"),
        Refusal(arguments: workers + model + ["--http-tls-cert", "t"], says: "--http-tls-cert says something of HTTP"),
        Refusal(arguments: workers + model + ["--http-tls-key", "t"], says: "--http-tls-key says something of HTTP"),
        Refusal(arguments: workers + model + ["--http-insecure"], says: "--http-insecure says something of HTTP"),
        Refusal(arguments: workers + model + ["--http-host", "a"], says: "--http-host says something of HTTP"),
        Refusal(arguments: workers + model + ["--http", "0", "--http-tls-cert", "t"], says: "give --http-tls-key FILE too"),
        Refusal(arguments: workers + model + ["--http", "0", "--http-tls-key", "t"], says: "give --http-tls-cert FILE too"),
        Refusal(
            arguments: workers + model + ["--http", "0", "--http-host", "a:80"],
            says: "--http-host: \"a:80\" is no host's name; write"),
        Refusal(
            arguments: workers + model + ["--http", "0", "--http-token-file", "/nowhere/t"],
            says: "--http-token-file: /nowhere/t: it cannot be opened"),
    ]

    @Test("what is refused, with the fix", arguments: refusals) func refused(_ row: Refusal) throws {
        let options = try CoordinatorOptions.parse(row.arguments)
        let error = try #require(throws: (any Error).self) { try CoordinatorSettings(options) }
        #expect("\(error)".contains(row.says), "\(error)")
    }

    @Test(
        "values that do not parse",
        arguments: [
            ["--micro-batch", "0"], ["--micro-batch", "many"], ["--micro-batch", "5000"], ["--strategy", "best"],
            ["--compress", "some"],
            ["--deadline", "soon"], ["--listen", "a:b:c"],
        ])
    func malformed(_ arguments: [String]) throws {
        #expect(throws: (any Error).self) { try CoordinatorOptions.parse(arguments) }
    }

    // MARK: Files

    /// A folder with a configuration and a compose file that name options.
    struct Files: ~Copyable {
        let folder: String

        init() throws {
            folder = FileManager.default.temporaryDirectory.appendingPathComponent("coordinator-options-\(UUID().uuidString)").path
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        }

        deinit { try? FileManager.default.removeItem(atPath: folder) }

        func write(_ name: String, _ text: String) throws -> String {
            let path = "\(folder)/\(name)"
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            return path
        }

        var compose: String {
            """
            x-amp4ec:
              model: models/m.pt
              micro-batch: 2
              compress: always
              state-dir: kept
            services:
              w1:
                image: worker
                command: [amp4ec-worker, --listen, "9000"]
              w2:
                image: worker
                command: [amp4ec-worker, --listen, "9001", --name, second]
            """
        }
    }

    @Test func aComposeFileNamesModelAndWorkers() throws {
        let files = try Files()
        let path = try files.write("compose.yaml", files.compose)
        let options = try CoordinatorOptions.parse(OptionFiles.merged(["--topology", path]))
        let settings = try CoordinatorSettings(options)
        #expect(
            settings.modelPath == "\(files.folder)/models/m.pt" && options.microBatch == .items(2) && options.compress == .always)
        #expect(options.stateDir == "\(files.folder)/kept")
        guard case .listed(let services) = settings.workers else {
            Issue.record("the workers are not listed")
            return
        }
        var directory = WorkerDirectory()
        directory.replace(services.map { .init($0, isListed: false) })
        #expect(directory.targets().map(\.name) == ["w1", "second"])
        #expect(directory.targets().map { $0.addresses.first } == ["w1:9000", "w2:9001"])
        #expect(settings.project == ComposeProject(paths: [path]))
    }

    @Test func theCommandLineWinsOverTheConfigurationAndThatOverTheComposeFile() throws {
        let files = try Files()
        let compose = try files.write("compose.yaml", files.compose)
        let config = try files.write("options.yaml", "topology: compose.yaml\nmicro-batch: 4\ncompress: never\ndeadline: 5s\n")
        let options = try CoordinatorOptions.parse(OptionFiles.merged(["--config", config, "--micro-batch", "16"]))
        #expect(options.topology == [compose])
        #expect(options.microBatch == .items(16) && options.compress == .never && options.deadline == .seconds(5))
        #expect(options.model == "\(files.folder)/models/m.pt")
        let equals = try CoordinatorOptions.parse(OptionFiles.merged(["--config=\(config)", "--compress=auto"]))
        #expect(equals.compress == .auto && equals.microBatch == .items(4))
    }

    @Test func severalFilesAndTheirVariables() throws {
        let files = try Files()
        let compose = try files.write("compose.yaml", files.compose.replacingOccurrences(of: "\"9000\"", with: "\"${PORT}\""))
        let more = try files.write("more.yaml", "services: {w3: {command: amp4ec-worker}, w1: {x-amp4ec: {exclude: true}}}")
        let variables = try files.write("site.env", "PORT=9500\n")
        let arguments = ["--topology", compose, "--topology=\(more)", "--env-file", variables]
        let settings = try CoordinatorSettings(try CoordinatorOptions.parse(OptionFiles.merged(arguments)))
        #expect(settings.topology.workers.map(\.port) == [9_500, 9_001, 9_000] && settings.topology.warnings.isEmpty)
        #expect(
            settings.projectFiles.filter { !$0.hasSuffix(".env") } == [compose, more] && settings.projectFiles.contains(variables))
        let config = try files.write("options.yaml", "topology: [compose.yaml, more.yaml]\nenv-file: site.env\n")
        let options = try CoordinatorOptions.parse(OptionFiles.merged(["--config", config]))
        #expect(options.topology == [compose, more] && options.envFile == [variables])
        // A name's addresses cannot be laid over a file.
        #expect(throws: (any Error).self) { try TopologySource(parsing: [compose, "dns:worker:9000"]) }
    }

    struct BadEntry: Sendable, CustomTestStringConvertible {
        let text: String
        let line: Int
        let column: Int
        /// What stands before the message where the entry is read at all.
        let key: String?
        let says: String
        var testDescription: String { text }

        init(_ text: String, at line: Int = 2, _ column: Int, _ key: String?, _ says: String) {
            (self.text, self.line, self.column, self.key, self.says) = (text, line, column, key, says)
        }
    }

    static let badEntries = [
        BadEntry("deadline: 5", 11, "deadline", "\"5\" is no value of this option: there is no unit; write a number with a unit"),
        BadEntry("deadline: 0s", 11, "deadline", "it is a time above 0"),
        BadEntry("deadline: [5s, 6s]", 11, "deadline", "a single value must stand here"),
        BadEntry("deadline:", 10, "deadline", "a single value must stand here"),
        BadEntry("heartbeat-timeout: 500ms", 20, "heartbeat-timeout", "it must be at least 1s"),
        BadEntry("strategy: best", 11, "strategy", "\"best\" is no value of this option; write one of 'optimal' and 'ralos'"),
        BadEntry("optimize: O2", 11, "optimize", "O2 (int8) does not exist yet; use O0 or O1"),
        BadEntry("micro-batch: many", 14, "micro-batch", "\"many\" is no number of items; write auto, or 1 to 4096"),
        BadEntry("maximum-load: 1.5", 15, "maximum-load", "it is a share"),
        BadEntry("maximum-load: high", 15, "maximum-load", "\"high\" is no share"),
        BadEntry(
            "listen: a:b", 9, "listen", "\"a:b\" is no value of this option: \"b\" is not a port from 0 to 65535; write host:port"),
        BadEntry("result-cache: 5M", 15, "result-cache", "\"5M\" is no value of this option; write it like 512MiB"),
        BadEntry("http-host: a b", 12, "http-host", "\"a b\" is no host's name; write the name alone"),
        BadEntry("http-insecure: 1", 16, "http-insecure", "\"1\" is neither true nor false"),
        BadEntry("http-token-file: \"\"", 18, "http-token-file", "the path is empty"),
        BadEntry("log-level: loud", 12, "log-level", "\"loud\" is no value of this option; write one of"),
        BadEntry("insecure: 1", 11, "insecure", "\"1\" is neither true nor false"),
        BadEntry("spec: [\"a:float32[N]\", b]", 24, "spec", "input \"b\": there is no name before a colon; write it like"),
        BadEntry("spec: \"a:uint8[N]\"\n  input: \"b:uint8[N]\"", at: 3, 8, "input", "it stands here twice"),
        BadEntry("model: \"\"", 8, "model", "the path is empty"),
        BadEntry("micro_batch: 4", 14, "micro_batch", "there is no option of that name; did you mean micro-batch?"),
        BadEntry("deadline: 5s\n  deadline: 6s", at: 3, 1, nil, "not valid YAML: the key \"deadline\" stands twice"),
    ]

    @Test("a bad entry of a file is refused with line and key", arguments: badEntries) func badEntry(_ row: BadEntry) throws {
        let files = try Files()
        let compose = try files.write(
            "compose.yaml", "x-amp4ec:\n  \(row.text)\nservices: {w1: {command: amp4ec-worker}}\n")
        let config = try files.write("options.yaml", "# options\n\(row.text.replacingOccurrences(of: "\n  ", with: "\n"))\n")
        for (option, path, prefix, indent) in [("--topology", compose, "x-amp4ec.", 2), ("--config", config, "", 0)] {
            let error = try #require(throws: TopologyError.self) { try OptionFiles.merged([option, path]) }
            let key = row.key.map { "\(prefix)\($0): " } ?? ""
            let expected = "\(path):\(row.line):\(row.column + indent): \(key)\(row.says)"
            #expect("\(error)".hasPrefix(expected) && error.exitStatus == .badData, "\(error)")
        }
    }

    @Test(
        "what says which files there are cannot stand in one of them",
        arguments: ["topology: b.yaml", "env-file: a.env", "workers: a:1"])
    func selfReference(_ line: String) throws {
        let files = try Files()
        let compose = try files.write("compose.yaml", "x-amp4ec:\n  \(line)\nservices: {w1: {command: amp4ec-worker}}\n")
        let error = try #require(throws: TopologyError.self) { try OptionFiles.merged(["--topology", compose]) }
        #expect(error.line == 2 && "\(error)".contains("x-amp4ec.\(line.prefix { $0 != ":" })"), "\(error)")
        let config = try files.write("options.yaml", "workers: a:1\n")
        #expect(try OptionFiles.merged(["--config", config]) == ["--workers=a:1", "--config", config])
    }

    @Test("a topology that a settings file names and that cannot be read is what is wrong") func topologyOfSettings() throws {
        let files = try Files()
        let config = try files.write("options.yaml", "topology: absent.yaml\nmodel: m.pt\n")
        let error = try #require(throws: TopologyError.self) { try OptionFiles.merged(["--config", config]) }
        #expect("\(error)".hasPrefix("\(files.folder)/absent.yaml: the file cannot be read"), "\(error)")
    }

    @Test("what is right in a file is taken as the command line takes it") func goodEntries() throws {
        let files = try Files()
        let config = try files.write(
            "options.yaml",
            """
            model: m.pt
            workers: a:1
            spec: ["x:float32[N,2]", "y:int64[N]"]
            listen: 9200
            http: "127.0.0.1:9101"
            result-cache: 64MiB
            optimize: O0
            strategy: ralos
            shape: auto
            objective: latency
            cost: macs
            maximum-load: 1
            micro-batch: auto
            batch: independent
            compress: never
            heartbeat-timeout: 1s
            join-timeout: 1s
            deadline: 1m
            drain-timeout: 2s
            state-dir: state
            insecure: yes
            log-level: debug
            """)
        let settings = try CoordinatorSettings(try CoordinatorOptions.parse(OptionFiles.merged(["--config", config])))
        #expect(settings.inputs.count == 2 && settings.level == .o0 && settings.options.deadline == .seconds(60))
        #expect(settings.options.stateDir == "\(files.folder)/state" && settings.options.insecure)
    }

    @Test("options that --http gives a meaning: usage errors are 64, files that cannot be used 65, and files may say them all")
    func httpOptions() throws {
        let files = try Files()
        let base = ["--model", "m.pt", "--http", "0"]
        func status(_ arguments: [String]) -> Shell.ExitStatus? {
            do {
                _ = try CoordinatorSettings(try CoordinatorOptions.parse(arguments))
                return nil
            } catch { return (error as? any ExitStatusProviding)?.exitStatus }
        }
        #expect(status(base) == nil && status(["--model", "m.pt", "--http-insecure"]) == .usage)
        #expect(status(base + ["--http-tls-cert", "c"]) == .usage && status(base + ["--http-host", "a:1"]) == .usage)
        #expect(status(base + ["--http-token-file", "/nowhere/t"]) == .badData)
        #expect(status(base + ["--http-tls-cert", "/nowhere/c", "--http-tls-key", "/nowhere/k"]) == .badData)
        for (name, letter) in [("one", "a"), ("two", "b")] {
            let path = try files.write(name, "amp4ec-http-client:\(String(repeating: letter, count: 42))A:\(name)\n")
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
        }
        let config = try files.write(
            "options.yaml",
            "model: m.pt\nhttp: 9101\nhttp-token-file: [one, two]\nhttp-insecure: true\nhttp-host: [a.example, b.example]\n")
        let settings = try CoordinatorSettings(try CoordinatorOptions.parse(OptionFiles.merged(["--config", config])))
        #expect(settings.options.httpTokenFiles == ["\(files.folder)/one", "\(files.folder)/two"])
        #expect(settings.options.httpHosts == ["a.example", "b.example"])
        let gateway = try #require(settings.gateway)
        #expect(gateway.address == HostPort(host: nil, port: 9_101) && gateway.tls == nil && !gateway.refusesPlainTokens)
        // The command line wins.
        let arguments = try OptionFiles.merged(["--config", config, "--http-token-file", "\(files.folder)/one"])
        #expect(try CoordinatorOptions.parse(arguments).httpTokenFiles == ["\(files.folder)/one"])
        let plain = try CoordinatorSettings(try CoordinatorOptions.parse(base + ["--http-token-file", "\(files.folder)/one"]))
        #expect(plain.gateway?.refusesPlainTokens == true)
        #expect(try CoordinatorSettings(try CoordinatorOptions.parse(["--model", "m.pt"])).gateway == nil)
    }

    @Test func aDeadlineIsAboveZero() throws {
        let options = try CoordinatorOptions.parse(["--model", "m.pt", "--deadline", "0s"])
        let error = try #require(throws: CoordinatorOptions.BadOption.self) { try CoordinatorSettings(options) }
        #expect(error.exitStatus == .usage && "\(error)".contains("--deadline"))
    }

    @Test func anUnknownOptionInAFileIsRefusedByName() throws {
        let files = try Files()
        let config = try files.write("options.yaml", "modle: m.pt\n")
        let error = try #require(throws: TopologyError.self) { try OptionFiles.merged(["--config", config]) }
        #expect("\(error)".contains("modle") && "\(error)".contains("model"))
    }

    @Test("--spec and --input, its old name, are one option in files and on the command line") func oldName() throws {
        let files = try Files()
        for (written, given) in [("spec", "--spec"), ("input", "--input"), ("spec", "--input"), ("input", "--spec")] {
            let config = try files.write("\(written)\(given).yaml", "\(written): [\"a:float32[N]\", \"b:float32[N]\"]\n")
            let alone = try CoordinatorOptions.parse(OptionFiles.merged(["--config", config]))
            #expect(alone.spec == ["a:float32[N]", "b:float32[N]"])
            let both = try CoordinatorOptions.parse(OptionFiles.merged(["--config", config, given, "c:int64[N]"]))
            #expect(both.spec == ["c:int64[N]"], "the command line wins")
        }
    }

    @Test func theOptionsOfFilesAreThoseOfTheCommandLine() throws {
        let help = CoordinatorOptions.helpMessage()
        for option in CoordinatorOptions.known { #expect(help.contains("--\(option.name)"), "\(option.name)") }
        // And the other way round: one that is forgotten among those of files could be set on the command line alone.
        let known = Set(CoordinatorOptions.known.map { "--\($0.name)" })
        let inHelp = help.matches(of: /\n  (?:-\w, )?(--[a-z-]+)/).map { String($0.1) }
        #expect(inHelp.count > 20)
        for name in inHelp where !["--config", "--help", "--version"].contains(name) { #expect(known.contains(name), "\(name)") }
    }
}
