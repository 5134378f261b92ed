/// `GET /v2`.
public struct ServerMetadata: Sendable, Hashable, Encodable {
    public var name: String
    public var version: String
    /// What of the protocol's extensions there is, by their names.
    public var extensions: [String]

    public init(name: String, version: String, extensions: [String]) {
        self.name = name
        self.version = version
        self.extensions = extensions
    }
}
