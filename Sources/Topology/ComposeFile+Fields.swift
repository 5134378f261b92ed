internal import Shell

extension ComposeFile {
    /// Compose itself stops far earlier; the bound catches a typing error.
    static let maximumReplicas = 10_000

    func replicas(_ service: ConfigNode, _ fields: FieldReader) throws(TopologyError) -> Int? {
        for path in [["deploy", "replicas"], ["scale"]] {
            if let node = try fields.descend(service, path) {
                return try fields.integer(node, path.joined(separator: "."), in: 0...ComposeFile.maximumReplicas)
            }
        }
        return nil
    }

    func cpus(_ service: ConfigNode, _ fields: FieldReader) throws(TopologyError) -> Double? {
        let found = try limit([["deploy", "resources", "limits", "cpus"], ["cpus"]], service, fields) {
            node, field throws(TopologyError) in
            let text = try fields.text(node, field)
            guard let cpus = ComposeQuantity.cpus(text) else {
                throw fields.refusal(node, field, "\"\(text)\" is not a number of CPUs", "write a number of cores such as \"0.5\"")
            }
            return cpus
        }
        return found == 0 ? nil : found
    }

    func memory(_ service: ConfigNode, _ fields: FieldReader) throws(TopologyError) -> Int? {
        let paths = [["deploy", "resources", "limits", "memory"], ["mem_limit"]]
        let found = try limit(paths, service, fields) { node, field throws(TopologyError) in
            let text = try fields.text(node, field)
            guard let bytes = ComposeQuantity.memoryBytes(text) else {
                throw fields.refusal(node, field, "\"\(text)\" is not an amount of memory", "write it like 512M or 1g")
            }
            return bytes
        }
        return found == 0 ? nil : found
    }

    /// The first of the paths that is there.
    private func limit<Amount>(
        _ paths: [[String]], _ service: ConfigNode, _ fields: FieldReader,
        read: (ConfigNode, String) throws(TopologyError) -> Amount
    ) throws(TopologyError) -> Amount? {
        for path in paths {
            if let node = try fields.descend(service, path) { return try read(node, path.joined(separator: ".")) }
        }
        return nil
    }

    func listenPort(_ options: [String: String], _ service: ConfigNode, _ fields: FieldReader) throws(TopologyError) -> UInt16 {
        guard let text = options["listen"] else { return WorkerService.defaultPort }
        let node = service["command"] ?? service["entrypoint"]
        let address: HostPort
        do { address = try HostPort(parsing: text) } catch {
            throw fields.refusal(node, "command", "--listen: \(error.message)", "write --listen 9000")
        }
        guard address.port > 0 else {
            throw fields.refusal(
                node, "command", "--listen \(text) takes a free port, which nobody here can know", "write a fixed port such as 9000"
            )
        }
        return address.port
    }

    /// Where the host publishes the worker's port. With `network_mode: host` the port is the host's own.
    func published(_ service: ConfigNode, port: UInt16, _ fields: FieldReader) throws(TopologyError) -> [HostPort] {
        if let mode = service["network_mode"], try fields.text(mode, "network_mode") == "host" {
            return [HostPort(host: "localhost", port: port)]
        }
        guard let ports = service["ports"] else { return [] }
        guard let items = ports.items else {
            throw fields.refusal(ports, "ports", "it must be a list, but \(ports.kindName) is there", "write - \"9001:9000\"")
        }
        var addresses: [HostPort] = []
        for item in items {
            let mapping: PortMapping
            do {
                mapping =
                    item.entries == nil ? try PortMapping(parsing: try fields.text(item, "ports")) : try longMapping(item, fields)
            } catch let error as ValueError {
                throw fields.refusal(item, "ports", error.message, "write it like \"9001:9000\" (host port, container port)")
            } catch let error as TopologyError {
                throw error
            } catch {
                throw fields.refusal(item, "ports", "\(error)", "write it like \"9001:9000\"")
            }
            addresses += mapping.publishedAddresses(of: port)
        }
        return addresses
    }

    /// `{target: 9000, published: "9001", host_ip: 127.0.0.1, protocol: tcp}`
    private func longMapping(_ node: ConfigNode, _ fields: FieldReader) throws -> PortMapping {
        guard let target = node["target"] else { throw ValueError("there is no target (the container's port)") }
        var published: ClosedRange<UInt16>?
        if let node = node["published"] {
            let text = try fields.text(node, "ports.published")
            // "0" and an empty text mean a port of the engine's choice.
            published = text == "0" || text.isEmpty ? nil : try PortMapping.range(text)
        }
        let proto = try node["protocol"].map { try fields.text($0, "ports.protocol").lowercased() } ?? "tcp"
        return try PortMapping(
            hostAddress: try node["host_ip"].map { try fields.text($0, "ports.host_ip") }, published: published,
            target: try PortMapping.range(try fields.text(target, "ports.target")), isTCP: proto == "tcp")
    }
}
