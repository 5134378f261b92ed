public import Wire

/// The bounds and deadlines of a connection. The defaults suit connections between the cluster's processes.
public struct ConnectionOptions: Sendable {
    /// Bytes that may wait to be sent: the in-flight table's activations for one peer. See ``Connection/send(_:payload:tag:completion:)``.
    public var outgoingByteLimit = 256 << 20
    /// Payload bytes of incomplete messages that the peer may have declared at once.
    public var incomingByteLimit = WireLimits.openByteCount
    /// From the opening of the socket to the peer's first whole message: strangers are not kept. `nil` for no limit.
    public var firstMessageTimeout: Duration? = .seconds(5)
    /// Longest silence in the middle of a message.
    public var partialMessageTimeout: Duration = .seconds(30)
    /// Longest time in which the peer takes not one byte of what is queued for it.
    public var writeStallTimeout: Duration = .seconds(20)
    /// Longest silence at all; `nil` (heartbeats have their own, in the machines) for no limit.
    public var idleTimeout: Duration?
    /// How long a closing connection may take to send what is queued and to see the peer's end.
    public var closingTimeout: Duration = .seconds(3)
    /// Between the cluster's own processes: how long a peer that has gone without a word (power, cable, a firewall that drops) keeps a
    /// connection open. As long as silent heartbeats are borne, so that the links between workers end no later than the coordinator's own.
    public static let clusterLossLimit: Duration = .seconds(2)
    /// TCP_USER_TIMEOUT: the kernel gives the connection up when sent bytes, a keepalive probe or a closed window stay unanswered for this
    /// long. The default suits clients, which may stop reading for a while.
    public var unacknowledgedTimeout: Duration = .seconds(20)
    /// TCP_NOTSENT_LOWAT: bytes in the kernel that are not on their way yet. What is there can neither be cancelled nor overtaken: 256 KiB are
    /// one frame, 0.2 s at 10 Mbit/s (the kernel's own limit of 4 MiB would be 3 s). Less data between checksum and copy stays in cache, too:
    /// measured on loopback, it took a sixth less CPU time than no limit.
    public var unsentByteLimit = 256 << 10
    /// SO_SNDBUF and SO_RCVBUF in bytes; `nil` leaves them to the kernel, which fits them to the link.
    public var socketBufferByteCount: Int?
    /// Bytes read from one connection before the others have their turn.
    public var readByteLimitPerWake = 4 << 20
    /// Bytes written to one connection before the others have their turn.
    public var writeByteLimitPerWake = 4 << 20
    /// What carries the bytes: `isServer` says which side of a handshake this process is, `peer` where the other one is.
    public var makeChannel: @Sendable (_ isServer: Bool, _ peer: SocketAddress) -> any ByteChannel = { _, _ in PlainChannel() }
    /// What a peer that connected to us and proved who it is may say: answers why it may not say this message, `nil` where it may.
    public var objection: @Sendable (_ message: Message, _ peer: PeerIdentity) -> String? = { _, _ in nil }

    public init() {}
}
