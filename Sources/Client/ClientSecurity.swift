internal import Base
internal import Glibc
internal import Transport

extension AMP4ECClient.Options {
    /// How the coordinator is talked with.
    func security() throws(ValueError) -> ConnectionSecurity {
        if let given { return given }
        let files: [KeyFile] =
            switch secret {
            case .usualPlaces: try KeyPlaces(options: [], environment: Self.environment).find()
            case .file(let path): [try KeyFile.read(path, at: .option)]
            case .none: []
            }
        let tls = try files.isEmpty ? nil : TLSContext(KeyRing(files, for: .client))
        let allowsPublic = allowsPublicPlainText
        return ConnectionSecurity(tls: tls, server: nil, acceptsPlain: false) { address in
            address.isPublic && !allowsPublic ? "it is a public address, and the connection would be plain text" : nil
        }
    }

    /// Of the environment what says where a key is.
    private static var environment: [String: String] {
        var found: [String: String] = [:]
        for name in [KeyPlaces.environmentVariable, "XDG_CONFIG_HOME", "HOME"] {
            found[name] = getenv(name).map { String(cString: $0) }
        }
        return found
    }
}
