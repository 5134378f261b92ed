import Foundation
import Wire

/// The fields of every message, read from `proto/amp4ec.proto`: a test over all of them cannot miss one that was added.
struct ProtoSchema: Sendable {
    struct Field: Sendable {
        let name: String
        let type: String
        let number: UInt64
        let isRepeated: Bool
    }

    private(set) var messages: [String: [Field]] = [:]
    private(set) var enums: Set<String> = []
    private(set) var messageOfKind: [UInt16: String] = [:]

    static let shared: ProtoSchema = {
        let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../../proto/amp4ec.proto")
        guard let text = try? String(contentsOf: path, encoding: .utf8) else { fatalError("no file at \(path.path)") }
        return ProtoSchema(text)
    }()

    init(_ text: String) {
        var kinds: [UInt16] = []
        var current: String?
        for line in text.split(separator: "\n", omittingEmptySubsequences: false) {
            let words = line.split(whereSeparator: { " ;={}".contains($0) }).map(String.init)
            if line.hasPrefix("// Kind") {
                let head = line.prefix { $0 != "." }
                kinds = head.split(whereSeparator: { !$0.isNumber }).compactMap { UInt16($0) }
            } else if line.hasPrefix("message ") {
                current = words[1]
                messages[words[1]] = []
                for kind in kinds { messageOfKind[kind] = words[1] }
                kinds = []
            } else if line.hasPrefix("enum ") {
                enums.insert(words[1])
            } else if line.hasPrefix("}") {
                current = nil
            } else if let current, words.first?.hasPrefix("//") == false {
                let parts = words[0] == "repeated" ? Array(words.dropFirst()) : words
                guard parts.count >= 3, let number = UInt64(parts[2]) else { continue }
                messages[current]?.append(
                    Field(name: parts[1], type: parts[0], number: number, isRepeated: words[0] == "repeated"))
            }
        }
    }

    /// What stands in one field in place of the template's value.
    enum Value: Sendable {
        case whole(UInt64)
        case quantity(Double)
        case text(String)
    }

    /// Every message below this one, itself included.
    func reachable(from message: String) -> Set<String> {
        var found: Set<String> = [message]
        for field in messages[message] ?? [] where messages[field.type] != nil { found.formUnion(reachable(from: field.type)) }
        return found
    }

    /// A message of a kind, every field of it set to something that a decoder takes, but for one (`Type.field`).
    func metadata(_ kind: Message.Kind, with field: String = "", _ value: Value = .whole(0)) -> [UInt8] {
        writer(messageOfKind[kind.rawValue] ?? "", field, value).bytes
    }

    private func writer(_ message: String, _ changed: String, _ value: Value) -> ProtoWriter {
        var writer = ProtoWriter()
        for field in messages[message] ?? [] {
            if changed == "\(message).\(field.name)" {
                switch value {
                case .whole(let number) where field.type == "fixed64":
                    writer = writer.fixed(field.number, Double(bitPattern: number))
                case .whole(let number): writer = writer.number(field.number, number)
                case .quantity(let quantity): writer = writer.fixed(field.number, quantity)
                case .text(let text): writer = writer.text(field.number, text)
                }
            } else if messages[field.type] != nil {
                writer = writer.message(field.number, self.writer(field.type, changed, value))
            } else {
                writer = standard(message, field, writer)
            }
        }
        return writer
    }

    private func standard(_ message: String, _ field: Field, _ writer: ProtoWriter) -> ProtoWriter {
        switch (field.name, field.type) {
        case ("shape", _): writer.raw(field.number, [2, 3])
        case ("encoding", _): writer
        case ("wire_byte_count", _): writer.number(field.number, 24)
        case ("first_layer", _): writer.number(field.number, 2)
        case ("end_layer", _): writer.number(field.number, 5)
        case ("addresses", _): writer.text(field.number, "a:1")
        case (_, "string"):
            writer.text(field.number, field.name.hasSuffix("digest") ? String(repeating: "ab", count: 32) : "w1")
        case (_, "double"): writer.fixed(field.number, 1)
        case (_, "fixed64"): writer.fixed(field.number, Double(bitPattern: 1))
        default: writer.number(field.number, 1)
        }
    }
}
