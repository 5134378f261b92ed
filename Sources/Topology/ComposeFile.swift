internal import Shell

/// Takes the workers out of a compose project: the services that run `amp4ec-worker`, where they are reached, and their limits.
///
/// Only what concerns workers is looked at; the rest belongs to compose. docs/deploying.md lists each field and what becomes of it.
public struct ComposeFile {
    /// The key of our extension, at the top level and in a service.
    static let extensionKey = "x-amp4ec"
    /// What a message lists of a project's services.
    private static let maximumNamesInMessage = 20

    let fields: FieldReader
    let variables: Variables
    let files: ProjectFiles
    let services: [String: ConfigNode]
    private let order: [String]
    private let patterns: Set<String>

    /// - Parameter patterns: services that need not run, as others extend them.
    init(
        fields: FieldReader, variables: Variables, files: ProjectFiles, services: [ConfigNode.Entry], patterns: Set<String>
    ) {
        self.patterns = patterns
        self.fields = fields
        self.variables = variables
        self.files = files
        self.services = Dictionary(services.map { ($0.key, $0.value) }) { $1 }
        order = services.map(\.key)
    }

    /// Reads and checks a file, with the `.env` and the override file beside it.
    /// - Parameters:
    ///   - environment: for `${NAME}` in values.
    ///   - knownOptions: the coordinator's, for the top-level `x-amp4ec`.
    public static func read(
        path: String, environment: [String: String], knownOptions: [KnownOption]
    ) throws(TopologyError) -> Topology {
        try ComposeProject(paths: [path]).read(environment: environment, knownOptions: knownOptions).result.get()
    }

    /// As ``read(path:environment:knownOptions:)`` for text that is there already.
    /// - Parameter directory: absolute; relative paths of `x-amp4ec` start there.
    public static func parse(
        text: String, file: String, directory: String, environment: [String: String], knownOptions: [KnownOption]
    ) throws(TopologyError) -> Topology {
        try parse(
            files: [file: text], project: ComposeProject(paths: [file]), directory: directory, environment: environment,
            knownOptions: knownOptions)
    }

    /// The same for a project whose files are all there.
    /// - Parameter files: text by path.
    package static func parse(
        files: [String: String], project: ComposeProject, directory: String, environment: [String: String],
        knownOptions: [KnownOption]
    ) throws(TopologyError) -> Topology {
        try project.read(
            ProjectFiles(memory: files, workingDirectory: directory), environment: environment, knownOptions: knownOptions
        ).result.get()
    }

    func workers() throws(TopologyError) -> [WorkerService] {
        var workers: [WorkerService] = []
        var idle: Idle?
        for name in order {
            guard let service = services[name] else { continue }
            switch try worker(named: name, service) {
            case .worker(let worker): workers.append(worker)
            case .idle(let reason):
                idle = idle ?? reason
                guard !patterns.contains(name) else { continue }
                fields.inService(name).notes?.warn(
                    fields.inService(name).refusal(
                        reason.node, reason.field, "the worker is left out: \(reason.problem)", reason.fix))
            case .other: continue
            }
        }
        guard !workers.isEmpty else {
            let names = order.prefix(ComposeFile.maximumNamesInMessage).joined(separator: ", ")
            throw fields.refusal(
                nil, "services", "none of them (\(names)) is a worker" + (idle.map { " that runs: \($0.problem)" } ?? ""),
                idle?.fix ?? "give one the command \"amp4ec-worker --listen 9000\" or x-amp4ec: {role: worker}")
        }
        try checkNames(workers)
        try checkAddresses(workers)
        return workers
    }

    /// A node is known by its name, so no two workers may give themselves the same one.
    private func checkNames(_ workers: [WorkerService]) throws(TopologyError) {
        var owners: [String: String] = [:]
        for worker in workers {
            let fields = fields.inService(worker.name)
            let service = services[worker.name]
            let node = service?["command"] ?? service?["entrypoint"]
            // A worker whose --name is empty, which a variable may be, does not start: the service's name stands for it.
            let known = worker.declaredNodeName.flatMap { $0.isEmpty ? nil : $0 } ?? worker.name
            if let problem = WorkerName.problem(withService: known) {
                throw fields.refusal(
                    worker.declaredNodeName == nil ? service : node, worker.declaredNodeName == nil ? "services" : "command",
                    "no worker can be called \"\(known)\": \(problem)", "give it another name")
            }
            guard let name = worker.declaredNodeName else { continue }
            if let other = owners.updateValue(worker.name, forKey: name) {
                throw fields.refusal(
                    node, "command", "--name \(name) is also the name of service \"\(other)\"", "give each worker a name of its own"
                )
            }
            if let replicas = worker.replicas, replicas > 1 {
                throw fields.refusal(
                    node, "command", "\(replicas) replicas would all have --name \(name)",
                    "leave --name out: each replica then names itself")
            }
        }
    }

    private enum Kind {
        case worker(WorkerService)
        /// A worker that does not run.
        case idle(Idle)
        case other
    }

    /// Why a worker does not run.
    struct Idle {
        let node: ConfigNode?
        let field: String
        let problem: String
        let fix: String
    }

    private func worker(named name: String, _ service: ConfigNode) throws(TopologyError) -> Kind {
        var fields = fields.inService(name)
        guard !service.isNull else { return .other }
        _ = try fields.mapping(service, "services.\(name)")
        let annotation = try WorkerAnnotation(service, fields: fields)
        // The variables of a service that has nothing to do with us are compose's own concern.
        var command = try WorkerCommandLine(service: service, fields: fields.silent, shell: shellVariables(service, fields))
        guard command.isWorker(annotation.role) else {
            if annotation.role == nil, let node = command.unclear {
                fields.notes?.warn(
                    fields.refusal(
                        node, "command", "it names \(WorkerCommandLine.executable), but how it is started cannot be seen",
                        "say x-amp4ec: {role: worker}, or another role if it is none"))
            }
            return .other
        }
        if let idle = try disabled(service, fields) { return .idle(idle) }
        let replicas = try replicas(service, fields)
        guard replicas != 0 else {
            return .idle(
                Idle(node: service["scale"] ?? service["deploy"], field: "scale", problem: "it has 0 replicas", fix: "give it one"))
        }
        command = try WorkerCommandLine(service: service, fields: fields, shell: shellVariables(service, fields))
        fields = fields.inService(name)
        let options = try command.options(service, fields: fields)
        let port = try listenPort(command, options, service, fields)
        let reach = try reach(service, named: name, port: port, annotation, fields)
        return .worker(
            WorkerService(
                name: name, host: reach.host, port: reach.port, publishedAddresses: reach.published, fixedAddresses: reach.fixed,
                options: options, cpus: try cpus(service, fields), memoryBytes: try memory(service, fields), replicas: replicas,
                annotation: annotation))
    }

    /// Why the service does not run, where its profiles say so.
    func disabled(_ service: ConfigNode, _ fields: FieldReader) throws(TopologyError) -> Idle? {
        guard let profiles = service["profiles"] else { return nil }
        guard let items = profiles.items else {
            throw fields.refusal(
                profiles, "profiles", "it must be a list, but \(profiles.kindName) is there", "write profiles: [name]")
        }
        let active = Set(
            (variables.values["COMPOSE_PROFILES"] ?? "").split(separator: ",").map { part in
                String(part.filter { !$0.isWhitespace })
            })
        var names: [String] = []
        for item in items { names.append(try fields.text(item, "profiles")) }
        guard !names.isEmpty, !active.contains("*"), !names.contains(where: active.contains) else { return nil }
        return Idle(
            node: profiles, field: "profiles",
            problem: "no profile of \"\(fields.service ?? "")\" is active (\(names.joined(separator: ", ")))",
            fix: "set COMPOSE_PROFILES=\(names[0]), in the environment or in the .env beside the file")
    }
}
