public import ArgumentParser
public import Logging

/// `swift-log`'s levels by their own names; no other dependency gives them this conformance.
extension Logger.Level: @retroactive ExpressibleByArgument {}

/// `--log-level`, as every executable has it: `@OptionGroup var logging: LoggingOptions`.
public struct LoggingOptions: ParsableArguments {
    @Option(help: "The least severe events that are logged to stderr.")
    public var logLevel: Logger.Level = .info

    public init() {}

    /// Sends all loggers of this process through ``LineLogHandler``. Once per process, before the first logger is made.
    public func start() {
        let level = logLevel
        LoggingSystem.bootstrap { label in LineLogHandler(label: label, level: level) }
    }
}
