public import Base
internal import Shell

/// What a topology says: the workers, and options of the coordinator that stand beside them.
public struct Topology: Sendable, Hashable {
    /// From the file's top-level `x-amp4ec`; empty for a worker list.
    public let coordinatorOptions: OptionValues
    /// In the file's order.
    public let workers: [WorkerService]
    /// The files that were named, with those that override them.
    public let files: [String]
    /// What was accepted, but may not be what was meant.
    public let warnings: [String]

    public init(
        coordinatorOptions: OptionValues = OptionValues(), workers: [WorkerService], files: [String] = [], warnings: [String] = []
    ) {
        self.coordinatorOptions = coordinatorOptions
        self.workers = workers
        self.files = files
        self.warnings = warnings
    }
}

/// A service that runs `amp4ec-worker`: one worker, or as many as there are addresses behind its name.
public struct WorkerService: Sendable, Hashable {
    /// The compose service's name, or `host:port` in a worker list.
    public let name: String
    /// The host's name inside the compose network, or of the list entry.
    public let host: String
    /// Where it listens (`--listen`, else ``defaultPort``).
    public let port: UInt16
    /// Where the host publishes that port: none, one, or one for each replica.
    public let publishedAddresses: [HostPort]
    /// The addresses that the project itself gives to its container (`ipv4_address`).
    public let fixedAddresses: [HostPort]
    /// The worker's command line: `name` for `--name value`; a flag's value is `true`.
    public let options: [String: String]
    /// CPU limit in cores; `nil` for none.
    public let cpus: Double?
    /// Memory limit; `nil` for none.
    public let memoryBytes: Int?
    /// `deploy.replicas` or `scale`; `nil` where the file does not say.
    public let replicas: Int?
    public let annotation: WorkerAnnotation

    /// The port of a worker whose command names none.
    public static let defaultPort: UInt16 = 9000

    public init(
        name: String, host: String, port: UInt16, publishedAddresses: [HostPort] = [], fixedAddresses: [HostPort] = [],
        options: [String: String] = [:], cpus: Double? = nil, memoryBytes: Int? = nil, replicas: Int? = nil,
        annotation: WorkerAnnotation = WorkerAnnotation()
    ) {
        self.name = name
        self.host = host
        self.port = port
        self.publishedAddresses = publishedAddresses
        self.fixedAddresses = fixedAddresses
        self.options = options
        self.cpus = cpus
        self.memoryBytes = memoryBytes
        self.replicas = replicas
        self.annotation = annotation
    }

    /// The name that the worker gives itself (`--name`), where the file says it.
    public var declaredNodeName: String? { options["name"] }
}
