internal import Base
internal import Cluster
internal import Hosting
internal import Logging
internal import Loops
internal import Planning
internal import Shell
internal import Tensors
internal import Transport
internal import Wire

/// One connection of the coordinator, and what is known of its other end.
final class CoordinatorPeer {
    let id: ConnectionID
    let connection: Connection
    /// The worker at the other end.
    var node: NodeID?
    /// A client that has said hello.
    var isClient = false
    /// A worker that dialled in to register.
    var registrant: IncarnationID?
    var hasRegistered = false
    var reportedLife: Instant

    /// The newest table of peers, by the tags of its pages in the connection's queue.
    private var table: (version: UInt64, tags: [UInt64]) = (0, [])
    private var lastTag: UInt64 = 0

    init(_ connection: Connection) {
        self.connection = connection
        id = ConnectionID(connection.id)
        reportedLife = connection.lastReceived
    }

    /// A worker that reads slowly gets the newest table alone: what still waits of an older one is of no use to it, and hundreds of tables for
    /// hundreds of such workers would be gigabytes.
    func send(_ page: PeerTable) {
        if page.version != table.version {
            for tag in table.tags { connection.cancelSend(tag: tag) }
            table = (page.version, [])
        }
        lastTag += 1
        table.tags.append(lastTag)
        connection.send(.peerTable(page), tag: lastTag)
    }
}

extension CoordinatorProcess: ConnectionHandler {
    var connectionOptions: ConnectionOptions {
        var settings = ConnectionOptions()
        // A reply waits for its client; a whole deployment waits for its worker.
        settings.outgoingByteLimit = 1 << 30
        return settings
    }

    /// Of what clients, and workers that register, connect to.
    var listeningOptions: ConnectionOptions { access.security.applied(to: connectionOptions) }

    /// The kernel gives a worker that has gone without a word up no later than its heartbeats do.
    private var workerConnectionOptions: ConnectionOptions {
        var settings = connectionOptions
        settings.unacknowledgedTimeout = max(ConnectionOptions.clusterLossLimit, options.heartbeatTimeout)
        return settings
    }

    func accept(_ connection: Connection) -> any ConnectionHandler {
        if notices.admits(connection, access.security, at: loop.now, logger) {
            peers[ConnectionID(connection.id)] = CoordinatorPeer(connection)
        }
        return self
    }

    func dial(_ node: NodeID, _ addresses: [String], _ hello: Hello) {
        if let service = topology.directory.awaitingAddresses(node) {
            lookUp(service) { [weak self] problem in
                let cause = problem ?? "its workers' addresses were not known yet"
                self?.step(.dialFailed(node, .init(channel: hello.channel, message: cause, refusal: nil)))
            }
            return
        }
        let dialing = access.security.dialing(workerConnectionOptions)
        let reachable = self.addresses(of: node, addresses, for: hello.channel)
        Dialer(loop: loop, addresses: reachable, hello: hello, settings: dialing) { welcome in
            welcome.role == .worker ? nil : "a \(welcome.role) answers here, not a worker"
        } completion: { [weak self] result in
            guard let self else { return }
            switch result {
            case .success((let connection, let welcome)):
                let peer = CoordinatorPeer(connection)
                peer.node = node
                peers[peer.id] = peer
                connection.handler = self
                notices.opened(connection, access.security, at: loop.now, logger)
                // So that the kernel knows the link's bandwidth before the first plan rests on it.
                if hello.channel == .data { connection.sendProbe() }
                step(.connected(node, hello.channel, peer.id, welcome))
            case .failure(let failure):
                step(.dialFailed(node, .init(channel: hello.channel, message: failure.message, refusal: failure.refusal)))
            }
        }
    }

    /// The data connection goes where the control connection went: behind a name of several workers the next look-up may put another
    /// one first, and that one would take the hello, and the name in it, for its own.
    private func addresses(of node: NodeID, _ known: [String], for channel: Channel) -> [String] {
        guard channel == .data, let control = host.machine.controlConnection(of: node), let peer = peers[control] else {
            return known
        }
        return [peer.connection.peerAddress.description]
    }

    func connection(_ connection: Connection, willReceive message: Message, payloadByteCount: Int) -> PayloadDisposition {
        guard let peer = peers[ConnectionID(connection.id)] else { return .discard }
        switch message {
        case .inferRequest(let request):
            guard peer.isClient else { return .close(.requested("a request before the hello")) }
            admittedRequest = nil
            step(.requestAnnounced(peer.id, request))
            guard let id = admittedRequest else { return .discard }
            return .accept(TensorStorage(payloadByteCount: payloadByteCount), ticket: id.number)
        case .workResult(let result):
            guard peer.node != nil else { return .close(.requested("only workers send results")) }
            admittedResult = nil
            step(.resultAnnounced(peer.id, result))
            return admittedResult == nil ? .discard : .accept(TensorStorage(payloadByteCount: payloadByteCount))
        default: return .discard
        }
    }

    func connection(_ connection: Connection, didReceive message: Message, payload: TensorStorage?) {
        guard let peer = peers[ConnectionID(connection.id)] else { return }
        if case .inferRequest(let request) = message, let ticket = connection.ticket, let payload, let layout = connection.layout {
            activations.decode(layout, in: payload, as: .request(RequestID(ticket), names: request.names), for: self)
        } else if peer.node != nil {
            fromWorker(message, payload, peer)
        } else if peer.isClient {
            asked(message, by: peer)
        } else if let incarnation = peer.registrant {
            if case .register(let register) = message {
                peer.hasRegistered = true
                step(.registered(peer.id, register, incarnation, from: connection.peerAddress.hostDescription))
            }
        } else if case .hello(let hello) = message {
            greet(hello, peer)
        } else {
            connection.refuse(.failedPrecondition, "the first message must be a hello")
        }
    }

    func connection(_ connection: Connection, didAbort message: Message) {
        switch message {
        case .inferRequest: if let ticket = connection.ticket { step(.requestGivenUp(RequestID(ticket))) }
        case .workResult(let result): step(.resultBroken(ConnectionID(connection.id), result.key, "the worker gave its result up"))
        default: break
        }
    }

    func connection(_ connection: Connection, cannotSend message: Message, _ error: WireError) {
        unsendable.note(message, to: connection, error, logger)
        // What is waited for fails at once.
        switch message {
        case .loadPartition(let order):
            let report = PartitionReport(key: order.key, state: .failed, code: .resourceExhausted, message: error.message)
            step(.received(ConnectionID(connection.id), .partitionReport(report)))
        case .partitionData(let data): step(.archiveUnavailable(data.key, error.message))
        default: break
        }
    }

    func connectionClosed(_ connection: Connection, reason: CloseReason) {
        notices.turnedAway(connection, reason, at: loop.now, logger)
        endedConnections += 1
        guard let peer = peers.removeValue(forKey: ConnectionID(connection.id)) else { return }
        questions.closed(peer.id)
        logger.debug("connection closed", metadata: ["peer": "\(connection.peerAddress)", "cause": "\(reason)"])
        // That the workers' connections end with this process says nothing about them.
        guard !isFinishing else { return stopOnceAlone() }
        step(.connectionClosed(peer.id, cause: "\(reason)"))
    }

    private func greet(_ hello: Hello, _ peer: CoordinatorPeer) {
        notices.opened(peer.connection, access.security, at: loop.now, logger)
        switch hello.role {
        case .client: peer.isClient = true
        case .worker where hello.channel == .control: peer.registrant = hello.incarnation
        case .worker, .coordinator:
            return peer.connection.refuse(
                .failedPrecondition, "this is a coordinator, which takes clients, and workers that register (--coordinator)")
        }
        peer.connection.send(
            .welcome(
                Welcome(
                    role: .coordinator, name: NodeID.coordinator.name, software: ProductVersion.current, incarnation: incarnation,
                    term: host.machine.term)))
    }

    private func fromWorker(_ message: Message, _ payload: TensorStorage?, _ peer: CoordinatorPeer) {
        if peer.connection.lastReceived > peer.reportedLife {
            peer.reportedLife = peer.connection.lastReceived
            step(.heard(peer.id))
        }
        if case .workResult(let result) = message {
            if let payload, let layout = peer.connection.layout { resultArrived(result, payload, layout, on: peer.id) }
        } else {
            step(.received(peer.id, message))
            guard case .pong(let pong) = message, !pong.places.isEmpty,
                let data = host.machine.dataConnection(beside: peer.id).flatMap({ peers[$0] })
            else { return }
            step(.placed(peer.id, pong.places, receivedBytes: data.connection.counters.receivedBytes))
        }
    }
}
