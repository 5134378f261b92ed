internal import Base
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
            guard !text.isEmpty else {
                throw TopologySource.usage("--topology", "it is empty", "give a compose file or dns:NAME:PORT")
            }
            self = .compose(paths: [text])
            return
        }
        let fix = "write dns:NAME:PORT, such as dns:tasks.worker:9000"
        let address = try WorkerList.address(
            String(text.dropFirst(TopologySource.dnsPrefix.count)), in: text, of: "--topology", fix: fix)
        guard IPAddress(address.host) == nil else {
            throw TopologySource.usage(
                "--topology", "\"\(address.host)\" is an address, not a name", "use --workers \(address.host):\(address.port)")
        }
        if let problem = WorkerName.problem(withService: address.host) {
            throw TopologySource.usage("--topology", "its workers cannot be called \"\(address.host)\": \(problem)", fix)
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
                throw TopologySource.usage("--topology", "\(text) stands beside other topologies", "give it alone")
            }
            all += paths
        }
        guard !all.isEmpty else { throw TopologySource.usage("--topology", "it is empty", "give a compose file or dns:NAME:PORT") }
        self = .compose(paths: all)
    }

    static func usage(_ option: String, _ problem: String, _ fix: String) -> TopologyError {
        TopologyError(field: option, problem: problem, fix: fix, exitStatus: .usage)
    }
}

/// The value of `--workers`: addresses separated by commas.
public enum WorkerList {
    /// Ten times the largest cluster that was simulated.
    public static let maximumCount = 10_000

    /// Each worker is named by its address; none may stand twice.
    public static func parse(_ text: String) throws(TopologyError) -> [WorkerService] {
        let fix = "write HOST:PORT,HOST:PORT"
        let parts = text.split(separator: ",", omittingEmptySubsequences: false)
        guard parts.count <= maximumCount else {
            throw TopologySource.usage(
                "--workers", "it has \(parts.count) entries, over the limit of \(maximumCount)", "list fewer")
        }
        var seen = Set<String>()
        var workers: [WorkerService] = []
        for part in parts {
            let trimmed = String(part.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
            let address = try address(trimmed, in: text, of: "--workers", fix: fix)
            let name = HostPort(host: address.host, port: address.port).description
            if let problem = WorkerName.problem(withWorker: name) {
                throw TopologySource.usage("--workers", "no worker can be called \"\(name)\": \(problem)", "use its address")
            }
            guard seen.insert(name.lowercased()).inserted else {
                throw TopologySource.usage("--workers", "it names \(name) twice", "list each worker once")
            }
            workers.append(WorkerService(name: name, host: address.host, port: address.port))
        }
        return workers
    }

    /// A host and a port, neither of them left out.
    /// - Parameters:
    ///   - whole: all of the option's value.
    static func address(
        _ text: String, in whole: String, of option: String, fix: String
    ) throws(TopologyError) -> (host: String, port: UInt16) {
        guard !text.isEmpty else {
            throw TopologySource.usage(option, whole.isEmpty ? "it is empty" : "an entry of \"\(whole)\" is empty", fix)
        }
        let address: HostPort
        do { address = try HostPort(parsing: text) } catch {
            // Without its own remedy, which knows more forms than this option.
            let why = error.message.firstRange(of: "; write ").map { String(error.message[..<$0.lowerBound]) } ?? error.message
            throw TopologySource.usage(option, why, fix)
        }
        guard let host = address.host else { throw TopologySource.usage(option, "\"\(text)\" names no host", fix) }
        guard address.port > 0 else { throw TopologySource.usage(option, "\"\(text)\": port 0 cannot be dialled", fix) }
        return (host, address.port)
    }
}
