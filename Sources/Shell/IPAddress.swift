internal import Glibc
public import Wire

/// An IPv4 or IPv6 address in numbers.
public enum IPAddress: Sendable, Hashable {
    case v4(UInt32)
    case v6(UInt128)

    /// The textual forms that `inet_pton` takes; a zone (`fe80::1%eth0`) is allowed and left out of the number.
    public init?(_ text: some StringProtocol) {
        var v4 = in_addr()
        if inet_pton(AF_INET, String(text), &v4) == 1 {
            self = .v4(UInt32(bigEndian: v4.s_addr))
            return
        }
        let withoutZone = String(text.prefix { $0 != "%" })
        var v6 = in6_addr()
        guard inet_pton(AF_INET6, withoutZone, &v6) == 1 else { return nil }
        self = .v6(withUnsafeBytes(of: v6) { bytes in bytes.reduce(0 as UInt128) { $0 << 8 | UInt128($1) } })
    }

    public var isVersion6: Bool { if case .v6 = self { true } else { false } }

    public var scope: AddressScope {
        switch self {
        case .v4(let bits): AddressScope(version4: bits)
        case .v6(let bits): AddressScope(version6: bits)
        }
    }

    public var isLoopback: Bool { scope == .loopback }
}
