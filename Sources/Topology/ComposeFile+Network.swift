internal import Base
internal import Shell

/// Where a worker is reached: by its service's name in the project's networks, at the ports that the host publishes, and at the addresses
/// that the project gives to its container.
extension ComposeFile {
    struct Reach {
        let host: String
        let port: UInt16
        var published: [HostPort] = []
        var fixed: [HostPort] = []
    }

    private static let servicePrefix = "service:"
    private static let containerPrefix = "container:"
    private static let fixedAddressKeys = ["ipv4_address", "ipv6_address"]

    func reach(
        _ service: ConfigNode, named name: String, port: UInt16, _ annotation: WorkerAnnotation, _ fields: FieldReader
    ) throws(TopologyError) -> Reach {
        if let address = annotation.address { return Reach(host: address.host ?? name, port: address.port) }
        return try reach(service, named: name, port: port, fields, chain: [name])
    }

    private func reach(
        _ service: ConfigNode, named name: String, port: UInt16, _ fields: FieldReader, chain: [String]
    ) throws(TopologyError) -> Reach {
        guard let node = service["network_mode"] else {
            return Reach(
                host: name, port: port, published: try published(service, port: port, fields),
                fixed: try fixed(service, port: port, fields))
        }
        let mode = try fields.text(node, "network_mode")
        if mode == "host" { return Reach(host: name, port: port, published: [HostPort(host: "localhost", port: port)]) }
        guard mode != "none" else {
            throw fields.refusal(
                node, "network_mode", "a worker without a network is reached by nobody",
                "leave network_mode out, or say x-amp4ec: {address: HOST:PORT}")
        }
        let owner: String
        if mode.hasPrefix(Self.servicePrefix) {
            owner = String(mode.dropFirst(Self.servicePrefix.count))
        } else if mode.hasPrefix(Self.containerPrefix) {
            owner = try self.owner(ofContainer: String(mode.dropFirst(Self.containerPrefix.count)), node, fields)
        } else {
            return Reach(host: name, port: port, published: try published(service, port: port, fields))
        }
        guard !chain.contains(owner) else {
            throw fields.refusal(
                node, "network_mode",
                "the services share their networks in a circle: \((chain + [owner]).joined(separator: " → "))",
                "give one of them a network of its own")
        }
        guard let other = services[owner], !other.isNull else {
            throw fields.refusal(
                node, "network_mode", "there is no service \"\(owner)\"",
                NearestName.of(owner, among: Array(services.keys)).map { "did you mean \($0)?" } ?? "name one of the project's")
        }
        let ownerFields = fields.inService(owner)
        if let idle = try disabled(other, ownerFields) {
            throw fields.refusal(node, "network_mode", "the service \"\(owner)\" does not run: \(idle.problem)", idle.fix)
        }
        if let count = try replicas(other, ownerFields), count != 1 {
            throw fields.refusal(
                node, "network_mode", "the service \"\(owner)\" has \(count) replicas, each with a network of its own",
                "give it one replica")
        }
        if let ports = service["ports"], ports.items?.isEmpty != true {
            throw fields.refusal(
                ports, "ports", "the container has the network of \"\(owner)\", and publishes nothing itself",
                "move the ports to \"\(owner)\"")
        }
        return try reach(other, named: owner, port: port, ownerFields, chain: chain + [owner])
    }

    /// The service that gives its container this name.
    private func owner(
        ofContainer name: String, _ node: ConfigNode, _ fields: FieldReader
    ) throws(TopologyError) -> String {
        for (service, other) in services.sorted(by: { $0.key < $1.key }) {
            guard let own = other["container_name"] else { continue }
            if try fields.silent.text(own, "container_name") == name { return service }
        }
        throw fields.refusal(
            node, "network_mode",
            "no service of the project has the container_name \"\(name)\", so where it is reached is not known",
            "write network_mode: \"service:NAME\", or say x-amp4ec: {address: HOST:PORT}")
    }

    private func fixed(_ service: ConfigNode, port: UInt16, _ fields: FieldReader) throws(TopologyError) -> [HostPort] {
        guard let networks = service["networks"] else { return [] }
        var addresses: [HostPort] = []
        for network in ComposeMerge.normalized(networks, .keyed(hasValues: false)).entries ?? [] {
            for key in Self.fixedAddressKeys {
                guard let node = network.value[key] else { continue }
                let field = "networks.\(network.key).\(key)"
                let text = try fields.text(node, field)
                guard IPAddress(text) != nil else {
                    throw fields.refusal(node, field, "\"\(text)\" is not an IP address", "write it like 172.28.0.5")
                }
                addresses.append(HostPort(host: text, port: port))
            }
        }
        return addresses
    }

    /// Containers that share a network cannot listen on one port.
    func checkAddresses(_ workers: [WorkerService]) throws(TopologyError) {
        var owners: [HostPort: String] = [:]
        for worker in workers {
            let address = HostPort(host: worker.host, port: worker.port)
            guard let other = owners.updateValue(worker.name, forKey: address) else { continue }
            let service = services[worker.name]
            let node = service?[ComposeFile.extensionKey]?["address"] ?? service?["network_mode"]
            throw fields.inService(worker.name).refusal(
                node, "network_mode", "\"\(worker.name)\" and \"\(other)\" would both be at \(address)",
                "let them listen on different ports (--listen)")
        }
    }

    // MARK: Shells

    /// The variables of a service's container as far as the project sets them, for the shell around its command.
    func shellVariables(_ service: ConfigNode, _ fields: FieldReader) -> (String) -> String? {
        let fields = fields.silent
        var files: [String: String]?
        return { name in
            if let node = service["environment"].map({ ComposeMerge.normalized($0, .keyed(hasValues: true)) }) {
                if let own = node.entries?.first(where: { $0.key == name })?.value, own.tag != .reset {
                    return own.isNull ? variables.values[name] : try? fields.variable(own, "environment.\(name)")
                }
            }
            if files == nil { files = (try? environmentFiles(service, fields)) ?? [:] }
            return files?[name]
        }
    }

    /// `env_file`: a path, or a list of paths and `{path:, required:, format:}`.
    private func environmentFiles(_ service: ConfigNode, _ fields: FieldReader) throws(TopologyError) -> [String: String] {
        guard let node = service["env_file"] else { return [:] }
        var values: [String: String] = [:]
        for item in node.items ?? [node] {
            let path = FilePath.joined(item.source.base, try fields.text(item["path"] ?? item, "env_file"))
            guard files.kind(path) == .file else { continue }
            values = try EnvironmentFile.read(try files.text(path), file: path, outer: variables.values, values: values)
        }
        return values
    }
}
