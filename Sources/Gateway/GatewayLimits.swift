/// The bounds of the HTTP side, each with its reason.
public struct GatewayLimits: Sendable, Hashable {
    /// How long the coordinator's loop may take for an answer. It needs less than a millisecond; probes usually wait one to ten seconds.
    public static let answerLimit: Duration = .seconds(2)

    /// All of a request's header lines. Ours need a few hundred bytes, browsers send some thousand.
    public var headerBytes = 16 << 10
    public var headerCount = 100
    /// Connections at once: scrapers, probes and people. Whoever comes then takes the place of one without a whole request.
    public var connections = 256
    /// Connections beyond those while each of them is being answered; more wait in the kernel's queue, for two seconds at most.
    public static let spareConnections = 16
    /// Connections of one address that have not sent a whole request: a probe needs one, a browser six.
    public var unfinishedPerAddress = 32
    /// From a connection's start to its first request's last header line. It comes with the first packets, or it is no request.
    public var head: Duration = .seconds(5)
    /// A connection on which nothing moves for so long, between requests or in the middle of one, is closed.
    public var idle: Duration = .seconds(30)
    /// From a request's head to its last byte, however steadily it drips.
    public var body: Duration = .seconds(10)
    /// How long a refused sender's further bytes are read, so that the refusal reaches it before the connection's end.
    public var linger: Duration = .seconds(1)

    public init() {}
}
