internal import Base
internal import Shell

/// One entry of a service's `ports`: which container ports are reachable at which ports of the host.
struct PortMapping: Hashable {
    /// The host's address that the port is bound to; `nil` for all.
    let hostAddress: String?
    /// `nil`: the engine picks a free port, which only it knows.
    let published: ClosedRange<UInt16>?
    let target: ClosedRange<UInt16>
    let isTCP: Bool

    init(hostAddress: String?, published: ClosedRange<UInt16>?, target: ClosedRange<UInt16>, isTCP: Bool) throws(ValueError) {
        if let published, target.count > 1, published.count != target.count {
            throw ValueError("the ranges have different lengths (\(published.count) published, \(target.count) container ports)")
        }
        self.hostAddress = hostAddress.flatMap { ["0.0.0.0", "::", ""].contains($0) ? nil : $0 }
        self.published = published
        self.target = target
        self.isTCP = isTCP
    }

    /// Reads `[[ADDRESS:][PUBLISHED]:]TARGET[/tcp|/udp]`, each port alone or a range.
    init(parsing text: String) throws(ValueError) {
        let slash = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        let proto = slash.count > 1 ? slash[1].lowercased() : "tcp"
        guard ["tcp", "udp", "sctp"].contains(proto) else { throw ValueError("\"\(proto)\" is no protocol") }
        let ports = String(slash.first ?? "")
        guard let lastColon = ports.lastIndex(of: ":") else {
            try self.init(hostAddress: nil, published: nil, target: try PortMapping.range(ports), isTCP: proto == "tcp")
            return
        }
        let target = try PortMapping.range(ports[ports.index(after: lastColon)...])
        let host = ports[..<lastColon]
        let publishedText = host.lastIndex(of: ":").map { host[host.index(after: $0)...] } ?? host
        var address = host.lastIndex(of: ":").map { String(host[..<$0]) }
        if let bracketed = address, bracketed.hasPrefix("["), bracketed.hasSuffix("]") {
            address = String(bracketed.dropFirst().dropLast())
        }
        if let address, IPAddress(address) == nil { throw ValueError("\"\(address)\" is not an IP address of the host") }
        let published = publishedText.isEmpty ? nil : try PortMapping.range(publishedText)
        try self.init(hostAddress: address, published: published, target: target, isTCP: proto == "tcp")
    }

    /// Where `port` of the container is published: one address, or several where compose picks from a range (one for each replica).
    func publishedAddresses(of port: UInt16) -> [HostPort] {
        guard isTCP, target.contains(port), let published else { return [] }
        // Of the loopback's addresses the name means one: others stay as they are, since each may have a port of this number.
        let host = hostAddress.flatMap { $0 == "127.0.0.1" ? nil : $0 } ?? "localhost"
        guard target.count > 1 else { return published.map { HostPort(host: host, port: $0) } }
        return [HostPort(host: host, port: published.lowerBound + (port - target.lowerBound))]
    }

    static func range(_ text: some StringProtocol) throws(ValueError) -> ClosedRange<UInt16> {
        let ends = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        let first = ends.first.flatMap { port($0) }
        let last = ends.count > 1 ? port(ends[1]) : first
        guard let first, let last, first <= last else {
            throw ValueError("\"\(text)\" is not a port from 1 to 65535 or a range of them")
        }
        return first...last
    }

    private static func port(_ text: some StringProtocol) -> UInt16? {
        guard text.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }), let port = UInt16(text), port > 0
        else {
            return nil
        }
        return port
    }
}
