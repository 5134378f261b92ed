internal import Tensors

/// What a node may be called, in every place where a name comes in or goes out: `--name`, a topology, each message.
///
/// A legal name is 1 to 255 bytes of UTF-8 without control characters, line breaks and marks that turn the direction of writing (nobody can
/// forge a line of a log or a table with it), without a blank at either end, and is not ``reserved``.
public enum NodeName {
    /// The coordinator's, in the tables of links.
    public static let reserved = "coordinator"

    /// Why it is no legal name; `nil` where it is one.
    public static func problem(with name: String) -> String? {
        if name.isEmpty { return "a name has at least one character" }
        let count = name.utf8.count
        guard count <= WireLimits.nameByteCount else { return "\(count) bytes are over the limit of \(WireLimits.nameByteCount)" }
        if !name.unicodeScalars.allSatisfy(\.isPlain) { return "it holds a control character or a line break" }
        if name.unicodeScalars.first?.isBlank == true || name.unicodeScalars.last?.isBlank == true {
            return "it has a blank at one end"
        }
        if name == reserved { return "the coordinator is called that" }
        return nil
    }

    /// The nearest legal name, for one that nobody chose (a machine's own).
    public static func legal(from name: String, otherwise fallback: String) -> String {
        var scalars = String.UnicodeScalarView()
        var count = 0
        for scalar in name.unicodeScalars {
            let next: Unicode.Scalar = scalar.isPlain && !scalar.isBlank ? scalar : "-"
            count += String(next).utf8.count
            guard count <= WireLimits.nameByteCount else { break }
            scalars.append(next)
        }
        let candidate = String(scalars)
        return problem(with: candidate) == nil ? candidate : fallback
    }
}

extension Unicode.Scalar {
    var isPlain: Bool { !isObeyedByTerminals }
    var isBlank: Bool { properties.isWhitespace }
}

/// `host:port` or `[v6]:port` as text. Whether anybody answers there is found out by dialling; this is what may be passed on to others.
enum AddressText {
    /// A DNS name has at most 253 bytes.
    static let hostByteCount = 253

    static func isPlausible(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")) else { return false }
        let port = bytes[(colon + 1)...]
        guard (1...5).contains(port.count), port.allSatisfy({ $0 &- UInt8(ascii: "0") <= 9 }),
            port.reduce(0, { $0 * 10 + Int($1 - UInt8(ascii: "0")) }) <= Int(UInt16.max)
        else { return false }
        var host = bytes[..<colon]
        if host.first == UInt8(ascii: "[") {
            guard host.count > 2, host.last == UInt8(ascii: "]") else { return false }
            host = host.dropFirst().dropLast()
        } else if host.contains(UInt8(ascii: ":")) {
            return false
        }
        // No host is this machine.
        return host.count <= hostByteCount
            && host.allSatisfy {
                $0 > 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "[") && $0 != UInt8(ascii: "]")
            }
    }
}
