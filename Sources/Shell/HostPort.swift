public import ArgumentParser
internal import Transport

/// A place on the network as a user writes it: `host:port`, `[v6]:port`, `:port` or `port`.
///
/// No host means "every local address" to a listener and "this machine" to a caller, so the two cases stay apart from an empty name.
public struct HostPort: Sendable, Hashable, CustomStringConvertible {
    /// A DNS name has at most 253 characters; an IPv6 address with a zone is far shorter.
    public static let maximumHostLength = 253

    /// A name or an address without brackets; `nil` where none was written.
    public let host: String?
    /// 0 lets the system choose a free port (listeners only).
    public let port: UInt16

    public init(host: String?, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// Reads `host:port`, `[v6]:port`, `:port` or `port`.
    /// - Throws: ``ValueError`` that names what is wrong and how to write it.
    public init(parsing text: some StringProtocol) throws(ValueError) {
        let (host, portText) = try HostPort.split(String(text))
        guard !portText.isEmpty, portText.utf8.allSatisfy({ (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }),
            let port = UInt16(portText)
        else { throw HostPort.malformed(text, "\"\(portText)\" is not a port from 0 to 65535") }
        if let host {
            guard host.utf8.count <= HostPort.maximumHostLength else {
                throw HostPort.malformed(
                    text, "the host has \(host.utf8.count) bytes, over the limit of \(HostPort.maximumHostLength)")
            }
            guard host.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x7f && $0 != UInt8(ascii: "/") }) else {
                throw HostPort.malformed(text, "the host holds a blank, a slash or a control character")
            }
            guard !Resolver.isMisread(host) else {
                throw HostPort.malformed(
                    text, "\"\(host)\" is no IPv4 address, which has four numbers from 0 to 255 without zeros before them")
            }
        }
        self.init(host: host, port: port)
    }

    /// Takes the text apart; brackets are the only way to write an IPv6 address, because `1::2:3` could end in a port or not.
    private static func split(_ text: String) throws(ValueError) -> (host: String?, port: String) {
        if text.hasPrefix("[") {
            guard let close = text.firstIndex(of: "]") else { throw malformed(text, "the bracket is not closed") }
            let host = String(text[text.index(after: text.startIndex)..<close])
            guard IPAddress(host)?.isVersion6 == true else { throw malformed(text, "\"\(host)\" is not an IPv6 address") }
            let rest = text[text.index(after: close)...]
            guard rest.hasPrefix(":") else { throw malformed(text, "there is no :port after the bracket") }
            return (host, String(rest.dropFirst()))
        }
        if let scheme = text.firstRange(of: "://") {
            throw malformed(text, "it is a URL; leave \"\(text[..<scheme.upperBound])\" away, and what follows the port")
        }
        guard let colon = text.lastIndex(of: ":") else {
            // A name, or an address of which the port was forgotten.
            guard !text.contains(where: { $0 == "." || $0.isLetter }) else { throw malformed(text, "there is no port") }
            return (nil, text)
        }
        let host = String(text[..<colon])
        guard !host.contains(" ") else { throw malformed(text, "it holds a blank; several addresses are separated by commas") }
        guard !host.contains(":") else { throw malformed(text, "an IPv6 address needs brackets, like [::1]:9000") }
        return (host.isEmpty ? nil : host, String(text[text.index(after: colon)...]))
    }

    private static func malformed(_ text: some StringProtocol, _ why: String) -> ValueError {
        ValueError("address \"\(text)\": \(why); write host:port, [v6]:port, :port or port", reason: why)
    }

    /// As ``init(parsing:)`` reads it; IPv6 addresses get their brackets back.
    public var description: String {
        guard let host else { return ":\(port)" }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

extension HostPort: ExpressibleByArgument {
    public init?(argument: String) {
        guard let value = try? HostPort(parsing: argument) else { return nil }
        self = value
    }
}
