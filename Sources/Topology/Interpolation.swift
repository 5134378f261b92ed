/// Variables in a compose file's values, as compose replaces them: `$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`,
/// `${NAME:?message}`, `${NAME?message}`, `${NAME:+other}`, `${NAME+other}`, and `$$` for a dollar sign.
///
/// The colon makes an empty variable count as unset. What stands behind the sign may hold variables itself. An unset variable without a
/// default is empty; a dollar sign before anything else is one.
struct Interpolation {
    /// A default inside a default inside …: nobody writes more.
    static let maximumDepth = 64
    /// A value that repeats a long variable many times cannot take the memory.
    static let maximumByteCount = 1 << 20

    struct Failure: Error {
        let problem: String
        /// For most of them what is written is at fault, not a variable.
        var fix = "write ${NAME} or ${NAME:-value}, and $$ for a dollar sign"
    }

    let lookup: (String) -> String?
    /// The variables that were empty for lack of a value, in the text's order.
    private(set) var unset: [String] = []
    private var output: [UInt8] = []

    init(_ lookup: @escaping (String) -> String?) { self.lookup = lookup }

    mutating func expand(_ text: String) throws(Failure) -> String {
        guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
        output = []
        try expand(Array(text.utf8)[...], depth: 0)
        return String(decoding: output, as: UTF8.self)
    }

    private mutating func expand(_ text: ArraySlice<UInt8>, depth: Int) throws(Failure) {
        guard depth <= Interpolation.maximumDepth else {
            throw Failure(problem: "variables are nested over the limit of \(Interpolation.maximumDepth) levels", fix: "nest fewer")
        }
        var rest = text
        while let dollar = rest.firstIndex(of: UInt8(ascii: "$")) {
            try append(rest[..<dollar])
            rest = rest[(dollar + 1)...]
            switch rest.first {
            case UInt8(ascii: "$"):
                try append([UInt8(ascii: "$")])
                rest = rest.dropFirst()
            case UInt8(ascii: "{"):
                guard let close = Interpolation.closingBrace(rest) else { throw Failure(problem: "\"${\" is not closed") }
                try expand(expression: rest[(rest.startIndex + 1)..<close], depth: depth)
                rest = rest[(close + 1)...]
            default:
                let name = Interpolation.name(rest)
                if name.isEmpty { try append([UInt8(ascii: "$")]) } else { try append(value(of: name)) }
                rest = rest.dropFirst(name.count)
            }
        }
        try append(rest)
    }

    private mutating func expand(expression: ArraySlice<UInt8>, depth: Int) throws(Failure) {
        let name = Interpolation.name(expression)
        let text = String(decoding: expression, as: UTF8.self)
        guard !name.isEmpty else { throw Failure(problem: "\"${\(text)}\" names no variable") }
        var rest = expression.dropFirst(name.count)
        guard !rest.isEmpty else { return try append(value(of: name)) }
        let emptyIsUnset = rest.first == UInt8(ascii: ":")
        if emptyIsUnset { rest = rest.dropFirst() }
        let set = lookup(String(decoding: name, as: UTF8.self))
        let current = emptyIsUnset && set == "" ? nil : set
        let word = rest.dropFirst()
        switch rest.first {
        case UInt8(ascii: "-"): if let current { try append(current.utf8) } else { try expand(word, depth: depth + 1) }
        case UInt8(ascii: "+"): if current != nil { try expand(word, depth: depth + 1) }
        case UInt8(ascii: "?"):
            guard let current else {
                var message = Interpolation(lookup)
                let why = (try? message.expand(String(decoding: word, as: UTF8.self))) ?? String(decoding: word, as: UTF8.self)
                throw Failure(
                    problem: "the variable \(String(decoding: name, as: UTF8.self)) must be set: \(why)",
                    fix: "set it, in the environment or in the .env beside the file")
            }
            try append(current.utf8)
        default: throw Failure(problem: "\"${\(text)}\" is not a form that compose knows")
        }
    }

    private mutating func value(of name: ArraySlice<UInt8>) -> String.UTF8View {
        let name = String(decoding: name, as: UTF8.self)
        guard let value = lookup(name) else {
            unset.append(name)
            return "".utf8
        }
        return value.utf8
    }

    private mutating func append(_ bytes: some Collection<UInt8>) throws(Failure) {
        guard output.count + bytes.count <= Interpolation.maximumByteCount else {
            throw Failure(
                problem: "with its variables replaced the value is over the limit of \(Interpolation.maximumByteCount) bytes",
                fix: "write less")
        }
        output += bytes
    }

    /// The brace that closes the one at the start, over nested ones; the last one where they do not pair up.
    private static func closingBrace(_ text: ArraySlice<UInt8>) -> Int? {
        var open = 0
        for index in text.indices {
            if text[index] == UInt8(ascii: "{") { open += 1 }
            if text[index] == UInt8(ascii: "}") {
                open -= 1
                if open == 0 { return index }
            }
        }
        return text.lastIndex(of: UInt8(ascii: "}"))
    }

    /// The name that the text begins with, in ASCII letters, digits and `_`; empty where none does.
    static func name(_ text: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let name = text.prefix { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"),
                UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard let first = name.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return [] }
        return name
    }
}
