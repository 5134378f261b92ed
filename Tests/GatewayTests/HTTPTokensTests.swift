import Foundation
import Gateway
import Glibc
import Shell
import Testing

/// Files of tokens: what is taken, what is refused and how, and who has which secret.
@Suite struct HTTPTokensTests {
    static func parse(_ text: String) throws(GatewayError) -> HTTPTokens { try HTTPTokens(parsing: [("t", Array(text.utf8))]) }

    @Test func linesCommentsAndLabels() throws {
        let text = "#x\n  # y\r\n\n\t amp4ec-http-client:\(Tokens.client) \r\namp4ec-http-operator:\(Tokens.oper):A.b_c-9"
        let tokens = try Self.parse(text)
        #expect(tokens.all.map(\.caller) == [HTTPCaller(.client), HTTPCaller(.operator, label: "A.b_c-9")])
        #expect(tokens.caller(presenting: Tokens.client) == HTTPCaller(.client))
        #expect(tokens.caller(presenting: Tokens.oper) == HTTPCaller(.operator, label: "A.b_c-9"))
        let others: [String] = [
            "", Tokens.unknown, "\(Tokens.client)A", String(Tokens.client.dropLast()), "\(Tokens.client)=", " \(Tokens.client)",
            "amp4ec-http-client:\(Tokens.client)", String(repeating: "c", count: 16_000), "ä" + Tokens.client.dropLast(2),
            // The same but for bits that no byte has.
            Tokens.client.dropLast() + "B",
        ]
        for other in others { #expect(tokens.caller(presenting: other) == nil, "\(other)") }
    }

    @Test("secrets of 32 to 64 bytes", arguments: [32, 33, 48, 64]) func lengths(_ count: Int) throws {
        let secret = Self.base64URL((0..<count).map { UInt8(truncatingIfNeeded: $0 * 37) })
        let tokens = try Self.parse("amp4ec-http-client:\(secret):a")
        #expect(tokens.caller(presenting: secret) == HTTPCaller(.client, label: "a"))
    }

    @Test func severalFilesAreOneSet() throws {
        let files: [HTTPTokens.File] = [
            ("a", Array("amp4ec-http-client:\(Tokens.client):new".utf8)),
            ("b", Array("amp4ec-http-client:\(Tokens.oper):old".utf8)),
        ]
        let tokens = try HTTPTokens(parsing: files)
        #expect(tokens.caller(presenting: Tokens.client)?.label == "new" && tokens.caller(presenting: Tokens.oper)?.label == "old")
        let error = try #require(throws: GatewayError.self) { try HTTPTokens(parsing: [files[0], ("b", files[0].bytes)]) }
        #expect(error.message.hasPrefix("--http-token-file: b:1: the same secret stands before it; "), "\(error)")
    }

    struct Bad: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let text: String
        let says: String

        init(_ text: String, _ says: String) { (self.testDescription, self.text, self.says) = (says, text, says) }
    }

    static func base64URL(_ bytes: [UInt8]) -> String {
        Data(bytes).base64EncodedString().replacingOccurrences(of: "+", with: "-").replacingOccurrences(of: "/", with: "_")
            .replacingOccurrences(of: "=", with: "")
    }

    static let short = base64URL(Array(repeating: 7, count: 31))
    static let long = base64URL(Array(repeating: 7, count: 65))

    static let bad = [
        Bad("", "t: it holds no token; make one: amp4ec secret --http-token client >> t"),
        Bad("# a\n\n", "t: it holds no token"),
        Bad(
            "amp4ec-http-client:\(Tokens.client)\namp4ec-http-client:\(Tokens.client):b",
            "t:2: the same secret stands before it; make one"),
        Bad(
            "\n\(Tokens.client)",
            "t:2: it does not begin with amp4ec-http-client: or amp4ec-http-operator:; make a line: amp4ec secret"),
        Bad("amp4ec-http-reader:\(Tokens.client)", "t:1: it does not begin with"),
        Bad("AMP4EC-HTTP-CLIENT:\(Tokens.client)", "t:1: it does not begin with"),
        Bad("amp4ec-client:\(Tokens.client)", "t:1: it is a key of the cluster, which must never go over HTTP; take it out"),
        Bad("amp4ec-root:\(Tokens.client)", "t:1: it is a key of the cluster"),
        Bad(
            "amp4ec-http-client:",
            "t:1: the secret has 0 bytes; it has from 32 to 64; make the line again: amp4ec secret --http-token client"),
        Bad("amp4ec-http-client:\(short)", "t:1: the secret has 31 bytes; it has from 32 to 64"),
        Bad(
            "amp4ec-http-operator:\(long)",
            "t:1: the secret has 65 bytes; it has from 32 to 64; make the line again: amp4ec secret --http-token operator"),
        Bad("amp4ec-http-client:\(Tokens.client)=", "t:1: the secret is not base64url"),
        Bad("amp4ec-http-client: \(Tokens.client)", "t:1: the secret is not base64url"),
        Bad("amp4ec-http-client:\(Tokens.client.dropLast())B", "t:1: the secret is not base64url"),
        Bad("amp4ec-http-client:\(Tokens.client) # a", "t:1: the secret is not base64url"),
        Bad("amp4ec-http-client:\(Tokens.client):", "t:1: a label is 1 to 64 letters"),
        Bad(
            "amp4ec-http-client:\(Tokens.client):a b",
            "t:1: a label is 1 to 64 letters, digits, '.', '_' or '-'; write another label"),
        Bad("amp4ec-http-client:\(Tokens.client):\(String(repeating: "a", count: 65))", "t:1: a label is 1 to 64"),
        Bad("amp4ec-http-client:\(Tokens.client):a:b", "t:1: there is something behind the label"),
        Bad("amp4ec-http-client:\(Tokens.client):ä", "t:1: it is not plain text; write a token a line"),
        Bad("amp4ec-http-client:\(Tokens.client)\u{0}", "t:1: it is not plain text"),
        Bad("\u{feff}amp4ec-http-client:\(Tokens.client)", "t:1: it is not plain text"),
        Bad(String(repeating: "#\n", count: 40_000), "t: it is over the limit of 65536 bytes"),
    ]

    @Test("what is refused names file, line and fix, and shows nothing of the secret", arguments: bad) func refused(_ row: Bad)
        throws
    {
        let error = try #require(throws: GatewayError.self) { try Self.parse(row.text) }
        #expect(error.message.hasPrefix("--http-token-file: \(row.says)"), "\(error)")
        #expect(error.exitStatus == .badData)
        for secret in [Tokens.client.dropLast(), Self.short.dropLast(), Self.long.dropLast()] {
            #expect(!error.message.contains(secret), "\(error)")
        }
    }

    @Test func aThousandAndNoMore() throws {
        func file(_ numbers: Range<Int>) -> HTTPTokens.File {
            let lines = numbers.map { number in
                let secret = (0..<32).map { UInt8(truncatingIfNeeded: $0 < 4 ? number >> ($0 * 8) : $0) }
                return "amp4ec-http-client:\(Self.base64URL(secret))\n"
            }
            return ("t\(numbers.lowerBound)", Array(lines.joined().utf8))
        }
        let full = try HTTPTokens(parsing: [file(0..<600), file(600..<1_000)])
        #expect(full.all.count == 1_000)
        let error = try #require(throws: GatewayError.self) { try HTTPTokens(parsing: [file(0..<600), file(600..<1_001)]) }
        #expect(error.message.hasPrefix("--http-token-file: t600:401: there are over 1000 tokens; "), "\(error)")
        // A wrong one costs a bounded amount with all of them: this many a second at the very least, on a slow machine too.
        let start = ContinuousClock.now
        for _ in 0..<100 { #expect(full.caller(presenting: Tokens.unknown) == nil) }
        #expect(ContinuousClock.now - start < .seconds(5))
    }

    @Test("made-up files are read or refused, and what is read is found again") func madeUpFiles() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SeededBits(seed)
        let words = [
            "amp4ec-http-client:", "amp4ec-http-operator:", "amp4ec-http-", "amp4ec-root:", ":", "\n", "\r\n", "#", " ", "\t", "=",
            "a",
            Tokens.client, Tokens.oper, Tokens.unknown, Self.short, Self.long, "label", "\u{0}", "ä", "\u{1F9EA}",
            String(repeating: "z", count: 70),
        ]
        var taken = 0
        for round in 0..<2_000 {
            var bytes: [UInt8] = []
            for _ in 0..<random.below(12) {
                if random.below(8) == 0 {
                    bytes += (0..<random.below(40)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
                } else if random.below(3) == 0 {
                    bytes += Array(
                        "amp4ec-http-client:\(Self.base64URL((0..<(30 + random.below(36))).map { _ in UInt8(truncatingIfNeeded: random.next()) }))\n"
                            .utf8)
                } else {
                    bytes += Array(words[random.below(words.count)].utf8)
                }
            }
            do {
                let tokens = try HTTPTokens(parsing: [("t", bytes)])
                taken += 1
                #expect(!tokens.all.isEmpty && tokens.all.allSatisfy { $0.caller.role != .anyone }, "seed \(seed), round \(round)")
            } catch {
                #expect(
                    error.message.hasPrefix("--http-token-file: t:") && error.message.utf8.count < 300,
                    "seed \(seed), round \(round): \(error)")
                #expect(!error.message.contains(Tokens.client.dropLast()), "seed \(seed), round \(round)")
            }
            _ = try? HTTPToken(parsing: String(decoding: bytes, as: UTF8.self))
        }
        #expect(taken > 20, "seed \(seed): the files are too bad to show anything")
    }

    // MARK: The file itself

    static func read(_ path: String) throws(GatewayError) -> AccessRules {
        try AccessRules(tokenFiles: [path], acceptsPlainTokens: false, ownNames: [], otherNames: [])
    }

    @Test("others must neither read nor write it", arguments: [0o644, 0o640, 0o604, 0o660, 0o601, 0o620])
    func modes(_ mode: Int) throws {
        let folder = try TestFolder()
        let file = try folder.write("tokens", Tokens.text, mode: mode)
        let error = try #require(throws: GatewayError.self) { try Self.read(file) }
        #expect(
            error.message.hasPrefix("--http-token-file: \(file): other users can ")
                && error.message.hasSuffix("; type: chmod 600 \(file)"),
            "\(error)")
        #expect(error.exitStatus == .badData)
        chmod(file, 0o600)
        #expect(try Self.read(file).tokens?.all.count == 2)
        chmod(file, 0o400)
        #expect(try Self.read(file).tokens?.all.count == 2)
    }

    @Test("mounted secrets have the mode that the orchestrator gives; a link does not get there") func mountedModes() {
        #expect(OptionFile.problem(withMode: 0o100444, realPath: "/run/secrets/http/tokens") == nil)
        for path in ["/run/secretsX/a", "/srv/run/secrets/a", "/run/secrets", nil] {
            #expect(OptionFile.problem(withMode: 0o100444, realPath: path) == "other users can read it", "\(path as Any)")
        }
        #expect(OptionFile.problem(withMode: 0o100622, realPath: nil) == "other users can write it")
        #expect(OptionFile.problem(withMode: 0o100700, realPath: nil) == nil)
    }

    @Test func whatIsNoFile() throws {
        let folder = try TestFolder()
        let pipe = "\(folder.path)/pipe"
        #expect(mkfifo(pipe, 0o600) == 0)
        let large = try folder.write("large", String(repeating: "#\n", count: 40_000))
        for (path, says) in [
            ("\(folder.path)/absent", "it cannot be opened (No such file or directory); correct the path"),
            (folder.path, "it is no regular file; give the path of a file"), (pipe, "it is no regular file"),
            ("/dev/zero", "it is no regular file"), (large, "it is over the limit of 65536 bytes"),
        ] {
            let error = try #require(throws: GatewayError.self) { try Self.read(path) }
            #expect(error.message.hasPrefix("--http-token-file: \(path): \(says)") && error.exitStatus == .badData, "\(error)")
        }
    }
}

/// Numbers that a seed repeats.
struct SeededBits: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: UInt64) { state = seed }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var bits = (state ^ state >> 30) &* 0xBF58_476D_1CE4_E5B9
        bits = (bits ^ bits >> 27) &* 0x94D0_49BB_1331_11EB
        return bits ^ bits >> 31
    }

    mutating func below(_ limit: Int) -> Int { Int(next() % UInt64(limit)) }
}
