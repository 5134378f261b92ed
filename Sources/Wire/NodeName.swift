internal import Base
internal import Tensors

/// What a node may be called, in every place where a name comes in or goes out: `--name`, a topology, each message.
///
/// A legal name is 1 to 255 bytes of UTF-8 without control characters, line breaks and marks that turn the direction of writing (nobody can
/// forge a line of a log or a table with it), without a blank at either end, and is not the coordinator's (`NodeID.coordinator`).
public enum NodeName {
    /// Why it is no legal name; `nil` where it is one.
    public static func problem(with name: String) -> String? {
        if name.isEmpty { return "a name has at least one character" }
        let count = name.utf8.count
        guard count <= WireLimits.nameByteCount else { return "\(count) bytes are over the limit of \(WireLimits.nameByteCount)" }
        if !name.unicodeScalars.allSatisfy(\.isPlain) { return "it holds a control character or a line break" }
        if name.unicodeScalars.first?.isBlank == true || name.unicodeScalars.last?.isBlank == true {
            return "it has a blank at one end"
        }
        if name == NodeID.coordinator.name { return "the coordinator is called that" }
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
public enum AddressText {
    /// Whether a message takes it: a topology may list what nobody could dial.
    public static func isSendable(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { $0.count <= WireLimits.addressByteCount && isPlausible(UnsafeRawBufferPointer($0)) }
    }

    /// No host is this machine. A port alone is for people to write.
    static func isPlausible(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.contains(UInt8(ascii: ":")) && HostPort.isReadable(bytes)
    }
}
