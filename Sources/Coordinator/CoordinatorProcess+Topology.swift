internal import Cluster
internal import Glibc
internal import Logging
internal import Planning
internal import Shell
internal import Topology
internal import Transport

/// Where the workers are: the topology file, read again when it changes, and names, resolved again and again.
extension CoordinatorProcess {
    /// How often names are resolved anew: a container that was added takes traffic within this and a dial.
    static let lookupInterval: Duration = .seconds(5)
    /// The first plan waits for the names this long; those that do not answer are dialled as they stand.
    static let firstLookupLimit: Duration = .seconds(2)
    /// Where the kernel tells nothing (network file systems, some mounts of containers) the file is looked at this often.
    static let pollInterval: Duration = .seconds(5)
    /// An editor's unlink, create and rename are one change.
    static let settleTime: Duration = .milliseconds(100)

    /// What the file looked like: any of these differs when it was written or replaced.
    struct FileStamp: Sendable, Hashable {
        var device: UInt64
        var inode: UInt64
        var size: Int64
        var seconds: Int64
        var nanoseconds: Int64

        init?(path: String) {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
            size = Int64(status.st_size)
            seconds = Int64(status.st_mtim.tv_sec)
            nanoseconds = Int64(status.st_mtim.tv_nsec)
        }
    }

    struct TopologyState {
        var directory = WorkerDirectory()
        var targets: [CoordinatorMachine.Target]?
        /// Names whose first look-up is under way.
        var unanswered: Set<String> = []
        var startedAt = LoopTime.current()
        var lookupProblems: [String: String] = [:]
        var watch: FolderWatch?
        var stamp: FileStamp?
        var isReading = false
        var isChangeNoted = false
        var isPollDue = false
    }

    func startTopology() throws {
        switch settings.workers {
        case .registering:
            logger.info(
                "no workers are listed: waiting for workers that register (amp4ec-worker --coordinator ADDR)",
                metadata: ["address": "\(listener.map { "\($0.address)" } ?? "")"])
        case .listed(let services):
            topology.directory.replace(services.map { .init($0, isListed: settings.topologyPath == nil) })
        case .dns(let name, let port):
            topology.directory.replace([.init(name: name, host: name, port: port, isExpanded: true, isNumbered: true)])
        }
        if let path = settings.topologyPath {
            reader = try TaskQueue(name: "topology", threadCount: 1, capacity: 16)
            topology.stamp = FileStamp(path: path)
            watchFolder(of: path)
            loop.every(Self.pollInterval) { [unowned self] in
                watchFolder(of: path)
                lookAtFile(path)
            }
        }
        lookUpNames()
        loop.every(Self.lookupInterval) { [unowned self] in lookUpNames() }
        loop.schedule(after: Self.firstLookupLimit) { [unowned self] in
            topology.unanswered = []
            publishTargets()
        }
        publishTargets()
    }

    /// Tells the machine, when something has changed.
    func publishTargets() {
        guard topology.unanswered.isEmpty else { return }
        var living: [NodeID: String] = [:]
        for target in topology.targets ?? [] {
            guard let node = machine.answeringNode(target: target.name) else { continue }
            living[target.name] = peers.values.first { $0.node == node }.map { "\($0.connection.peerAddress)" } ?? ""
        }
        let targets = topology.directory.targets(living: living)
        guard targets != topology.targets else { return }
        topology.targets = targets
        step(.targets(targets))
    }

    // MARK: Names

    private func lookUpNames() {
        let services = topology.directory.services.filter(\.needsLookup)
        if topology.targets == nil { topology.unanswered = Set(services.map(\.name)) }
        for service in services { lookUp(service) }
        // Also without any name: a worker that has gone from its name leaves the list once it does not answer.
        publishTargets()
    }

    /// - Parameter completion: takes why the name does not resolve, or nil, once the targets are told.
    func lookUp(_ service: WorkerDirectory.Service, completion: @escaping (_ problem: String?) -> Void = { _ in }) {
        Resolver.resolve(Endpoint(host: service.host, port: service.port), on: loop) { [weak self] result in
            self?.lookedUp(service.name, result)
            if case .failure(let error) = result { completion(error.message) } else { completion(nil) }
        }
    }

    private func lookedUp(_ name: String, _ result: Result<[SocketAddress], TransportError>) {
        // The topology may have been read again meanwhile.
        guard topology.directory.services.contains(where: { $0.name == name }) else { return }
        switch result {
        case .success(let addresses):
            topology.lookupProblems[name] = nil
            topology.directory.resolved(name, addresses.map(\.description))
        case .failure(let error):
            // Those found before stay; a published port needs no name. Said once.
            let service = topology.directory.services.first { $0.name == name }
            if topology.lookupProblems.updateValue(error.message, forKey: name) != error.message, service?.published.isEmpty == true
            {
                logger.warning("a worker's name does not resolve", metadata: ["service": "\(name)", "cause": "\(error.message)"])
            }
        }
        topology.unanswered.remove(name)
        publishTargets()
    }

    // MARK: File

    private func watchFolder(of path: String) {
        guard topology.watch?.isAlive != true else { return }
        let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "."
        // Without a watch there is the poll.
        topology.watch = try? FolderWatch(loop: loop, folder: folder) { [weak self] in
            guard let self, !topology.isChangeNoted else { return }
            topology.isChangeNoted = true
            loop.schedule(after: Self.settleTime) { [weak self] in
                self?.topology.isChangeNoted = false
                self?.lookAtFile(path)
            }
        }
    }

    /// Reads it on a thread of its own (a network file system may hang) if it is not what it was.
    private func lookAtFile(_ path: String) {
        guard !topology.isReading, let reader else {
            topology.isPollDue = true
            return
        }
        let known = topology.stamp
        let answers = answers
        topology.isReading = reader.submit {
            let stamp = FileStamp(path: path)
            guard stamp != known else {
                _ = answers?.post(.topology(known, nil))
                return
            }
            let result = Result { () throws(Failure) in
                do {
                    return try ComposeFile.read(
                        path: path, environment: ProcessEnvironment.current, knownOptions: CoordinatorOptions.known)
                } catch { throw Failure(message: "\(error)") }
            }
            _ = answers?.post(.topology(stamp, result))
        }
    }

    func fileRead(_ stamp: FileStamp?, _ result: Result<Topology, Failure>?) {
        topology.isReading = false
        topology.stamp = stamp
        switch result {
        case nil: break
        case .success(let read):
            let services = read.workers.filter { !$0.annotation.exclude }
            guard !services.isEmpty else {
                keepsOld("every worker in it is excluded")
                break
            }
            logger.info("topology read again", metadata: ["workers": "\(services.map(\.name).joined(separator: ","))"])
            if read.coordinatorOptions != settings.topologyOptions {
                logger.warning("options in the topology file have changed; they count from the next start", metadata: [:])
            }
            topology.directory.replace(services.map { .init($0, isListed: false) })
            let names = Set(services.map(\.name))
            topology.lookupProblems = topology.lookupProblems.filter { names.contains($0.key) }
            topology.unanswered = []
            lookUpNames()
        case .failure(let failure): keepsOld(failure.message)
        }
        guard topology.isPollDue, let path = settings.topologyPath else { return }
        topology.isPollDue = false
        lookAtFile(path)
    }

    private func keepsOld(_ cause: String) {
        logger.error("the changed topology cannot be used; the one before stays", metadata: ["cause": "\(cause)"])
    }
}
