/// Lays one compose file, or one service, over another as compose does: mappings key by key, lists one after the other, everything else
/// replaced; commands are replaced whole, and `!reset` and `!override` take away what is below.
struct ComposeMerge {
    /// Bounds the work over all files: each service that extends a large one copies it.
    static let maximumValueCount = 2_000_000

    enum Level {
        case file
        case services
        case service
        /// Anything else, to be merged by its form.
        case field
        /// A command: the upper one counts whole.
        case command
        /// A mapping that may be written as a list: of names, or of `NAME=value`.
        case keyed(hasValues: Bool)
        /// A list that may be written as its only item.
        case texts

        func below(_ key: String) -> Level {
            switch self {
            case .file: key == "services" ? .services : .field
            case .services: .service
            case .service:
                switch key {
                case "command", "entrypoint": .command
                case "environment": .keyed(hasValues: true)
                case "networks", "depends_on": .keyed(hasValues: false)
                case "env_file": .texts
                default: .field
                }
            default: .field
            }
        }
    }

    private var valueCount = 0

    /// - Parameter keepsTags: the result is going to be laid over something else: `!reset` and `!override` count there once more.
    /// - Returns: `nil` where `!reset` leaves nothing.
    mutating func merged(
        _ base: ConfigNode?, _ over: ConfigNode, at level: Level, keepsTags: Bool = false
    ) throws(TopologyError) -> ConfigNode? {
        if over.tag == .reset { return keepsTags ? over : nil }
        let upper = keepsTags ? over : over.untagged
        guard let base = base?.untagged, over.tag != .override else { return upper }
        if case .command = level { return upper }
        if over.isNull { return base }
        if base.isNull { return upper }
        let (first, second) = (ComposeMerge.normalized(base, level), ComposeMerge.normalized(over, level))
        try charge(over)
        if let mine = first.entries, let theirs = second.entries {
            return second.with(.mapping(try merged(mine, theirs, at: level, keepsTags: keepsTags)))
        }
        if let mine = first.items, let theirs = second.items {
            try charge(base)
            return second.with(.sequence(mine + theirs.map { keepsTags ? $0 : $0.untagged }))
        }
        return upper
    }

    private mutating func merged(
        _ base: [ConfigNode.Entry], _ over: [ConfigNode.Entry], at level: Level, keepsTags: Bool
    ) throws(TopologyError) -> [ConfigNode.Entry] {
        var positions: [String: Int] = [:]
        for (position, entry) in base.enumerated() { positions[entry.key] = position }
        var result: [ConfigNode.Entry?] = base
        for entry in over {
            let position = positions[entry.key]
            let below = position.map { base[$0].value }
            let value = try merged(below, entry.value, at: level.below(entry.key), keepsTags: keepsTags)
            let merged = value.map { ConfigNode.Entry(key: entry.key, value: $0) }
            if let position {
                result[position] = merged
            } else if let merged {
                result.append(merged)
            }
        }
        return result.compactMap(\.self)
    }

    private mutating func charge(_ node: ConfigNode) throws(TopologyError) {
        // A mapping charges for itself; its values do when they are merged.
        valueCount += node.entries?.count ?? node.size
        guard valueCount <= ComposeMerge.maximumValueCount else {
            throw TopologyError(
                file: node.source.file, line: node.line, column: node.column,
                problem: "files and extended services together have more than \(ComposeMerge.maximumValueCount) values",
                fix: "extend smaller services")
        }
    }

    /// Short forms written out.
    static func normalized(_ node: ConfigNode, _ level: Level) -> ConfigNode {
        switch level {
        case .keyed(let hasValues):
            guard let items = node.items else { return node }
            var entries: [ConfigNode.Entry] = []
            var positions: [String: Int] = [:]
            for item in items {
                guard case .scalar(let text, _) = item.value else { return node }
                let equals = hasValues ? text.firstIndex(of: "=") : nil
                let value = equals.map { ConfigNode.Value.scalar(String(text[text.index(after: $0)...]), isPlain: false) }
                let key = equals.map { String(text[..<$0]) } ?? text
                let entry = ConfigNode.Entry(key: key, value: item.with(value ?? .scalar("", isPlain: true)))
                if let position = positions[key] {
                    entries[position] = entry
                } else {
                    positions[key] = entries.count
                    entries.append(entry)
                }
            }
            return node.with(.mapping(entries))
        case .texts: return node.items == nil ? node.with(.sequence([node])) : node
        default: return node
        }
    }
}
