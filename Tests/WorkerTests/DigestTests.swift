import Inference
import Testing

@Suite("SHA-256")
struct DigestTests {
    struct Vector: Sendable {
        var text: String
        var digest: String
    }

    /// FIPS 180-4's own examples, and one million times "a".
    static let vectors = [
        Vector(text: "", digest: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        Vector(text: "abc", digest: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
        Vector(
            text: "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
            digest: "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"),
        Vector(
            text: String(repeating: "a", count: 1_000_000),
            digest: "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
    ]

    @Test(arguments: vectors)
    func vector(_ vector: Vector) throws {
        #expect(SHA256.hexDigest(of: vector.text) == vector.digest)
        let stream = SHA256.Stream()
        let bytes = Array(vector.text.utf8)
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = Array(rest.prefix(977))
            piece.withUnsafeBytes { stream.update($0) }
            rest = rest.dropFirst(977)
        }
        #expect(stream.finish() == vector.digest)
        let folder = TemporaryFolder()
        folder.write(bytes, to: "file")
        #expect(try SHA256.hexDigest(ofFile: folder.path + "/file") == vector.digest)
    }

    @Test("a file larger than one piece")
    func largeFile() throws {
        let bytes = (0..<3_000_001).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        let folder = TemporaryFolder()
        folder.write(bytes, to: "file")
        #expect(try SHA256.hexDigest(ofFile: folder.path + "/file") == SHA256.hexDigest(of: bytes))
    }

    @Test("a file that is not there is named")
    func missing() {
        do {
            _ = try SHA256.hexDigest(ofFile: "/nonexistent/model.pt")
            Issue.record("it was read")
        } catch {
            #expect(error.description == "cannot read /nonexistent/model.pt: No such file or directory")
        }
    }
}
