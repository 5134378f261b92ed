import ArgumentParser
import Base
import Logging
import Shell
import Synchronization
import Testing
import Wire

private struct Sample: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "sample", version: ProductVersion.current)
    @Option(help: ArgumentHelp("How long to wait.", valueName: "time")) var wait: Duration = .seconds(1)
    @Option(help: ArgumentHelp(valueName: "addr")) var listen: HostPort?
    @Option(help: ArgumentHelp(valueName: "size")) var keep: ByteCount?
    @OptionGroup var logging: LoggingOptions
    mutating func validate() throws {
        if wait == .zero { throw ValidationError("--wait must be above 0") }
    }
}

private struct OtherError: Error, CustomStringConvertible { var description: String { "the disk is full" } }

@Suite("How commands end")
struct CommandTests {
    @Test(
        "what the parser throws",
        arguments: [
            (["--help"], 0, "OVERVIEW|USAGE"), (["--version"], 0, ProductVersion.current),
            (["--wait", "2"], 64, "'--wait <time>': there is no unit; write a number with a unit, like 250ms"),
            (["--wait", "soon"], 64, "'--wait <time>'; write a number with a unit, like 250ms"),
            (["--wait", "9999999h"], 64, "': it is not a whole number of nanoseconds below 292 years; write"),
            (["--keep", "5M"], 64, "'--keep <size>'; write it like 512MiB"),
            (["--unknown"], 64, "Unknown option '--unknown'"), (["--wait", "0s"], 64, "--wait must be above 0"),
            (["--log-level", "loud"], 64, "loud"),
            (
                ["--listen", "a:b"], 64,
                "'a:b' is invalid for '--listen <addr>': \"b\" is not a port from 0 to 65535; write host:port"
            ),
        ] as [([String], Int32, String)])
    func parsing(_ arguments: [String], _ status: Int32, _ text: String) throws {
        let error = try #require(throws: (any Error).self) {
            var command = try Sample.parseAsRoot(arguments)
            try command.run()
        }
        let outcome = CommandOutcome(of: error, thrownBy: Sample.self)
        #expect(outcome.status == status)
        let printed = status == 0 ? outcome.standardOutput : outcome.standardError
        #expect(text.split(separator: "|").contains { printed.contains($0) }, "\(printed)")
        #expect((status == 0 ? outcome.standardError : outcome.standardOutput).isEmpty)
        #expect(status == 0 || printed.hasPrefix("error: "))
    }

    @Test(
        "a wrong value in the words of a file",
        arguments: [
            ("wait", "5", ": there is no unit", "write a number with a unit, like 250ms, 2s or 1m"),
            ("listen", "1::2", ": an IPv6 address needs brackets, like [::1]:9000", "write host:port, [v6]:port, :port or port"),
            ("log-level", "loud", "", "write one of trace, debug, info, notice, warning, error, critical"),
        ])
    func valueRefusal(_ option: String, _ value: String, _ reason: String, _ fix: String) throws {
        let error = try #require(throws: (any Error).self) { try Sample.parseAsRoot(["--\(option)=\(value)"]) }
        #expect(
            ValueRefusal(error, thrownBy: Sample.self)
                == ValueRefusal(problem: "\"\(value)\" is no value of this option\(reason)", fix: fix)
        )
    }

    @Test func theHelpShowsDefaultsAsTheyAreWritten() {
        let help = Sample.helpMessage()
        #expect(help.contains("(default: 1s)"))
        #expect(help.contains("--log-level"))
    }

    @Test func failuresCarryTheirStatus() {
        for status in ExitStatus.allCases {
            let outcome = CommandOutcome(of: CommandFailure(status, "w1 is gone; start it"), thrownBy: Sample.self)
            #expect(outcome.status == status.rawValue)
            #expect(outcome.standardError == "error: w1 is gone; start it\n")
        }
        let other = CommandOutcome(of: OtherError(), thrownBy: Sample.self)
        #expect(other.status == 1 && other.standardError == "error: the disk is full\n" && other.standardOutput.isEmpty)
        let silent = CommandOutcome(of: ExitCode(69), thrownBy: Sample.self)
        #expect(silent.status == 69 && silent.standardError.isEmpty && silent.standardOutput.isEmpty)
    }

    /// A compose file whose one key had a megabyte was quoted whole.
    @Test func whatIsQuotedAtLengthLosesItsMiddle() {
        let failure = CommandFailure(
            .badData, "a.yaml: none of them (" + String(repeating: "k", count: 1_000_000) + ") is a worker; write one")
        let error = CommandOutcome(of: failure, thrownBy: Sample.self).standardError
        #expect(error.count < 4_100)
        #expect(error.hasPrefix("error: a.yaml: none of them (kkk"))
        #expect(error.contains("characters) …"))
        #expect(error.hasSuffix("kkk) is a worker; write one\n"))
    }

    @Test func theStatusNumbersAreTheContract() {
        #expect(ExitStatus.allCases.map(\.rawValue) == [0, 1, 64, 65, 69])
    }

    @Test("what a peer answers ends each command alike", arguments: StatusCode.allCases) func peersCodes(_ code: StatusCode) {
        let expected: [StatusCode: Shell.ExitStatus] = [
            .internalError: .failure, .resourceExhausted: .failure, .deadlineExceeded: .failure, .cancelled: .failure,
            .failedPrecondition: .failure, .superseded: .failure, .unavailable: .unreachable, .unauthenticated: .unreachable,
            .incompatible: .unreachable, .permissionDenied: .failure,
        ]
        for invalid in [Shell.ExitStatus.badData, .usage] {
            #expect(Shell.ExitStatus(code, invalidArgument: invalid) == (code == .invalidArgument ? invalid : expected[code]))
        }
    }
}

@Suite("Log lines")
struct LogTests {
    private final class Sink: Sendable {
        private let collected = Mutex<[String]>([])
        var lines: [String] { collected.withLock { $0 } }
        func append(_ line: String) { collected.withLock { $0.append(line) } }
    }

    private func logger(_ sink: Sink, level: Logger.Level = .info) -> Logger {
        Logger(label: "worker") { label in
            LineLogHandler(
                label: label, level: level, write: { sink.append($0) }, since1970: { (seconds: 1_795_474_627, milliseconds: 123) })
        }
    }

    @Test func aLineIsTimeLevelLabelMessageAndSortedFacts() {
        let sink = Sink()
        var logger = logger(sink)
        logger[metadataKey: "node"] = "w1"
        logger.info("partition loaded", metadata: ["plan": "7", "bytes": "12", "why": "two words"])
        #expect(
            sink.lines == ["2026-11-23T22:57:07.123Z info worker: partition loaded bytes=12 node=w1 plan=7 why=\"two words\"\n"])
    }

    @Test func lowerLevelsAreLeftOut() {
        let sink = Sink()
        let logger = logger(sink, level: .warning)
        logger.info("not this")
        logger.warning("this")
        #expect(sink.lines.count == 1 && sink.lines[0].contains(" warning worker: this"))
    }

    @Test(
        "values from a peer cannot forge a line",
        arguments: [
            ("a\nb", "\"a\\nb\""), ("a\"b", "\"a\\\"b\""), ("", "\"\""), ("k=v", "\"k=v\""), ("\u{1b}[2J", "\"\\u{1b}[2J\""),
            ("\u{2028}", "\"\\u{2028}\""), ("\u{85}", "\"\\u{85}\""), ("c:\\x", "\"c:\\\\x\""), ("grün", "grün"),
        ])
    func escaping(_ value: String, _ printed: String) {
        let sink = Sink()
        logger(sink).info("hello", metadata: ["peer": "\(value)"])
        #expect(sink.lines[0].hasSuffix(" worker: hello peer=\(printed)\n"))
        #expect(sink.lines[0].filter { $0 == "\n" }.count == 1)
    }

    @Test func longValuesAreCut() {
        let sink = Sink()
        logger(sink).info("hello", metadata: ["peer": "\(String(repeating: "x", count: 100_000))"])
        #expect(sink.lines[0].utf8.count < LineLogHandler.maximumValueLength + 100)
        #expect(sink.lines[0].hasSuffix("x…\"\n"))
    }
}
