internal import Shell

/// `include`: other projects, each with its own folder and variables, whose services become part of this one.
extension ProjectReader {
    private static let includeKeys = ["path", "project_directory", "env_file"]

    /// Adds the services that a document includes to its own, which are laid over those of the same name.
    func include(_ root: ConfigNode, into table: ServiceTable, _ layer: Layer, chain: [String]) throws(TopologyError) {
        guard let node = root["include"] else { return }
        let fields = FieldReader(file: root.source.file, notes: notes)
        guard let items = node.items else {
            throw fields.refusal(node, "include", "it must be a list, but \(node.kindName) is there", "write - file.yaml below it")
        }
        guard chain.count <= ProjectReader.maximumIncludes else {
            throw fields.refusal(
                node, "include", "files that include each other are nested over the limit of \(ProjectReader.maximumIncludes)",
                "include them from one file")
        }
        for item in items {
            includeCount += 1
            guard includeCount <= ProjectReader.maximumIncludedProjects else {
                throw fields.refusal(
                    item, "include",
                    "files that include the same ones again and again make more than \(ProjectReader.maximumIncludedProjects) projects",
                    "include each file once")
            }
            let included = try model(try project(item, layer, chain, fields), chain: chain)
            for entry in included["services"]?.entries ?? [] {
                guard let own = table[entry.key] else {
                    table.set(entry.key, entry.value)
                    continue
                }
                if let merged = try merge.merged(entry.value, own, at: .service, keepsTags: true) { table.set(entry.key, merged) }
            }
        }
    }

    /// What one item of the list names.
    private func project(
        _ item: ConfigNode, _ layer: Layer, _ chain: [String], _ fields: FieldReader
    ) throws(TopologyError) -> Layer {
        for entry in item.entries ?? [] where !ProjectReader.includeKeys.contains(entry.key) {
            throw fields.refusal(
                entry.value, "include.\(entry.key)", "compose knows no such key",
                NearestName.of(entry.key, among: ProjectReader.includeKeys).map { "did you mean \($0)?" }
                    ?? "use path, project_directory or env_file")
        }
        guard let paths = item.entries == nil ? item : item["path"] else {
            throw fields.refusal(item, "include", "there is no path", "write path: file.yaml")
        }
        var files: [String] = []
        for node in paths.items ?? [paths] {
            let path = try local(try fields.text(node, "include"), node, "include", fields)
            guard !chain.contains(path) else {
                throw fields.refusal(
                    node, "include", "the files include each other in a circle: \((chain + [path]).joined(separator: " → "))",
                    "break the circle")
            }
            guard self.files.kind(path) == .file else { throw missing(path, node, "include", fields) }
            files.append(path)
        }
        guard let first = files.first else { throw fields.refusal(item, "include", "there is no path", "write path: file.yaml") }
        let folder = try item["project_directory"].map { node throws(TopologyError) in
            try local(try fields.text(node, "include.project_directory"), node, "include.project_directory", fields)
        }
        let base = folder ?? FilePath.folder(of: first)
        return Layer(paths: files, base: base, variables: try variables(item["env_file"], base, layer, fields))
    }

    /// The including project's variables, and below them those of the included one's own files.
    private func variables(
        _ node: ConfigNode?, _ base: String, _ layer: Layer, _ fields: FieldReader
    ) throws(TopologyError) -> Variables {
        var paths: [String] = []
        if let node {
            for item in node.items ?? [node] {
                let path = try fields.text(item, "include.env_file")
                guard path != "/dev/null" else { continue }
                let file = try local(path, item, "include.env_file", fields)
                guard files.kind(file) == .file else { throw missing(file, item, "include.env_file", fields) }
                paths.append(file)
            }
        } else {
            let file = FilePath.joined(base, ".env")
            if files.kind(file) == .file { paths.append(file) }
        }
        guard !paths.isEmpty else { return layer.variables }
        return Variables(try environment(paths, outer: layer.variables.values))
    }

    /// The values of variable files, over which `outer` stands.
    func environment(_ paths: [String], outer: [String: String]) throws(TopologyError) -> [String: String] {
        var values: [String: String] = [:]
        for path in paths {
            values = try EnvironmentFile.read(try files.text(path), file: path, outer: outer, values: values)
        }
        return outer.merging(values) { mine, _ in mine }
    }

    func missing(_ path: String, _ node: ConfigNode, _ field: String, _ fields: FieldReader) -> TopologyError {
        fields.refusal(
            node, field, "there is no file \(path)",
            "relative paths start at \(node.source.base == "." ? "the compose file's folder" : node.source.base); a coordinator in a container needs the folder mounted"
        )
    }
}
