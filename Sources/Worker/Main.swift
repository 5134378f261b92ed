internal import ArgumentParser
internal import Glibc
internal import Logging
internal import Shell
internal import Transport

@main
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "amp4ec-worker",
        abstract: "Hosts one partition of a model: runs it and streams its activations to the next stage.",
        discussion: """
            Prints "listening on HOST:PORT" once it takes connections, and runs until SIGTERM or SIGINT, which let running work finish first.

            Exit: 0 done, 1 failed, 64 wrong usage.
            """, version: ProductVersion.current)

    @OptionGroup var options: WorkerOptions

    func run() throws {
        try ClusterSecret.checkNotGiven(option: options.clusterSecretFile, environment: ProcessEnvironment.current)
        // Before any library starts a thread that would inherit the default action.
        EventLoop.blockSignals([SIGTERM, SIGINT])
        options.logging.start()
        let process = try WorkerProcess(options: options, logger: Logger(label: "worker"))
        try process.run()
    }

    static func main() { runCommand(WorkerCommand.self) }
}
