/// What compose's own tags say of a value that is laid over another one.
enum MergeTag {
    case none
    /// `!reset`: the value below goes away, and this one too.
    case reset
    /// `!override`: this value stands in place of the one below, with nothing of it.
    case override

    init(_ tag: String?) {
        switch tag {
        case "!reset": self = .reset
        case "!override": self = .override
        default: self = .none
        }
    }
}

/// A YAML value after aliases and merge keys were resolved, with its place in its file for messages.
struct ConfigNode {
    indirect enum Value {
        /// `isPlain`: written without quotes, so that `null` and `true` may mean more than their letters.
        case scalar(String, isPlain: Bool)
        case sequence([ConfigNode])
        case mapping([Entry])
    }

    struct Entry {
        let key: String
        let value: ConfigNode
    }

    let value: Value
    /// From 1.
    let line: Int
    let column: Int
    let source: YAMLSource
    let tag: MergeTag
    /// The values in it, itself included.
    let size: Int
    /// The levels below it.
    let depth: Int
    /// Whether a tag of compose's stands on it or below.
    let hasTags: Bool

    init(value: Value, line: Int, column: Int, source: YAMLSource, tag: MergeTag = .none) {
        self.value = value
        self.line = line
        self.column = column
        self.source = source
        self.tag = tag
        switch value {
        case .scalar: (size, depth, hasTags) = (1, 0, tag != .none)
        case .sequence(let items):
            size = items.reduce(1) { $0 + $1.size }
            depth = items.reduce(0) { max($0, $1.depth + 1) }
            hasTags = tag != .none || items.contains(where: \.hasTags)
        case .mapping(let entries):
            size = entries.reduce(1) { $0 + $1.value.size + 1 }
            depth = entries.reduce(0) { max($0, $1.value.depth + 1) }
            hasTags = tag != .none || entries.contains { $0.value.hasTags }
        }
    }

    /// Another value at the same place.
    func with(_ value: Value) -> ConfigNode { ConfigNode(value: value, line: line, column: column, source: source) }

    /// An absent value: nothing, `~` or `null` without quotes.
    var isNull: Bool {
        if case .scalar(let text, isPlain: true) = value { ["", "~", "null", "Null", "NULL"].contains(text) } else { false }
    }

    /// The number that it is without quotes. A text in quotes, or with a variable in it, is no number yet.
    var number: YAMLNumber? { if case .scalar(let text, isPlain: true) = value { YAMLNumber(text) } else { nil } }

    var entries: [Entry]? { if case .mapping(let entries) = value { entries } else { nil } }
    var items: [ConfigNode]? { if case .sequence(let items) = value { items } else { nil } }

    /// The value of a mapping's key; `nil` where it is absent, null or taken away.
    subscript(key: String) -> ConfigNode? {
        guard let found = entries?.first(where: { $0.key == key })?.value, !found.isNull, found.tag != .reset else { return nil }
        return found
    }

    /// A mapping with one key's value exchanged, added at its end, or taken out.
    func setting(_ key: String, _ value: ConfigNode?) -> ConfigNode {
        var entries = entries ?? []
        let entry = value.map { Entry(key: key, value: $0) }
        if let position = entries.firstIndex(where: { $0.key == key }) {
            entries.replaceSubrange(position...position, with: entry.map { [$0] } ?? [])
        } else if let entry {
            entries.append(entry)
        }
        return ConfigNode(value: .mapping(entries), line: line, column: column, source: source, tag: tag)
    }

    /// Without compose's tags, and without what they take away.
    var untagged: ConfigNode {
        guard hasTags else { return self }
        switch value {
        case .scalar: return with(value)
        case .sequence(let items): return with(.sequence(items.filter { $0.tag != .reset }.map(\.untagged)))
        case .mapping(let entries):
            return with(
                .mapping(entries.filter { $0.value.tag != .reset }.map { Entry(key: $0.key, value: $0.value.untagged) }))
        }
    }

    /// What a message calls it.
    var kindName: String {
        switch value {
        case .scalar: isNull ? "nothing" : "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }
}
