/// Turns YAML text into ``ConfigNode`` trees, with bounds on everything that a hostile file could blow up.
///
/// A tree is made from the parser's events. An alias shares its anchor's node, so that a "billion laughs" file stays as small as its
/// text; how many values it would have when walked is known for each node when it is made, and bounded there, before anybody walks it.
struct YAMLReader {
    /// Aliases expanded. A service takes about 30 nodes; this is room for thousands.
    static let maximumNodeCount = 200_000
    /// Compose nests about eight levels deep.
    static let maximumDepth = 64
    /// Nobody writes more into one file.
    static let maximumDocumentCount = 64

    private let events: YAMLEvents
    private let source: YAMLSource
    private var anchors: [String: ConfigNode] = [:]

    /// The one document of a file.
    static func read(_ text: String, source: YAMLSource) throws(TopologyError) -> ConfigNode {
        let documents = try documents(text, source: source)
        guard let first = documents.first else {
            throw TopologyError(file: source.file, problem: "the file is empty", fix: "write at least one key")
        }
        guard documents.count == 1 else {
            let second = documents[1]
            throw TopologyError(
                file: source.file, line: second.line, column: second.column, problem: "a second document (---) stands in the file",
                fix: "write one document")
        }
        return first
    }

    /// All documents of a file, in order; none of an empty one.
    static func documents(_ text: String, source: YAMLSource) throws(TopologyError) -> [ConfigNode] {
        try BoundedFile.check(byteCount: text.utf8.count, file: source.file)
        // libyaml counts the mark as a column, so that a second key at the left edge would seem to stand outside of the first one's mapping.
        let text = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
        do {
            var reader = try YAMLReader(text, source: source)
            return try reader.documents()
        } catch let error as TopologyError {
            throw error
        } catch let error as YAMLEvents.Failure {
            let isTab = Self.isTab(text, line: error.line, column: error.column)
            let place = Self.place(line: error.line, column: error.column, in: text)
            throw TopologyError(
                file: source.file, line: place.line, column: place.column,
                problem: isTab ? "not valid YAML: a tab stands there" : "not valid YAML: \(error.problem)",
                fix: isTab ? "indent with blanks, which is all that YAML takes" : Self.remedy(for: error.problem))
        } catch {
            throw TopologyError(file: source.file, problem: "\(error)", fix: "check the YAML syntax")
        }
    }

    /// libyaml puts what is missing at the end of a file into a line after the last.
    private static func place(line: Int?, column: Int?, in text: String) -> (line: Int?, column: Int?) {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        guard let line, line > lines.count, let last = lines.last else { return (line, column) }
        return (lines.count, last.count + 1)
    }

    /// What libyaml's words mean for who wrote the file.
    private static func remedy(for problem: String) -> String {
        if problem.contains("cannot start any token") { return "put text that begins with @, % or ` into quotes" }
        if problem.contains("quoted scalar") { return "close the quote" }
        return "correct the syntax there"
    }

    private init(_ text: String, source: YAMLSource) throws(YAMLEvents.Failure) {
        events = try YAMLEvents(text)
        self.source = source
    }

    private mutating func documents() throws -> [ConfigNode] {
        var documents: [ConfigNode] = []
        var count = 0
        while true {
            let event = try events.next()
            switch event.kind {
            case .streamEnd: return documents
            case .documentStart:
                anchors = [:]
                let root = try node(try events.next(), depth: 0)
                count += root.size
                try checkSize(count, root.line, root.column)
                documents.append(root)
                guard documents.count <= YAMLReader.maximumDocumentCount else {
                    throw refusal(
                        event.line, event.column, "the file has more than \(YAMLReader.maximumDocumentCount) documents", "split it")
                }
            default: continue
            }
        }
    }

    /// Does a tab stand where the parser gave up? The commonest mistake of all, and "found character that cannot start any token" hides it.
    private static func isTab(_ text: String, line: Int?, column: Int?) -> Bool {
        guard let line, let column else { return false }
        let lines = text.unicodeScalars.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.dropFirst(line - 1).first?.dropFirst(column - 1).first == "\t"
    }

    private mutating func node(_ event: YAMLEvents.Event, depth: Int) throws -> ConfigNode {
        guard depth <= YAMLReader.maximumDepth else { throw tooDeep(event) }
        let node: ConfigNode
        let anchor: String?
        switch event.kind {
        case .alias(let name):
            guard let target = anchors[name] else {
                throw refusal(
                    event.line, event.column, "not valid YAML: found undefined alias \"*\(name)\"",
                    "define the anchor &\(name) before it is used")
            }
            // Counted here too: an alias makes the tree deeper than the text is.
            guard depth + target.depth <= YAMLReader.maximumDepth else { throw tooDeep(event) }
            return target
        case .scalar(let text, let isPlain, let head):
            anchor = head.anchor
            // A tag that says so makes a number of a text in quotes.
            let isNumber = ["tag:yaml.org,2002:int", "tag:yaml.org,2002:float"].contains(head.tag)
            let value = ConfigNode.Value.scalar(
                text, isPlain: isNumber || isPlain && head.tag.map { $0 == "tag:yaml.org,2002:null" } ?? true)
            node = ConfigNode(
                value: head.tag == "tag:yaml.org,2002:null" ? .scalar("", isPlain: true) : value, line: event.line,
                column: event.column, source: source, tag: MergeTag(head.tag))
        case .sequenceStart(let head):
            anchor = head.anchor
            node = try sequence(event, tag: MergeTag(head.tag), depth: depth)
        case .mappingStart(let head):
            anchor = head.anchor
            node = try mapping(event, tag: MergeTag(head.tag), depth: depth)
        default: throw refusal(event.line, event.column, "not valid YAML: a value is missing", "write one there")
        }
        if let anchor { anchors[anchor] = node }
        return node
    }

    private mutating func sequence(_ start: YAMLEvents.Event, tag: MergeTag, depth: Int) throws -> ConfigNode {
        var items: [ConfigNode] = []
        var size = 1
        while true {
            let event = try events.next()
            if case .sequenceEnd = event.kind { break }
            let item = try node(event, depth: depth + 1)
            size += item.size
            try checkSize(size, event.line, event.column)
            // Compose takes an item with !reset out of its own list.
            if item.tag != .reset { items.append(item) }
        }
        return ConfigNode(value: .sequence(items), line: start.line, column: start.column, source: source, tag: tag)
    }

    /// A mapping's own keys first, then what its merge key `<<` brings for keys that are not there yet.
    private mutating func mapping(_ start: YAMLEvents.Event, tag: MergeTag, depth: Int) throws -> ConfigNode {
        var own: [ConfigNode.Entry] = []
        var merged: [ConfigNode.Entry] = []
        var seen: Set<String> = []
        var hasMergeKey = false
        var size = 1
        while true {
            let event = try events.next()
            if case .mappingEnd = event.kind { break }
            let (key, isMerge) = try key(event)
            let valueEvent = try events.next()
            let value = try node(valueEvent, depth: depth + 1)
            size += value.size + 1
            try checkSize(size, valueEvent.line, valueEvent.column)
            guard isMerge ? !hasMergeKey : seen.insert(key).inserted else {
                throw refusal(
                    event.line, event.column, "not valid YAML: the key \"\(key)\" stands twice in one mapping",
                    isMerge ? "write <<: [*one, *other]" : "leave one of them out")
            }
            guard isMerge else {
                own.append(ConfigNode.Entry(key: key, value: value))
                continue
            }
            hasMergeKey = true
            for item in value.items ?? [value] {
                guard let entries = item.entries else {
                    throw refusal(
                        valueEvent.line, valueEvent.column,
                        "the merge key << takes a mapping or a list of mappings, not \(item.kindName)", "write <<: *name")
                }
                merged += entries
            }
        }
        let entries = own + merged.filter { seen.insert($0.key).inserted }
        return ConfigNode(value: .mapping(entries), line: start.line, column: start.column, source: source, tag: tag)
    }

    /// The text of a key, and whether it is the merge key.
    private mutating func key(_ event: YAMLEvents.Event) throws -> (String, isMerge: Bool) {
        switch event.kind {
        case .scalar(let text, let isPlain, let head):
            if let anchor = head.anchor {
                anchors[anchor] = ConfigNode(
                    value: .scalar(text, isPlain: isPlain), line: event.line, column: event.column, source: source)
            }
            return (text, isPlain && text == "<<" && (head.tag == nil || head.tag == "tag:yaml.org,2002:merge"))
        case .alias(let name):
            if case .scalar(let text, _) = anchors[name]?.value { return (text, false) }
        default: break
        }
        throw refusal(event.line, event.column, "a key is not a single value", "write a name before the colon")
    }

    private func checkSize(_ size: Int, _ line: Int, _ column: Int) throws(TopologyError) {
        guard size <= YAMLReader.maximumNodeCount else {
            throw refusal(
                line, column, "with its aliases expanded the file has more than \(YAMLReader.maximumNodeCount) values",
                "use fewer aliases")
        }
    }

    private func tooDeep(_ event: YAMLEvents.Event) -> TopologyError {
        refusal(
            event.line, event.column, "values are nested over the limit of \(YAMLReader.maximumDepth) levels",
            "nest them less deeply")
    }

    private func refusal(_ line: Int, _ column: Int, _ problem: String, _ fix: String) -> TopologyError {
        TopologyError(file: source.file, line: line, column: column, problem: problem, fix: fix)
    }
}
