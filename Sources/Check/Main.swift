internal import ArgumentParser
internal import Health
internal import Shell

@main
struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "amp4ec-check",
        abstract: "Asks whether a worker or a coordinator answers: the health check of containers.",
        discussion: """
            Says hello and waits for the answer of the process itself. Without an address it asks for a worker on this machine's port \
            9000 and, where there is none, for a coordinator on port 9100. It loads no libtorch, so that asking often costs little.

            Exit: 0 it answered, 64 wrong usage, 69 nobody did.
            """, version: ProductVersion.current)

    @OptionGroup var options: CheckOptions

    func run() throws {
        var checks: [HealthCheck] = []
        if let worker = options.worker { checks.append(HealthCheck(.worker, at: worker, deadline: options.deadline)) }
        if let coordinator = options.coordinator {
            checks.append(HealthCheck(.coordinator, at: coordinator, deadline: options.deadline))
        }
        guard checks.isEmpty else { return try checks.forEach(report) }
        do { try report(HealthCheck(.worker, at: HostPort(host: nil, port: 9000), deadline: options.deadline)) } catch let noWorker
        {
            do { try report(HealthCheck(.coordinator, at: HostPort(host: nil, port: 9100), deadline: options.deadline)) } catch {
                throw CommandFailure(.unreachable, "\(noWorker); \(error)")
            }
        }
    }

    private func report(_ check: HealthCheck) throws(CommandFailure) {
        let name = try check.run()
        StandardStream.output.writeLine("\(check.subject.rawValue) \(name) at \(check.address) answers")
    }

    static func main() {
        ProcessSurroundings.prepareCommand()
        runServer(CheckCommand.self)
    }
}
