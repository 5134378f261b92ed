internal import Base
internal import Cluster
internal import Planning
internal import Wire

/// The network: connections with latency, bandwidth and an order of their own, and everything that can be wrong with them.
extension Simulation {
    /// TCP gives up on bytes that are not acknowledged for this long; a connection that cannot be opened fails after the same time.
    static let tcpTimeout: Duration = .seconds(3)

    func connection(_ id: ConnectionID) -> SimulatedConnection { connections[Int(id.number)] }

    /// Opens a connection and carries the hello over it; an unreachable process refuses after the latency.
    mutating func connect(
        from dialer: Process, to acceptor: Process, hello: Hello, dialledNode: NodeID, peer: PeerTable.Peer? = nil
    ) -> ConnectionID {
        let id = ConnectionID(UInt64(connections.count))
        var connection = SimulatedConnection(
            dialer: dialer, dialerLife: life(of: dialer), acceptor: acceptor, acceptorLife: life(of: acceptor), hello: hello,
            dialledNode: dialledNode, peer: peer)
        let isBlocked = max(blockedUntil(dialer, acceptor), blockedUntil(acceptor, dialer)) > now + Self.tcpTimeout
        connection.isOpen = isUp(acceptor) && !isBlocked
        connections.append(connection)
        if connection.isOpen {
            transmit(Packet(message: .hello(hello)), on: id, from: dialer, delay: latency * 2)
        } else {
            schedule.add(.connectFailed(id, dialer), at: now + (isBlocked ? Self.tcpTimeout : latency * 2))
        }
        return id
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

    func blockedUntil(_ from: Process, _ to: Process) -> Instant {
        blocks.isEmpty ? .zero : blocks[Direction(from: from, to: to)] ?? .zero
    }

    private func slowness(_ from: Process, _ to: Process) -> Slowness? {
        guard !slow.isEmpty, let found = slow[Direction(from: from, to: to)], found.until > now else { return nil }
        return found
    }

    /// In order on each direction of a connection, after the bytes before it, the bandwidth and the latency with some jitter. Where the
    /// direction is blocked, TCP carries it later or gives the connection up.
    /// - Returns: when the last byte has left the sender, or `distantFuture` where the connection is over for it.
    @discardableResult
    mutating func transmit(_ packet: Packet, on id: ConnectionID, from sender: Process, delay: Duration = .zero) -> Instant {
        let index = Int(id.number)
        guard connections[index].isOpen, !connections[index][sender].knowsEnd else { return .distantFuture }
        let receiver = connections[index].other(than: sender)
        connections[index][sender].sentBytes += UInt64(packet.bytes)
        var free = max(now, connections[index][sender].free)
        let outward = blockedUntil(sender, receiver)
        let blocked = max(outward, blockedUntil(receiver, sender))
        if blocked > now + Self.tcpTimeout {
            // The sender gives up; what was not blocked in the receiver's direction has still arrived.
            schedule.add(.connectionClosed(id, at: sender, "timed out"), at: now + Self.tcpTimeout)
            schedule.add(
                .connectionClosed(id, at: receiver, "timed out"), at: now + Self.tcpTimeout + random.duration(.zero, .seconds(1)))
            if outward > now { return free }
        } else if blocked > now {
            free = max(free, blocked)
        }
        let slowed = slowness(sender, receiver)
        let seconds = Double(packet.bytes) * (slowed?.divisor ?? 1) / bytesPerSecond
        let left = free + .nanoseconds(Int64(seconds * 1e9))
        let travel = latency + random.duration(.zero, latency) + delay + (slowed?.added ?? .zero)
        let arrival = max(left + travel, connections[index][receiver].lastArrival)
        connections[index][sender].free = left
        connections[index][receiver].lastArrival = arrival
        schedule.add(.deliver(id, to: receiver, packet, left: left), at: arrival)
        return left
    }

    /// Ends it here at once; the other side learns of it after the latency, behind what had left by now (`afterFlush`: behind everything).
    mutating func close(
        _ id: ConnectionID, by process: Process, _ cause: String, afterFlush: Bool = false, noticedAfter delay: Duration = .zero
    ) {
        let index = Int(id.number)
        guard !connections[index][process].knowsEnd else { return }
        connections[index][process].knowsEnd = true
        let other = connections[index].other(than: process)
        if connections[index].isOpen {
            connections[index].isOpen = false
            if !afterFlush { connections[index].brokenAt = now }
            let last = afterFlush ? max(now + latency, connections[index][other].lastArrival) : now + latency
            schedule.add(.connectionClosed(id, at: other, cause), at: last + delay)
        }
        // A shell is told of the end of its own connection too.
        schedule.add(.connectionClosed(id, at: process, cause), at: now)
    }

    mutating func connectFailed(_ id: ConnectionID, _ process: Process) throws(Violation) {
        let connection = connection(id)
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
        guard isUp(process), life(of: process) == connections[number].life(of: process), !connections[number][process].wasTold
        else { return }
        connections[number][process].wasTold = true
        connections[number][process].knowsEnd = true
        connections[number].isOpen = false
        if connections[number].brokenAt == nil, cause == "timed out" { connections[number].brokenAt = now }
        note("\(process) sees connection \(number) with \(connections[number].other(than: process)) closed: \(cause)", .detail)
        let connection = connections[number]
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
        guard isUp(process), life(of: process) == connections[number].life(of: process) else { return }
        guard !connections[number][process].knowsEnd, left <= connections[number].brokenAt ?? .distantFuture else { return }
        connections[number][process].receivedBytes += UInt64(packet.bytes)
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
