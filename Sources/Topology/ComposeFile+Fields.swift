internal import Base
internal import Shell

extension ComposeFile {
    /// Compose itself stops far earlier; the bound catches a typing error.
    static let maximumReplicas = 10_000
    /// The kernel's own period, where none is given.
    private static let defaultPeriodMicroseconds = 100_000
    /// An hour; the kernel takes a second.
    private static let maximumMicroseconds = 3_600_000_000

    func replicas(_ service: ConfigNode, _ fields: FieldReader) throws(TopologyError) -> Int? {
        var found: Int?
        for path in [["deploy", "replicas"], ["scale"]] {
            guard let node = try fields.descend(service, path) else { continue }
            let count = try fields.integer(node, path.joined(separator: "."), in: 0...ComposeFile.maximumReplicas)
            if let found, found != count {
                throw fields.refusal(node, "scale", "it is \(count), and deploy.replicas is \(found)", "leave one of them out")
            }
            found = count
        }
        if let found, found > 1, let node = service["container_name"] {
            throw fields.refusal(
                node, "container_name", "\(found) replicas cannot have one container's name", "leave container_name out")
        }
        return found
    }

    func cpus(_ service: ConfigNode, _ fields: FieldReader) throws(TopologyError) -> Double? {
        let found = try limit([["deploy", "resources", "limits", "cpus"], ["cpus"]], service, fields) {
            node, field throws(TopologyError) in
            let text = try fields.text(node, field)
            guard let cpus = ComposeQuantity.cpus(node.number?.value ?? YAMLNumber.decimal(text)) else {
                throw fields.refusal(node, field, "\"\(text)\" is not a number of CPUs", "write a number of cores such as \"0.5\"")
            }
            return cpus
        }
        if let found, found > 0 { return found }
        return try quota(service, fields)
    }

    /// `cpu_quota` of each `cpu_period`, in microseconds: what `cpus` is short for.
    private func quota(_ service: ConfigNode, _ fields: FieldReader) throws(TopologyError) -> Double? {
        guard let node = service["cpu_quota"] else { return nil }
        let quota = try fields.integer(node, "cpu_quota", in: -1...ComposeFile.maximumMicroseconds)
        let period = try service["cpu_period"].map { node throws(TopologyError) in
            try fields.integer(node, "cpu_period", in: 0...ComposeFile.maximumMicroseconds)
        }
        let length = period.flatMap { $0 == 0 ? nil : $0 } ?? ComposeFile.defaultPeriodMicroseconds
        return quota > 0 ? Double(quota) / Double(length) : nil
    }

    func memory(_ service: ConfigNode, _ fields: FieldReader) throws(TopologyError) -> Int? {
        let paths = [["deploy", "resources", "limits", "memory"], ["mem_limit"]]
        let found = try limit(paths, service, fields) { node, field throws(TopologyError) in
            let text = try fields.text(node, field)
            // Bytes: compose takes no fraction of them, and leaves the limit out without a word.
            let amount =
                if let number = node.number { if case .integer(let bytes) = number { String(bytes) } else { "" } } else { text }
            guard let bytes = ComposeQuantity.memoryBytes(amount) else {
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

    func listenPort(
        _ command: WorkerCommandLine, _ options: [String: String], _ service: ConfigNode, _ fields: FieldReader
    ) throws(TopologyError) -> UInt16 {
        let node = service["command"] ?? service["entrypoint"]
        if let word = command.undecided("listen") {
            throw fields.refusal(
                node, "command", "only the shell in the container knows what \(word) becomes, and so where the worker listens",
                "write --listen 9000 as it is, or set the variable under environment:")
        }
        guard let text = options["listen"] else { return WorkerService.defaultPort }
        let address: HostPort
        do { address = try HostPort(parsing: text) } catch {
            throw fields.refusal(node, "command", "--listen \(text) is no address to listen on", "write --listen 9000")
        }
        guard address.port > 0 else {
            throw fields.refusal(
                node, "command", "--listen \(text) takes a free port, which nobody here can know", "write a fixed port such as 9000"
            )
        }
        return address.port
    }

    /// Where the host publishes a port of the service's container.
    func published(_ service: ConfigNode, port: UInt16, _ fields: FieldReader) throws(TopologyError) -> [HostPort] {
        guard let ports = service["ports"] else { return [] }
        guard let items = ports.items else {
            throw fields.refusal(ports, "ports", "it must be a list, but \(ports.kindName) is there", "write - \"9001:9000\"")
        }
        var addresses: [HostPort] = []
        for item in items {
            let mapping: PortMapping
            do {
                mapping =
                    item.entries == nil
                    ? try PortMapping(parsing: try portText(item, "ports", fields)) : try longMapping(item, fields)
            } catch let error as ValueError {
                throw fields.refusal(item, "ports", error.message, "write it like \"9001:9000\" (host port, container port)")
            } catch let error as TopologyError {
                throw error
            } catch {
                throw fields.refusal(item, "ports", "\(error)", "write it like \"9001:9000\"")
            }
            // The same one may come from several files.
            addresses += mapping.publishedAddresses(of: port).filter { !addresses.contains($0) }
        }
        return addresses
    }

    /// `{target: 9000, published: "9001", host_ip: 127.0.0.1, protocol: tcp}`
    private func longMapping(_ node: ConfigNode, _ fields: FieldReader) throws -> PortMapping {
        guard let target = node["target"] else { throw ValueError("there is no target (the container's port)") }
        var published: ClosedRange<UInt16>?
        if let node = node["published"] {
            let text = try portText(node, "ports.published", fields)
            // "0" and an empty text mean a port of the engine's choice.
            published = text == "0" || text.isEmpty ? nil : try PortMapping.range(text)
        }
        let targetText = if let whole = target.number?.whole { String(whole) } else { try fields.text(target, "ports.target") }
        let proto = try node["protocol"].map { try fields.text($0, "ports.protocol").lowercased() } ?? "tcp"
        return try PortMapping(
            hostAddress: try node["host_ip"].map { try fields.text($0, "ports.host_ip") }, published: published,
            target: try PortMapping.range(targetText), isTCP: proto == "tcp")
    }

    /// A port or more as compose reads it: without quotes 0777 is 511, and 09001 is no whole number.
    private func portText(_ node: ConfigNode, _ field: String, _ fields: FieldReader) throws -> String {
        switch node.number {
        case .integer(let port): return String(port)
        case .fraction:
            let text = try fields.text(node, field)
            throw ValueError(
                "\"\(text)\" is not a whole number to compose"
                    + (text.hasPrefix("0") ? ": put it in quotes, or leave out the zeros before it" : ""))
        case nil: return try fields.text(node, field)
        }
    }
}
