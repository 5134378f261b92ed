internal import ArgumentParser
internal import Base
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
        var answers: [CheckReport.Answer] = []
        for check in checks { answers.append(try answer(check)) }
        if checks.isEmpty {
            do {
                answers.append(try answer(HealthCheck(.worker, at: HostPort(host: nil, port: 9000), deadline: options.deadline)))
            } catch let noWorker {
                do {
                    let check = HealthCheck(.coordinator, at: HostPort(host: nil, port: 9100), deadline: options.deadline)
                    answers.append(try answer(check))
                } catch {
                    throw CommandFailure(.unreachable, "\(noWorker); \(error)")
                }
            }
        }
        if options.json { try JSONOutput.print(CheckReport(answers: answers)) }
    }

    private func answer(_ check: HealthCheck) throws(CommandFailure) -> CheckReport.Answer {
        let name = try check.run()
        if !options.json { StandardStream.output.writeLine("\(check.subject.rawValue) \(name) at \(check.address) answers") }
        return CheckReport.Answer(subject: check.subject.rawValue, name: name, address: "\(check.address)")
    }

    static func main() {
        ProcessSurroundings.prepareCommand()
        runServer(CheckCommand.self)
    }
}
