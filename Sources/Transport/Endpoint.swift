internal import Glibc

/// A place as a user writes it: `host:port`, `[v6]:port`, `:port` or `port`; the host may be a name.
public struct Endpoint: Sendable, Hashable, CustomStringConvertible {
    /// A name or a numeric address; `nil` where only a port was given.
    public let host: String?
    public let port: UInt16

    public init(host: String?, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// - Throws: ``TransportError/Code/malformedAddress`` with the text and what was expected.
    public init(_ text: String) throws(TransportError) {
        func malformed(_ problem: String) -> TransportError {
            TransportError(
                .malformedAddress, "\"\(text)\" is not an address: \(problem); write host:port, [IPv6]:port, :port or port")
        }
        let host: Substring
        let portText: Substring
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { throw malformed("the bracket is not closed") }
            host = text[text.index(after: text.startIndex)..<close]
            let rest = text[text.index(after: close)...]
            guard rest.hasPrefix(":") else { throw malformed("after the bracket comes a colon and the port") }
            portText = rest.dropFirst()
            guard !host.isEmpty else { throw malformed("there is nothing in the brackets") }
        } else if let colon = text.lastIndex(of: ":") {
            host = text[..<colon]
            portText = text[text.index(after: colon)...]
            guard !host.contains(":") else { throw malformed("an IPv6 address stands in brackets") }
        } else {
            host = ""
            portText = text[...]
        }
        guard !portText.isEmpty, portText.allSatisfy({ $0.isASCII && $0.isNumber }), let port = UInt16(portText) else {
            throw malformed("\"\(portText)\" is not a port from 0 to 65535")
        }
        // The longest name that DNS allows.
        guard host.utf8.count <= 253, !host.contains(where: \.isWhitespace) else { throw malformed("the host is not a name") }
        self.init(host: host.isEmpty ? nil : String(host), port: port)
    }

    public var description: String {
        guard let host else { return ":\(port)" }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }

    /// The address where it can be had without asking anybody: numeric hosts, and `any` (to listen on) for none.
    public var numericAddress: SocketAddress? {
        guard let host else { return .any(port: port) }
        var four = in_addr()
        if inet_pton(AF_INET, host, &four) == 1 { return SocketAddress(host: .v4(UInt32(bigEndian: four.s_addr)), port: port) }
        let parts = host.split(separator: "%", maxSplits: 1)
        var six = in6_addr()
        guard let address = parts.first, inet_pton(AF_INET6, String(address), &six) == 1 else { return nil }
        let bits = withUnsafeBytes(of: six) { UInt128(bigEndian: $0.loadUnaligned(as: UInt128.self)) }
        guard parts.count == 2 else { return SocketAddress(host: .v6(bits, scope: 0), port: port) }
        let scope = UInt32(parts[1]) ?? if_nametoindex(String(parts[1]))
        return scope == 0 ? nil : SocketAddress(host: .v6(bits, scope: scope), port: port)
    }
}
