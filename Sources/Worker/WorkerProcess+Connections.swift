internal import Base
internal import Cluster
internal import Hosting
internal import Logging
internal import Loops
internal import Shell
internal import Tensors
internal import Transport
internal import Wire

/// One connection of the worker, and what is known of its other end.
final class WorkerPeer {
    let id: ConnectionID
    let connection: Connection
    /// What the other end said first, where it opened the connection.
    var hello: Hello?
    /// The node that this worker dialled.
    var dialledNode: NodeID?
    /// A probe was sent: before that the kernel's estimate rests on a few small messages.
    var isProbed = false

    init(_ connection: Connection) {
        self.connection = connection
        id = ConnectionID(connection.id)
    }

}

extension WorkerProcess: ConnectionHandler {
    /// The link that the connection carries activations or results of, from here; what others opened only brings them.
    func link(of peer: WorkerPeer) -> NodeID? {
        if let dialledNode = peer.dialledNode { return dialledNode }
        return peer.id == host.machine.resultConnection ? .coordinator : nil
    }

    func accept(_ connection: Connection) -> any ConnectionHandler {
        if notices.admits(connection, access.security, at: loop.now, logger) {
            connections[ConnectionID(connection.id)] = WorkerPeer(connection)
        }
        return self
    }

    /// Connects to the next stage; the peer must be the very process that the peer table means.
    func dial(_ peer: PeerTable.Peer) {
        let hello = Hello(
            role: .worker, channel: .data, name: host.machine.name.name, software: ProductVersion.current, incarnation: incarnation)
        Dialer(loop: loop, addresses: peer.addresses, hello: hello, settings: dialSettings) { welcome in
            welcome.incarnation == peer.incarnation ? nil : "another process than \(peer.name) answers here (\(welcome.name))"
        } completion: { [weak self] result in
            guard let self else { return }
            switch result {
            case .success((let connection, _)):
                let opened = WorkerPeer(connection)
                opened.dialledNode = peer.name
                connections[opened.id] = opened
                connection.handler = self
                notices.opened(connection, access.security, at: loop.now, logger)
                step(.peerOpened(peer, opened.id))
                probe(opened)
            case .failure(let failure): step(.peerFailed(peer, failure.message))
            }
        }
    }

    var dialSettings: Dialer.Settings { access.security.dialing(connectionOptions) }

    func connection(_ connection: Connection, willReceive message: Message, payloadByteCount: Int) -> PayloadDisposition {
        guard let peer = connections[ConnectionID(connection.id)], peer.hello != nil else {
            return .close(.requested("a payload before the hello"))
        }
        switch message {
        case .work(let work):
            // The end of the connection tells whoever sent it in good faith.
            guard host.machine.takesWork(from: peer.id) else {
                return .close(.requested("work from somebody who is not in the peer table"))
            }
            return admit(work, payloadByteCount, on: peer)
        case .partitionData(let data):
            switch host.machine.takesArchive(of: data.key, from: peer.id) {
            case .stranger: return .close(.requested("only the coordinator that holds this worker sends partitions"))
            case .unasked: return .discard
            case .awaited:
                return UInt64(payloadByteCount) <= memoryLimit
                    ? .accept(TensorStorage(payloadByteCount: payloadByteCount)) : .discard
            }
        // Of a link's probe only its journey counts.
        default: return .discard
        }
    }

    /// So that the kernel knows the link's bandwidth before an activation depends on it.
    private func probe(_ peer: WorkerPeer) {
        // With very many peers the probes of all pairs together would be a load of their own.
        guard connections.values.count(where: { $0.dialledNode != nil }) <= Self.probedPeerLimit else { return }
        peer.isProbed = true
        peer.connection.sendProbe()
    }

    private static let probedPeerLimit = 32

    func connection(_ connection: Connection, didReceive message: Message, payload: TensorStorage?) {
        guard let peer = connections[ConnectionID(connection.id)] else { return }
        switch message {
        case .hello(let hello):
            guard peer.hello == nil, peer.dialledNode == nil else { return connection.close(.requested("a second hello")) }
            peer.hello = hello
            notices.opened(connection, access.security, at: loop.now, logger)
            step(.opened(peer.id, hello))
            if peer.id == host.machine.resultConnection { probe(peer) }
        case _ where peer.hello == nil && peer.dialledNode == nil:
            connection.refuse(.failedPrecondition, "the first message must be a hello")
        case .work(let work):
            if let ticket = connection.ticket { payloads.received(ticket) }
            arrived(work, payload, on: peer)
        case .partitionData(let data):
            // Since its first byte the holder may have changed; that it was asked for was seen then, where it has bytes.
            let standing = host.machine.takesArchive(of: data.key, from: peer.id)
            if standing == .awaited || (standing == .unasked && payload != nil) { store(data, payload) }
        default: step(.received(peer.id, message))
        }
    }

    func connection(_ connection: Connection, cannotSend message: Message, _ error: WireError) {
        unsendable.note(message, to: connection, error, logger)
    }

    func connection(_ connection: Connection, didAbort message: Message) {
        if case .work = message, let ticket = connection.ticket { payloads.received(ticket) }
    }

    func connectionClosed(_ connection: Connection, reason: CloseReason) {
        notices.turnedAway(connection, reason, at: loop.now, logger)
        guard let peer = connections.removeValue(forKey: ConnectionID(connection.id)) else { return }
        payloads.closed(peer.id)
        logger.debug("connection closed", metadata: ["peer": "\(connection.peerAddress)", "cause": "\(reason)"])
        step(.closed(peer.id))
    }

    /// Closes the connection that has been idle for longest, for one that comes while no descriptor or place is free. The coordinators' stay:
    /// another worker opens its link again when it needs it.
    func makeRoom() -> Bool {
        let idle = connections.values.lazy.filter {
            $0.connection.isServer && $0.connection.isOpen && $0.hello != nil && $0.hello?.role != .coordinator
        }
        return Connection.dismissIdlest(of: idle.map(\.connection), logger)
    }
}
