internal import Glibc

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

    /// Where an address can be reached from.
    public enum Scope: String, Sendable, Hashable, CaseIterable {
        case unspecified, loopback, linkLocal, privateUse, uniqueLocal
        /// 100.64.0.0/10, between a provider and its customers (and in many overlay networks): RFC 6598.
        case sharedSpace
        /// Everything else, so that a block unknown here is never mistaken for an inside one.
        case `public`
    }

    /// The scope, by RFC 1122, 1918, 3927, 6598 (v4) and 4193, 4291, 6052 (v6). An IPv4 address inside an IPv6 one counts as itself.
    public var scope: Scope {
        switch self {
        case .v4(let bits): IPAddress.scope(v4: bits)
        case .v6(let bits):
            if bits == 0 {
                .unspecified
            } else if bits == 1 {
                .loopback
            } else if bits >> 32 == 0xffff || bits >> 32 == 0x0064_ff9b_0000_0000_0000_0000 {
                // ::ffff:0:0/96 (mapped) and 64:ff9b::/96 (NAT64).
                IPAddress.scope(v4: UInt32(truncatingIfNeeded: bits))
            } else if bits >> 118 == 0xfe80 >> 6 {
                .linkLocal
            } else if bits >> 121 == 0xfc >> 1 {
                .uniqueLocal
            } else {
                .public
            }
        }
    }

    private static func scope(v4 bits: UInt32) -> Scope {
        let (first, second) = (bits >> 24, bits >> 16 & 0xff)
        return switch (first, second) {
        case (0, _): bits == 0 ? .unspecified : .public
        case (127, _): .loopback
        case (10, _), (172, 16...31), (192, 168): .privateUse
        case (169, 254): .linkLocal
        case (100, 64...127): .sharedSpace
        default: .public
        }
    }
}
