/// `POST /v2/repository/index`: a list.
public struct RepositoryIndex: Sendable, Hashable, Encodable {
    public struct Model: Sendable, Hashable, Encodable {
        public enum State: String, Sendable, Hashable, Encodable {
            case ready = "READY"
            case loading = "LOADING"
            case unavailable = "UNAVAILABLE"
        }

        public var name: String
        public var version: String
        public var state: State
        /// Why it is not ready; empty where it is.
        public var reason: String

        public init(name: String, version: String, state: State, reason: String = "") {
            self.name = name
            self.version = version
            self.state = state
            self.reason = reason
        }
    }

    public var models: [Model]

    public init(models: [Model]) { self.models = models }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(models)
    }
}
