internal import Shell

/// Reads the workers out of a compose file: the services that run `amp4ec-worker`, where they are reached, and their limits.
///
/// Only what concerns workers is looked at; the rest of the file belongs to compose. Variables are replaced as compose does it, and
/// `extends` within the file, YAML anchors and merge keys are followed. Services behind a profile count when `COMPOSE_PROFILES` names it.
public struct ComposeFile {
    /// The key of our extension, at the top level and in a service.
    static let extensionKey = "x-amp4ec"
    /// A chain of `extends`; a longer one is a circle.
    static let maximumExtends = 16

    let fields: FieldReader
    let services: [ConfigNode.Entry]

    /// Reads and checks a file.
    /// - Parameters:
    ///   - environment: for `${NAME}` in values.
    ///   - knownOptions: the coordinator's, for the top-level `x-amp4ec`.
    public static func read(
        path: String, environment: [String: String], knownOptions: [KnownOption]
    ) throws(TopologyError) -> Topology {
        try parse(
            text: try BoundedFile.text(path: path), file: path, directory: BoundedFile.absoluteDirectory(ofFile: path),
            environment: environment, knownOptions: knownOptions)
    }

    /// As ``read(path:environment:knownOptions:)`` for text that is there already.
    /// - Parameter directory: absolute; relative paths of `x-amp4ec` start there.
    public static func parse(
        text: String, file: String, directory: String, environment: [String: String], knownOptions: [KnownOption]
    ) throws(TopologyError) -> Topology {
        let root = try YAMLReader.read(text, file: file)
        let fields = FieldReader(file: file, environment: environment)
        guard root.entries != nil else {
            throw fields.refusal(
                root, nil, "a compose file is a mapping, but \(root.kindName) is there", "write services: at the top")
        }
        var options = OptionValues()
        if let node = root[extensionKey] {
            options = try OptionValues(
                reading: node, prefix: "\(extensionKey).", directory: directory, knownOptions: knownOptions, fields: fields)
        }
        guard let services = root["services"] else {
            throw fields.refusal(nil, "services", "there are no services", "list the workers under services:")
        }
        let compose = ComposeFile(fields: fields, services: try fields.mapping(services, "services"))
        return Topology(coordinatorOptions: options, workers: try compose.workers())
    }

    private func workers() throws(TopologyError) -> [WorkerService] {
        var workers: [WorkerService] = []
        for entry in services {
            if let worker = try worker(named: entry.key, entry.value) { workers.append(worker) }
        }
        guard !workers.isEmpty else {
            let names = services.map(\.key).joined(separator: ", ")
            throw fields.refusal(
                nil, "services", "none of them (\(names)) is a worker",
                "give one the command \"amp4ec-worker --listen 9000\" or x-amp4ec: {role: worker}")
        }
        try checkNames(workers)
        return workers
    }

    /// A node is known by its name, so no two workers may give themselves the same one.
    private func checkNames(_ workers: [WorkerService]) throws(TopologyError) {
        var owners: [String: String] = [:]
        for worker in workers {
            let fields = fields.inService(worker.name)
            // A worker whose --name is empty, which a variable may be, does not start: the service's name stands for it.
            let known = worker.declaredNodeName.flatMap { $0.isEmpty ? nil : $0 } ?? worker.name
            if let problem = WorkerName.problem(withService: known) {
                throw fields.refusal(
                    nil, worker.declaredNodeName == nil ? "services" : "command",
                    "no worker can be called \"\(known)\": \(problem)", "give it another name")
            }
            guard let name = worker.declaredNodeName else { continue }
            if let other = owners.updateValue(worker.name, forKey: name) {
                throw fields.refusal(
                    nil, "command", "--name \(name) is also the name of service \"\(other)\"", "give each worker a name of its own")
            }
            if let replicas = worker.replicas, replicas > 1 {
                throw fields.refusal(
                    nil, "command", "\(replicas) replicas would all have --name \(name)",
                    "leave --name out: each replica then names itself")
            }
        }
    }

    /// The worker that a service is, or `nil` when it is something else or does not run.
    private func worker(named name: String, _ own: ConfigNode) throws(TopologyError) -> WorkerService? {
        let fields = fields.inService(name)
        guard !own.isNull else { return nil }
        _ = try fields.mapping(own, "services.\(name)")
        guard let service = try extended(own, name: name) else { return nil }
        let command = try WorkerCommand(service: service, fields: fields)
        let annotation = try command.annotation(service, fields: fields)
        guard command.isWorker(annotation.role), try isEnabled(service, fields) else { return nil }
        let replicas = try replicas(service, fields)
        guard replicas != 0 else { return nil }
        let options = try command.options(service, fields: fields)
        let port = try listenPort(options, service, fields)
        return WorkerService(
            name: name, host: name, port: port, publishedAddresses: try published(service, port: port, fields), options: options,
            cpus: try cpus(service, fields), memoryBytes: try memory(service, fields), replicas: replicas, annotation: annotation)
    }

    /// The service laid over the one that it extends; `nil` where that stands in another file and the service is no worker by itself.
    private func extended(_ own: ConfigNode, name: String) throws(TopologyError) -> ConfigNode? {
        var layers = [own]
        var current = own
        while let extends = current["extends"] {
            let fields = fields.inService(name)
            guard layers.count <= ComposeFile.maximumExtends else {
                throw fields.refusal(
                    extends, "extends", "the chain is over the limit of \(ComposeFile.maximumExtends) services", "break the circle")
            }
            if extends.entries != nil, extends["file"] != nil {
                let command = try? WorkerCommand(service: own, fields: fields)
                guard command?.isWorker(try command?.annotation(own, fields: fields).role) == true else { return nil }
                throw fields.refusal(
                    extends, "extends.file", "a worker that extends a service of another file is not supported",
                    "copy its ports and limits into this file")
            }
            let baseName = try fields.text(extends["service"] ?? extends, "extends")
            guard let base = services.first(where: { $0.key == baseName })?.value, !base.isNull else {
                let nearest = NearestName.of(baseName, among: services.map(\.key))
                throw fields.refusal(
                    extends, "extends", "there is no service \"\(baseName)\"",
                    nearest.map { "did you mean \($0)?" } ?? "name one of the file's")
            }
            layers.append(base)
            current = base
        }
        return layers.reversed().dropFirst().reduce(layers[layers.count - 1]) { $0.overlaid(by: $1) }
    }

    private func isEnabled(_ service: ConfigNode, _ fields: FieldReader) throws(TopologyError) -> Bool {
        guard let profiles = service["profiles"] else { return true }
        guard let items = profiles.items else {
            throw fields.refusal(
                profiles, "profiles", "it must be a list, but \(profiles.kindName) is there", "write profiles: [name]")
        }
        let active = Set((fields.environment?["COMPOSE_PROFILES"] ?? "").split(separator: ",").map(String.init))
        var names: [String] = []
        for item in items { names.append(try fields.text(item, "profiles")) }
        return names.isEmpty || active.contains("*") || names.contains(where: active.contains)
    }
}
