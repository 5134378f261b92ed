/// The SHA-256 of a model's file, by which the model is known.
public struct ModelDigest: Sendable, Hashable {
    /// 64 lower-case hexadecimal digits.
    public let hexDigits: String

    /// - Parameter text: 64 hexadecimal digits; capitals are taken too, as some tools print them.
    public init(parsing text: String) throws(ValueError) {
        let digits = text.utf8
        let how = "write all 64 hexadecimal digits of the model's SHA-256, as sha256sum prints them for its file"
        func refused(_ reason: String) -> ValueError { ValueError("\"\(text)\" is no digest: \(reason); \(how)", reason: reason) }
        guard
            digits.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "9") ~= $0 || UInt8(ascii: "a")...UInt8(ascii: "f") ~= $0 | 0x20 })
        else { throw refused("not all of it is hexadecimal digits") }
        guard digits.count == 64 else { throw refused("it has \(digits.count) hexadecimal digits, not 64") }
        hexDigits = text.lowercased()
    }
}
