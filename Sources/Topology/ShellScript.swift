/// The commands of a shell's script (`sh -c SCRIPT`), as far as they can be seen without running it: words with their quotes removed and
/// known variables replaced, assignments followed, redirections left out.
struct ShellScript {
    struct Word: Hashable {
        var text: String
        /// `false`: what the shell makes of it is known in the container alone.
        var isKnown: Bool

        init(_ text: String, isKnown: Bool = true) {
            self.text = text
            self.isKnown = isKnown
        }
    }

    /// Variables that repeat long variables cannot take the memory.
    static let maximumCharacterCount = 1 << 20
    /// After one of these a variable's value depends on what happens.
    private static let branches: Set<String> = ["if", "for", "while", "until", "case", "function", "select"]
    /// Words of the shell's own before a command.
    private static let openings: Set<String> = ["if", "while", "until", "then", "do", "else", "elif", "{", "!", "time"]

    private let text: [Character]
    private let arguments: [Word]
    private let lookup: (String) -> String?
    private var position = 0
    private var characterCount = 0
    private var commands: [[Word]] = []
    private var words: [Word] = []
    private var word: Word?
    /// The next word belongs to a redirection.
    private var isRedirected = false
    private var isStraight = true
    /// Behind `||`: this command may not run.
    private var isAlternative = false
    /// What the script itself sets; `nil` where that is not known.
    private var assigned: [String: String?] = [:]

    /// - Parameters:
    ///   - arguments: what stands behind the script: `$0`, `$1`, ….
    ///   - lookup: the container's variables, as far as the project sets them.
    /// - Returns: `nil` where a quote or a brace is not closed.
    static func commands(_ script: String, arguments: [Word], lookup: @escaping (String) -> String?) -> [[Word]]? {
        var reader = ShellScript(text: Array(script), arguments: arguments, lookup: lookup)
        guard reader.read() else { return nil }
        return reader.commands
    }

    private init(text: [Character], arguments: [Word], lookup: @escaping (String) -> String?) {
        self.text = text
        self.arguments = arguments
        self.lookup = lookup
    }

    private var next: Character? { position < text.count ? text[position] : nil }

    private mutating func read() -> Bool {
        while let character = next {
            position += 1
            switch character {
            case "\\":
                if let escaped = next, escaped != "\n" { append(String(escaped)) }
                position += 1
            case "'":
                guard let end = text[position...].firstIndex(of: "'") else { return false }
                append(String(text[position..<end]))
                position = end + 1
            case "\"": guard readQuoted() else { return false }
            case "$": guard readExpansion(isQuoted: false) else { return false }
            case "`": guard skipBackquotes() else { return false }
            case "#" where word == nil: while let character = next, !character.isNewline { position += 1 }
            case ">", "<": redirect()
            case "&" where next == ">": redirect()
            case ";", "&", "|", "\n", "\r\n", "(", ")":
                endCommand()
                isAlternative = character == "|" && (next == "|" || isAlternative)
            case _ where character.isWhitespace: endWord()
            default: append(String(character))
            }
            guard characterCount <= Self.maximumCharacterCount else { return false }
        }
        endCommand()
        return true
    }

    private mutating func append(_ text: String, isKnown: Bool = true) {
        characterCount += text.count + 1
        var grown = word ?? Word("")
        grown.text += text
        grown.isKnown = grown.isKnown && isKnown
        word = grown
    }

    private mutating func endWord() {
        guard let finished = word else { return }
        word = nil
        if isRedirected { isRedirected = false } else { words.append(finished) }
    }

    private mutating func endCommand() {
        endWord()
        isRedirected = false
        defer { words = [] }
        guard let first = words.first else { return }
        if Self.branches.contains(first.text) { isStraight = false }
        let command = words.drop { Self.openings.contains($0.text) }
        let assignments = command.prefix { Self.assignment($0) != nil }
        let rest = command.dropFirst(assignments.count)
        let exported = ["export", "readonly", "local"].contains(rest.first?.text ?? "") ? rest.dropFirst() : []
        if !assignments.isEmpty && rest.isEmpty || !exported.isEmpty {
            for word in assignments + exported {
                guard let (name, value) = Self.assignment(word) else { continue }
                assigned[name] = .some(word.isKnown && isStraight && !isAlternative ? value : nil)
            }
        } else if !rest.isEmpty {
            commands.append(Array(rest))
        }
    }

    /// `NAME=value`.
    private static func assignment(_ word: Word) -> (String, String)? {
        guard let equals = word.text.firstIndex(of: "="), equals > word.text.startIndex else { return nil }
        let name = word.text[..<equals]
        guard name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") }), name.first?.isNumber == false else {
            return nil
        }
        return (String(name), String(word.text[word.text.index(after: equals)...]))
    }

    /// `>FILE`, `2>&1`, `<FILE`: a number before it goes with it.
    private mutating func redirect() {
        if let number = word, number.text.allSatisfy(\.isNumber) { word = nil }
        endWord()
        while let character = next, "<>&|".contains(character) { position += 1 }
        isRedirected = true
    }

    private mutating func readQuoted() -> Bool {
        append("")
        while let character = next {
            position += 1
            switch character {
            case "\"": return true
            case "\\":
                guard let escaped = next else { return false }
                position += 1
                if escaped == "\n" { continue }
                append("\"\\$`".contains(escaped) ? String(escaped) : "\\" + String(escaped))
            case "$": guard readExpansion(isQuoted: true) else { return false }
            case "`": guard skipBackquotes() else { return false }
            default: append(String(character))
            }
            guard characterCount <= Self.maximumCharacterCount else { return false }
        }
        return false
    }

    private mutating func skipBackquotes() -> Bool {
        guard let end = text[position...].firstIndex(of: "`") else { return false }
        append("`" + String(text[position...end]), isKnown: false)
        position = end + 1
        return true
    }

    // MARK: Variables

    /// After a dollar sign.
    private mutating func readExpansion(isQuoted: Bool) -> Bool {
        guard let character = next else {
            append("$")
            return true
        }
        switch character {
        case "(":
            guard let end = closing("(", ")") else { return false }
            append("$" + String(text[position...end]), isKnown: false)
            position = end + 1
        case "{":
            guard let end = closing("{", "}") else { return false }
            let expression = text[(position + 1)..<end]
            position = end + 1
            add(value(ofExpression: String(expression)), named: "${\(String(expression))}", isQuoted: isQuoted)
        case "@", "*":
            position += 1
            for (index, argument) in arguments.dropFirst().enumerated() {
                if index > 0 { endWord() }
                append(argument.text, isKnown: argument.isKnown)
            }
        case _ where character.isASCII && (character.isLetter || character == "_"):
            let name = String(text[position...].prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") })
            position += name.count
            add(value(name), named: "$\(name)", isQuoted: isQuoted)
        case _ where character.isASCII && character.isNumber:
            position += 1
            add(argument(String(character)), named: "$\(character)", isQuoted: isQuoted)
        case "?", "#", "!", "$", "-":
            position += 1
            append("$\(character)", isKnown: false)
        default: append("$")
        }
        return true
    }

    private func closing(_ open: Character, _ close: Character) -> Int? {
        var depth = 0
        for index in text[position...].indices {
            if text[index] == open { depth += 1 }
            if text[index] == close {
                depth -= 1
                if depth == 0 { return index }
            }
        }
        return nil
    }

    /// Adds a variable's value, which outside of quotes is split into words.
    private mutating func add(_ value: String?, named name: String, isQuoted: Bool) {
        guard let value else { return append(name, isKnown: false) }
        guard !isQuoted else { return append(value) }
        for part in value.split(omittingEmptySubsequences: false, whereSeparator: \.isWhitespace).enumerated() {
            if part.offset > 0 { endWord() }
            if !part.element.isEmpty { append(String(part.element)) }
        }
    }

    private func value(_ name: String) -> String? {
        if let own = assigned[name] { return own }
        return lookup(name)
    }

    private func argument(_ number: String) -> String? {
        guard let index = Int(number), index < arguments.count else { return "" }
        return arguments[index].isKnown ? arguments[index].text : nil
    }

    /// `NAME`, and with a default or another value in its place. Cutting and replacing are for the shell alone.
    private func value(ofExpression expression: String) -> String? {
        let name = String(expression.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "_") })
        guard let first = name.first else { return nil }
        let found = first.isNumber ? argument(name) : value(name)
        var rest = expression.dropFirst(name.count)
        guard !rest.isEmpty else { return found }
        let emptyIsUnset = rest.first == ":"
        if emptyIsUnset { rest = rest.dropFirst() }
        let current = emptyIsUnset && found == "" ? nil : found
        let word = String(rest.dropFirst())
        switch rest.first {
        case "-", "=": return current ?? plain(word)
        case "?": return current
        case "+": return current == nil ? "" : plain(word)
        default: return nil
        }
    }

    /// A default without quotes or variables of its own.
    private func plain(_ word: String) -> String? {
        let isQuoted = word.count >= 2 && word.first == word.last && "'\"".contains(word.first ?? " ")
        let text = isQuoted ? String(word.dropFirst().dropLast()) : word
        return text.contains(where: { "$`'\"\\".contains($0) }) ? nil : text
    }
}
