internal import Base

/// Who may talk in plain text: peers on this machine and on private networks; strangers only where the operator said `--insecure`.
public enum PublicAddressPolicy {
    /// Why a peer is refused, or `nil` when it may stay.
    /// - Parameters:
    ///   - peer: the peer's numeric address as the socket reports it, without the port.
    ///   - insecure: whether `--insecure` was given.
    public static func refusal(ofPeer peer: String, insecure: Bool) -> String? {
        if insecure { return nil }
        guard let address = IPAddress(peer) else {
            return
                "the peer's address \"\(peer)\" is no IP address, so it may be public; give --insecure to talk to it in plain text"
        }
        guard address.scope == .public else { return nil }
        return
            "the peer \(peer) is at a public address and the connection is not encrypted; keep the cluster on a private network, "
            + "or give --insecure to accept that others can read and change the traffic"
    }
}
