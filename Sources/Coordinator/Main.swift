internal import ArgumentParser
internal import Glibc
internal import Logging
internal import Profiling
internal import Shell
internal import Topology
internal import Transport

@main
struct CoordinatorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "amp4ec-coordinator",
        abstract: "Partitions one model over the workers of a topology and serves clients.",
        discussion: """
            Prints "listening on HOST:PORT" once it takes connections (and "http on HOST:PORT" with --http) and "ready: N stages on M nodes" \
            once the model serves. Every option may also stand in the compose file's top-level x-amp4ec or in a --config file; the command line wins.

            Workers come from --topology or --workers, and any worker may register itself besides (amp4ec-worker --coordinator ADDR): with \
            neither option the coordinator waits for such. A changed topology file counts at once; one that cannot be read leaves the old one \
            in place. SIGTERM ends it once everything that was asked is answered; a second signal ends it at once.

            Exit: 0 done, 1 failed, 64 wrong usage, 65 bad model or topology.
            """, version: ProductVersion.current)

    @OptionGroup var options: CoordinatorOptions

    func run() throws {
        try ClusterSecret.checkNotGiven(option: options.clusterSecretFile, environment: ProcessEnvironment.current)
        let settings = try CoordinatorSettings(options)
        options.logging.start()
        let process = try CoordinatorProcess(settings: settings, logger: Logger(label: "coordinator"))
        try process.run()
    }

    static func main() {
        BatchCheckChild.runIfAsked(CommandLine.arguments)
        // On the main thread and before any library starts another: all others inherit it, and one that does not block a signal takes it
        // with the default action, which ends the process.
        EventLoop.blockSignals([SIGTERM, SIGINT])
        ProcessSurroundings.prepareServer()
        let own = Array(CommandLine.arguments.dropFirst())
        let merged = (try? OptionFiles.merged(own)) ?? (arguments: own, places: [:])
        runServer(CoordinatorCommand.self, arguments: merged.arguments, places: merged.places)
    }
}

/// Options that stand in files, put before the user's own arguments.
package enum OptionFiles {
    /// - Throws: the file's problem; ``CoordinatorSettings`` reports it again once the arguments are parsed.
    /// - Returns: all arguments, and where those of the files stand.
    package static func merged(_ own: [String]) throws -> (arguments: [String], places: [String: String]) {
        var values = OptionValues()
        if let config = value(of: "config", in: own) {
            values = try ConfigFile.read(path: config, knownOptions: CoordinatorOptions.known)
        }
        let topology = value(of: "topology", in: own) ?? values["topology"]
        if let topology, case .compose(let path) = try TopologySource(parsing: topology) {
            let file = try ComposeFile.read(
                path: path, environment: ProcessEnvironment.current, knownOptions: CoordinatorOptions.known)
            values = values.over(file.coordinatorOptions)
        }
        return (values.arguments(notGivenIn: own) + own, values.places(notGivenIn: own))
    }

    static func value(of name: String, in arguments: [String]) -> String? {
        for (index, argument) in arguments.enumerated() {
            if argument == "--\(name)", arguments.indices.contains(index + 1) { return arguments[index + 1] }
            if argument.hasPrefix("--\(name)=") { return String(argument.dropFirst(name.count + 3)) }
        }
        return nil
    }
}
