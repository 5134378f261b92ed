import Base
import Shell
import Testing

@Suite("Public addresses")
struct GateTests {
    @Test(
        "scopes of addresses",
        arguments: [
            ("127.0.0.1", .loopback), ("127.255.0.9", .loopback), ("10.1.2.3", .privateUse), ("172.16.0.1", .privateUse),
            ("172.31.255.255", .privateUse), ("172.32.0.1", .public), ("172.15.255.255", .public), ("192.168.4.4", .privateUse),
            ("192.169.0.1", .public), ("169.254.10.1", .linkLocal), ("100.64.0.1", .sharedSpace), ("100.128.0.1", .public),
            ("8.8.8.8", .public), ("0.0.0.0", .unspecified), ("0.1.2.3", .public), ("255.255.255.255", .public), ("::1", .loopback),
            ("::", .unspecified), ("fe80::1", .linkLocal), ("fe80::1%eth0", .linkLocal), ("febf::1", .linkLocal),
            ("fec0::1", .public),
            ("fc00::1", .uniqueLocal), ("fdff::1", .uniqueLocal), ("fe00::1", .public), ("2001:db8::1", .public),
            ("2a00:1450::5", .public), ("::ffff:10.0.0.1", .privateUse), ("::ffff:8.8.8.8", .public),
            ("::ffff:127.0.0.1", .loopback),
            ("::ffff:100.64.0.1", .sharedSpace), ("::ffff:172.32.0.1", .public), ("::ffff:0.0.0.0", .unspecified),
            ("64:ff9b::8.8.8.8", .public), ("64:ff9b::10.0.0.1", .privateUse), ("::8.8.8.8", .public),
        ] as [(String, AddressScope)])
    func scope(_ text: String, _ expected: AddressScope) throws {
        let address = try #require(IPAddress(text))
        #expect(address.scope == expected)
        let refusal = PublicAddressPolicy.refusal(ofPeer: text, insecure: false)
        #expect((refusal != nil) == (expected == .public))
        #expect(refusal?.contains("--insecure") != false)
        #expect(PublicAddressPolicy.refusal(ofPeer: text, insecure: true) == nil)
    }

    @Test(
        "what is no address is refused like a public one",
        arguments: ["", "localhost", "10.0.0", "1.2.3.4.5", "010.0.0.1.", ":::1", "%"])
    func notAnAddress(_ text: String) {
        #expect(IPAddress(text) == nil)
        #expect(PublicAddressPolicy.refusal(ofPeer: text, insecure: false) != nil)
    }
}
