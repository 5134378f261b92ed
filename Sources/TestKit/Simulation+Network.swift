internal import Cluster
internal import Planning
internal import Wire

extension Simulation {
    /// Opens a connection and carries the hello over it; an unreachable process refuses after the latency.
    mutating func connect(from dialer: Process, to acceptor: Process, hello: Hello, dialledNode: String) -> ConnectionID {
        let id = ConnectionID(nextConnection)
        nextConnection += 1
        var connection = Connection(dialer: dialer, acceptor: acceptor, hello: hello, dialledNode: dialledNode)
        connection.isOpen = isUp(acceptor)
        connections[id] = connection
        if connection.isOpen {
            transmit(Packet(message: .hello(hello)), on: id, from: dialer, delay: latency * 2)
        } else {
            schedule.add(.connectResult(id, dialer, false), at: now + latency * 2)
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

    /// In order on each direction of a connection, after the bytes before it, the bandwidth and the latency with some jitter.
    /// - Returns: when the last byte has left the sender.
    @discardableResult
    mutating func transmit(_ packet: Packet, on id: ConnectionID, from sender: Process, delay: Duration = .zero) -> Instant {
        guard var connection = connections[id], connection.isOpen else { return now }
        let toAcceptor = sender == connection.dialer
        let free = max(now, toAcceptor ? connection.freeFromDialer : connection.freeFromAcceptor)
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
        schedule.add(.deliver(id, to: connection.other(than: sender), packet), at: arrival)
        return left
    }

    /// Closes it here at once; the other side learns of it after the latency, behind everything that was sent before.
    mutating func close(_ id: ConnectionID, by process: Process, _ cause: String) {
        guard var connection = connections[id], connection.isOpen else { return }
        connection.isOpen = false
        connection.closedBy = process
        connections[id] = connection
        let other = connection.other(than: process)
        let behind = process == connection.dialer ? connection.lastArrivalAtAcceptor : connection.lastArrivalAtDialer
        schedule.add(.connectionClosed(id, at: other, cause), at: max(now + latency, behind))
    }

    mutating func connectResult(_ id: ConnectionID, _ process: Process, _ isOpen: Bool) {
        guard let connection = connections[id], !isOpen else { return }
        switch process {
        case .coordinator:
            step(
                .dialFailed(NodeID(connection.dialledNode), .init(channel: connection.hello.channel, message: "connection refused"))
            )
        case .worker(let index):
            if workers[index].isUp { _ = try? stepWorker(index, .peerFailed(connection.dialledNode, "connection refused")) }
        case .client(let index): _ = try? stepClient(index, .disconnected("connection refused"))
        }
    }

    mutating func closed(_ id: ConnectionID, at process: Process, _ cause: String) {
        guard isUp(process), let connection = connections[id] else { return }
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
            let failed = connection.dialer == process && !connection.isWelcomed
            _ = try? stepWorker(index, failed ? .peerFailed(connection.dialledNode, cause) : .closed(id))
        case .client(let index):
            guard clients[index].connection == id else { return }
            clients[index].connection = nil
            _ = try? stepClient(index, .disconnected(cause))
        }
    }

    mutating func deliver(_ id: ConnectionID, to process: Process, _ packet: Packet) throws(Violation) {
        // What was sent before the other side's close is still read.
        guard isUp(process), let connection = connections[id], connection.closedBy != process else { return }
        switch process {
        case .coordinator: try deliverToCoordinator(id, packet)
        case .worker(let index): try deliverToWorker(index, id, packet)
        case .client(let index): try deliverToClient(index, id, packet)
        }
    }
}
