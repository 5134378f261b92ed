import OpenInference
import Testing

@Suite("Codings of bodies")
struct ContentCodingTests {
    private static let bodies: [(String?, ContentCoding?)] = [
        (nil, nil), ("", nil), (" ", nil), ("identity", nil), ("Identity", nil), ("gzip", .gzip), (" GZip\t", .gzip),
        ("x-gzip", .gzip), ("deflate", .deflate),
    ]

    @Test func codingsThatAreTaken() throws {
        for (header, coding) in Self.bodies { #expect(try ContentCoding.ofBody(header) == coding, "\(header ?? "none")") }
    }

    @Test(arguments: [
        "br", "zstd", "compress", "gzip, deflate", "gzip,gzip", "identity, gzip", "gzip;q=1", "gzip gzip", ",", "\u{1B}[2J",
    ])
    func codingsThatAreNot(header: String) {
        let error = Heads.error { () throws(OpenInferenceError) in _ = try ContentCoding.ofBody(header) }
        #expect(error?.code == .unsupported)
        #expect(error?.message.contains("send gzip or deflate") == true)
        #expect(error?.message.contains("\u{1B}") == false)
    }

    private static let accepted: [(String?, ContentCoding?, Bool)] = [
        (nil, nil, false), ("", nil, false), ("identity", nil, false), ("br", nil, false), ("gzip", .gzip, true),
        ("deflate", .deflate, true),
        ("GZIP", .gzip, true), ("x-gzip", .gzip, true), ("gzip, deflate", .gzip, false), ("deflate, gzip", .gzip, false),
        ("gzip, deflate, br", .gzip, false), ("gzip;q=0.5, deflate;q=0.8", .deflate, false), ("gzip;q=0", nil, false),
        ("gzip; q=0.000", nil, false),
        ("gzip;q=0, deflate", .deflate, false), ("gzip ; q=0.001", .gzip, true), ("*", .gzip, false), ("*;q=0", nil, false),
        ("gzip;q=0, *", .deflate, false),
        ("identity, gzip;q=0.5", nil, false), ("identity;q=0.5, gzip", .gzip, true), ("identity;q=0, gzip", .gzip, true),
        ("gzip, *;q=0", .gzip, false),
        ("identity;q=1, gzip;q=1", .gzip, true), ("gzip;q=2", nil, false), ("gzip;q=-1", nil, false), ("gzip;q=1.001", nil, false),
        ("gzip;q=0.1234", nil, false), ("gzip;q=", nil, false), ("gzip;level=9", nil, false), ("gzip;q=1;q=0", nil, false),
        ("gzip;q=1.000", .gzip, true),
        (",,gzip,", .gzip, true), (";q=1", nil, false), ("br;q=1.0, deflate;q=0.1", .deflate, false), ("gzip;q=.5", nil, false),
        ("gzip;Q=0.5", .gzip, true),
    ]

    @Test func codingsForAnswers() {
        for (header, coding, isExplicit) in Self.accepted {
            let answer = ContentCoding.accepted(header)
            #expect(answer?.coding == coding, "\(header ?? "none")")
            #expect((answer?.isExplicit ?? false) == isExplicit, "\(header ?? "none")")
        }
    }
}
