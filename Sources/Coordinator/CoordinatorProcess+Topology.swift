internal import Base
internal import Cluster
internal import Glibc
internal import Hosting
internal import Logging
internal import Loops
internal import Planning
internal import Shell
internal import Topology
internal import Transport

/// Where the workers are: the topology's files, read again when one changes, and names, resolved again and again.
extension CoordinatorProcess {
    /// How often names are resolved anew: a container that was added takes traffic within this and a dial.
    static let lookupInterval: Duration = .seconds(5)
    /// The first plan waits for the names this long; those that do not answer are dialled as they stand.
    static let firstLookupLimit: Duration = .seconds(2)
    /// Where the kernel tells nothing (network file systems, some mounts of containers) the files are looked at this often.
    static let pollInterval: Duration = .seconds(5)
    /// An editor's unlink, create and rename are one change.
    static let settleTime: Duration = .milliseconds(100)
    /// A project's files stand in a few folders; those in others are looked at as where the kernel tells nothing.
    static let maximumWatches = 16

    /// What a file looked like: any of these differs when it was written or replaced.
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

    /// What the project's files looked like; one that is not there may appear.
    struct FileStamps: Sendable, Hashable {
        private var stamps: [String: FileStamp] = [:]
        let files: [String]

        /// - Parameter known: as they looked before they were read: what has changed since is seen the next time.
        init(files: [String], known: FileStamps? = nil) {
            self.files = files
            for file in files {
                stamps[file] = known?.files.contains(file) == true ? known?.stamps[file] : FileStamp(path: file)
            }
        }
    }

    struct TopologyState {
        var directory = WorkerDirectory()
        var targets: [CoordinatorMachine.Target]?
        /// Names whose first look-up is under way.
        var unanswered: Set<String> = []
        var startedAt = Instant.current()
        var lookupProblems: [String: String] = [:]
        /// By folder.
        var watches: [String: FolderWatch] = [:]
        var stamps = FileStamps(files: [])
        /// Said already.
        var warnings: [String] = []
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
            topology.directory.replace(services.map { .init($0, isListed: settings.project == nil) })
        case .dns(let name, let port):
            topology.directory.replace([.init(name: name, host: name, port: port, isExpanded: true, isNumbered: true)])
        }
        if let project = settings.project {
            reader = try TaskQueue(name: "topology", threadCount: 1, capacity: 16)
            topology.stamps = FileStamps(files: settings.projectFiles)
            if settings.topology.files != project.paths {
                logger.info("topology read", metadata: ["files": "\(settings.topology.files.joined(separator: ","))"])
            }
            say(settings.topology.warnings)
            watchFolders()
            loop.every(Self.pollInterval) { [unowned self] in
                watchFolders()
                lookAtFiles()
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
            guard let node = host.machine.answeringNode(target: target.name) else { continue }
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
        Resolver.resolve(HostPort(host: service.host, port: service.port), on: loop) { [weak self] result in
            self?.lookedUp(service.name, result)
            if case .failure(let error) = result { completion(error.message) } else { completion(nil) }
        }
    }

    private func lookedUp(_ name: String, _ result: Result<[SocketAddress], SystemError>) {
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

    private func watchFolders() {
        let folders = Set(topology.stamps.files.map { String($0[...($0.lastIndex(of: "/") ?? $0.startIndex)]) })
        for (folder, watch) in topology.watches where !folders.contains(folder) || !watch.isAlive {
            if watch.isAlive { watch.close() }
            topology.watches[folder] = nil
        }
        for folder in folders.sorted() where topology.watches[folder] == nil && topology.watches.count < Self.maximumWatches {
            // Without a watch there is the poll.
            topology.watches[folder] = try? FolderWatch(loop: loop, folder: folder) { [weak self] in
                guard let self, !topology.isChangeNoted else { return }
                topology.isChangeNoted = true
                loop.schedule(after: Self.settleTime) { [weak self] in
                    self?.topology.isChangeNoted = false
                    self?.lookAtFiles()
                }
            }
        }
    }

    /// Reads them on a thread of its own (a network file system may hang) if they are not what they were.
    private func lookAtFiles() {
        guard let project = settings.project else { return }
        guard !topology.isReading, let reader else {
            topology.isPollDue = true
            return
        }
        let known = topology.stamps
        let answers = answers
        topology.isReading = reader.submit {
            let stamps = FileStamps(files: known.files)
            guard stamps != known else {
                _ = answers?.post(.topology(known, nil))
                return
            }
            let reading = project.read(environment: ProcessEnvironment.current, knownOptions: CoordinatorOptions.known)
            _ = answers?.post(.topology(FileStamps(files: reading.files, known: stamps), reading))
        }
    }

    func projectRead(_ stamps: FileStamps, _ reading: ComposeProject.Reading?) {
        topology.isReading = false
        topology.stamps = stamps
        if let reading {
            watchFolders()
            switch reading.result {
            case .success(let read): use(read)
            case .failure(let error): keepsOld("\(error)")
            }
        }
        guard topology.isPollDue else { return }
        topology.isPollDue = false
        lookAtFiles()
    }

    private func use(_ read: Topology) {
        say(read.warnings)
        let services = read.workers.filter { !$0.annotation.exclude }
        guard !services.isEmpty else { return keepsOld("every worker in it is excluded") }
        logger.info("topology read again", metadata: ["workers": "\(services.map(\.name).joined(separator: ","))"])
        if read.coordinatorOptions != settings.topology.coordinatorOptions {
            logger.warning("options in the topology file have changed; they count from the next start", metadata: [:])
        }
        topology.directory.replace(services.map { .init($0, isListed: false) })
        let names = Set(services.map(\.name))
        topology.lookupProblems = topology.lookupProblems.filter { names.contains($0.key) }
        topology.unanswered = []
        lookUpNames()
    }

    private func say(_ warnings: [String]) {
        for warning in warnings where !topology.warnings.contains(warning) {
            logger.warning("the topology may not say what was meant", metadata: ["cause": "\(warning)"])
        }
        topology.warnings = warnings
    }

    private func keepsOld(_ cause: String) {
        logger.error("the changed topology cannot be used; the one before stays", metadata: ["cause": "\(cause)"])
    }
}
