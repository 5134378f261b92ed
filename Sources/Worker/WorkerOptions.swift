package import ArgumentParser
package import Base
internal import Shell
internal import Wire

/// What the command line sets.
package struct WorkerOptions: ParsableArguments {
    /// One for each core of the largest machines.
    static let maximumExecutors = 256
    /// More than one cluster has; each order is looked up in them.
    static let allowedModelLimit = 1_024

    @Option(help: ArgumentHelp("Address to listen on; port 0 takes a free one.", valueName: "addr"))
    package var listen = HostPort(host: nil, port: 9000)

    @Option(help: "Name of this node (1 to 255 bytes, not \"coordinator\"); without it the coordinator's topology gives one.")
    package var name: String?

    @Option(
        help: ArgumentHelp(
            "Coordinator to register with, for a worker that no topology lists; it keeps trying.", valueName: "addr"))
    var coordinator: HostPort?

    @Option(
        help: ArgumentHelp(
            "Where the coordinator and other workers reach this one, if not at the address of its connection to the coordinator; may be given several times.",
            valueName: "addr"))
    var advertise: [HostPort] = []

    @Option(help: "Threads inside one operator. One is usually the fastest for throughput: more executors use the other cores.")
    var threads = 1

    @Option(help: "Micro-batches that run at the same time; by default one for each whole core of the quota.")
    var executors: Int?

    @Option(help: ArgumentHelp("Folder that keeps partitions over a restart.", valueName: "dir"))
    package var cacheDir: String?

    @Option(help: ArgumentHelp("Most bytes of partition archives to keep; least recently used ones go first.", valueName: "size"))
    var cacheLimit = ByteCount(2 << 30)

    @Option(
        help: ArgumentHelp("Memory that this worker may use; by default what its cgroup or the host allows.", valueName: "size"))
    var memoryLimit: ByteCount?

    @Option(
        help: ArgumentHelp(
            "Take partitions of this model alone, by the SHA-256 of its file (sha256sum; digest in amp4ec status --json); may be given several times. Which model a partition is of is the coordinator's word.",
            valueName: "digest"))
    var allowModel: [ModelDigest] = []

    @Flag(
        help:
            "Let the threads that load and run partitions do all that this process may, to find out whether their confinement is in the way of something."
    )
    var noConfinement = false

    @Option(help: .clusterSecret)
    var clusterSecretFile: [String] = []

    @Flag(help: .acceptPlain)
    var acceptPlain = false

    @Flag(help: .insecure)
    var insecure = false

    @Flag(help: "Start nothing; ask whether the worker at --listen answers, and exit with 0 or 69 (amp4ec-check does it faster).")
    var check = false

    @OptionGroup var logging: LoggingOptions

    package init() {}

    package mutating func validate() throws {
        guard threads >= 1, threads <= 256 else { throw ValidationError("--threads takes 1 to 256, not \(threads)") }
        if let executors, !(1...Self.maximumExecutors).contains(executors) {
            throw ValidationError("--executors takes 1 to \(Self.maximumExecutors), not \(executors)")
        }
        guard allowModel.count <= Self.allowedModelLimit else {
            throw ValidationError(
                "--allow-model is given \(allowModel.count) times, over the limit of \(Self.allowedModelLimit)")
        }
        guard memoryLimit.map({ $0.bytes > 0 }) ?? true else {
            throw ValidationError("--memory-limit is a size above 0; leave it out for what the cgroup or the host allows")
        }
        if let coordinator, coordinator.port == 0 { throw ValidationError("--coordinator needs a port, such as gateway:9100") }
        guard advertise.isEmpty || coordinator != nil else {
            throw ValidationError("--advertise is what a worker says when it registers; give --coordinator too")
        }
        guard advertise.count <= CoordinatorRegistration.addressLimit else {
            throw ValidationError(
                "--advertise is given \(advertise.count) times, over the limit of \(CoordinatorRegistration.addressLimit)")
        }
        if let address = advertise.first(where: { $0.host == nil || $0.port == 0 }) {
            throw ValidationError("--advertise needs a host and a port, such as box:9000, not \(address)")
        }
        guard !check || listen.port > 0 else { throw ValidationError("--check needs the worker's port in --listen, not 0") }
        if let name, let problem = NodeName.problem(with: name) {
            throw ValidationError("--name: \"\(name)\" is no name of a node: \(problem)")
        }
    }
}
