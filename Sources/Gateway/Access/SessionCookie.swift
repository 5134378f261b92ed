internal import Base
internal import Transport

/// What a browser shows in place of a token after a log-in: until when it counts, and an HMAC of that under a key that is derived from the
/// token's secret.
///
/// Nothing is kept of it here. So it outlives the coordinator, ends with its token, and says nothing of the token's secret.
package enum SessionCookie {
    /// A working day.
    package static let lifetimeSeconds: Int64 = 12 * 3_600
    /// Of one name in a request: more come of no browser.
    private static let countLimit = 4
    private static let version = "1"
    private static let purpose = "amp4ec dashboard session 1"
    static let keyByteCount = 32

    static func key(of secret: SecretBytes) -> SecretBytes { secret.derived(purpose, byteCount: keyByteCount) }

    /// Cookies know no ports: two coordinators of one host would log each other's readers out if the port were not in the name. Over TLS
    /// browsers hold the prefix to its word: set by this host alone, over TLS.
    static func name(host: String, isEncrypted: Bool) -> String {
        let port = host.split(separator: ":").last.flatMap { UInt16($0) }.map { "-\($0)" } ?? ""
        return "\(isEncrypted ? "__Host-" : "")amp4ec-session\(port)"
    }

    /// - Parameter end: seconds since 1970.
    static func value(for token: HTTPToken, until end: Int64) -> String {
        let code = token.sessionKey.authenticationCode(of: message(token.caller, "\(end)"))
        return "\(version).\(end).\(code.withBytes(Base64URL.encode))"
    }

    private static func message(_ caller: HTTPCaller, _ end: some StringProtocol) -> [UInt8] {
        // Neither a number nor a role has a line's end in it.
        Array("\(version)\n\(end)\n\(caller.role.rawValue)\n\(caller.label ?? "")".utf8)
    }

    /// Whose a cookie is; `nil` where it is over, or nobody's. Looks at all tokens whatever is found.
    static func caller(presenting value: some StringProtocol, at now: Int64, _ tokens: [HTTPToken]) -> HTTPCaller? {
        let parts = value.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0] == version, let end = Int64(parts[1]), "\(end)" == parts[1], now < end,
            let bytes = Base64URL.decode(parts[2].utf8), bytes.count == SecretBytes.authenticationCodeByteCount
        else { return nil }
        let code = SecretBytes(copying: bytes)
        var caller: HTTPCaller?
        for token in tokens where token.sessionKey.authenticationCode(of: message(token.caller, parts[1])) == code {
            caller = token.caller
        }
        return caller
    }

    /// The values of one name in a request's `Cookie` lines.
    static func values(named name: String, in lines: [String]) -> [Substring] {
        let found = lines.flatMap { line in
            line.split(separator: ";").compactMap { pair -> Substring? in
                let text = pair.drop { $0 == " " }
                guard let equals = text.firstIndex(of: "="), text[..<equals] == name else { return nil }
                return text[text.index(after: equals)...]
            }
        }
        return Array(found.prefix(countLimit))
    }

    /// A `Set-Cookie` line. The value goes to this server alone (no domain), never to a script, and with no request that another site makes.
    static func line(_ name: String, _ value: String, seconds: Int64, isEncrypted: Bool) -> String {
        "\(name)=\(value); Path=/; Max-Age=\(seconds); HttpOnly; SameSite=Strict\(isEncrypted ? "; Secure" : "")"
    }
}
