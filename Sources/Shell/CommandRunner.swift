public import ArgumentParser
internal import Glibc

/// How a process ends: what it still prints, and its exit status.
public struct CommandOutcome: Sendable, Hashable {
    public let status: Int32
    public let standardOutput: String
    public let standardError: String

    /// Characters of an error at most: a screen of them.
    private static let errorLimit = 4_000

    /// Sorts what a command threw into the exit statuses of the contract.
    ///
    /// Help and version requests are no failure and go to stdout; wrong options are 64; an ``ExitStatusProviding`` error has its own
    /// status; an `ExitCode` is passed on silently; everything else is 1.
    public init(of error: any Error, thrownBy command: (some ParsableArguments).Type) {
        if let failure = error as? any ExitStatusProviding {
            self.init(status: failure.exitStatus.rawValue, standardOutput: "", standardError: "error: \(failure)\n")
            return
        }
        let code = command.exitCode(for: error)
        switch code {
        case .success:
            let text = command.fullMessage(for: error)
            self.init(status: ExitStatus.success.rawValue, standardOutput: text.isEmpty ? "" : text + "\n", standardError: "")
        case .validationFailure:
            let text = command.fullMessage(for: error)
            let message = UsageMessage(text).text
            self.init(
                status: ExitStatus.usage.rawValue, standardOutput: "", standardError: message.isEmpty ? "" : message + "\n")
        default:
            let isSilent = error is ExitCode
            self.init(
                status: isSilent ? code.rawValue : ExitStatus.failure.rawValue, standardOutput: "",
                standardError: isSilent ? "" : "error: \(error)\n")
        }
    }

    private init(status: Int32, standardOutput: String, standardError: String) {
        self.status = status
        self.standardOutput = standardOutput
        self.standardError = Self.withoutItsMiddle(standardError)
    }

    /// An error quotes what it was given, which may be a key of a megabyte. Its beginning says what is wrong and its end what to do, so the
    /// middle is cut.
    private static func withoutItsMiddle(_ text: String) -> String {
        guard text.utf8.count > errorLimit else { return text }
        let part = errorLimit / 2
        let omitted = text.count - 2 * part
        return omitted > 0 ? "\(text.prefix(part)) … (\(omitted) characters) … \(text.suffix(part))" : text
    }

    fileprivate func finish() -> Never {
        StandardStream.output.write(standardOutput)
        StandardStream.error.write(standardError)
        StandardStream.flush()
        exit(status)
    }
}

/// Parses the arguments, runs the command on the main thread, and ends the process by the contract of the exit statuses.
///
/// The entry point of a process that takes signals itself: `@main struct Main { static func main() { runServer(WorkerCommand.self) } }`.
/// It must not be reached from an `async` main: there libdispatch parks the main thread in `sigsuspend` with no signal blocked, so that a
/// SIGTERM ends the process, no matter which signals the other threads block.
/// - Parameters:
///   - arguments: without the program's name; `nil` takes the process's own.
///   - fileProblem: why the files that hold further arguments cannot be used: thrown where the arguments themselves are right, for a wrong
///     option and `--help` come first.
public func runServer<Command: ParsableCommand>(
    _ type: Command.Type, arguments: [String]? = nil, fileProblem: (any Error)? = nil
) -> Never {
    do {
        var command = try type.parseAsRoot(arguments)
        // A request for help is a command of the parser's own.
        if let fileProblem, command is Command { throw fileProblem }
        try command.run()
    } catch {
        CommandOutcome(of: error, thrownBy: type).finish()
    }
    StandardStream.flush()
    exit(ExitStatus.success.rawValue)
}

/// Parses the arguments, runs the command, and ends the process by the contract of the exit statuses.
///
/// The entry point of every command: `@main struct Main { static func main() async { await runCommand(StatusCommand.self) } }`.
/// - Parameters:
///   - arguments: without the program's name; `nil` takes the process's own.
///   - problem: what is wrong with them, where the program knows it better than their parser.
public func runCommand<Command: ParsableCommand>(
    _ type: Command.Type, arguments: [String]? = nil, problem: CommandFailure? = nil
) async -> Never {
    ProcessSurroundings.prepareCommand()
    do {
        if let problem { throw problem }
        var command = try type.parseAsRoot(arguments)
        if var asynchronous = command as? any AsyncParsableCommand {
            try await asynchronous.run()
        } else {
            try command.run()
        }
    } catch {
        CommandOutcome(of: error, thrownBy: type).finish()
    }
    exit(ExitStatus.success.rawValue)
}
