public import Cluster

/// What the gateway asks the coordinator. Every answer comes from the coordinator's loop itself, so that an answer proves that the loop turns.
public protocol GatewaySource: Sendable {
    /// - Returns: `false` when the loop did not answer within ``GatewayLimits/answerLimit``.
    func isAlive() async -> Bool
    /// - Returns: `nil` when the loop did not answer within ``GatewayLimits/answerLimit``.
    func report() async -> GatewayReport?
}

/// The state of everything at one moment.
public struct GatewayReport: Sendable, Hashable {
    public var status: ClusterStatus
    public var readiness: Readiness

    public init(status: ClusterStatus, readiness: Readiness) {
        self.status = status
        self.readiness = readiness
    }
}

/// The bounds of the HTTP side, each with its reason.
public enum GatewayLimits {
    /// How long the coordinator's loop may take. It answers within a millisecond; probes usually wait one to ten seconds.
    public static let answerLimit: Duration = .seconds(2)
    /// All of a request's header lines. Ours need a few hundred bytes, browsers send some thousand.
    public static let headerBytes = 16 << 10
    public static let headerCount = 100
    /// Connections at once: scrapers, probes and people. More wait in the kernel's queue.
    public static let connections = 256
    /// A connection that sends nothing for so long, between requests or in the middle of one, is closed.
    public static let idleLimit: Duration = .seconds(30)
    /// From a request's head to its last byte, however steadily it drips.
    public static let bodyLimit: Duration = .seconds(30)
    /// How long a refused sender's further bytes are read, so that the refusal reaches it before the connection's end.
    public static let lingerLimit: Duration = .seconds(1)
}
