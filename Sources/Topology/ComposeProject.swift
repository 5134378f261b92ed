internal import Shell

/// A compose project as the command line names it: its files, and the files of its variables.
public struct ComposeProject: Sendable, Hashable {
    /// Names under which compose looks for a project in a folder, in its order.
    static let fileNames = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"]
    static let overrideNames = [
        "compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml",
    ]

    /// One file or folder, or several files of which each is laid over those before.
    public let paths: [String]
    /// In place of the `.env` beside the first file.
    public let envFiles: [String]

    public init(paths: [String], envFiles: [String] = []) {
        self.paths = paths
        self.envFiles = envFiles
    }

    /// What reading found, and everything that it looked at.
    public struct Reading: Sendable {
        public let result: Result<Topology, TopologyError>
        /// Absolute paths: a change to one of these, or one that appears, may change the result.
        public let files: [String]
    }

    /// Reads and checks the project.
    /// - Parameters:
    ///   - environment: for `${NAME}` in values, above the files of variables.
    ///   - knownOptions: the coordinator's, for the top-level `x-amp4ec`.
    public func read(environment: [String: String], knownOptions: [KnownOption]) -> Reading {
        read(ProjectFiles(), environment: environment, knownOptions: knownOptions)
    }

    func read(_ files: ProjectFiles, environment: [String: String], knownOptions: [KnownOption]) -> Reading {
        let result = Result { () throws(TopologyError) in
            try topology(files, environment: environment, knownOptions: knownOptions)
        }
        return Reading(result: result, files: files.touched.map(files.absolute))
    }

    private func topology(
        _ files: ProjectFiles, environment: [String: String], knownOptions: [KnownOption]
    ) throws(TopologyError) -> Topology {
        let notes = ReadingNotes()
        let reader = ProjectReader(files: files, notes: notes)
        guard let first = paths.first else { throw TopologySource.usage("--topology", "it is empty", "give a compose file") }
        let isFolder = paths.count == 1 && files.kind(FilePath.normalized(first), isNoted: false) == .folder
        let folder = isFolder ? FilePath.normalized(first) : FilePath.folder(of: FilePath.normalized(first))
        let variables = try variables(reader, folder, environment)
        let found = try isFolder ? inFolder(folder, files, variables) : beside(folder, files)
        var layer = ProjectReader.Layer(
            paths: found, base: FilePath.folder(of: found[0]), variables: Variables(variables))
        layer = ProjectReader.Layer(
            paths: found, base: layer.base, variables: Variables(try named(reader, layer, variables, files.absolute(layer.base))))
        let model = try reader.model(layer)
        let fields = FieldReader(file: found[0], notes: notes)
        var options = OptionValues()
        if let node = model[ComposeFile.extensionKey] {
            options = try OptionValues(
                reading: node, prefix: "\(ComposeFile.extensionKey).", knownOptions: knownOptions, fields: fields, isTopology: true)
        }
        guard let services = model["services"] else {
            throw fields.refusal(nil, "services", "there are no services", "list the workers under services:")
        }
        let compose = ComposeFile(
            fields: fields, variables: layer.variables, files: files, services: try fields.mapping(services, "services"),
            patterns: reader.patterns)
        let workers = try compose.workers()
        return Topology(coordinatorOptions: options, workers: workers, files: found, warnings: notes.warnings)
    }

    // MARK: Files

    /// As compose finds them where no file is named: `COMPOSE_FILE`, else the usual names and what overrides them.
    private func inFolder(
        _ folder: String, _ files: ProjectFiles, _ variables: [String: String]
    ) throws(TopologyError) -> [String] {
        if let list = variables["COMPOSE_FILE"], !list.isEmpty {
            let separator = variables["COMPOSE_PATH_SEPARATOR"].flatMap(\.first) ?? ":"
            return list.split(separator: separator).map { FilePath.joined(folder, String($0)) }
        }
        let candidates = ComposeProject.fileNames.map { FilePath.joined(folder, $0) }
        guard let file = candidates.first(where: { files.kind($0) == .file }) else {
            throw TopologyError(
                file: folder, problem: "the folder has no \(ComposeProject.fileNames.joined(separator: ", no "))",
                fix: "give the compose file itself")
        }
        return [file] + override(folder, files)
    }

    /// The files as they are named. One alone that has compose's own name is the folder's project: what overrides it counts.
    private func beside(_ folder: String, _ files: ProjectFiles) -> [String] {
        let paths = paths.map(FilePath.normalized)
        guard paths.count == 1, ComposeProject.fileNames.contains(FilePath.name(of: paths[0])) else { return paths }
        return paths + override(folder, files)
    }

    private func override(_ folder: String, _ files: ProjectFiles) -> [String] {
        ComposeProject.overrideNames.map { FilePath.joined(folder, $0) }.first { files.kind($0) == .file }.map { [$0] } ?? []
    }

    // MARK: Variables

    /// The environment, and below it what the files of variables say.
    private func variables(
        _ reader: ProjectReader, _ folder: String, _ environment: [String: String]
    ) throws(TopologyError) -> [String: String] {
        var paths = envFiles
        if paths.isEmpty {
            paths = (environment["COMPOSE_ENV_FILES"] ?? "").split(separator: ",").map(String.init)
        }
        if paths.isEmpty {
            let isDisabled = ["1", "t", "true"].contains((environment["COMPOSE_DISABLE_ENV_FILE"] ?? "").lowercased())
            let file = FilePath.joined(folder, ".env")
            guard !isDisabled, reader.files.kind(file) == .file else { return environment }
            paths = [file]
        }
        return try reader.environment(paths.map(FilePath.normalized), outer: environment)
    }

    /// `COMPOSE_PROJECT_NAME`, which compose takes from the environment, else from `name:`, else from the folder.
    private func named(
        _ reader: ProjectReader, _ layer: ProjectReader.Layer, _ variables: [String: String], _ folder: String
    ) throws(TopologyError) -> [String: String] {
        guard (variables["COMPOSE_PROJECT_NAME"] ?? "").isEmpty else { return variables }
        var name = FilePath.name(of: folder)
        for path in layer.paths {
            for document in try reader.documents(path, layer, isNamedByUser: true) {
                guard let node = document["name"] else { continue }
                name = try FieldReader(file: path).text(node, "name")
            }
        }
        let letters = name.lowercased().unicodeScalars.filter {
            ("a"..."z").contains($0) || ("0"..."9").contains($0) || $0 == "_" || $0 == "-"
        }
        let plain = letters.drop { $0 == "_" || $0 == "-" }
        return variables.merging(["COMPOSE_PROJECT_NAME": String(String.UnicodeScalarView(plain))]) { $1 }
    }
}
