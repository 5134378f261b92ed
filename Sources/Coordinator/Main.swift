internal import ArgumentParser
internal import Glibc
internal import Logging
internal import Loops
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
            Prints "listening on HOST:PORT" once it takes connections (and "http on HOST:PORT" or "https on …" with --http) and "ready: N stages on M nodes" \
            once the model serves. The options may also stand in a --config file or, but for those that say which files are read, in the compose \
            file's top-level x-amp4ec; the command line wins.

            Workers come from --topology or --workers, and any worker may register itself besides (amp4ec-worker --coordinator ADDR): with \
            neither option the coordinator waits for such. A topology is a compose project and is read as compose reads it: with the .env and \
            the override file beside it, and what it includes and extends. A changed file counts at once; one that cannot be read leaves the \
            old topology in place. SIGTERM ends it once everything that was asked is answered, after --drain-timeout at the \
            latest; a second signal ends it at once.

            Exit: 0 done, 1 failed, 64 wrong usage, 65 bad model, topology or key.
            """, version: ProductVersion.current)

    @OptionGroup var options: CoordinatorOptions

    func run() throws {
        let access = try ClusterAccess(
            options: options.clusterSecretFile, environment: ProcessEnvironment.current, for: .coordinator, server: .coordinator,
            revoked: options.revoke, acceptsPlain: options.acceptPlain, insecure: options.insecure)
        let settings = try CoordinatorSettings(options)
        options.logging.start()
        let process = try CoordinatorProcess(settings: settings, access: access, logger: Logger(label: "coordinator"))
        try process.run()
    }

    static func main() {
        BatchCheckChild.runIfAsked(CommandLine.arguments)
        // On the main thread and before any library starts another: all others inherit it, and one that does not block a signal takes it
        // with the default action, which ends the process.
        EventLoop.blockSignals([SIGTERM, SIGINT])
        ProcessSurroundings.prepareServer()
        let own = Array(CommandLine.arguments.dropFirst())
        do {
            let arguments = try OptionFiles.merged(own)
            runServer(CoordinatorCommand.self, arguments: arguments)
        } catch {
            runServer(CoordinatorCommand.self, arguments: own, fileProblem: error)
        }
    }
}

/// Options that stand in files, put before the user's own arguments.
package enum OptionFiles {
    /// - Throws: the file's problem, with its place there.
    package static func merged(_ own: [String]) throws -> [String] {
        var values = OptionValues()
        if let config = given("config", in: own)?.last {
            values = try ConfigFile.read(path: config, knownOptions: CoordinatorOptions.known)
        }
        let topology = given("topology", in: own) ?? values.values["topology"] ?? []
        // With a list of workers beside it, it is not read but refused, by ``CoordinatorSettings``.
        let isAlone = given("workers", in: own) == nil && values["workers"] == nil
        if isAlone, !topology.isEmpty, case .compose(let paths) = try TopologySource(parsing: topology) {
            let project = ComposeProject(
                paths: paths, envFiles: given("env-file", in: own) ?? values.values["env-file"] ?? [])
            let reading = project.read(environment: ProcessEnvironment.current, knownOptions: CoordinatorOptions.known)
            values = values.over(try reading.result.get().coordinatorOptions)
        }
        return values.arguments(notGivenIn: own) + own
    }

    /// The option's values, where it is given.
    static func given(_ name: String, in arguments: [String]) -> [String]? {
        var values: [String] = []
        for (index, argument) in arguments.enumerated() {
            if argument == "--\(name)", arguments.indices.contains(index + 1) { values.append(arguments[index + 1]) }
            if argument.hasPrefix("--\(name)=") { values.append(String(argument.dropFirst(name.count + 3))) }
        }
        return values.isEmpty ? nil : values
    }
}
