internal import Shell

/// Puts a project together from its files, as compose does: variables from `.env`, each file's documents, what they include and what
/// their services extend, one laid over the other. What comes out is one tree, of which ``ComposeFile`` takes what it needs.
final class ProjectReader {
    /// An include of an include of …: nobody goes deeper.
    static let maximumIncludes = 16
    /// Of one project, each counted as often as it is included: sixteen levels of two each would be 65,536.
    static let maximumIncludedProjects = 1_000
    /// A chain of `extends`.
    static let maximumExtends = 64

    /// Files that are read as one project: what relative paths and variables in them mean.
    struct Layer {
        var paths: [String]
        let base: String
        let variables: Variables
    }

    private struct Parsed: Hashable {
        let path: String
        let base: String
        let variables: ObjectIdentifier
    }

    let files: ProjectFiles
    let notes: ReadingNotes
    var merge = ComposeMerge()
    /// Services that others of their file extend: patterns, which need not run themselves.
    var patterns: Set<String> = []
    var includeCount = 0
    private var parsed: [Parsed: [ConfigNode]] = [:]
    private var tables: [Parsed: ServiceTable] = [:]
    /// Identifiers stay unique while these live.
    private var kept: [Variables] = []

    init(files: ProjectFiles, notes: ReadingNotes) {
        self.files = files
        self.notes = notes
    }

    /// Everything in a layer's files and what they include, extended and merged.
    func model(_ layer: Layer, chain: [String] = []) throws(TopologyError) -> ConfigNode {
        var model: ConfigNode?
        for path in layer.paths {
            let fields = FieldReader(file: path, notes: notes)
            let documents = try documents(path, layer, isNamedByUser: chain.isEmpty)
            for root in documents where !root.isNull || documents.count + layer.paths.count == 2 {
                guard root.entries != nil else {
                    throw fields.refusal(
                        root, nil, "a compose file is a mapping, but \(root.kindName) is there", "write services: at the top")
                }
                if !chain.isEmpty, let options = root[ComposeFile.extensionKey] {
                    notes.warn(
                        fields.refusal(
                            options, ComposeFile.extensionKey,
                            "options of an included file do not count, as compose leaves them out",
                            "write them into \(chain[0])"))
                }
                let table = try ServiceTable(root, fields)
                try include(root, into: table, layer, chain: chain + [path])
                var document = root.setting("include", nil)
                if root["services"] != nil || !table.names.isEmpty {
                    var services: [ConfigNode.Entry] = []
                    for name in table.names {
                        guard let service = try extended(name, in: table, layer, keepsTags: true) else { continue }
                        services.append(.init(key: name, value: service))
                    }
                    let place = root["services"] ?? root
                    document = document.setting(
                        "services",
                        ConfigNode(
                            value: .mapping(services), line: place.line, column: place.column, source: place.source, tag: place.tag)
                    )
                }
                model = try merge.merged(model, document, at: .file)
            }
        }
        guard let model else {
            throw TopologyError(file: layer.paths.first, problem: "the file is empty", fix: "write at least one key")
        }
        return model
    }

    /// The documents of a file, parsed once for each meaning of its variables.
    func documents(_ path: String, _ layer: Layer, isNamedByUser: Bool = false) throws(TopologyError) -> [ConfigNode] {
        let key = Parsed(path: path, base: layer.base, variables: ObjectIdentifier(layer.variables))
        if let known = parsed[key] { return known }
        let source = YAMLSource(
            file: path, directory: FilePath.folder(of: files.absolute(path)), base: layer.base, variables: layer.variables)
        let documents = try YAMLReader.documents(try files.text(path, isNamedByUser: isNamedByUser), source: source)
        kept.append(layer.variables)
        parsed[key] = documents
        return documents
    }

    /// The services of another file, of which one is extended: its documents merged, without what it includes.
    func table(_ path: String, _ layer: Layer) throws(TopologyError) -> ServiceTable {
        let key = Parsed(path: path, base: layer.base, variables: ObjectIdentifier(layer.variables))
        if let known = tables[key] { return known }
        var whole: ConfigNode?
        for document in try documents(path, layer) where document.entries != nil {
            whole = try merge.merged(whole, document, at: .file)
        }
        let fields = FieldReader(file: path, notes: notes)
        guard let whole, whole["services"] != nil else {
            throw fields.refusal(nil, "services", "there are no services to extend", "name another file")
        }
        let table = try ServiceTable(whole, fields)
        tables[key] = table
        return table
    }

    /// Compose takes files from elsewhere too; the coordinator fetches nothing.
    func local(_ path: String, _ node: ConfigNode, _ field: String, _ fields: FieldReader) throws(TopologyError) -> String {
        guard !path.isEmpty else { throw fields.refusal(node, field, "the path is empty", "write a path") }
        let isRemote = path.contains("://") || path.hasPrefix("git@") || path.hasPrefix("github.com/") || path.hasPrefix("oci:")
        guard !isRemote else {
            throw fields.refusal(
                node, field, "\"\(path)\" is not on this machine, and the coordinator fetches nothing",
                "give it the output of docker compose config instead of this file")
        }
        return FilePath.joined(node.source.base, path)
    }
}

/// The services of one file, by name, in its order.
final class ServiceTable {
    let file: String
    private(set) var names: [String] = []
    private var services: [String: ConfigNode] = [:]
    /// With what they extend.
    var extended: [String: ConfigNode] = [:]

    init(_ root: ConfigNode, _ fields: FieldReader) throws(TopologyError) {
        file = root.source.file
        guard let node = root["services"] else { return }
        for entry in try fields.mapping(node, "services") { set(entry.key, entry.value) }
    }

    subscript(name: String) -> ConfigNode? { services[name] }

    func set(_ name: String, _ service: ConfigNode) {
        if services.updateValue(service, forKey: name) == nil { names.append(name) }
    }
}
