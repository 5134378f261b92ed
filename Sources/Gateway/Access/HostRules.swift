internal import Base

/// By which names this server may be asked without a token.
///
/// A page of another site may let its own name lead to this address (DNS rebinding); a browser then lets that page read what comes. The name
/// still stands in the request's `Host`. An address in numbers cannot be led elsewhere.
package struct HostRules: Sendable {
    private let names: Set<String>

    /// - Parameters:
    ///   - own: the machine's name and the host of `--http`, as far as there are such.
    ///   - given: of `--http-host`.
    package init(own: [String?], given: [String]) {
        names = Set((own.compactMap(\.self) + given + ["localhost"]).map(Self.plain)).subtracting([""])
    }

    /// - Parameter host: a request's `Host`: a name or an address, and `:PORT` where there is one.
    package func allows(_ host: String) -> Bool {
        guard let name = Self.name(in: host) else { return false }
        return IPAddress(name) != nil || names.contains(Self.plain(name))
    }

    /// Without port and brackets; `nil` where it is neither a name nor an address.
    private static func name(in host: String) -> Substring? {
        func isPort(_ text: Substring) -> Bool { text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) } }
        if host.hasPrefix("[") {
            guard let end = host.firstIndex(of: "]") else { return nil }
            let name = host[host.index(after: host.startIndex)..<end]
            let rest = host[host.index(after: end)...]
            guard IPAddress(name)?.isVersion6 == true, rest.isEmpty || rest.first == ":" && isPort(rest.dropFirst()) else {
                return nil
            }
            return name
        }
        let parts = host.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 1 || parts.count == 2 && isPort(parts[1]) else { return nil }
        return parts[0]
    }

    /// Names are the same in either case, and with the dot of the root behind them.
    private static func plain(_ name: some StringProtocol) -> String {
        let lower = name.lowercased()
        return lower.hasSuffix(".") ? String(lower.dropLast()) : lower
    }

    /// Why a value of `--http-host` is no name; `nil` where it is one.
    package static func problem(withName name: String) -> (problem: String, fix: String)? {
        guard !name.isEmpty, name.utf8.count <= HostPort.maximumHostLength else {
            return ("it has \(name.utf8.count) bytes, a name has from 1 to \(HostPort.maximumHostLength)", "write one name")
        }
        if IPAddress(name) != nil || name.hasPrefix("[") {
            return ("\"\(name)\" is an address, and those are always allowed", "leave it out")
        }
        let isPlain = name.unicodeScalars.allSatisfy {
            switch $0 {
            case "A"..."Z", "a"..."z", "0"..."9", ".", "_", "-": true
            default: false
            }
        }
        return isPlain
            ? nil : ("\"\(name)\" is no host's name", "write the name alone, without scheme and port: metrics.example.org")
    }
}
