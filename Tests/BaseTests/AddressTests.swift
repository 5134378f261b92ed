import Base
import Glibc
import Testing

@Suite("Addresses")
struct AddressTests {
    /// What the system makes of a text; a zone is not its business.
    private static func system(_ text: String) -> IPAddress? {
        var (four, six) = (in_addr(), in6_addr())
        if inet_pton(AF_INET, text, &four) == 1 { return .v4(UInt32(bigEndian: four.s_addr)) }
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        return .v6(withUnsafeBytes(of: six) { UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)) })
    }

    @Test(arguments: [
        "0.0.0.0", "255.255.255.255", "1.2.3.4", "01.2.3.4", "1.2.3.00", "1.2.3.256", "1.2.3", "1.2.3.4.5", "1.2.3.4.", ".1.2.3.4",
        "",
        "::", "::1", "1::", "1::2", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
        "1::2:3:4:5:6:7:8", "1:2:3:4::5:6:7:8", ":::", "::1::", "1::2::3", ":1", "1:", ":1:2:3:4:5:6:7", "1:2:3:4:5:6:7:",
        "12345::",
        "g::", "::ffff:1.2.3.4", "::1.2.3.4", "1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:7:1.2.3.4", "1.2.3.4::", "::1.2.3.4:5", "::1.2.3",
        "FE80::aBcD", "0001:00002::", "::0000", "64:ff9b::10.0.0.1", "1:2:3:4:5:1.2.3.4", "1:2:3:4:5::1.2.3.4",
        "1:2:3:4:5:6::1.2.3.4",
    ])
    func anAddressIsReadAsTheSystemReadsIt(_ text: String) {
        #expect(IPAddress(text) == Self.system(text))
    }

    @Test func madeUpTextsAreReadAsTheSystemReadsThem() {
        var random = SystemRandomNumberGenerator()
        let pieces = ["0", "1", "25", "255", "f", "ffff", "10000", ":", ":", ":", "::", ".", ".", "1.2.3.4", "01"]
        var read = 0
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 1...15, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            let address = IPAddress(text)
            #expect(address == Self.system(text), "\(text)")
            if address != nil { read += 1 }
        }
        #expect(read > 20)
    }

    @Test func whatTheSystemTakesForAnotherAddressIsKnown() {
        func isMisread(_ text: String) -> Bool {
            var address = in_addr()
            return inet_pton(AF_INET, text, &address) != 1 && inet_aton(text, &address) != 0
        }
        var random = SystemRandomNumberGenerator()
        let pieces = [
            "0", "1", "08", "010", "255", "256", "0x", "0X", "0xf", "x", "f", "65535", "65536", "16777216", "4294967295",
            "4294967296",
            "99999999999999999999", ".", ".", ".", ".", "1.2.3", "-", "+", ":", "::",
        ]
        var misread = 0
        for _ in 0..<20_000 {
            let text = (0..<Int.random(in: 1...7, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }.joined()
            let isOne = IPAddress.isMisread(text)
            #expect(isOne == isMisread(text), "\(text)")
            if isOne { misread += 1 }
        }
        #expect(misread > 20)
    }

    @Test func aZoneIsLeftOutOfTheNumber() {
        #expect(IPAddress("fe80::1%eth0") == IPAddress("fe80::1"))
        #expect(IPAddress("fe80::1%") == IPAddress("fe80::1") && IPAddress("10.0.0.1%eth0") == nil && IPAddress("%") == nil)
        #expect(IPAddress("1.2.3.4\0") == nil)
    }

    @Test func bytesAreReadableWhereTheirTextIsRead() {
        for text in [
            "w1:9000", "[::1]:1", ":0", "9000", "w1", "[w1]:1", "a b:1", "h:65536", "", "a\u{A0}b:1", "wörker:1", "127.1:1",
        ] {
            let isReadable = Array(text.utf8).withUnsafeBytes { HostPort.isReadable($0) }
            #expect(isReadable == ((try? HostPort(parsing: text)) != nil), "\(text)")
        }
    }
}
