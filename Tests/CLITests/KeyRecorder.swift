import Planning
import Shell

/// The keys of a type's JSON with what stands there, found by decoding the type from nothing: also those of values that are absent mostly.
struct KeyRecorder: Decoder {
    /// What was found: `nodes[].cpu.used_cores` is a `number`.
    final class Keys {
        fileprivate(set) var kinds: [String: String] = [:]
        /// Objects of a type that stood elsewhere before are not taken apart again.
        fileprivate var seen: [ObjectIdentifier: (path: String, value: Any)] = [:]
        let convertsKeys: Bool

        init(convertsKeys: Bool) { self.convertsKeys = convertsKeys }
    }

    static func keys(of type: any Decodable.Type, convertsKeys: Bool) throws -> [String: String] {
        let keys = Keys(convertsKeys: convertsKeys)
        _ = try KeyRecorder(path: "", keys: keys).value(type)
        keys.kinds[""] = nil
        return keys.kinds
    }

    let path: String
    let keys: Keys
    var codingPath: [any CodingKey] { [] }
    var userInfo: [CodingUserInfoKey: Any] { [:] }

    private static var plain: [(kind: String, value: Any)] {
        [
            ("text", ""), ("true or false", false), ("number", 0.0), ("integer", 0), ("integer", Int64(0)), ("integer", UInt64(0)),
            ("integer", UInt32(0)), ("map to integers", [String: Int]()), ("map to texts", [String: String]()),
        ]
    }

    fileprivate func value<Value: Decodable>(_ type: Value.Type) throws -> Value {
        for (kind, plain) in Self.plain where Swift.type(of: plain) == Value.self {
            if let value = plain as? Value { return note(kind, value) }
        }
        if let cases = type as? any CaseIterable.Type, let value = Self.first(of: cases) as? Value { return note("text", value) }
        if let exact = Plan.Exactness.exact as? Value {
            for name in ["exact", "bounded", "heuristic"] { at(name).note("object", ()) }
            for name in ["gap", "lowerBoundMilliseconds"] { at("bounded").at(name).note("number", ()) }
            return note("object", exact)
        }
        if let before = keys.seen[ObjectIdentifier(type)], let value = before.value as? Value {
            return note("as `\(before.path)`", value)
        }
        let value = try Value(from: self)
        if keys.kinds[path] == "object" { keys.seen[ObjectIdentifier(type)] = (path, value) }
        return value
    }

    @discardableResult private func note<Value>(_ kind: String, _ value: Value) -> Value {
        keys.kinds[path] = kind
        return value
    }

    private static func first<Cases: CaseIterable>(of type: Cases.Type) -> Any? { type.allCases.first }

    fileprivate func at(_ key: String) -> KeyRecorder {
        let name = (try? Self.name(key, convertsKeys: keys.convertsKeys)) ?? key
        return KeyRecorder(path: path.isEmpty ? name : "\(path).\(name)", keys: keys)
    }

    /// The key as the commands' own encoder writes it.
    private static func name(_ key: String, convertsKeys: Bool) throws -> String {
        struct Key: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }
            init(stringValue: String) { self.stringValue = stringValue }
            init?(intValue: Int) { return nil }
        }
        struct Probe: Encodable {
            let key: String
            func encode(to encoder: any Encoder) throws {
                var container = encoder.container(keyedBy: Key.self)
                try container.encode(0, forKey: Key(stringValue: key))
            }
        }
        let text = try JSONOutput.text(Probe(key: key), convertsKeys: convertsKeys)
        return String(text.dropFirst(2).prefix { $0 != "\"" })
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) throws -> KeyedDecodingContainer<Key> {
        note("object", ())
        return KeyedDecodingContainer(Object<Key>(recorder: self))
    }

    func unkeyedContainer() throws -> any UnkeyedDecodingContainer { List(recorder: self) }
    func singleValueContainer() throws -> any SingleValueDecodingContainer { Single(recorder: self) }
}

private struct Object<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let recorder: KeyRecorder
    var codingPath: [any CodingKey] { [] }
    var allKeys: [Key] { [] }

    func contains(_ key: Key) -> Bool { true }
    func decodeNil(forKey key: Key) throws -> Bool { false }
    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try recorder.at(key.stringValue).value(type)
    }
    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key) throws -> KeyedDecodingContainer<Nested> {
        try recorder.at(key.stringValue).container(keyedBy: type)
    }
    func nestedUnkeyedContainer(forKey key: Key) throws -> any UnkeyedDecodingContainer {
        try recorder.at(key.stringValue).unkeyedContainer()
    }
    func superDecoder() throws -> any Decoder { recorder }
    func superDecoder(forKey key: Key) throws -> any Decoder { recorder.at(key.stringValue) }
}

/// One element.
private struct List: UnkeyedDecodingContainer {
    let recorder: KeyRecorder
    private(set) var currentIndex = 0
    var codingPath: [any CodingKey] { [] }
    var count: Int? { 1 }
    var isAtEnd: Bool { currentIndex > 0 }

    init(recorder: KeyRecorder) { self.recorder = recorder }

    mutating func decodeNil() throws -> Bool { false }
    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        currentIndex += 1
        let path = recorder.path
        let value = try KeyRecorder(path: "\(path)[]", keys: recorder.keys).value(type)
        let kind = recorder.keys.kinds.removeValue(forKey: "\(path)[]") ?? "object"
        recorder.keys.kinds[path] = kind.hasPrefix("as ") ? kind.replacing("[]`", with: "`") : "list of \(kind)s"
        return value
    }
    mutating func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type) throws -> KeyedDecodingContainer<Nested> {
        try recorder.container(keyedBy: type)
    }
    mutating func nestedUnkeyedContainer() throws -> any UnkeyedDecodingContainer { self }
    mutating func superDecoder() throws -> any Decoder { recorder }
}

private struct Single: SingleValueDecodingContainer {
    let recorder: KeyRecorder
    var codingPath: [any CodingKey] { [] }

    func decodeNil() -> Bool { false }
    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value { try recorder.value(type) }
}
