internal import ArgumentParser
internal import Shell

/// What the command line sets (DESIGN section 12).
struct WorkerOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Address to listen on; port 0 takes a free one.", valueName: "addr"))
    var listen = HostPort(host: nil, port: 9000)

    @Option(help: "Name of this node; without it the coordinator's topology gives one.")
    var name: String?

    @Option(help: "Threads inside one operator. One is usually the fastest for throughput: more executors use the other cores.")
    var threads = 1

    @Option(help: "Micro-batches that run at the same time; by default one for each whole core of the quota.")
    var executors: Int?

    @Option(help: ArgumentHelp("Folder that keeps partitions over a restart.", valueName: "dir"))
    var cacheDir: String?

    @Option(help: ArgumentHelp("Most bytes of partition archives to keep; least recently used ones go first.", valueName: "size"))
    var cacheLimit = ByteSize(bytes: 2 << 30)

    @Option(help: ArgumentHelp("Memory that this worker may use; by default what its cgroup or the host allows.", valueName: "size"))
    var memoryLimit: ByteSize?

    @Option(help: ArgumentHelp("File with the cluster's secret.", valueName: "file"))
    var clusterSecretFile: String?

    @Flag(help: "Talk plain text with public addresses too.")
    var insecure = false

    @OptionGroup var logging: LoggingOptions

    mutating func validate() throws {
        guard threads >= 1, threads <= 256 else { throw ValidationError("--threads takes 1 to 256, not \(threads)") }
        if let executors, executors < 1 || executors > 256 { throw ValidationError("--executors takes 1 to 256, not \(executors)") }
        if let name, name.isEmpty || name.utf8.count > 255 { throw ValidationError("--name takes 1 to 255 bytes") }
    }
}
