import Base
import Testing

@Suite("model digest")
struct ModelDigestTests {
    @Test("64 hexadecimal digits, in small letters or capitals")
    func right() throws {
        let digits = String(repeating: "0123456789abcdef", count: 4)
        #expect(try ModelDigest(parsing: digits).hexDigits == digits)
        #expect(try ModelDigest(parsing: digits.uppercased()).hexDigits == digits)
    }

    @Test(
        "anything else says what is wrong with it and how it is written",
        arguments: [
            ("", "it has 0 hexadecimal digits, not 64"), ("abc", "it has 3 hexadecimal digits, not 64"),
            (String(repeating: "a", count: 63), "it has 63 hexadecimal digits"),
            (String(repeating: "a", count: 65), "it has 65 hexadecimal digits"),
            (String(repeating: "g", count: 64), "not all of it is hexadecimal digits"),
            (" " + String(repeating: "a", count: 63), "not all of it is hexadecimal digits"),
            (String(repeating: "a", count: 63) + "\u{e9}", "not all of it is hexadecimal digits"),
            ("@" + String(repeating: "a", count: 63), "not all of it is hexadecimal digits"),
            ("`" + String(repeating: "a", count: 63), "not all of it is hexadecimal digits"),
            (String(repeating: "\u{ff11}", count: 64), "not all of it is hexadecimal digits"),
        ])
    func wrong(_ text: String, _ reason: String) {
        let error = #expect(throws: ValueError.self) { try ModelDigest(parsing: text) }
        #expect(
            error?.message.contains(reason) == true && error?.message.contains("sha256sum") == true, "\(error.debugDescription)")
    }
}
