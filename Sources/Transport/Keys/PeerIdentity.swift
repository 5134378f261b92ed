/// Who a peer has proved to be: one that has a key of this kind.
///
/// All processes with the same key are the same to this: a cluster key does not tell one worker from another.
public struct PeerIdentity: Sendable, Hashable, CustomStringConvertible {
    public enum Kind: String, Sendable, CaseIterable {
        /// Coordinators and workers.
        case cluster
        /// People who drain workers and load models.
        case `operator`
        /// Applications.
        case client
        /// Health checks, who may only say hello.
        case health
    }

    public let kind: Kind
    /// Which of several keys of the kind: the name of an application or a person. Of a health check: what key its own is derived from.
    public let label: String?

    public init(_ kind: Kind, label: String? = nil) {
        self.kind = kind
        self.label = label
    }

    /// `client:laptop`, or the kind alone.
    public var description: String { label.map { "\(kind.rawValue):\($0)" } ?? kind.rawValue }
}
