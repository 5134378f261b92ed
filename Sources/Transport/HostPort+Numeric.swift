public import Base
internal import Glibc

extension HostPort {
    /// The address where it can be had without asking anybody: numeric hosts, and `any` (to listen on) for none.
    public var numericAddress: SocketAddress? {
        guard let host else { return .any(port: port) }
        switch IPAddress(host) {
        case nil: return nil
        case .v4(let bits): return SocketAddress(host: .v4(bits), port: port)
        case .v6(let bits):
            let zone = host.split(separator: "%", maxSplits: 1).dropFirst().first
            guard let zone else { return SocketAddress(host: .v6(bits, scope: 0), port: port) }
            let scope = UInt32(zone) ?? if_nametoindex(String(zone))
            return scope == 0 ? nil : SocketAddress(host: .v6(bits, scope: scope), port: port)
        }
    }
}
