internal import Shell

/// What `--topology` names: a compose project, or a DNS name each of whose addresses is a worker.
public enum TopologySource: Sendable, Hashable {
    /// Files of one project, or its folder.
    case compose(paths: [String])
    case dns(name: String, port: UInt16)

    static let dnsPrefix = "dns:"

    /// Reads `dns:NAME:PORT`; everything else is a path.
    public init(parsing text: String) throws(TopologyError) {
        guard text.hasPrefix(TopologySource.dnsPrefix) else {
            guard !text.isEmpty else { throw TopologySource.usage("--topology is empty", "give a compose file or dns:NAME:PORT") }
            self = .compose(paths: [text])
            return
        }
        let fix = "write dns:NAME:PORT, such as dns:tasks.worker:9000"
        let address = try WorkerList.address(String(text.dropFirst(TopologySource.dnsPrefix.count)), in: text, fix: fix)
        guard IPAddress(address.host) == nil else {
            throw TopologySource.usage(
                "\"\(text)\": \"\(address.host)\" is an address, not a name", "use --workers \(address.host):\(address.port)")
        }
        if let problem = WorkerName.problem(withService: address.host) {
            throw TopologySource.usage("\"\(text)\": its workers cannot be called \"\(address.host)\": \(problem)", fix)
        }
        self = .dns(name: address.host, port: address.port)
    }

    /// All values of the option: one source, or several files of which each is laid over those before.
    public init(parsing texts: [String]) throws(TopologyError) {
        if texts.count == 1 {
            try self.init(parsing: texts[0])
            return
        }
        var all: [String] = []
        for text in texts {
            guard case .compose(let paths) = try TopologySource(parsing: text) else {
                throw TopologySource.usage("--topology \(text) stands beside other topologies", "give it alone")
            }
            all += paths
        }
        guard !all.isEmpty else { throw TopologySource.usage("--topology is empty", "give a compose file or dns:NAME:PORT") }
        self = .compose(paths: all)
    }

    static func usage(_ problem: String, _ fix: String) -> TopologyError {
        TopologyError(problem: problem, fix: fix, exitStatus: .usage)
    }
}

/// The value of `--workers`: addresses separated by commas.
public enum WorkerList {
    /// Ten times the largest cluster that was simulated.
    public static let maximumCount = 10_000

    /// Each worker is named by its address; none may stand twice.
    public static func parse(_ text: String) throws(TopologyError) -> [WorkerService] {
        let fix = "write --workers HOST:PORT,HOST:PORT"
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count <= maximumCount else {
            throw TopologySource.usage("--workers has \(parts.count) entries, over the limit of \(maximumCount)", "list fewer")
        }
        var seen = Set<String>()
        var workers: [WorkerService] = []
        for part in parts {
            let trimmed = String(part.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
            let address = try address(trimmed, in: "--workers \(text)", fix: fix)
            let name = HostPort(host: address.host, port: address.port).description
            if let problem = WorkerName.problem(withWorker: name) {
                throw TopologySource.usage("--workers: no worker can be called \"\(name)\": \(problem)", "use its address")
            }
            guard seen.insert(name.lowercased()).inserted else {
                throw TopologySource.usage("--workers names \(name) twice", "list each worker once")
            }
            workers.append(WorkerService(name: name, host: address.host, port: address.port))
        }
        return workers
    }

    /// A host and a port, neither of them left out.
    static func address(_ text: String, in whole: String, fix: String) throws(TopologyError) -> (host: String, port: UInt16) {
        guard !text.isEmpty else { throw TopologySource.usage("\"\(whole)\": an entry is empty", fix) }
        let address: HostPort
        do { address = try HostPort(parsing: text) } catch { throw TopologySource.usage(error.message, fix) }
        guard let host = address.host else { throw TopologySource.usage("\"\(whole)\": \"\(text)\" names no host", fix) }
        guard address.port > 0 else { throw TopologySource.usage("\"\(whole)\": port 0 cannot be dialled", fix) }
        return (host, address.port)
    }
}
