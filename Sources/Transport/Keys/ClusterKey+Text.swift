public import Base

/// `amp4ec-KIND:SECRET`, with `:LABEL` behind it where an operator's or client's key has one. SECRET is base64url without `=`.
extension ClusterKey {
    /// The longest text that is a key; what reads a file needs no more of it.
    public static let textByteLimit = 256

    /// Reads the text of a key file. A line break at its end belongs to the file and not to the key.
    public init(parsing text: String) throws(ValueError) {
        guard text.utf8.count <= Self.textByteLimit else {
            throw Self.refused("\(text.utf8.count) bytes are over the limit of \(Self.textByteLimit) for a key")
        }
        var rest = Substring(text)
        while let last = rest.last, last.isNewline { rest.removeLast() }
        guard !rest.isEmpty else { throw Self.refused("it is empty") }
        guard let kind = Kind.allCases.first(where: { rest.hasPrefix($0.prefix) }) else {
            let known = Kind.allCases.map(\.prefix).joined(separator: ", ")
            throw Self.refused("it begins with none of \(known)")
        }
        // The text itself is never repeated in an error: it may be the secret.
        let parts = rest.dropFirst(kind.prefix.count).split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count <= 2 else { throw Self.refused("there is something behind the label") }
        guard let bytes = parts.first.flatMap({ Base64URL.decode($0.utf8) }) else {
            throw Self.refused("the secret is not base64url (letters, digits, '-' and '_', nothing before or behind it)")
        }
        if let problem = Self.problem(withByteCount: bytes.count) { throw Self.refused(problem) }
        let label = parts.count == 2 ? String(parts[1]) : nil
        if let label, let problem = Self.problem(withLabel: label, of: kind) { throw Self.refused(problem) }
        self.init(kind, label: label, secret: SecretBytes(copying: bytes))
    }

    /// The secret in full, for the file that holds it. Never for a log.
    public var secretText: String { "\(kind.prefix)\(secret.withBytes(Base64URL.encode))" + (label.map { ":\($0)" } ?? "") }

    private static func refused(_ reason: String) -> ValueError {
        ValueError(
            "this is no AMP4EC key: \(reason); a key is amp4ec-KIND:SECRET, as it was written when it was made", reason: reason)
    }

    package static func problem(withByteCount count: Int) -> String? {
        let bounds = PreSharedKey.leastByteCount...PreSharedKey.mostByteCount
        return bounds.contains(count)
            ? nil : "the secret has \(count) bytes; it has from \(bounds.lowerBound) to \(bounds.upperBound)"
    }

    package static func problem(withLabel label: String, of kind: Kind) -> String? {
        guard kind == .operator || kind == .client else { return "a \(kind.rawValue) key has no label" }
        let isWritable = label.unicodeScalars.allSatisfy {
            switch $0 {
            case "A"..."Z", "a"..."z", "0"..."9", ".", "_", "-": true
            default: false
            }
        }
        return isWritable && (1...labelByteLimit).contains(label.utf8.count)
            ? nil : "a label is 1 to \(labelByteLimit) letters, digits, '.', '_' or '-'"
    }
}
