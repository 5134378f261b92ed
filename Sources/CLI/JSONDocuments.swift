internal import ArgumentParser
internal import Cluster

/// What a command prints with `--json`: docs/json.md has a table of each, which a test compares with the type.
package struct JSONDocument {
    /// The table's heading.
    package let title: String
    package let type: any Decodable.Type
    /// The value that ``JSONOutput`` gets where the document is printed.
    package let convertsKeys: Bool

    private init(_ title: String, _ type: any Decodable.Type, convertsKeys: Bool = false) {
        self.title = title
        self.type = type
        self.convertsKeys = convertsKeys
    }

    package static var all: [JSONDocument] {
        [
            JSONDocument("amp4ec status", ClusterStatus.self),
            JSONDocument("amp4ec status --history", ClusterHistory.self),
            JSONDocument("amp4ec plan --model", PlanReport.Document.self, convertsKeys: true),
            JSONDocument("amp4ec plan", ClusterStatus.PlanStatus.self),
            JSONDocument("amp4ec infer and reference, pictures", PictureReport.self),
            JSONDocument("amp4ec infer and reference, arrays", ArrayReport.self),
            JSONDocument("amp4ec drain", DrainCommand.Report.self),
            JSONDocument("amp4ec bench", BenchReport.self),
            JSONDocument("amp4ec bench and baseline --timeline, first line", ReplyTimeline.Start.self),
            JSONDocument("amp4ec bench and baseline --timeline, each reply", ReplyTimeline.Entry.self),
            JSONDocument("amp4ec baseline", BaselineCommand.Report.self),
            JSONDocument("amp4ec simulate", SimulationSummary.Document.self, convertsKeys: true),
            JSONDocument("amp4ec secret", SecretReport.self),
        ]
    }

    /// The commands of `amp4ec` with their `--help`.
    package static var commands: [(name: String, help: String)] {
        AMP4ECCommand.configuration.subcommands.map { command in
            (command.configuration.commandName ?? "", AMP4ECCommand.helpMessage(for: command))
        }
    }
}
