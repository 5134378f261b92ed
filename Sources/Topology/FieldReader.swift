internal import Shell

/// Reads single values out of a file's tree, with variables replaced, and makes the errors that name file, service and field.
struct FieldReader {
    /// For errors that have no place of their own.
    let file: String
    var service: String?
    /// `nil`: nobody wants to know.
    let notes: ReadingNotes?

    init(file: String, service: String? = nil, notes: ReadingNotes? = nil) {
        self.file = file
        self.service = service
        self.notes = notes
    }

    func inService(_ name: String) -> FieldReader { FieldReader(file: file, service: name, notes: notes) }

    /// The same for a look at something that may turn out to be nobody's concern.
    var silent: FieldReader { FieldReader(file: file, service: service) }

    /// The text of a scalar.
    func text(_ node: ConfigNode, _ field: String) throws(TopologyError) -> String {
        guard case .scalar(let raw, _) = node.value, !node.isNull else {
            throw refusal(
                node, field, "a single value must stand here, but \(node.kindName) is there", "write one value after the colon")
        }
        guard let variables = node.source.variables else { return raw }
        var interpolation = Interpolation { variables.values[$0] }
        let text: String
        do { text = try interpolation.expand(raw) } catch {
            throw refusal(node, field, error.problem, error.fix)
        }
        for name in interpolation.unset {
            notes?.warn(
                once: "variable \(name)",
                refusal(node, field, "the variable \(name) is not set and counts as empty", "set it, or write ${\(name):-value}"))
        }
        return text
    }

    /// A whole number within `range`: with or without quotes, which make a difference to one that begins with a zero.
    func integer(_ node: ConfigNode, _ field: String, in range: ClosedRange<Int>) throws(TopologyError) -> Int {
        let text = try text(node, field)
        let found = if let number = node.number { number.whole } else { Int(text) }
        guard let number = found, range.contains(number) else {
            throw refusal(
                node, field, "\"\(text)\" is not a whole number from \(range.lowerBound) to \(range.upperBound)",
                "write such a number")
        }
        return number
    }

    /// The text that a variable of a container gets: a number without quotes is written again, in decimal digits.
    func variable(_ node: ConfigNode, _ field: String) throws(TopologyError) -> String {
        // Go writes a larger fraction with an exponent, and what has no whole value is nobody's port.
        if let number = node.number, let whole = number.whole, number == .integer(whole) || whole.magnitude < 1_000_000 {
            return String(whole)
        }
        return try text(node, field)
    }

    func boolean(_ node: ConfigNode, _ field: String) throws(TopologyError) -> Bool {
        let text = try text(node, field)
        switch text.lowercased() {
        case "true", "yes", "on": return true
        case "false", "no", "off": return false
        default: throw refusal(node, field, "\"\(text)\" is neither true nor false", "write true or false")
        }
    }

    /// A list of texts, which may also stand alone.
    func texts(_ node: ConfigNode, _ field: String) throws(TopologyError) -> [String] {
        var texts: [String] = []
        for item in node.items ?? [node] { texts.append(try text(item, field)) }
        return texts
    }

    /// The mapping itself, or an error that says what stands there instead.
    func mapping(_ node: ConfigNode, _ field: String) throws(TopologyError) -> [ConfigNode.Entry] {
        guard let entries = node.entries else {
            throw refusal(
                node, field, "it must be a mapping, but \(node.kindName) is there", "write keys with a colon, indented below it")
        }
        return entries
    }

    /// Follows keys through mappings; `nil` where one is absent.
    func descend(_ node: ConfigNode, _ path: [String]) throws(TopologyError) -> ConfigNode? {
        var current = node
        for (depth, key) in path.enumerated() {
            if depth > 0 { _ = try mapping(current, path[..<depth].joined(separator: ".")) }
            guard let next = current[key] else { return nil }
            current = next
        }
        return current
    }

    func refusal(_ node: ConfigNode?, _ field: String?, _ problem: String, _ fix: String) -> TopologyError {
        TopologyError(
            file: node?.source.file ?? file, line: node?.line, column: node?.column, service: service, field: field,
            problem: problem, fix: fix)
    }
}
