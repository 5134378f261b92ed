internal import Shell

/// `extends`: a service laid over another one, of the same file or of a file that is read for that alone.
extension ProjectReader {
    private struct Step: Equatable {
        let file: String
        let service: String
    }

    /// A service with everything that it extends; `nil` where it is taken away or empty.
    /// - Parameter keepsTags: it is going to be laid over the same service of a file before.
    func extended(_ name: String, in table: ServiceTable, _ layer: Layer, keepsTags: Bool) throws(TopologyError) -> ConfigNode? {
        try extended(name, in: table, layer, keepsTags: keepsTags, chain: [])
    }

    private func extended(
        _ name: String, in table: ServiceTable, _ layer: Layer, keepsTags: Bool, chain: [Step]
    ) throws(TopologyError) -> ConfigNode? {
        guard let own = table[name] else { return nil }
        let fields = FieldReader(file: table.file, service: name, notes: notes)
        guard own.tag != .reset else { return keepsTags ? own : nil }
        if own.isNull { return keepsTags ? own : nil }
        _ = try fields.mapping(own, "services.\(name)")
        guard let extends = own["extends"] else { return keepsTags ? own : own.untagged }
        if !keepsTags, let known = table.extended[name] { return known }
        let step = Step(file: table.file, service: name)
        guard !chain.contains(step), chain.count <= ProjectReader.maximumExtends else {
            let names = (chain + [step]).map { $0.file == table.file ? $0.service : "\($0.service) in \($0.file)" }
            throw fields.refusal(
                extends, "extends",
                chain.contains(step)
                    ? "the services extend each other in a circle: \(names.joined(separator: " → "))"
                    : "the chain is over the limit of \(ProjectReader.maximumExtends) services",
                "break the circle, or shorten the chain")
        }
        if try isNoWorker(own, fields) { return keepsTags ? own.setting("extends", nil) : own.untagged }
        let (baseTable, baseLayer, baseName) = try base(extends, table, layer, fields)
        let base = try extended(baseName, in: baseTable, baseLayer, keepsTags: false, chain: chain + [step])
        let merged = try merge.merged(
            base?.setting("extends", nil), own.setting("extends", nil), at: .service, keepsTags: keepsTags)
        if !keepsTags { table.extended[name] = merged }
        return merged
    }

    /// What the file says is another role need not be put together: its files may not be there for the coordinator.
    private func isNoWorker(_ service: ConfigNode, _ fields: FieldReader) throws(TopologyError) -> Bool {
        guard let role = service[ComposeFile.extensionKey]?["role"] else { return false }
        let text = try fields.text(role, "\(ComposeFile.extensionKey).role")
        return WorkerAnnotation.Role(rawValue: text).map { $0 != .worker } ?? false
    }

    /// Where the extended service stands.
    private func base(
        _ extends: ConfigNode, _ table: ServiceTable, _ layer: Layer, _ fields: FieldReader
    ) throws(TopologyError) -> (ServiceTable, Layer, String) {
        let nameNode: ConfigNode
        if extends.entries == nil {
            nameNode = extends
        } else {
            guard let node = extends["service"] else {
                throw fields.refusal(extends, "extends", "it names no service", "write service: NAME")
            }
            nameNode = node
        }
        let name = try fields.text(nameNode, "extends")
        var (found, foundLayer) = (table, layer)
        if let node = extends["file"] {
            let path = try local(try fields.text(node, "extends.file"), node, "extends.file", fields)
            guard files.kind(path) == .file else { throw missing(path, node, "extends.file", fields) }
            foundLayer = Layer(paths: [path], base: FilePath.folder(of: path), variables: layer.variables)
            found = try self.table(path, foundLayer)
        }
        guard let base = found[name], base.tag != .reset else {
            let nearest = NearestName.of(name, among: found.names)
            throw fields.refusal(
                nameNode, "extends", "there is no service \"\(name)\"" + (extends["file"] == nil ? "" : " in \(found.file)"),
                nearest.map { "did you mean \($0)?" } ?? "name one of the file's")
        }
        if found === table { patterns.insert(name) }
        return (found, foundLayer, name)
    }
}
