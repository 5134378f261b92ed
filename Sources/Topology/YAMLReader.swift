internal import Yams

/// Turns YAML text into a ``ConfigNode`` tree, with bounds on everything that a hostile file could blow up.
///
/// Yams shares the nodes that aliases point to, so a "billion laughs" file is small until somebody walks it. The walk here has a budget;
/// and mapping keys that contain an alias, which Yams itself would walk to compare them, are refused in the text beforehand.
struct YAMLReader {
    /// Aliases expanded. A service takes about 30 nodes; this is room for thousands.
    static let maximumNodeCount = 200_000
    /// Compose nests about eight levels deep.
    static let maximumDepth = 64

    private let file: String
    private var nodeCount = 0

    static func read(_ text: String, file: String) throws(TopologyError) -> ConfigNode {
        try BoundedFile.check(byteCount: text.utf8.count, file: file)
        try refuseAliasesInKeys(text, file: file)
        let root: Node?
        do {
            root = try Parser(yaml: text, resolver: .basic, encoding: .utf8).singleRoot()
        } catch let error as YamlError {
            throw failure(error, text: text, file: file)
        } catch {
            throw TopologyError(file: file, problem: "\(error)", fix: "check the YAML syntax")
        }
        guard let root else {
            throw TopologyError(file: file, problem: "the file is empty", fix: "write at least one key")
        }
        var reader = YAMLReader(file: file)
        return try reader.convert(root, depth: 0)
    }

    private init(file: String) { self.file = file }

    private mutating func convert(_ node: Node, depth: Int) throws(TopologyError) -> ConfigNode {
        nodeCount += 1
        guard nodeCount <= YAMLReader.maximumNodeCount else {
            throw refusal(
                node, "with its aliases expanded the file has more than \(YAMLReader.maximumNodeCount) values", "use fewer aliases")
        }
        guard depth <= YAMLReader.maximumDepth else {
            throw refusal(node, "values are nested over the limit of \(YAMLReader.maximumDepth) levels", "nest them less deeply")
        }
        let value: ConfigNode.Value
        switch node {
        case .scalar(let scalar):
            value = .scalar(scalar.string, isPlain: scalar.style == .plain || scalar.style == .any)
        case .sequence(let sequence):
            var items: [ConfigNode] = []
            for item in sequence { items.append(try convert(item, depth: depth + 1)) }
            value = .sequence(items)
        case .mapping(let mapping):
            value = .mapping(try entries(of: mapping, depth: depth))
        case .alias:
            throw refusal(node, "an alias could not be resolved", "define its anchor before it is used")
        }
        return ConfigNode(value: value, line: node.mark?.line ?? 1, column: node.mark?.column ?? 1)
    }

    /// A mapping's own keys first, then what its merge key `<<` brings for keys that are not there yet.
    private mutating func entries(of mapping: Node.Mapping, depth: Int) throws(TopologyError) -> [ConfigNode.Entry] {
        var own: [ConfigNode.Entry] = []
        var merged: [ConfigNode.Entry] = []
        for (key, value) in mapping {
            guard case .scalar(let name) = key else {
                throw refusal(key, "a key is not a single value", "write a name before the colon")
            }
            let converted = try convert(value, depth: depth + 1)
            guard name.string == "<<", name.style == .plain else {
                own.append(ConfigNode.Entry(key: name.string, value: converted))
                continue
            }
            for source in converted.items ?? [converted] {
                guard let entries = source.entries else {
                    throw refusal(
                        value, "the merge key << takes a mapping or a list of mappings, not \(source.kindName)", "write <<: *name")
                }
                merged += entries
            }
        }
        var seen = Set(own.map(\.key))
        return own + merged.filter { seen.insert($0.key).inserted }
    }

    private func refusal(_ node: Node, _ problem: String, _ fix: String) -> TopologyError {
        TopologyError(file: file, line: node.mark?.line, column: node.mark?.column, problem: problem, fix: fix)
    }

    private static func failure(_ error: YamlError, text: String, file: String) -> TopologyError {
        func refusal(_ problem: String, _ mark: Mark?) -> TopologyError {
            TopologyError(
                file: file, line: mark?.line, column: mark?.column, problem: "not valid YAML: \(problem)",
                fix: "correct the syntax there")
        }
        switch error {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            return refusal((context.map { "\($0.text) " } ?? "") + problem, mark)
        case .duplicatedKeysInMapping(let duplicates, let context):
            let names = duplicates.map { "\"\($0)\"" }.joined(separator: ", ")
            return refusal("the key \(names) stands twice in one mapping", context.mark)
        case .reader(let problem, let offset, _, _):
            let line = offset.map { offset in text.utf8.prefix(offset).count { $0 == UInt8(ascii: "\n") } + 1 }
            return TopologyError(file: file, line: line, problem: "not valid YAML: \(problem)", fix: "remove the character there")
        default:
            return refusal("\(error)", nil)
        }
    }

    /// Finds keys that hold an alias (`*a : …`, `{[*a]: …}`, `? *a`). A simple key stands on one line, so each line is looked at alone.
    private static func refuseAliasesInKeys(_ text: String, file: String) throws(TopologyError) {
        var hasAlias = false
        var explicitKeyLine: Int?
        var lineNumber = 0
        for line in text.utf8.split(omittingEmptySubsequences: false, whereSeparator: { $0 == 0x0a || $0 == 0x0d }) {
            lineNumber += 1
            var scan = KeyScan()
            for byte in line { scan.take(byte) }
            scan.finish()
            hasAlias = hasAlias || scan.sawAlias
            if scan.sawExplicitKey && explicitKeyLine == nil { explicitKeyLine = lineNumber }
            if scan.sawAliasInKey { throw refused(lineNumber) }
        }
        if hasAlias, let explicitKeyLine { throw refused(explicitKeyLine) }

        func refused(_ line: Int) -> TopologyError {
            TopologyError(
                file: file, line: line, problem: "a mapping key holds an alias or is a collection, which is not supported",
                fix: "write the key as a plain name, or put quotes around text that only looks like one")
        }
    }
}

/// Looks through one line for a key that may hold an alias. It would rather see one too many than one too few.
private struct KeyScan {
    private(set) var sawAlias = false
    private(set) var sawExplicitKey = false
    private(set) var sawAliasInKey = false
    private var previous: UInt8 = 0x20
    /// After an alias's name or a closing bracket, blanks included: a colon now would make it a key.
    private var endsCandidate = false
    private var insideAliasName = false
    private var lastWasQuestion = false

    mutating func take(_ byte: UInt8) {
        let isBlank = byte == 0x20 || byte == 0x09
        if lastWasQuestion { sawExplicitKey = true }
        lastWasQuestion = byte == UInt8(ascii: "?") && (previous == 0x20 || previous == 0x09 || "[{,-".utf8.contains(previous))
        let isNameByte = KeyScan.isNameByte(byte)
        if previous == UInt8(ascii: "*") && isNameByte {
            sawAlias = true
            insideAliasName = true
        }
        if byte == UInt8(ascii: ":") && endsCandidate && sawAlias { sawAliasInKey = true }
        if insideAliasName {
            if isNameByte { endsCandidate = true } else { insideAliasName = false }
        }
        if byte == UInt8(ascii: "]") || byte == UInt8(ascii: "}") {
            endsCandidate = true
        } else if !isBlank && !insideAliasName {
            endsCandidate = false
        }
        previous = byte
    }

    mutating func finish() {
        if lastWasQuestion { sawExplicitKey = true }
    }

    /// libyaml takes letters, digits, `_` and `-` into an anchor's name; other bytes are taken too, to be on the safe side.
    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"), UInt8(ascii: "-"), 0x80...:
            true
        default: false
        }
    }
}
