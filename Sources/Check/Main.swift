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
            9000 and, where there is none, for a coordinator on port 9100. A worker answers to the cluster key, a coordinator to any key of its cluster; it may ask, and no more. It loads no libtorch, so that asking often costs little.

            Exit: 0 it answered, 64 wrong usage, 65 bad key, 69 nobody did.
            """, version: ProductVersion.current)

    @OptionGroup var options: CheckOptions

    func run() throws {
        let access = try ClusterAccess.ofHealthCheck(options: options.clusterSecretFile)
        func check(_ subject: HealthCheck.Subject, _ address: HostPort) -> HealthCheck {
            HealthCheck(subject, at: address, deadline: options.deadline, access: access)
        }
        var checks: [HealthCheck] = []
        if let worker = options.worker { checks.append(check(.worker, worker)) }
        if let coordinator = options.coordinator { checks.append(check(.coordinator, coordinator)) }
        var answers: [CheckReport.Answer] = []
        for check in checks { answers.append(try answer(check)) }
        if checks.isEmpty {
            do {
                answers.append(try answer(check(.worker, HostPort(host: nil, port: 9000))))
            } catch let noWorker {
                do {
                    answers.append(try answer(check(.coordinator, HostPort(host: nil, port: 9100))))
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
