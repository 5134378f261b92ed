/// Variables in a compose file's values, as compose replaces them: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`,
/// `${NAME:?message}`, `${NAME?message}`, `${NAME:+other}`, `${NAME+other}`, and `$$` for a dollar sign.
///
/// The colon makes an empty variable count as unset. A default may hold variables itself. An unset variable without a default is empty.
struct Interpolation {
    /// A default inside a default inside …: nobody writes more.
    static let maximumDepth = 8

    struct Failure: Error { let problem: String }

    let environment: [String: String]

    func expand(_ text: some StringProtocol, depth: Int = 0) throws(Failure) -> String {
        guard text.contains("$") else { return String(text) }
        guard depth <= Interpolation.maximumDepth else {
            throw Failure(problem: "variables are nested over the limit of \(Interpolation.maximumDepth) levels")
        }
        var result = ""
        var rest = text[...]
        while let dollar = rest.firstIndex(of: "$") {
            result += rest[..<dollar]
            rest = rest[rest.index(after: dollar)...]
            switch rest.first {
            case "$":
                result += "$"
                rest = rest.dropFirst()
            case "{":
                guard let close = Interpolation.closingBrace(rest) else { throw Failure(problem: "\"${\" is not closed") }
                result += try value(ofExpression: rest[rest.index(after: rest.startIndex)..<close], depth: depth)
                rest = rest[rest.index(after: close)...]
            default:
                let name = rest.prefix(while: Interpolation.isNameCharacter)
                guard let first = name.first, !first.isNumber else {
                    throw Failure(problem: "a single \"$\" stands in \"\(text)\" (write $$ for a dollar sign)")
                }
                result += environment[String(name)] ?? ""
                rest = rest.dropFirst(name.count)
            }
        }
        return result + rest
    }

    private func value(ofExpression expression: some StringProtocol, depth: Int) throws(Failure) -> String {
        let name = expression.prefix(while: Interpolation.isNameCharacter)
        guard let first = name.first, !first.isNumber else { throw Failure(problem: "\"${\(expression)}\" names no variable") }
        let set = environment[String(name)]
        var rest = expression.dropFirst(name.count)
        guard !rest.isEmpty else { return set ?? "" }
        let emptyIsUnset = rest.first == ":"
        if emptyIsUnset { rest = rest.dropFirst() }
        let current = emptyIsUnset && set == "" ? nil : set
        let word = rest.dropFirst()
        switch rest.first {
        case "-":
            if let current { return current }
            return try expand(word, depth: depth + 1)
        case "+":
            return current == nil ? "" : try expand(word, depth: depth + 1)
        case "?":
            guard let current else { throw Failure(problem: "the variable \(name) must be set: \(word)") }
            return current
        default:
            throw Failure(problem: "\"${\(expression)}\" is not a form that compose knows")
        }
    }

    /// The brace that closes the one at the start, over nested ones.
    private static func closingBrace<Text: StringProtocol>(_ text: Text) -> Text.Index? {
        var open = 0
        var previous: Character = " "
        for index in text.indices {
            let character = text[index]
            if character == "{" && (previous == "$" || open == 0) { open += 1 }
            if character == "}" {
                open -= 1
                if open == 0 { return index }
            }
            previous = character
        }
        return nil
    }

    private static func isNameCharacter(_ character: Character) -> Bool {
        character == "_" || character.isASCII && (character.isLetter || character.isNumber)
    }
}
