import Foundation
import Gateway

/// Tokens of the tests, and rules with and without them.
enum Tokens {
    static let client = String(repeating: "c", count: 42) + "A"
    static let oper = String(repeating: "o", count: 42) + "A"
    static let unknown = String(repeating: "x", count: 42) + "A"

    static let text = "# of the tests\namp4ec-http-client:\(client):grafana\n\namp4ec-http-operator:\(oper):anna\n"

    static let hosts = HostRules(own: ["127.0.0.1", "Box"], given: ["metrics.example.org"])
    static let none = AccessRules(hosts: hosts)

    static func some(acceptsPlain: Bool = false) throws -> AccessRules {
        AccessRules(tokens: try HTTPTokens(parsing: [("tokens", Array(text.utf8))]), acceptsPlainTokens: acceptsPlain, hosts: hosts)
    }
}

/// A folder that goes with its last reference.
final class TestFolder {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.appendingPathComponent("gateway-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// - Returns: the file's path.
    func write(_ name: String, _ text: String, mode: Int = 0o600) throws -> String {
        let file = "\(path)/\(name)"
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file)
        return file
    }
}
