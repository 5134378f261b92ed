internal import AMP4ECClient
internal import ArgumentParser
internal import Cluster
internal import Shell

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "status", abstract: "Shows nodes, plan, links and counters.")

    @OptionGroup var connection: ClientOptions

    @Flag(help: "Show it again every second.")
    var watch = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() async throws {
        let client = try connection.makeClient()
        defer { client.close() }
        repeat {
            let status = try await reporting { () throws(ClientError) in try await client.status() }
            if json {
                try JSONOutput.print(status)
            } else {
                // Clears the screen and goes home, as `watch` does.
                StandardStream.output.write((watch ? "\u{1B}[2J\u{1B}[H" : "") + StatusReport.text(status))
            }
            if watch { try await ContinuousClock().sleep(for: .seconds(1)) }
        } while watch
    }
}
