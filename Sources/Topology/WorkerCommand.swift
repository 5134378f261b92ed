internal import Shell

/// What a service runs: its entrypoint and command as words, and the worker's options among them.
struct WorkerCommand {
    static let executable = "amp4ec-worker"
    private static let shells: Set<String> = ["sh", "bash", "ash", "dash"]
    private static let annotationKeys = ["role", "stage", "exclude"]
    /// A pipeline has at most as many stages as a model has layers; none here has more.
    private static let maximumStage = 9_999

    /// Everything that is run, the entrypoint first.
    private let words: [String]
    /// Where the worker's options begin, when the executable is named.
    private let optionStart: Int?

    init(service: ConfigNode, fields: FieldReader) throws(TopologyError) {
        var words: [String] = []
        for field in ["entrypoint", "command"] {
            guard let node = service[field] else { continue }
            do {
                words += try WorkerCommand.words(node, field, fields)
            } catch {
                // A service that has nothing to do with us may use variables that only compose's own host knows.
                guard service[ComposeFile.extensionKey] != nil || WorkerCommand.mentionsExecutable(node) else { continue }
                throw error
            }
        }
        // sh -c "amp4ec-worker …": the worker's command line is inside one word.
        if let first = words.first, WorkerCommand.shells.contains(WorkerCommand.baseName(first)),
            let position = words.firstIndex(of: "-c"), position + 1 < words.count,
            let inner = ShellWords.split(words[position + 1])
        {
            words = inner
        }
        let executable = words.firstIndex { WorkerCommand.baseName($0) == WorkerCommand.executable }
        let end = executable.flatMap { start in words[start...].firstIndex { ["&&", "||", ";", "|", "&"].contains($0) } }
        self.words = Array(words[..<(end ?? words.count)])
        self.optionStart = executable.map { $0 + 1 }
    }

    /// By its own `x-amp4ec.role`, else by what it runs.
    func isWorker(_ role: WorkerAnnotation.Role?) -> Bool { role.map { $0 == .worker } ?? (optionStart != nil) }

    /// The worker's options: `--name value`, `--name=value`, and `--flag` as `true`. Without the executable's name (it is the image's
    /// own entrypoint) all words are options.
    func options(_ service: ConfigNode, fields: FieldReader) throws(TopologyError) -> [String: String] {
        var options: [String: String] = [:]
        var rest = words[(optionStart ?? 0)...]
        while let word = rest.popFirst() {
            guard word.hasPrefix("--"), word.count > 2 else { continue }
            let body = word.dropFirst(2)
            let name: String
            let value: String
            if let equals = body.firstIndex(of: "=") {
                (name, value) = (String(body[..<equals]), String(body[body.index(after: equals)...]))
            } else if let next = rest.first, !next.hasPrefix("--") {
                (name, value) = (String(body), next)
                rest = rest.dropFirst()
            } else {
                (name, value) = (String(body), "true")
            }
            guard options.updateValue(value, forKey: name) == nil else {
                throw fields.refusal(
                    service["command"] ?? service["entrypoint"], "command", "--\(name) stands twice", "give it once")
            }
        }
        return options
    }

    /// The service's `x-amp4ec`.
    func annotation(_ service: ConfigNode, fields: FieldReader) throws(TopologyError) -> WorkerAnnotation {
        var annotation = WorkerAnnotation()
        guard let node = service[ComposeFile.extensionKey] else { return annotation }
        for entry in try fields.mapping(node, ComposeFile.extensionKey) {
            let field = "\(ComposeFile.extensionKey).\(entry.key)"
            switch entry.key {
            case "role":
                let text = try fields.text(entry.value, field)
                guard let role = WorkerAnnotation.Role(rawValue: text) else {
                    let names = WorkerAnnotation.Role.allCases.map(\.rawValue)
                    throw fields.refusal(
                        entry.value, field, "\"\(text)\" is not a role",
                        NearestName.of(text, among: names).map { "did you mean \($0)?" }
                            ?? "use one of \(names.joined(separator: ", "))")
                }
                annotation.role = role
            case "stage": annotation.stage = try fields.integer(entry.value, field, in: 0...WorkerCommand.maximumStage)
            case "exclude": annotation.exclude = try fields.boolean(entry.value, field)
            default:
                let nearest = NearestName.of(entry.key, among: WorkerCommand.annotationKeys)
                throw fields.refusal(
                    entry.value, field, "there is no such key for a service",
                    nearest.map { "did you mean \($0)?" } ?? "use one of \(WorkerCommand.annotationKeys.joined(separator: ", "))")
            }
        }
        return annotation
    }

    /// Whether the words as written hold the executable's name.
    private static func mentionsExecutable(_ node: ConfigNode) -> Bool {
        switch node.value {
        case .scalar(let text, _): text.contains(executable)
        case .sequence(let items): items.contains(where: mentionsExecutable)
        case .mapping: false
        }
    }

    /// A command in either form.
    private static func words(_ node: ConfigNode, _ field: String, _ fields: FieldReader) throws(TopologyError) -> [String] {
        if let items = node.items {
            var words: [String] = []
            for item in items { words.append(try fields.text(item, field)) }
            return words
        }
        let text = try fields.text(node, field)
        if let words = ShellWords.split(text) { return words }
        throw fields.refusal(node, field, "a quote is not closed in: \(text)", "close it")
    }

    private static func baseName(_ word: String) -> String { word.split(separator: "/").last.map(String.init) ?? word }
}
