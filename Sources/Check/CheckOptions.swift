package import ArgumentParser
package import Base
internal import Shell

/// Whom to ask.
package struct CheckOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Address of a worker.", valueName: "addr"))
    package var worker: HostPort?

    @Option(help: ArgumentHelp("Address of a coordinator.", valueName: "addr"))
    package var coordinator: HostPort?

    @Option(help: ArgumentHelp("Time that each may take to answer.", valueName: "time"))
    package var deadline = HealthCheck.usualDeadline

    @Option(help: .clusterSecret)
    package var clusterSecretFile: [String] = []

    @Flag(help: "Print one JSON object.")
    package var json = false

    package init() {}

    package func validate() throws {
        guard deadline > .zero else { throw ValidationError("--deadline must be above zero") }
        if let address = [worker, coordinator].compactMap({ $0 }).first(where: { $0.port == 0 }) {
            throw ValidationError("\(address): port 0 cannot be dialled")
        }
    }
}
