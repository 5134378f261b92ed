/// Reads files of variables (`.env`, `--env-file`, `env_file`) as compose does: `NAME=value`, `export NAME=value`, `NAME: value`,
/// comments, single quotes for text as it stands, double quotes with escapes; variables in values that are not in single quotes are
/// replaced by those of the environment and of the lines above. A name alone takes the environment's value.
struct EnvironmentFile {
    /// All values of a project's files together: variables of variables of variables cannot take the memory.
    static let maximumByteCount = 8 << 20

    private let file: String
    private let bytes: [UInt8]
    private let outer: [String: String]
    private var values: [String: String]
    private var byteCount = 0
    private var position = 0
    private var line = 1

    /// - Parameters:
    ///   - outer: what counts before the file's own values.
    ///   - values: of the files before this one.
    /// - Returns: `values` with this file's.
    static func read(
        _ text: String, file: String, outer: [String: String], values: [String: String] = [:]
    ) throws(TopologyError) -> [String: String] {
        var reader = EnvironmentFile(text, file: file, outer: outer, values: values)
        while try reader.readStatement() {}
        return reader.values
    }

    private init(_ text: String, file: String, outer: [String: String], values: [String: String]) {
        self.file = file
        self.outer = outer
        self.values = values
        let bytes = Array(text.utf8)
        self.bytes = bytes.starts(with: [0xef, 0xbb, 0xbf]) ? Array(bytes.dropFirst(3)) : bytes
        byteCount = values.values.reduce(0) { $0 + $1.utf8.count }
    }

    private var byte: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// - Returns: `false` at the end of the file.
    private mutating func readStatement() throws(TopologyError) -> Bool {
        skipBlanksAndComments()
        guard byte != nil else { return false }
        let word = Array("export".utf8)
        if bytes[position...].starts(with: word), position + word.count < bytes.count, Self.isBlank(bytes[position + word.count]) {
            position += word.count
            skipBlanks()
        }
        let (name, hasValue) = try readName()
        if hasValue {
            skipBlanks()
            try set(name, readValue())
        } else if let value = outer[name] {
            try set(name, value)
        }
        return true
    }

    private mutating func set(_ name: String, _ value: String) throws(TopologyError) {
        byteCount += value.utf8.count
        guard byteCount <= Self.maximumByteCount else {
            throw refusal("the values are over the limit of \(Self.maximumByteCount) bytes", "use shorter ones")
        }
        values[name] = value
    }

    private mutating func readName() throws(TopologyError) -> (name: String, hasValue: Bool) {
        let start = position
        while let byte, byte != UInt8(ascii: "="), byte != UInt8(ascii: ":"), byte != UInt8(ascii: "\n") {
            guard Self.isBlank(byte) || Self.isNameByte(byte) else {
                let text = String(decoding: bytes[start...].prefix { $0 != UInt8(ascii: "\n") }.prefix(80), as: UTF8.self)
                throw refusal("\"\(text)\" does not begin with a variable's name", "write NAME=value, or # before a comment")
            }
            position += 1
        }
        let name = String(decoding: bytes[start..<position], as: UTF8.self).trimmingBlanks
        guard !name.isEmpty, !name.contains(where: \.isWhitespace) else {
            throw refusal(name.isEmpty ? "a name is missing" : "the name \"\(name)\" holds a blank", "write NAME=value")
        }
        let hasValue = byte != nil && byte != UInt8(ascii: "\n")
        if hasValue { position += 1 }
        return (name, hasValue)
    }

    private mutating func readValue() throws(TopologyError) -> String {
        guard let quote = byte, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
            let text = bytes[position...].prefix { $0 != UInt8(ascii: "\n") }
            position += text.count
            let value = String(decoding: text, as: UTF8.self)
            let end = value.firstRange(of: " #")?.lowerBound ?? value.endIndex
            return try expanded(String(value[..<end]).trimmingBlanks)
        }
        let startLine = line
        position += 1
        var value: [UInt8] = []
        while let byte, byte != quote {
            position += 1
            if byte == UInt8(ascii: "\n") { line += 1 }
            if byte == UInt8(ascii: "\\"), let next = self.byte {
                position += 1
                if next == UInt8(ascii: "\n") { line += 1 }
                value += next == quote ? [next] : [byte, next]
            } else {
                value.append(byte)
            }
        }
        guard byte == quote else {
            line = startLine
            throw refusal("a quote is not closed", "close it")
        }
        position += 1
        guard quote == UInt8(ascii: "\"") else { return String(decoding: value, as: UTF8.self) }
        return try expanded(Self.unescaped(value))
    }

    private func expanded(_ text: String) throws(TopologyError) -> String {
        var interpolation = Interpolation { [outer, values] in outer[$0] ?? values[$0] }
        do { return try interpolation.expand(text) } catch {
            throw refusal(error.problem, error.fix)
        }
    }

    private static func unescaped(_ text: [UInt8]) -> String {
        let escapes: [UInt8: UInt8] = [
            UInt8(ascii: "a"): 7, UInt8(ascii: "b"): 8, UInt8(ascii: "f"): 12, UInt8(ascii: "n"): 10, UInt8(ascii: "r"): 13,
            UInt8(ascii: "t"): 9, UInt8(ascii: "v"): 11, UInt8(ascii: "\""): UInt8(ascii: "\""),
            UInt8(ascii: "\\"): UInt8(ascii: "\\"),
        ]
        var result: [UInt8] = []
        var rest = text[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let next = rest.first else {
                result.append(byte)
                continue
            }
            if let escaped = escapes[next] {
                result.append(escaped)
                rest = rest.dropFirst()
            } else if next == UInt8(ascii: "$") {
                // The sign itself, which two of them mean.
                result += [next, next]
                rest = rest.dropFirst()
            } else {
                result.append(byte)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private mutating func skipBlanks() {
        while let byte, Self.isBlank(byte) { position += 1 }
    }

    private mutating func skipBlanksAndComments() {
        while let byte {
            if byte == UInt8(ascii: "#") {
                while let byte = self.byte, byte != UInt8(ascii: "\n") { position += 1 }
            } else if byte == UInt8(ascii: "\n") {
                line += 1
                position += 1
            } else if Self.isBlank(byte) {
                position += 1
            } else {
                return
            }
        }
    }

    private func refusal(_ problem: String, _ fix: String) -> TopologyError {
        TopologyError(file: file, line: line, problem: problem, fix: fix)
    }

    private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) && byte != 0x0a }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"),
            UInt8(ascii: "_"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "["), UInt8(ascii: "]"), 0x80...:
            true
        default: false
        }
    }
}

extension String {
    fileprivate var trimmingBlanks: String {
        String(drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
    }
}
