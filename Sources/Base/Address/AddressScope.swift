/// Where an IP address can be reached from: the one classification, for whoever accepts a peer and for whoever dials one.
///
/// By RFC 1122, 1918, 3927, 6598 (IPv4) and 4193, 4291, 6052 (IPv6). An IPv4 address inside an IPv6 one counts as itself: a system that has
/// both in one socket shows the same peer in either form.
public enum AddressScope: String, Sendable, Hashable, CaseIterable {
    case unspecified, loopback, linkLocal, privateUse, uniqueLocal
    /// 100.64.0.0/10, between a provider and its customers (and in many overlay networks): RFC 6598.
    case sharedSpace
    /// Everything else, so that a block unknown here is never mistaken for an inside one.
    case `public`

    public init(version4 bits: UInt32) {
        let (first, second) = (bits >> 24, bits >> 16 & 0xff)
        self =
            switch (first, second) {
            case (0, _): bits == 0 ? .unspecified : .public
            case (127, _): .loopback
            case (10, _), (172, 16...31), (192, 168): .privateUse
            case (169, 254): .linkLocal
            case (100, 64...127): .sharedSpace
            default: .public
            }
    }

    public init(version6 bits: UInt128) {
        self =
            if bits == 0 {
                .unspecified
            } else if bits == 1 {
                .loopback
            } else if bits >> 32 == 0xffff || bits >> 32 == 0x0064_ff9b_0000_0000_0000_0000 {
                // ::ffff:0:0/96 (mapped) and 64:ff9b::/96 (NAT64).
                AddressScope(version4: UInt32(truncatingIfNeeded: bits))
            } else if bits >> 118 == 0xfe80 >> 6 {
                .linkLocal
            } else if bits >> 121 == 0xfc >> 1 {
                .uniqueLocal
            } else {
                .public
            }
    }
}
