public import Base
internal import Glibc
internal import Loops

/// A numeric IPv4 or IPv6 address with a port. Names are ``HostPort``s; ``Resolver`` turns them into these.
public struct SocketAddress: Sendable, Hashable, CustomStringConvertible {
    enum Host: Sendable, Hashable {
        case v4(UInt32)
        /// `scope` is the interface of a link-local address, 0 elsewhere.
        case v6(UInt128, scope: UInt32)
    }

    let host: Host
    public let port: UInt16

    init(host: Host, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// `1.2.3.4:port` or `[v6]:port`, numeric.
    public init?(_ text: String) {
        guard let place = try? HostPort(parsing: text), let address = place.numericAddress else { return nil }
        self = address
    }

    /// This machine itself, IPv4.
    public static func loopback(port: UInt16) -> SocketAddress { SocketAddress(host: .v4(0x7F00_0001), port: port) }
    /// All of this machine's IPv4 addresses, to listen on.
    public static func any(port: UInt16) -> SocketAddress { SocketAddress(host: .v4(0), port: port) }

    /// Stands for all of the machine's addresses: to listen on, not to dial.
    public var isUnspecified: Bool { scope == .unspecified }

    public var isIPv6: Bool { if case .v6 = host { true } else { false } }

    /// Who is one peer where connections are counted: an IPv4 address, written either way, or the 64 bits of an IPv6 network, in which
    /// one host has as many addresses as it likes.
    package var countingKey: UInt128 {
        switch host {
        case .v4(let bits): 0xFFFF << 32 | UInt128(bits)
        case .v6(let bits, _): bits >> 32 == 0xFFFF ? bits : (bits >> 64) << 64
        }
    }

    public func with(port: UInt16) -> SocketAddress { SocketAddress(host: host, port: port) }

    public var isLoopback: Bool { scope == .loopback }

    public var scope: AddressScope {
        switch host {
        case .v4(let bits): AddressScope(version4: bits)
        case .v6(let bits, _): AddressScope(version6: bits)
        }
    }

    /// Whether strangers can have it. Plain-text processes refuse such peers unless told otherwise.
    public var isPublic: Bool { scope == .public }

    /// `1.2.3.4:port` or `[v6]:port`.
    public var description: String { isIPv6 ? "[\(hostDescription)]:\(port)" : "\(hostDescription):\(port)" }

    /// The address without the port (and without brackets).
    public var hostDescription: String {
        switch host {
        case .v4(let bits):
            return [24, 16, 8, 0].map { String((bits >> UInt32($0)) & 255) }.joined(separator: ".")
        case .v6(let bits, let scope):
            var raw = in6_addr()
            withUnsafeMutableBytes(of: &raw) { $0.storeBytes(of: bits.bigEndian, as: UInt128.self) }
            let text = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { buffer in
                inet_ntop(AF_INET6, &raw, buffer.baseAddress, socklen_t(buffer.count)).map { String(cString: $0) } ?? "?"
            }
            return scope == 0 ? text : "\(text)%\(scope)"
        }
    }
}

// MARK: - To and from the system

extension SocketAddress {
    var family: Int32 { isIPv6 ? AF_INET6 : AF_INET }

    /// Calls `body` with the address in the system's form.
    func withSystemAddress<Result>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> Result) -> Result {
        switch host {
        case .v4(let bits):
            var system = sockaddr_in()
            system.sin_family = sa_family_t(AF_INET)
            system.sin_port = port.bigEndian
            system.sin_addr.s_addr = bits.bigEndian
            return withUnsafeBytes(of: &system) { Self.call(body, $0) }
        case .v6(let bits, let scope):
            var system = sockaddr_in6()
            system.sin6_family = sa_family_t(AF_INET6)
            system.sin6_port = port.bigEndian
            system.sin6_scope_id = scope
            withUnsafeMutableBytes(of: &system.sin6_addr) { $0.storeBytes(of: bits.bigEndian, as: UInt128.self) }
            return withUnsafeBytes(of: &system) { Self.call(body, $0) }
        }
    }

    private static func call<Result>(
        _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result, _ bytes: UnsafeRawBufferPointer
    ) -> Result {
        guard let base = bytes.baseAddress else { preconditionFailure("a struct has an address") }
        return body(base.assumingMemoryBound(to: sockaddr.self), socklen_t(bytes.count))
    }

    /// Reads what the system wrote; `nil` for other families. IPv4 in IPv6's clothes (`::ffff:1.2.3.4`) becomes IPv4.
    init?(_ system: UnsafePointer<sockaddr>, length: socklen_t) {
        let bytes = UnsafeRawBufferPointer(start: system, count: Int(length))
        guard bytes.count >= MemoryLayout<sa_family_t>.size else { return nil }
        switch Int32(bytes.loadUnaligned(as: sa_family_t.self)) {
        case AF_INET where bytes.count >= MemoryLayout<sockaddr_in>.size:
            let address = bytes.loadUnaligned(as: sockaddr_in.self)
            self.init(host: .v4(UInt32(bigEndian: address.sin_addr.s_addr)), port: UInt16(bigEndian: address.sin_port))
        case AF_INET6 where bytes.count >= MemoryLayout<sockaddr_in6>.size:
            let address = bytes.loadUnaligned(as: sockaddr_in6.self)
            let raw = withUnsafeBytes(of: address.sin6_addr) { UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)) }
            let isMappedIPv4 = raw >> 32 == 0xFFFF
            self.init(
                host: isMappedIPv4 ? .v4(UInt32(truncatingIfNeeded: raw)) : .v6(raw, scope: address.sin6_scope_id),
                port: UInt16(bigEndian: address.sin6_port))
        default: return nil
        }
    }

    /// Asks the system for an address (`getsockname`, `getpeername`, `accept4`).
    static func read(_ call: (UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32) -> (
        result: Syscall.Outcome, address: SocketAddress?
    ) {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return withUnsafeMutableBytes(of: &storage) { bytes in
            guard let base = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else {
                preconditionFailure("a struct has an address")
            }
            let result = Syscall.retry { call(base, &length) }
            guard case .success = result else { return (result, nil) }
            return (result, SocketAddress(base, length: min(length, socklen_t(bytes.count))))
        }
    }
}
