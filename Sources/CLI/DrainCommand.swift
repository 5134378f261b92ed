internal import AMP4ECClient
internal import ArgumentParser
internal import Shell
internal import Wire

struct DrainCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "drain",
        abstract: "Takes a worker out of service without losing a request, or back with --undo.",
        discussion: """
            The coordinator loads a plan without the worker, what runs on it ends, and then the command does. The worker's process stays up, \
            in the state drained, until --undo, or until it or the coordinator is started again.

            Exit: 0 drained (or taken back), 1 it must stay (it is the last one, or no plan is possible without it) or was not drained, \
            64 wrong usage or no such node, 69 no coordinator answers.
            """)

    @OptionGroup var connection: ClientOptions

    @Argument(help: "The worker's name, as amp4ec status shows it.")
    var node: String

    @Flag(help: "Take it back instead.")
    var undo = false

    @Flag(help: "Also where nothing serves without it.")
    var force = false

    @Flag(help: "Print one JSON object.")
    var json = false

    struct Report: Codable {
        var node: String
        var outcome: String
    }

    private func checkOptions() throws {
        if undo, force { throw ValidationError("--undo and --force exclude each other") }
    }

    func run() async throws {
        try checkUsage(checkOptions)
        let client = try connection.makeClient()
        defer { client.close() }
        let progress = ProgressLine()
        defer { progress.end() }
        progress.show(undo ? "taking \(node) back" : "waiting until nothing runs on \(node)")
        let outcome = try await reporting(invalidArgument: .usage) { () throws(ClientError) in
            try await client.drain(node, undo: undo, force: force)
        }
        progress.end()
        if json {
            try JSONOutput.print(Report(node: node, outcome: outcome))
        } else {
            StandardStream.output.writeLine(outcome)
        }
    }
}
