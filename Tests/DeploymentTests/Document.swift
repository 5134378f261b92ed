import Foundation
import Testing
import Yams

/// A part of a YAML file, with words for what tests ask of it. What is not there is `nil` or empty, and the test says so.
struct Document: CustomStringConvertible {
    let value: Any?

    static let root: URL = {
        var url = URL(fileURLWithPath: #filePath)
        for _ in 0..<3 { url.deleteLastPathComponent() }
        return url
    }()

    static func path(_ relative: String) -> String { root.appendingPathComponent(relative).path }

    static func text(_ relative: String) throws -> String { try String(contentsOfFile: path(relative), encoding: .utf8) }

    static func files(in folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path(folder)).filter { $0.hasSuffix(".yaml") }.sorted()
    }

    /// The documents of a file; variables take their defaults, as in a shell where none is set.
    static func load(_ relative: String) throws -> [Document] {
        let text = try text(relative).replacing(/\$\{\w+:-([^}]*)\}/) { $0.1 }
        return try Array(load_all(yaml: text)).map { Document(value: $0) }
    }

    subscript(_ path: String) -> Document {
        Document(
            value: path.split(separator: "/").reduce(value) { value, key in
                (value as? [AnyHashable: Any])?[AnyHashable(String(key))]
            })
    }

    var list: [Document] { (value as? [Any] ?? []).map { Document(value: $0) } }
    var entries: [(key: String, value: Document)] {
        (value as? [AnyHashable: Any] ?? [:]).map { ("\($0.key)", Document(value: $0.value)) }.sorted { $0.key < $1.key }
    }
    var keys: [String] { entries.map(\.key) }
    var isPresent: Bool { value != nil && !(value is NSNull) }
    /// Scalars as they are written; numbers without a needless fraction.
    var string: String? {
        switch value {
        case let text as String: text
        case let number as Int: "\(number)"
        case let number as Double: "\(number)"
        case let flag as Bool: "\(flag)"
        default: nil
        }
    }
    var strings: [String] { list.compactMap(\.string) }
    /// A command as a list, or as words with blanks between them (ours have no quotes).
    var words: [String] {
        if let string { return string.split(whereSeparator: \.isWhitespace).map(String.init) }
        return strings
    }
    var labels: [String: String] {
        Dictionary(uniqueKeysWithValues: entries.compactMap { entry in entry.value.string.map { (entry.key, $0) } })
    }
    var description: String { value.map { "\($0)" } ?? "nothing" }
}
