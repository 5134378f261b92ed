internal import ArgumentParser
package import Transport

/// A secret as one line of a file, and what may be said of it.
package struct SecretText {
    package enum TokenRole: String, CaseIterable, ExpressibleByArgument { case client, `operator` }

    /// The line, without its end.
    package let text: String
    /// `nil` for a token, which proves nothing between processes.
    package let key: ClusterKey?
    private let kind: String
    private let label: String?
    private let takenBy: String

    package init(_ key: ClusterKey) {
        self.key = key
        text = key.secretText
        kind = key.kind.rawValue
        label = key.label
        takenBy =
            switch key.kind {
            case .root: "the coordinator, and where there are few every process; all other keys are derived from it"
            case .cluster: "workers and health checks"
            case .operator: "people who drain workers: every amp4ec command"
            case .client: "applications: the amp4ec commands that change nothing"
            }
    }

    /// A line of the coordinator's file of tokens.
    /// - Parameters:
    ///   - label: one that ``ClusterKey`` takes for a client.
    ///   - bytes: random ones.
    package init(token role: TokenRole, label: String?, bytes: [UInt8]) {
        key = nil
        kind = "http-\(role.rawValue)"
        self.label = label
        text = "amp4ec-\(kind):\(bytes.withUnsafeBufferPointer(Base64URL.encode))" + (label.map { ":\($0)" } ?? "")
        takenBy =
            "the coordinator's --http-token-file, as a line; what stands between its colons is sent as Authorization: Bearer SECRET"
    }

    /// - Parameter secret: whether the line itself is in it.
    package func report(showing secret: Bool) -> SecretReport {
        SecretReport(
            kind: kind, label: label, names: key.map(Self.names), takenBy: takenBy, secret: secret ? text : nil)
    }

    /// What connections call the key: its kind and label, and a number by which two keys of a kind are told apart. A root is in no
    /// connection; those are named that are derived from it.
    private static func names(_ key: ClusterKey) -> [String] {
        if let name = key.preSharedKey?.name { return [name] }
        return [ClusterKey.Kind.cluster, .operator, .client].compactMap { (try? key.derived($0))?.preSharedKey?.name }
    }
}

/// What `amp4ec secret` says; nothing of the secret is in it, but for ``secret``.
package struct SecretReport: Codable {
    package var kind: String
    package var label: String?
    package var names: [String]?
    package var takenBy: String
    package var file: String?
    package var mode: String?
    package var problem: String?
    package var secret: String?

    package enum CodingKeys: String, CodingKey {
        case kind, label, names
        case takenBy = "taken_by"
        case file, mode, problem, secret
    }

    /// For people: all but the file and the secret.
    package var lines: String {
        var lines = ["kind: \(kind)" + (label.map { ", label \($0)" } ?? ""), "for: \(takenBy)"]
        if let names { lines.append("\(kind == "root" ? "derived keys are called" : "called"): \(names.joined(separator: ", "))") }
        if let mode { lines.append("mode: \(mode)" + (problem == nil ? ", all right" : "")) }
        return lines.map { "  \($0)\n" }.joined()
    }
}
