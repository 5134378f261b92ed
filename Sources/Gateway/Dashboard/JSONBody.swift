internal import FoundationEssentials

/// A small JSON body as a value.
enum JSONBody {
    /// - Throws: where it is none, or another one.
    static func decode<Value: Decodable>(_ body: [UInt8]) throws -> Value {
        try JSONDecoder().decode(Value.self, from: Data(body))
    }
}
