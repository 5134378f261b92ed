internal import ArgumentParser
internal import Profiling
internal import Shell

@main
struct AMP4ECCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "amp4ec", abstract: "Talks to an AMP4EC coordinator, and plans and measures models.",
        discussion: "Exit: 0 done, 1 the work failed, 64 wrong usage, 65 bad input data, 69 the coordinator cannot be reached.",
        version: ProductVersion.current,
        subcommands: [
            InferCommand.self, BenchCommand.self, StatusCommand.self, DrainCommand.self, PlanCommand.self, ReferenceCommand.self,
            BaselineCommand.self, SimulateCommand.self, SecretCommand.self,
        ])

    static func main() async {
        BatchCheckChild.runIfAsked(CommandLine.arguments)
        await runCommand(AMP4ECCommand.self, problem: unknownCommand(CommandLine.arguments.dropFirst().first))
    }

    /// The parser would call it an unexpected argument, and name no other.
    private static func unknownCommand(_ name: String?) -> CommandFailure? {
        let known = configuration.subcommands.compactMap { $0.configuration.commandName } + ["help"]
        guard let name, !name.hasPrefix("-"), !known.contains(name) else { return nil }
        let nearest = NearestName.of(name, among: known).map { "did you mean \($0)?" }
        return CommandFailure(.usage, "there is no command '\(name)'; \(nearest ?? "there are \(known.joined(separator: ", "))")")
    }
}
