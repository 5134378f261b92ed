public import Cluster

/// What the gateway asks the coordinator. Every answer comes from the coordinator's loop itself, so that an answer proves that the loop turns;
/// none waits longer than ``GatewayLimits/answerLimit``.
public protocol GatewaySource: Sendable {
    /// - Returns: `false` when the loop did not answer in time.
    func isAlive() async -> Bool
    /// - Returns: `nil` when the loop did not answer in time.
    func readiness() async -> Readiness?
    /// May be shared with others who asked about the same time.
    /// - Returns: `nil` when the loop did not answer in time.
    func report() async -> GatewayReport?
}

/// The state of everything at one moment.
public struct GatewayReport: Sendable, Hashable {
    public var status: ClusterStatus
    public var readiness: Readiness
    /// Differs from report to report, so that what is made of one is made once; 0 where nothing is known of it.
    public var number: UInt64
    /// When the last request was answered, in milliseconds since 1970; 0 before the first.
    public var lastAnswerMs: UInt64
    /// The status as JSON, where it is written down already.
    public var statusDocument: [UInt8]?

    public init(status: ClusterStatus, readiness: Readiness, number: UInt64 = 0, lastAnswerMs: UInt64 = 0) {
        self.status = status
        self.readiness = readiness
        self.number = number
        self.lastAnswerMs = lastAnswerMs
    }
}
