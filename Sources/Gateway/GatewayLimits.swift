internal import Cluster

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
    /// An address with more connections that have not sent a whole request is a crowd, and makes room first: a probe needs one, a browser six.
    public var unfinishedPerAddress = 32
    /// From a connection's start to its first request's last header line. It comes with the first packets, or it is no request.
    public var head: Duration = .seconds(5)
    /// A connection on which nothing moves for so long, between requests or in the middle of one, is closed.
    public var idle: Duration = .seconds(30)
    /// From one picture of the cluster to the next, for all who look at the dashboard.
    public var picture: Duration = .seconds(1)
    /// From a request's head to its last byte, however steadily it drips.
    public var body: Duration = .seconds(10)
    /// All of an inference's body, as it comes and inflated (`--http-max-body`): a batch of 100 images as float32.
    public var inferenceBody = 64 << 20
    /// Of bodies that are not tensors yet (JSON, pictures), for all requests together.
    public var heldBodies = 256 << 20
    /// Threads for pictures and large JSON. One may be busy with the largest that there is while another serves the rest.
    static let decodingThreads = 2
    /// A body may take ``body`` and this pace, until its shapes are known and the coordinator's own rule takes over.
    static let minimumBytesPerSecond = CoordinatorMachine.Configuration.minimumUploadBytesPerSecond
    /// How long a refused sender's further bytes are read, so that the refusal reaches it before the connection's end.
    public var linger: Duration = .seconds(1)

    public init() {}
}
