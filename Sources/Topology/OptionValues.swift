public import Shell

/// An option that a file may set, as the command line knows it.
public struct KnownOption: Sendable {
    public enum Kind: Sendable, Hashable {
        /// Takes no value on the command line; `true` or `false` in a file.
        case flag
        case value
        /// A value that is a path: in a file it is relative to the file.
        case path
        /// As `path`, but may be given several times; a list in a file.
        case paths
        /// As `paths`, but `dns:…` is a name and stays as it is (`--topology`).
        case pathOrDNS
        /// May be given several times; a list in a file.
        case repeated
    }

    /// Without the dashes.
    public let name: String
    public let kind: Kind
    /// A name that it had before, which counts still.
    public let oldName: String?
    /// It says which workers and files there are, so a topology file cannot say it of itself.
    public let namesTopology: Bool
    /// Why the command line would refuse a value; `nil` where it takes it.
    public let refusal: @Sendable (_ value: String) -> ValueRefusal?

    public init(
        _ name: String, _ kind: Kind = .value, oldName: String? = nil, namesTopology: Bool = false,
        refusal: @escaping @Sendable (_ value: String) -> ValueRefusal? = { _ in nil }
    ) {
        self.name = name
        self.kind = kind
        self.oldName = oldName
        self.namesTopology = namesTopology
        self.refusal = refusal
    }
}

/// What a file says for options of the command line, checked against the options that exist.
public struct OptionValues: Sendable, Hashable {
    /// For each option (without dashes) its values in order; a flag's is `true` or `false`; paths are absolute.
    public private(set) var values: [String: [String]] = [:]
    private var kinds: [String: KnownOption.Kind] = [:]
    /// The present names of options that are called otherwise on the command line too.
    private var newNames: [String: String] = [:]

    public init() {}

    /// The option's value, the last one where there are several.
    public subscript(name: String) -> String? { values[name]?.last }
    public var isEmpty: Bool { values.isEmpty }

    /// The values as arguments to put before the user's own, leaving out every option that the user gave: the command line wins.
    public func arguments(notGivenIn commandLine: [String]) -> [String] {
        let given = givenNames(commandLine)
        return values.keys.sorted().filter { !given.contains($0) }.flatMap { name -> [String] in
            let all = values[name] ?? []
            if kinds[name] == .flag { return all.last == "true" ? ["--\(name)"] : [] }
            return all.map { "--\(name)=\($0)" }
        }
    }

    private func givenNames(_ commandLine: [String]) -> Set<String> {
        let written = commandLine.prefix { $0 != "--" }.filter { $0.hasPrefix("--") }.map {
            String($0.dropFirst(2).prefix { $0 != "=" })
        }
        return Set(written.map { newNames[$0] ?? $0 })
    }

    /// `self` where it has a value, else `other`'s: for a topology's options under those of a `--config` file.
    public func over(_ other: OptionValues) -> OptionValues {
        var merged = self
        merged.values.merge(other.values) { mine, _ in mine }
        merged.kinds.merge(other.kinds) { mine, _ in mine }
        merged.newNames.merge(other.newNames) { mine, _ in mine }
        return merged
    }

    /// Reads a mapping of option names to values.
    /// - Parameters:
    ///   - prefix: what stands before the name in messages (`x-amp4ec.`).
    ///   - isTopology: the mapping stands in a topology file.
    init(
        reading node: ConfigNode, prefix: String, knownOptions: [KnownOption], fields: FieldReader, isTopology: Bool = false
    ) throws(TopologyError) {
        guard let entries = node.entries else {
            throw fields.refusal(
                node, prefix.isEmpty ? nil : String(prefix.dropLast()),
                "it must be a mapping of options, but \(node.kindName) is there",
                "write option: value")
        }
        for entry in entries {
            let field = prefix + entry.key
            guard let option = knownOptions.first(where: { $0.name == entry.key || $0.oldName == entry.key }) else {
                let names = knownOptions.filter { !isTopology || !$0.namesTopology }.map(\.name)
                throw fields.refusal(
                    entry.value, field, "there is no option of that name",
                    NearestName.of(entry.key, among: names).map { "did you mean \($0)?" }
                        ?? "use one of \(names.sorted().joined(separator: ", "))")
            }
            guard !isTopology || !option.namesTopology else {
                throw fields.refusal(
                    entry.value, field, "a topology file cannot say which files and workers the topology is made of",
                    "give it on the command line or in a --config file")
            }
            guard kinds[option.name] == nil else {
                throw fields.refusal(
                    entry.value, field, "it stands here twice: \(option.oldName ?? "") is the old name of \(option.name)",
                    "leave one of them out")
            }
            let isRepeated = [.repeated, .paths, .pathOrDNS].contains(option.kind)
            let given: [ConfigNode] = if isRepeated, let items = entry.value.items { items } else { [entry.value] }
            for item in given {
                let value = try OptionValues.value(
                    try fields.text(item, field), of: option, directory: item.source.directory
                ) { why, fix in fields.refusal(item, field, why, fix) }
                if let refused = option.refusal(value) { throw fields.refusal(item, field, refused.problem, refused.fix) }
                values[option.name, default: []].append(value)
            }
            kinds[option.name] = option.kind
            if let oldName = option.oldName { newNames[oldName] = option.name }
        }
    }

    private static func value(
        _ text: String, of option: KnownOption, directory: String, refusal: (String, String) -> TopologyError
    ) throws(TopologyError) -> String {
        switch option.kind {
        case .value, .repeated: return text
        case .flag:
            switch text.lowercased() {
            case "true", "yes", "on": return "true"
            case "false", "no", "off": return "false"
            default: throw refusal("\"\(text)\" is neither true nor false", "write true or false")
            }
        case .path, .paths, .pathOrDNS:
            if text.hasPrefix("/") || option.kind == .pathOrDNS && text.hasPrefix(TopologySource.dnsPrefix) { return text }
            guard !text.isEmpty else { throw refusal("the path is empty", "write a path, relative to the file or absolute") }
            let relative = text.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
            return directory == "/" ? "/\(relative)" : "\(directory)/\(relative)"
        }
    }
}
