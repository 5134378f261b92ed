internal import Base
internal import Cluster
internal import Planning
internal import Wire

/// What the world tells the processes: connections that open and end, and what comes on them.
extension Simulation {
    /// Opens a connection between two processes as they stand now.
    mutating func connect(
        from dialer: Process, to acceptor: Process, hello: Hello, dialledNode: NodeID, peer: PeerTable.Peer? = nil
    ) -> ConnectionID {
        world.connect(from: party(dialer), to: party(acceptor), hello: hello, dialledNode: dialledNode, peer: peer)
    }

    private func party(_ process: Process) -> World.Party {
        World.Party(process: process, life: life(of: process), isUp: isUp(process))
    }

    func isUp(_ process: Process) -> Bool {
        switch process {
        case .coordinator(let index): coordinators[index].isUp
        case .worker(let index): workers[index].isUp
        case .client(let index): !clients[index].hasLeft
        case .person: true
        }
    }

    func life(of process: Process) -> Int {
        switch process {
        case .coordinator(let index): coordinators[index].life
        case .worker(let index): workers[index].life
        case .client, .person: 0
        }
    }

    mutating func connectFailed(_ id: ConnectionID, _ process: Process) throws(Violation) {
        let connection = world.connection(id)
        guard life(of: process) == connection.dialerLife, isUp(process) else { return }
        switch process {
        case .coordinator(let index):
            step(
                .dialFailed(
                    connection.dialledNode, .init(channel: connection.hello.channel, message: "connection refused")),
                coordinator: index)
            try throwPending()
        case .worker(let index):
            if workers[index].registration == id { return registrationEnded(index) }
            if let peer = connection.peer { try stepWorker(index, .peerFailed(peer, "connection refused")) }
        case .client(let index): try stepClient(index, .disconnected("connection refused"))
        case .person: commandEnded(id)
        }
    }

    mutating func closed(_ id: ConnectionID, at process: Process, _ cause: String) throws(Violation) {
        let number = Int(id.number)
        guard isUp(process), life(of: process) == world.connections[number].life(of: process),
            !world.connections[number][process].wasTold
        else { return }
        world.connections[number][process].wasTold = true
        world.connections[number][process].knowsEnd = true
        world.connections[number].isOpen = false
        if world.connections[number].brokenAt == nil, cause == "timed out" { world.connections[number].brokenAt = now }
        note(
            "\(process) sees connection \(number) with \(world.connections[number].other(than: process)) closed: \(cause)", .detail)
        let connection = world.connections[number]
        switch process {
        case .coordinator(let index):
            if connection.dialer == process, !connection.isWelcomed {
                step(
                    .dialFailed(connection.dialledNode, .init(channel: connection.hello.channel, message: cause)),
                    coordinator: index)
            } else {
                for request in coordinators[index].requestsReplying(on: id) { step(.replySent(request), coordinator: index) }
                step(.connectionClosed(id, cause: cause), coordinator: index)
            }
            try throwPending()
        case .worker(let index):
            if workers[index].registration == id { return registrationEnded(index) }
            if connection.dialer == process, !connection.isWelcomed {
                try dialEnded(id, cause, worker: index)
            } else {
                try stepWorker(index, .closed(id))
            }
        case .client(let index):
            guard clients[index].connection == id else { return }
            clients[index].connection = nil
            try stepClient(index, .disconnected(cause))
        case .person: commandEnded(id)
        }
    }

    mutating func deliver(_ id: ConnectionID, to process: Process, _ packet: Packet, left: Instant) throws(Violation) {
        let number = Int(id.number)
        guard isUp(process), life(of: process) == world.connections[number].life(of: process) else { return }
        guard !world.connections[number][process].knowsEnd, left <= world.connections[number].brokenAt ?? .distantFuture else {
            return
        }
        world.connections[number][process].receivedBytes += UInt64(packet.bytes)
        if !packet.isRoutine { note("\(process) gets on connection \(number): \(packet.summary)", .detail) }
        switch process {
        case .coordinator(let index): try deliverToCoordinator(index, id, packet)
        case .worker(let index):
            if workers[index].registration == id { return deliverRegistration(index, id, packet.message) }
            try deliverToWorker(index, id, packet)
        case .client(let index): try deliverToClient(index, id, packet)
        case .person: if let command = commands[id] { deliverToOperator(id, command, packet.message) }
        }
    }
}
