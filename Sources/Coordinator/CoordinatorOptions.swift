package import ArgumentParser
package import Base
package import Planning
package import Shell
package import Tensors
package import Topology
package import Wire

/// `--micro-batch auto|N`.
package enum MicroBatchOption: Equatable, ExpressibleByArgument, CustomStringConvertible {
    case auto
    case items(Int)

    package init?(argument: String) {
        if argument == "auto" {
            self = .auto
        } else if let count = Int(argument), count >= 1, count <= 4_096 {
            self = .items(count)
        } else {
            return nil
        }
    }
    package var description: String {
        switch self {
        case .auto: "auto"
        case .items(let count): "\(count)"
        }
    }
    package var defaultValueDescription: String { description }
}

/// What the command line sets.
package struct CoordinatorOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Compose file or its folder (read again when it changes), or dns:NAME:PORT. Several times: each file is laid over those before.",
            valueName: "file"))
    package var topology: [String] = []

    @Option(
        help: ArgumentHelp(
            "Variables for ${NAME} in the compose file, in place of the .env beside it; may be given several times.",
            valueName: "file"))
    package var envFile: [String] = []

    @Option(
        help: ArgumentHelp(
            "Workers, instead of a topology: HOST:PORT,HOST:PORT. Without either, workers register themselves.", valueName: "addrs")
    )
    package var workers: String?

    @Option(help: ArgumentHelp("TorchScript file to serve.", valueName: "file"))
    package var model: String?

    @Option(
        name: [.customLong("spec"), .customLong("input")],
        help: ArgumentHelp(
            "Input of a model without a manifest, once for each: name:float32[N,3,224,224]. With forward's own names in any order, with others in forward's. (--input is its old name.)",
            valueName: "spec"))
    package var spec: [String] = []

    @Option(help: ArgumentHelp.example)
    package var example: String?

    @Option(help: ArgumentHelp("Address for clients; port 0 takes a free one.", valueName: "addr"))
    package var listen = HostPort(host: nil, port: 9100)

    @Option(
        help: ArgumentHelp(
            "Also serve HTTP there: the dashboard (/), inference (/v2), /healthz, /readyz, /metrics (Prometheus), /status. Off unless given.",
            valueName: "addr"))
    package var http: HostPort?

    @Option(
        name: .customLong("http-token-file"),
        help: ArgumentHelp(
            "Tokens for HTTP, a line each (amp4ec secret --http-token makes one); may be given several times. Without it all but the probes is for this machine alone.",
            valueName: "file"))
    package var httpTokenFiles: [String] = []

    @Option(
        name: .customLong("http-tls-cert"),
        help: ArgumentHelp("HTTPS with this certificate (PEM, those of its authorities behind it).", valueName: "file"))
    package var httpCertificate: String?

    @Option(name: .customLong("http-tls-key"), help: ArgumentHelp("The certificate's private key (PEM).", valueName: "file"))
    package var httpKey: String?

    @Flag(
        name: .customLong("http-insecure"),
        help: "Take tokens over plain HTTP from other machines too: others on the network can read and use them.")
    package var httpInsecure = false

    @Option(
        name: .customLong("http-host"),
        help: ArgumentHelp(
            "A name by which browsers and tools on this machine may ask without a token; may be given several times.",
            valueName: "name"))
    package var httpHosts: [String] = []

    @Option(
        name: .customLong("http-max-body"),
        help: ArgumentHelp("The largest body of an inference over HTTP, as it comes and inflated.", valueName: "size"))
    package var httpMaxBody = ByteCount(64 << 20)

    @Option(
        help: ArgumentHelp(
            "O0 runs the model as saved: micro-batches bit for bit as in one process; O1 folds and fuses.", valueName: "level"))
    package var optimize = "O1"

    @Option(help: "How the model is partitioned: optimal, or ralos (the paper's).")
    package var strategy = PlanStrategy.optimal

    @Option(help: "pipeline: one partition for each worker; auto: any mix.")
    package var shape = PlanShape.pipeline

    @Option(help: "What a plan is to be good at.")
    package var objective = PlanObjective.throughput

    @Option(help: "What a layer costs: profiled (measured), macs, or paper.")
    package var cost = CostModel.profiled

    @Option(
        help: ArgumentHelp(
            "A worker of whose cores others use more than this share takes no part; 1 lets every worker in.", valueName: "share"))
    var maximumLoad = 0.8

    @Option(help: ArgumentHelp("Items that travel together, or auto.", valueName: "items"))
    package var microBatch = MicroBatchOption.auto

    @Option(
        help:
            "Who says whether requests may be cut along N: checked (the check of the model), or independent (you: no item of a batch sees another, whatever the check says)."
    )
    package var batch: BatchDeclaration?

    @Option(help: "Whether activations are compressed; auto measures what pays on each link.")
    package var compress = CompressionMode.auto

    @Option(help: ArgumentHelp("Silence after which a worker counts as lost; 1s at least.", valueName: "time"))
    package var heartbeatTimeout = Duration.seconds(2)

    @Option(help: ArgumentHelp("How long the first plan waits for all listed workers.", valueName: "time"))
    package var joinTimeout = Duration.seconds(5)

    @Option(help: ArgumentHelp("For requests that name no deadline.", valueName: "time"))
    package var deadline = Duration.seconds(60)

    @Option(
        help: ArgumentHelp(
            "Refuse requests before which there is work for longer than this. Off unless given: they wait until their deadlines.",
            valueName: "time"))
    package var queueLimit: Duration?

    @Option(
        help: ArgumentHelp(
            "After SIGTERM, how long requests that run may still take; those left then are told to come again.", valueName: "time"))
    package var drainTimeout = Duration.seconds(30)

    @Option(
        help: ArgumentHelp(
            "Keep up to that many bytes of results and answer equal requests from them (256MiB). Off unless given.",
            valueName: "size"))
    package var resultCache: ByteCount?

    @Option(
        help: ArgumentHelp(
            "Folder for the model's measured profile and the nodes' history, so that the next start need not begin anew.",
            valueName: "folder"))
    package var stateDir: String?

    @Option(help: .clusterSecret)
    package var clusterSecretFile: [String] = []

    @Flag(help: .acceptPlain)
    package var acceptPlain = false

    @Option(
        help: ArgumentHelp(
            "Client or operator key that is taken no longer: LABEL, client:LABEL or operator:LABEL; may be given several times.",
            valueName: "label"))
    package var revoke: [String] = []

    @Flag(help: .insecure)
    package var insecure = false

    @Option(help: ArgumentHelp("YAML file with any of these options.", valueName: "file"))
    package var config: String?

    @OptionGroup package var logging: LoggingOptions

    package init() {}

}

/// The options, checked and read: what the process runs on.
package struct CoordinatorSettings {
    package enum Workers {
        case listed([WorkerService])
        case dns(name: String, port: UInt16)
        /// None is named: they dial in.
        case registering
    }

    package let options: CoordinatorOptions
    package let workers: Workers
    /// The compose project, which is read again when one of its files changes.
    package private(set) var project: ComposeProject?
    /// Everything that was looked at to read it.
    package private(set) var projectFiles: [String] = []
    /// What it said at the start, also about the coordinator's own options.
    package private(set) var topology = Topology(workers: [])
    package let modelPath: String
    package let inputs: [TensorSpec]
    package let level: OptimizationLevel
    /// `nil` without `--http`.
    package let gateway: GatewaySettings?

    package init(_ options: CoordinatorOptions) throws {
        self.options = options
        if let config = options.config { _ = try ConfigFile.read(path: config, knownOptions: CoordinatorOptions.known) }
        switch (options.topology.isEmpty, options.workers) {
        case (true, nil): workers = .registering
        case (false, .some): throw CommandFailure(.usage, "--topology and --workers exclude each other; give one of them")
        case (true, let list?): workers = .listed(try WorkerList.parse(list))
        case (false, nil):
            switch try TopologySource(parsing: options.topology) {
            case .dns(let name, let port): workers = .dns(name: name, port: port)
            case .compose(let paths):
                let project = ComposeProject(paths: paths, envFiles: options.envFile)
                let reading = project.read(environment: ProcessEnvironment.current, knownOptions: CoordinatorOptions.known)
                topology = try reading.result.get()
                workers = .listed(topology.workers.filter { !$0.annotation.exclude })
                self.project = project
                projectFiles = reading.files
            }
        }
        guard options.envFile.isEmpty || project != nil else {
            throw CommandFailure(.usage, "--env-file holds a compose file's variables; give that file with --topology too")
        }
        guard let model = options.model else {
            throw CommandFailure(.usage, "no model: give --model FILE.pt, or model: under x-amp4ec in the compose file")
        }
        modelPath = model
        (inputs, level) = try options.checkedValues()
        gateway = try GatewaySettings(options)
    }
}
