internal import Base
internal import Transport

/// One line of a token file: `amp4ec-http-client:SECRET` or `amp4ec-http-operator:SECRET`, with `:LABEL` behind it where one likes.
///
/// SECRET is base64url of 32 to 64 random bytes, and alone what a request sends.
package struct HTTPToken: Sendable {
    package let caller: HTTPCaller
    let secret: SecretBytes
    /// Signs the cookies of those who log in with it.
    let sessionKey: SecretBytes

    static let roles: [(prefix: String, role: HTTPCaller.Role)] = [
        ("amp4ec-http-client:", .client), ("amp4ec-http-operator:", .operator),
    ]

    /// Why a line is no token. The line itself is never repeated: it may be the secret.
    package struct Problem: Error, Hashable {
        package let reason: String
        package let fix: String
    }

    package init(parsing line: some StringProtocol) throws(Problem) {
        guard let (prefix, role) = Self.roles.first(where: { line.hasPrefix($0.prefix) }) else { throw Self.otherKind(line) }
        let parts = line.dropFirst(prefix.count).split(separator: ":", omittingEmptySubsequences: false)
        func refused(_ reason: String) -> Problem {
            Problem(reason: reason, fix: "make the line again: amp4ec secret --http-token \(role.rawValue)")
        }
        guard parts.count <= 2 else { throw refused("there is something behind the label") }
        guard let bytes = parts.first.flatMap({ Base64URL.decode($0.utf8) }) else {
            throw refused("the secret is not base64url (letters, digits, '-' and '_')")
        }
        if let problem = ClusterKey.problem(withByteCount: bytes.count) { throw refused(problem) }
        let label = parts.count == 2 ? String(parts[1]) : nil
        if let label, let problem = ClusterKey.problem(withLabel: label, of: .client) {
            throw Problem(reason: problem, fix: "write another label, or leave it and its colon out")
        }
        caller = HTTPCaller(role, label: label)
        secret = SecretBytes(copying: bytes)
        sessionKey = SessionCookie.key(of: secret)
    }

    private static func otherKind(_ line: some StringProtocol) -> Problem {
        if ClusterKey.Kind.allCases.contains(where: { line.hasPrefix("amp4ec-\($0.rawValue):") }) {
            return Problem(
                reason: "it is a key of the cluster, which must never go over HTTP",
                fix: "take it out, and make a token: amp4ec secret --http-token client")
        }
        let prefixes = roles.map(\.prefix).joined(separator: " or ")
        return Problem(
            reason: "it does not begin with \(prefixes)", fix: "make a line: amp4ec secret --http-token client, or operator")
    }
}
