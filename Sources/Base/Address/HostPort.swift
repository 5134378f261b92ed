/// A place on the network as a user writes it and as messages carry it: `host:port`, `[v6]:port`, `:port` or `port`; the host may be a name.
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
        var text = String(text)
        let result = text.withUTF8 { utf8 in
            let bytes = UnsafeRawBufferPointer(utf8)
            return Result { () throws(Malformed) in
                let place = try Self.read(bytes)
                return HostPort(host: place.host.map { Self.text(bytes[$0]) }, port: place.port)
            }
        }
        do { self = try result.get() } catch {
            throw ValueError(
                "address \"\(text)\": \(error.reason); write host:port, [v6]:port, :port or port", reason: error.reason)
        }
    }

    /// Whether ``init(parsing:)`` reads the text of these bytes, without making one: for those of messages, of which there are many.
    public static func isReadable(_ bytes: UnsafeRawBufferPointer) -> Bool {
        do throws(Malformed) {
            _ = try read(bytes)
            return true
        } catch {
            return false
        }
    }

    /// As ``init(parsing:)`` reads it; IPv6 addresses get their brackets back.
    public var description: String {
        guard let host else { return ":\(port)" }
        return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    }
}

// MARK: - Reading

extension HostPort {
    private struct Malformed: Error {
        let reason: String
    }

    private typealias Bytes = Slice<UnsafeRawBufferPointer>

    private static func read(_ bytes: UnsafeRawBufferPointer) throws(Malformed) -> (host: Range<Int>?, port: UInt16) {
        let (host, digits) = try split(bytes)
        let port = digits.prefix(6).reduce(0) { $0 * 10 + Int($1 &- UInt8(ascii: "0")) }
        guard (1...5).contains(digits.count), digits.allSatisfy({ $0 &- UInt8(ascii: "0") <= 9 }), let port = UInt16(exactly: port)
        else { throw Malformed(reason: "\"\(text(digits))\" is not a port from 0 to 65535") }
        guard let host else { return (nil, port) }
        guard host.count <= maximumHostLength else {
            throw Malformed(reason: "the host has \(host.count) bytes, over the limit of \(maximumHostLength)")
        }
        guard isPlain(bytes[host]) else {
            throw Malformed(reason: "the host holds a blank, a slash, a bracket or a control character")
        }
        guard !IPAddress.isMisread(bytes[host]) else {
            throw Malformed(
                reason:
                    "\"\(text(bytes[host]))\" is no IPv4 address, which has four numbers from 0 to 255 without zeros before them")
        }
        return (host, port)
    }

    /// Takes the text apart; brackets are the only way to write an IPv6 address, because `1::2:3` could end in a port or not.
    private static func split(_ bytes: UnsafeRawBufferPointer) throws(Malformed) -> (host: Range<Int>?, port: Bytes) {
        let colon = UInt8(ascii: ":")
        if bytes.first == UInt8(ascii: "[") {
            guard let close = bytes.firstIndex(of: UInt8(ascii: "]")) else { throw Malformed(reason: "the bracket is not closed") }
            guard IPAddress.read(bytes[1..<close])?.isVersion6 == true else {
                throw Malformed(reason: "\"\(text(bytes[1..<close]))\" is not an IPv6 address")
            }
            guard close + 1 < bytes.count, bytes[close + 1] == colon else {
                throw Malformed(reason: "there is no :port after the bracket")
            }
            return (1..<close, bytes[(close + 2)...])
        }
        if let scheme = endOfScheme(bytes) {
            throw Malformed(reason: "it is a URL; leave \"\(text(bytes[..<scheme]))\" away, and what follows the port")
        }
        guard let last = bytes.lastIndex(of: colon) else {
            // A name, or an address of which the port was forgotten.
            guard !text(bytes[...]).contains(where: { $0 == "." || $0.isLetter }) else {
                throw Malformed(reason: "there is no port")
            }
            return (nil, bytes[...])
        }
        let host = bytes[..<last]
        guard !host.contains(UInt8(ascii: " ")) else {
            throw Malformed(reason: "it holds a blank; several addresses are separated by commas")
        }
        guard !host.contains(colon) else { throw Malformed(reason: "an IPv6 address needs brackets, like [::1]:9000") }
        return (host.isEmpty ? nil : host.startIndex..<host.endIndex, bytes[(last + 1)...])
    }

    /// Where what follows the first `://` begins.
    private static func endOfScheme(_ bytes: UnsafeRawBufferPointer) -> Int? {
        bytes.indices.dropLast(2).first {
            bytes[$0] == UInt8(ascii: ":") && bytes[$0 + 1] == UInt8(ascii: "/") && bytes[$0 + 2] == UInt8(ascii: "/")
        }.map { $0 + 3 }
    }

    private static func isPlain(_ host: Bytes) -> Bool {
        guard
            host.allSatisfy({
                $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "[") && $0 != UInt8(ascii: "]")
            })
        else { return false }
        // Blanks that are not ASCII.
        return host.allSatisfy { $0 < 0x80 } || !text(host).unicodeScalars.contains { $0.properties.isWhitespace }
    }

    private static func text(_ bytes: Bytes) -> String { String(decoding: bytes, as: UTF8.self) }
}
