/// A YAML value after aliases and merge keys were resolved, with its place in the file for messages.
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

    /// An absent value: nothing, `~` or `null` without quotes.
    var isNull: Bool {
        if case .scalar(let text, isPlain: true) = value { ["", "~", "null", "Null", "NULL"].contains(text) } else { false }
    }

    var entries: [Entry]? { if case .mapping(let entries) = value { entries } else { nil } }
    var items: [ConfigNode]? { if case .sequence(let items) = value { items } else { nil } }

    /// The value of a mapping's key; `nil` where it is absent or null.
    subscript(key: String) -> ConfigNode? {
        guard let found = entries?.first(where: { $0.key == key })?.value, !found.isNull else { return nil }
        return found
    }

    /// What a message calls it.
    var kindName: String {
        switch value {
        case .scalar: isNull ? "nothing" : "a single value"
        case .sequence: "a list"
        case .mapping: "a mapping"
        }
    }

    /// `self` with `override`'s keys laid over it, as compose merges `extends`: mappings key by key, the lists in `joined` one after the
    /// other, everything else replaced.
    func overlaid(by override: ConfigNode, joined: Set<String> = ["ports"]) -> ConfigNode {
        guard let mine = entries, let theirs = override.entries else { return override }
        var merged = mine
        for entry in theirs {
            guard let position = merged.firstIndex(where: { $0.key == entry.key }) else {
                merged.append(entry)
                continue
            }
            let old = merged[position].value
            if joined.contains(entry.key), let first = old.items, let second = entry.value.items {
                let both = ConfigNode(value: .sequence(first + second), line: entry.value.line, column: entry.value.column)
                merged[position] = Entry(key: entry.key, value: both)
            } else {
                merged[position] = Entry(key: entry.key, value: old.overlaid(by: entry.value, joined: joined))
            }
        }
        return ConfigNode(value: .mapping(merged), line: override.line, column: override.column)
    }
}
