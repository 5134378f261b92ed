import Base
import Testing
import Transport

@Suite struct KeyTests {
    private static let rootText = "amp4ec-root:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

    /// RFC 5869, A.1: the library's function does what the RFC says.
    @Test func derivationIsThatOfTheRFC() {
        var output = [UInt8](repeating: 0, count: 42)
        let secret = [UInt8](repeating: 0x0B, count: 22)
        let done = secret.withUnsafeBufferPointer { secret in
            output.withUnsafeMutableBufferPointer {
                SecretBytes.hkdf(secret: secret, salt: Array(0...12), info: Array(0xF0...0xF9), into: $0)
            }
        }
        #expect(done)
        #expect(hex(output) == "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
    }

    /// Made with Python's `hmac` and `hashlib`, HKDF written out from the RFC: extract with the salt `amp4ec key derivation 1`, expand with
    /// the purpose.
    struct Derived: Sendable {
        let kind: ClusterKey.Kind
        let label: String?
        let text: String
        let name: String
        let health: String
    }

    static let derivations = [
        Derived(
            kind: .cluster, label: nil,
            text: "amp4ec-cluster:VYY-oNnKKqOb6xbgAGQwf3_61RSlndifE7x7_OvyYCE",
            name: "cluster#8edd921b5648", health: "health:cluster#0a066822e798"),
        Derived(
            kind: .operator, label: nil,
            text: "amp4ec-operator:gPpkI6ZVkEsy9ivsG8CptdqkIZKTyj0SsTV2pQfAaJM",
            name: "operator#ffeeaa0ee674", health: "health:operator#e2731cde9247"),
        Derived(
            kind: .operator, label: "anna",
            text: "amp4ec-operator:XRXtNGqZ8mANWJp64cYncyBY_mB4oNhvISa1K-XQllE:anna",
            name: "operator:anna#929b605d4f6b", health: "health:operator:anna#e41be26ed306"),
        Derived(
            kind: .client, label: nil,
            text: "amp4ec-client:ZR_LX_AtOwZ-9Kc0rGhgktoFY_tl2CTe8ZrozxML5TI",
            name: "client#7aa4054a8ec5", health: "health:client#d3e78928f63a"),
        Derived(
            kind: .client, label: "laptop",
            text: "amp4ec-client:mHMu6nKt15N4RNvZD6wr-5HyLn-JNbdITEhKH1MqFK0:laptop",
            name: "client:laptop#7887de2d1717", health: "health:client:laptop#18bd6c5906f3"),
    ]

    @Test(arguments: derivations) func derivesAsAnotherImplementationDoes(_ expected: Derived) throws {
        let root = try ClusterKey(parsing: Self.rootText)
        let key = try root.derived(expected.kind, label: expected.label)
        #expect(key.secretText == expected.text)
        #expect(try ClusterKey(parsing: expected.text) == key)
        #expect(key.preSharedKey?.name == expected.name)
        #expect(key.healthPreSharedKey.name == expected.health)
    }

    @Test func theRootsHealthKeyIsItsClusterKeys() throws {
        let root = try ClusterKey(parsing: Self.rootText)
        #expect(try root.healthPreSharedKey == root.derived(.cluster).healthPreSharedKey)
        #expect(root.preSharedKey == nil)
    }

    @Test func onlyTheRootHasOthersInIt() throws {
        let root = try ClusterKey(parsing: Self.rootText)
        for kind in [ClusterKey.Kind.cluster, .operator, .client] {
            let key = try root.derived(kind)
            for other in ClusterKey.Kind.allCases { #expect(throws: ValueError.self) { try key.derived(other) } }
        }
        #expect(throws: ValueError.self) { try root.derived(.root) }
        #expect(throws: ValueError.self) { try root.derived(.cluster, label: "x") }
        for label in ["", "a b", "a:b", "ä", "a\n", String(repeating: "a", count: 65)] {
            #expect(throws: ValueError.self) { try root.derived(.client, label: label) }
        }
        #expect(try root.derived(.client, label: String(repeating: "a", count: 64)).label?.count == 64)
    }

    static let good = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

    @Test(arguments: [
        ("", "empty"), ("\n", "empty"), (good, "begins with none"), ("amp4ec:\(good)", "begins with none"),
        ("AMP4EC-ROOT:\(good)", "begins with none"), (" amp4ec-root:\(good)", "begins with none"),
        ("amp4ec-health:\(good)", "begins with none"), ("amp4ec-root:", "0 bytes"), ("amp4ec-root:AAAA", "3 bytes"),
        ("amp4ec-root:\(good.dropLast(2))g", "31 bytes"), ("amp4ec-root:\(good)=", "not base64url"),
        ("amp4ec-root:\(good) ", "not base64url"), ("amp4ec-root:\(good)\n\namp4ec-root:\(good)", "not base64url"),
        ("amp4ec-root:+\(good.dropFirst())", "not base64url"), ("amp4ec-root:\(good.dropLast())9", "not base64url"),
        ("amp4ec-root:\(good)AB", "not base64url"), ("amp4ec-root:\(good)AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "bytes"),
        ("amp4ec-root:\(good):x", "no label"), ("amp4ec-cluster:\(good):x", "no label"), ("amp4ec-client:\(good):", "label is"),
        ("amp4ec-client:\(good):a b", "label is"), ("amp4ec-client:\(good):a:b", "behind the label"),
        ("amp4ec-root:" + String(repeating: "A", count: 300), "over the limit of 256"),
    ]) func refusesWhatIsNoKey(_ text: String, _ reason: String) {
        let error = #expect(throws: ValueError.self) { try ClusterKey(parsing: text) }
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
        #expect(error?.message.contains(Self.good) == false, "the secret is in the error")
    }

    @Test func readsWhatItWrites() throws {
        for count in 32...64 {
            let key = try ClusterKey(rootOf: (0..<count).map { UInt8(truncatingIfNeeded: $0 * 7 + count) })
            #expect(try ClusterKey(parsing: key.secretText) == key)
            #expect(try ClusterKey(parsing: key.secretText + "\n") == key)
            #expect(try ClusterKey(parsing: key.secretText + "\r\n") == key)
        }
        #expect(throws: ValueError.self) { try ClusterKey(rootOf: [UInt8](repeating: 1, count: 31)) }
        #expect(throws: ValueError.self) { try ClusterKey(rootOf: [UInt8](repeating: 1, count: 65)) }
        #expect(throws: ValueError.self) { try PreSharedKey(PeerIdentity(.client), secret: [UInt8](repeating: 1, count: 31)) }
        #expect(throws: ValueError.self) { try PreSharedKey(PeerIdentity(.client), secret: [UInt8](repeating: 1, count: 65)) }
    }

    @Test func nothingPrintsASecret() throws {
        let root = try ClusterKey(parsing: Self.rootText)
        let key = try root.derived(.client, label: "laptop")
        let psk = try #require(key.preSharedKey)
        for value in [root, key, psk] as [Any] {
            var dumped = ""
            dump(value, to: &dumped)
            for text in ["\(value)", String(reflecting: value), dumped] {
                #expect(!text.contains("AAECAwQ") && !text.contains(key.secretText.dropFirst(14).prefix(8)), "\(text)")
            }
        }
        #expect("\(key)" == "amp4ec-client:…:laptop")
    }

    @Test func differentSecretsDiffer() throws {
        let one = try preSharedKey(seed: 1)
        let other = try preSharedKey(seed: 2)
        #expect(one == one)
        #expect(try one == preSharedKey(seed: 1))
        #expect(one != other)
        #expect(one.name != other.name)
    }

    private func hex(_ bytes: [UInt8]) -> String { bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() }
}
