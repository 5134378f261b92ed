import Base
import Loops
import Shell
import Testing
import Transport

@Suite struct AddressTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let text: String
        let host: String?
        let port: UInt16
        let numeric: String?
        var testDescription: String { text }
    }

    @Test(arguments: [
        Case(text: "9000", host: nil, port: 9_000, numeric: "0.0.0.0:9000"),
        Case(text: ":0", host: nil, port: 0, numeric: "0.0.0.0:0"),
        Case(text: "127.0.0.1:65535", host: "127.0.0.1", port: 65_535, numeric: "127.0.0.1:65535"),
        Case(text: "worker-1:9000", host: "worker-1", port: 9_000, numeric: nil),
        Case(text: "[::1]:80", host: "::1", port: 80, numeric: "[::1]:80"),
        Case(text: "[2001:db8::5]:1", host: "2001:db8::5", port: 1, numeric: "[2001:db8::5]:1"),
        Case(text: "[::]:9000", host: "::", port: 9_000, numeric: "[::]:9000"),
        Case(text: "[fe80::1%7]:1", host: "fe80::1%7", port: 1, numeric: "[fe80::1%7]:1"),
    ])
    func placesAreRead(_ known: Case) throws {
        let place = try HostPort(parsing: known.text)
        #expect(place == HostPort(host: known.host, port: known.port))
        #expect(place.numericAddress?.description == known.numeric)
        #expect(try HostPort(parsing: place.description) == place)
    }

    @Test(arguments: [
        ("127.0.0.1:1", false), ("10.255.0.1:1", false), ("172.16.0.1:1", false), ("172.32.0.1:1", true), ("192.168.7.7:1", false),
        ("169.254.1.1:1", false), ("100.64.0.1:1", false), ("100.128.0.1:1", true), ("8.8.8.8:1", true), ("[::1]:1", false),
        ("[fe80::1]:1", false), ("[fe80::1%7]:1", false), ("[fd00::1]:1", false), ("[2001:db8::1]:1", true), ("0.0.0.0:1", false),
        ("[::]:1", false), ("[::ffff:10.0.0.1]:1", false), ("[::ffff:127.0.0.1]:1", false), ("[::ffff:8.8.8.8]:1", true),
        ("[::ffff:100.64.0.1]:1", false), ("[64:ff9b::10.0.0.1]:1", false), ("[64:ff9b::8.8.8.8]:1", true), ("[fec0::1]:1", true),
    ])
    func publicAddressesAreKnown(_ text: String, _ isPublic: Bool) throws {
        let address = try #require(SocketAddress(text))
        #expect(address.isPublic == isPublic)
        // What accepts a peer goes by its text, what dials one by its bits: they agree.
        #expect((PublicAddressPolicy.refusal(ofPeer: address.hostDescription, insecure: false) != nil) == isPublic)
    }

    @Test func namesAreResolvedOffTheLoop() throws {
        let loop = try EventLoop()
        var found: [SocketAddress]?
        Resolver.resolve(try HostPort(parsing: "localhost:4711"), on: loop) { found = try? $0.get() }
        #expect(found == nil, "the answer comes from a fresh stack")
        try run(loop, "the look-up") { found != nil }
        let addresses = try #require(found)
        #expect(!addresses.isEmpty && addresses.allSatisfy { $0.isLoopback && $0.port == 4_711 })
        #expect(Set(addresses).count == addresses.count)
    }

    @Test func numbersNeedNoLookUp() throws {
        let loop = try EventLoop()
        var found: [String] = []
        for text in ["10.1.2.3:5", "[::1]:6", "7"] {
            Resolver.resolve(try HostPort(parsing: text), on: loop) { found += ((try? $0.get()) ?? []).map(\.description) }
        }
        try run(loop, "three answers") { found.count == 3 }
        #expect(found == ["10.1.2.3:5", "[::1]:6", "127.0.0.1:7"])
    }

    @Test(
        "hosts that the system would take for others, and zones that are not here, are refused",
        arguments: [
            ("127.0.0.010", "IPv4"), ("010.0.0.1", "IPv4"), ("127.1", "IPv4"), ("1", "IPv4"), ("0x7f000001", "IPv4"),
            ("fe80::1%nowhere0", "no network interface \"nowhere0\""),
        ])
    func misreadHost(_ host: String, _ says: String) throws {
        let place = HostPort(host: host, port: 1)
        let error = #expect(throws: SystemError.self) { try Resolver.lookUp(place) }
        #expect(error?.code == .unresolvedName && error?.message.contains(says) == true, "\(error as Any)")
    }

    @Test func anUnknownNameIsAnErrorThatNamesIt() throws {
        let loop = try EventLoop()
        var failure: SystemError?
        Resolver.resolve(try HostPort(parsing: "no-such-name.invalid:1"), on: loop) {
            if case .failure(let error) = $0 { failure = error }
        }
        try run(loop, "the answer") { failure != nil }
        #expect(failure?.code == .unresolvedName)
        #expect(failure?.message.contains("no-such-name.invalid") == true)
    }
}
