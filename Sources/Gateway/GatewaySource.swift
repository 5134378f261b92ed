public import Cluster

/// What the gateway asks the coordinator. Every answer comes from the coordinator's loop itself, so that an answer proves that the loop turns;
/// none waits longer than ``GatewayLimits/answerLimit``.
public protocol GatewaySource: Sendable {
    /// - Returns: `false` when the loop did not answer in time.
    func isAlive() async -> Bool
    /// - Returns: `nil` when the loop did not answer in time.
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
