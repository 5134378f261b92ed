internal import ArgumentParser
internal import Glibc
internal import Logging
internal import Loops
internal import Shell
internal import Transport

@main
struct WorkerCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "amp4ec-worker",
        abstract: "Hosts one partition of a model: runs it and streams its activations to the next stage.",
        discussion: """
            Prints "listening on HOST:PORT" once it takes connections, and runs until SIGTERM or SIGINT: the coordinator \
            then plans without it, running work ends, and the worker exits with 0 (a second signal ends it at once).

            A coordinator finds its workers in its topology. A worker that stands in none registers itself with --coordinator, and goes on \
            trying while nobody answers there.

            Exit: 0 done, 1 failed, 64 wrong usage, 65 bad key, 69 (with --check) no worker answers.
            """, version: ProductVersion.current)

    @OptionGroup var options: WorkerOptions

    func run() throws {
        if options.check {
            let access = try ClusterAccess.ofHealthCheck(options: options.clusterSecretFile)
            let name = try HealthCheck(.worker, at: options.listen, access: access).run()
            return StandardStream.output.writeLine("worker \(name) at \(options.listen) answers")
        }
        let access = try ClusterAccess(
            options: options.clusterSecretFile, environment: ProcessEnvironment.current, for: .worker, server: .worker,
            acceptsPlain: options.acceptPlain, insecure: options.insecure)
        options.logging.start()
        let process = try WorkerProcess(options: options, access: access, logger: Logger(label: "worker"))
        try process.run()
    }

    static func main() {
        // On the main thread and before any library starts another: all others inherit it, and one that does not block a signal takes it
        // with the default action, which ends the process.
        EventLoop.blockSignals([SIGTERM, SIGINT])
        ProcessSurroundings.prepareServer()
        runServer(WorkerCommand.self)
    }
}
