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

    @Option(help: ArgumentHelp("Address of a worker.", valueName: "addr"))
    var worker: HostPort?

    @Option(help: ArgumentHelp("Address of a coordinator.", valueName: "addr"))
    var coordinator: HostPort?

    @Option(help: ArgumentHelp("Time that each may take to answer.", valueName: "time"))
    var deadline = HealthCheck.usualDeadline

    func validate() throws {
        guard deadline > .zero else { throw ValidationError("--deadline must be above zero") }
        if let address = [worker, coordinator].compactMap({ $0 }).first(where: { $0.port == 0 }) {
            throw ValidationError("\(address): port 0 cannot be dialled")
        }
    }

    func run() throws {
        var checks: [HealthCheck] = []
        if let worker { checks.append(HealthCheck(.worker, at: worker, deadline: deadline)) }
        if let coordinator { checks.append(HealthCheck(.coordinator, at: coordinator, deadline: deadline)) }
        guard checks.isEmpty else { return try checks.forEach(report) }
        do { try report(HealthCheck(.worker, at: HostPort(host: nil, port: 9000), deadline: deadline)) } catch let noWorker {
            do { try report(HealthCheck(.coordinator, at: HostPort(host: nil, port: 9100), deadline: deadline)) } catch {
                throw CommandFailure(.unreachable, "\(noWorker); \(error)")
            }
        }
    }

    private func report(_ check: HealthCheck) throws(CommandFailure) {
        let name = try check.run()
        StandardStream.output.writeLine("\(check.subject.rawValue) \(name) at \(check.address) answers")
    }

    static func main() { runServer(CheckCommand.self) }
}
