internal import Cluster
internal import Planning
internal import Wire

extension Simulation {
    /// TCP gives up on bytes that are not acknowledged for this long; a connection that cannot be opened fails after the same time.
    static let tcpTimeout: Duration = .seconds(3)

    /// Opens a connection and carries the hello over it; an unreachable process refuses after the latency.
    mutating func connect(
        from dialer: Process, to acceptor: Process, hello: Hello, dialledNode: String, peer: PeerTable.Peer? = nil
    ) -> ConnectionID {
        let id = ConnectionID(nextConnection)
        nextConnection += 1
        var connection = Connection(dialer: dialer, acceptor: acceptor, hello: hello, dialledNode: dialledNode)
        connection.peer = peer
        connection.dialerLife = life(of: dialer)
        connection.acceptorLife = life(of: acceptor)
        let isBlocked = max(blockedUntil(dialer, acceptor), blockedUntil(acceptor, dialer)) > now + Self.tcpTimeout
        connection.isOpen = isUp(acceptor) && !isBlocked
        connections[id] = connection
        if connection.isOpen {
            transmit(Packet(message: .hello(hello)), on: id, from: dialer, delay: latency * 2)
        } else {
            schedule.add(.connectResult(id, dialer, false), at: now + (isBlocked ? Self.tcpTimeout : latency * 2))
        }
        return id
    }

    func isUp(_ process: Process) -> Bool {
        switch process {
        case .coordinator: true
        case .worker(let index): workers[index].isUp
        case .client(let index): !clients[index].hasLeft
        }
    }

    func life(of process: Process) -> Int {
        switch process {
        case .coordinator: coordinator.life
        case .worker(let index): workers[index].life
        case .client: 0
        }
    }

    func blockedUntil(_ from: Process, _ to: Process) -> Instant { blocks[Direction(from: from, to: to)] ?? .zero }

    /// In order on each direction of a connection, after the bytes before it, the bandwidth and the latency with some jitter. Where the
    /// direction is blocked, TCP carries it later or gives the connection up.
    /// - Returns: when the last byte has left the sender.
    @discardableResult
    mutating func transmit(_ packet: Packet, on id: ConnectionID, from sender: Process, delay: Duration = .zero) -> Instant {
        guard var connection = connections[id], connection.isOpen, !connection.closedAt.contains(sender) else {
            return .distantFuture
        }
        let receiver = connection.other(than: sender)
        let toAcceptor = sender == connection.dialer
        var free = max(now, toAcceptor ? connection.freeFromDialer : connection.freeFromAcceptor)
        let blocked = max(blockedUntil(sender, receiver), blockedUntil(receiver, sender))
        if blocked > now + Self.tcpTimeout {
            // The sender gives up; what was not blocked in the receiver's direction has arrived all the same.
            let isDelivered = blockedUntil(sender, receiver) <= now
            schedule.add(.connectionClosed(id, at: sender, "timed out"), at: now + Self.tcpTimeout)
            schedule.add(
                .connectionClosed(id, at: receiver, "timed out"), at: now + Self.tcpTimeout + random.duration(.zero, .seconds(1)))
            if !isDelivered { return free }
        } else if blocked > now {
            free = max(free, blocked)
        }
        let left = free + .nanoseconds(Int64(Double(packet.bytes) / bytesPerSecond * 1e9))
        let jitter = random.duration(.zero, latency)
        let arrival = max(
            left + latency + jitter + delay, toAcceptor ? connection.lastArrivalAtAcceptor : connection.lastArrivalAtDialer)
        if toAcceptor {
            connection.freeFromDialer = left
            connection.lastArrivalAtAcceptor = arrival
        } else {
            connection.freeFromAcceptor = left
            connection.lastArrivalAtDialer = arrival
        }
        connections[id] = connection
        schedule.add(.deliver(id, to: receiver, packet, left: left), at: arrival)
        return left
    }

    /// Ends it here at once; the other side learns of it after the latency, behind what had left by now (`afterFlush`: behind everything).
    mutating func close(
        _ id: ConnectionID, by process: Process, _ cause: String, afterFlush: Bool = false, noticedAfter delay: Duration = .zero
    ) {
        guard var connection = connections[id], !connection.closedAt.contains(process) else { return }
        connection.closedAt.insert(process)
        if connection.isOpen {
            connection.isOpen = false
            if !afterFlush { connection.brokenAt = now }
            let behind = process == connection.dialer ? connection.lastArrivalAtAcceptor : connection.lastArrivalAtDialer
            let last = afterFlush ? max(now + latency, behind) : now + latency
            schedule.add(.connectionClosed(id, at: connection.other(than: process), cause), at: last + delay)
        }
        connections[id] = connection
        // A shell is told of the end of its own connection too.
        schedule.add(.connectionClosed(id, at: process, cause), at: now)
    }

    mutating func connectResult(_ id: ConnectionID, _ process: Process, _ isOpen: Bool) throws(Violation) {
        guard let connection = connections[id], !isOpen, life(of: process) == connection.dialerLife, isUp(process) else { return }
        switch process {
        case .coordinator:
            step(
                .dialFailed(NodeID(connection.dialledNode), .init(channel: connection.hello.channel, message: "connection refused"))
            )
        case .worker(let index):
            if let peer = connection.peer { try stepWorker(index, .peerFailed(peer, "connection refused")) }
        case .client(let index): try stepClient(index, .disconnected("connection refused"))
        }
    }

    mutating func closed(_ id: ConnectionID, at process: Process, _ cause: String) throws(Violation) {
        guard var connection = connections[id], isUp(process), isOfThisLife(process, connection) else { return }
        guard connection.toldTo.insert(process).inserted else { return }
        connection.closedAt.insert(process)
        connection.isOpen = false
        if connection.brokenAt == nil, cause == "timed out" { connection.brokenAt = now }
        connections[id] = connection
        note("\(process) sees connection \(id.number) closed: \(cause)")
        switch process {
        case .coordinator:
            if connection.dialer == .coordinator, !connection.isWelcomed {
                step(.dialFailed(NodeID(connection.dialledNode), .init(channel: connection.hello.channel, message: cause)))
            } else {
                for id in coordinator.requestsReplying(on: id) { step(.replySent(id)) }
                step(.connectionClosed(id, cause: cause))
            }
        case .worker(let index):
            workers[index].controlConnections.remove(id)
            if connection.dialer == process, !connection.isWelcomed {
                if let peer = connection.peer { try stepWorker(index, .peerFailed(peer, cause)) }
            } else {
                try stepWorker(index, .closed(id))
            }
        case .client(let index):
            guard clients[index].connection == id else { return }
            clients[index].connection = nil
            try stepClient(index, .disconnected(cause))
        }
    }

    private func isOfThisLife(_ process: Process, _ connection: Connection) -> Bool {
        life(of: process) == (process == connection.dialer ? connection.dialerLife : connection.acceptorLife)
    }

    mutating func deliver(_ id: ConnectionID, to process: Process, _ packet: Packet, left: Instant) throws(Violation) {
        guard isUp(process), let connection = connections[id], isOfThisLife(process, connection) else { return }
        guard !connection.closedAt.contains(process), left <= connection.brokenAt ?? .distantFuture else { return }
        switch process {
        case .coordinator: try deliverToCoordinator(id, packet)
        case .worker(let index): try deliverToWorker(index, id, packet)
        case .client(let index): try deliverToClient(index, id, packet)
        }
    }
}
