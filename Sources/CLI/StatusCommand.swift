internal import AMP4ECClient
internal import ArgumentParser
internal import Cluster
internal import Shell
internal import Wire

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Shows nodes, plan, links and counters, or the nodes' history.",
        discussion: """
            The history holds a sample of each worker for each second of the last hour and for each minute of the last week, and what the \
            coordinator decided and noticed. With --state-dir it outlives the coordinator.

            Exit: 0 shown, 64 wrong usage or no such node, 69 no coordinator answers.
            """)

    @OptionGroup var connection: ClientOptions

    @Flag(help: "Show it again every second.")
    var watch = false

    @Flag(help: "Print one JSON object.")
    var json = false

    @Flag(help: "The nodes' samples and events instead, oldest first.")
    var history = false

    @Argument(help: "With --history: only this node, by the name that status shows.")
    var node: String?

    @Option(help: ArgumentHelp("With --history: how far back.", valueName: "time"))
    var since: Duration?

    @Option(help: ArgumentHelp("With --history: newest samples of each node (default: 100).", valueName: "samples"))
    var limit: Int?

    private func checkOptions() throws {
        if !history {
            for (name, isGiven) in [("NODE", node != nil), ("--since", since != nil), ("--limit", limit != nil)] where isGiven {
                throw ValidationError("\(name) belongs to --history; give that too")
            }
        }
        if let limit, !(1...WireLimits.historySamples).contains(limit) {
            throw ValidationError("--limit is 1 to \(WireLimits.historySamples) samples, not \(limit)")
        }
        if let since, since <= .zero { throw ValidationError("--since is a time above 0, such as 10m") }
        if let node, node.isEmpty { throw ValidationError("the node's name is empty") }
    }

    func run() async throws {
        try checkUsage(checkOptions)
        let client = try connection.makeClient()
        defer { client.close() }
        repeat {
            // Clears the screen and goes home, as `watch` does.
            let home = watch ? "\u{1B}[2J\u{1B}[H" : ""
            if history {
                let history = try await reporting(invalidArgument: .usage) { () throws(ClientError) in
                    try await client.history(node: node, since: since, limit: limit)
                }
                if json { try JSONOutput.print(history) } else { StandardStream.output.write(home + HistoryReport.text(history)) }
            } else {
                let status = try await reporting { () throws(ClientError) in try await client.status() }
                if json { try JSONOutput.print(status) } else { StandardStream.output.write(home + StatusReport.text(status)) }
            }
            if watch { try await ContinuousClock().sleep(for: .seconds(1)) }
        } while watch
    }
}
