internal import Planning
internal import Wire

/// Who is there: dialling, hello, silence, loss and return.
extension CoordinatorMachine {
    /// A node that could not load a partition is left out of plans this long (its memory may free up).
    static let exclusionAfterLoadFailure: Duration = .seconds(10)

    mutating func adopt(_ targets: [Target], _ now: Instant, _ out: inout [Directive]) {
        let listed = Set(targets.map(\.name))
        for target in targets {
            if nodes[target.name] == nil {
                nodes[target.name] = Node(
                    id: target.name, addresses: target.addresses, redialAt: now, backoff: configuration.redialFirst)
            } else if nodes[target.name]?.addresses != target.addresses {
                nodes[target.name]?.addresses = target.addresses
                if nodes[target.name]?.state == .lost { nodes[target.name]?.redialAt = now }
            }
        }
        for id in nodes.keys.sorted() where !listed.contains(id) {
            log(.info, "node left the topology", ["node": id.description], &out)
            lose(id, "it left the topology", now, &out)
            nodes[id] = nil
            publishPeers(&out)
        }
    }

    /// Dials what is due, pings, and judges silence.
    mutating func watchNodes(_ now: Instant, _ out: inout [Directive]) {
        for id in nodes.keys.sorted() {
            guard let node = nodes[id] else { continue }
            if node.control == nil, !node.isDialing, let due = node.redialAt, due <= now {
                nodes[id]?.isDialing = true
                nodes[id]?.redialAt = nil
                out.append(.dial(id, node.addresses, hello(to: node, .control)))
            }
            guard let control = node.control else { continue }
            if now - node.lastPing >= configuration.pingInterval {
                nodes[id]?.lastPing = now
                nodes[id]?.pingSequence += 1
                out.append(
                    .send(control, .ping(Ping(sequence: node.pingSequence, sentAtNanoseconds: UInt64(max(0, now.nanoseconds))))))
            }
            let silence = now - node.lastHeard
            if silence >= configuration.lostAfter {
                lose(id, "no heartbeat for \(silence.readable)", now, &out)
            } else if silence >= configuration.suspectAfter, node.state == .ready {
                nodes[id]?.state = .suspect
                nodes[id]?.cause = "silent for \(silence.readable)"
                log(.warning, "node is suspect", ["node": id.description, "cause": "silent for \(silence.readable)"], &out)
                replayFlights(through: id, why: "\(id) is silent", now, &out)
            }
        }
        openStartGate(now, &out)
    }

    /// When this process was stopped or starved itself, the others' silence in that time says nothing about them.
    mutating func forgiveOwnPause(_ now: Instant) {
        defer { lastStep = now }
        guard let lastStep else { return }
        let pause = now - lastStep
        guard pause >= configuration.suspectAfter / 2 else { return }
        for id in nodes.keys { nodes[id]?.lastHeard += pause }
    }

    func hello(to node: Node, _ channel: Channel) -> Hello {
        Hello(
            role: .coordinator, channel: channel, name: configuration.name, software: configuration.software,
            incarnation: configuration.incarnation,
            claim: CoordinatorClaim(term: term, session: session, compression: configuration.compression),
            assignedName: node.id.description)
    }

    mutating func connected(
        _ id: NodeID, _ channel: Channel, _ connection: ConnectionID, _ welcome: Welcome, _ now: Instant, _ out: inout [Directive]
    ) {
        guard nodes[id] != nil else {
            out.append(.close(connection, "\(id) is not in the topology any more"))
            return
        }
        switch channel {
        case .control: controlConnected(id, connection, welcome, now, &out)
        case .data:
            guard nodes[id]?.control != nil, nodes[id]?.incarnation == welcome.incarnation else {
                out.append(.close(connection, "the control connection is gone"))
                return
            }
            nodes[id]?.data = connection
            nodeOfConnection[connection] = id
            becomeReady(id, now, &out)
        }
    }

    private mutating func controlConnected(
        _ listed: NodeID, _ connection: ConnectionID, _ welcome: Welcome, _ now: Instant, _ out: inout [Directive]
    ) {
        guard let profile = welcome.worker else {
            out.append(.close(connection, "the welcome carries no worker profile"))
            dialFailed(listed, DialFailure(channel: .control, message: "it is no worker"), now, &out)
            return
        }
        var id = listed
        if NodeID(welcome.name) != listed {
            // The worker was given a name of its own (`--name`), which goes before the topology's.
            id = NodeID(welcome.name)
            if let other = nodes[id] {
                let message =
                    "another worker bears the name \"\(id)\" (at \(other.addresses.first ?? "?")); give each worker a --name of its own"
                out.append(.close(connection, message))
                dialFailed(listed, DialFailure(channel: .control, message: message), now, &out)
                return
            }
            rename(listed, to: id)
        }
        nodes[id]?.isDialing = false
        nodes[id]?.control = connection
        nodes[id]?.incarnation = welcome.incarnation
        nodes[id]?.profile = profile
        nodes[id]?.lastHeard = now
        nodes[id]?.lastPing = now
        nodes[id]?.heartbeat = nil
        nodes[id]?.partitions = Dictionary(
            profile.inventory.filter(\.isLoaded).map { ($0.key, .ready(archiveBytes: $0.archiveBytes, weightBytes: 0)) },
            uniquingKeysWith: { first, _ in first })
        nodeOfConnection[connection] = id
        if let node = nodes[id] { out.append(.dial(id, node.addresses, hello(to: node, .data))) }
    }

    private mutating func rename(_ old: NodeID, to new: NodeID) {
        guard var node = nodes.removeValue(forKey: old) else { return }
        node.id = new
        nodes[new] = node
    }

    private mutating func becomeReady(_ id: NodeID, _ now: Instant, _ out: inout [Directive]) {
        guard let node = nodes[id], node.isConnected, node.state != .ready, node.state != .draining else { return }
        nodes[id]?.state = .ready
        nodes[id]?.cause = "answering"
        nodes[id]?.backoff = configuration.redialFirst
        brokenLinks = brokenLinks.filter { $0.from != id && $0.to != id }
        log(
            .info, "node is ready",
            [
                "node": id.description, "cores": "\(node.profile?.cores ?? 0)",
                "memory": "\(node.profile?.memoryAvailableBytes ?? 0)",
            ], &out)
        publishPeers(&out)
        requestPlan(now, after: configuration.joinWindow)
    }

    mutating func dialFailed(_ id: NodeID, _ failure: DialFailure, _ now: Instant, _ out: inout [Directive]) {
        guard var node = nodes[id] else { return }
        if failure.channel == .data {
            lose(id, "its data connection failed: \(failure.message)", now, &out)
            return
        }
        node.isDialing = false
        if let refusal = failure.refusal, refusal.code == .superseded, !refusal.isHeld, refusal.term >= term {
            // Nobody holds it; an earlier coordinator of a later term did. Ours must be later still.
            term = refusal.term + 1
            node.redialAt = now
        } else {
            node.redialAt = now + node.backoff
            node.backoff = min(node.backoff * 2, configuration.redialLongest)
        }
        if node.cause != failure.message {
            log(.warning, "node cannot be reached", ["node": id.description, "cause": failure.message], &out)
        }
        node.cause = failure.message
        nodes[id] = node
    }

    mutating func connectionClosed(_ connection: ConnectionID, _ cause: String, _ now: Instant, _ out: inout [Directive]) {
        if let id = nodeOfConnection[connection] {
            let what = nodes[id]?.control == connection ? "control" : "data"
            lose(id, "its \(what) connection closed: \(cause)", now, &out)
            return
        }
        for id in (requestsOfConnection[connection] ?? []).sorted() { drop(id, now, &out) }
        requestsOfConnection[connection] = nil
    }

    mutating func heard(_ connection: ConnectionID, _ now: Instant, _ out: inout [Directive]) {
        guard let id = nodeOfConnection[connection] else { return }
        nodes[id]?.lastHeard = now
        if nodes[id]?.state == .suspect {
            nodes[id]?.state = .ready
            nodes[id]?.cause = "answering again"
            log(.info, "node answers again", ["node": id.description], &out)
        }
    }

    /// The node is gone: everything on it is replayed and a new plan is due.
    mutating func lose(_ id: NodeID, _ cause: String, _ now: Instant, _ out: inout [Directive]) {
        guard var node = nodes[id] else { return }
        let connections = [node.control, node.data].compactMap { $0 }
        for connection in connections {
            nodeOfConnection[connection] = nil
            out.append(.close(connection, cause))
        }
        let wasMember = node.state == .ready || node.state == .suspect
        node.control = nil
        node.data = nil
        node.isDialing = false
        node.state = .lost
        node.cause = cause
        node.partitions = [:]
        node.heartbeat = nil
        node.redialAt = now + node.backoff
        node.backoff = min(node.backoff * 2, configuration.redialLongest)
        nodes[id] = node
        guard wasMember else { return }
        count { $0.nodesLost += 1 }
        log(.warning, "node is lost", ["node": id.description, "cause": cause, "in_flight": "\(node.flights.count)"], &out)
        replayFlights(through: id, why: "\(id) was lost (\(cause))", now, &out)
        if let candidate, candidate.deployment.nodes.contains(id) { self.candidate = nil }
        if let active, active.deployment.nodes.contains(id) { retireActiveIfBroken(now, &out) }
        requestPlan(now, after: .zero)
    }

    /// Tells every worker where every other is.
    mutating func publishPeers(_ out: inout [Directive]) {
        peerTableVersion += 1
        let living = nodes.values.filter { $0.isConnected && $0.incarnation != nil }.sorted { $0.id < $1.id }
        let table = PeerTable(
            version: peerTableVersion,
            peers: living.map {
                PeerTable.Peer(
                    name: $0.id.description, incarnation: $0.incarnation ?? IncarnationID(bits: 0), addresses: $0.addresses)
            })
        for node in living {
            if let control = node.control { out.append(.send(control, .peerTable(table))) }
        }
    }

    /// The first plan waits for all listed workers, at most the join timeout.
    private mutating func openStartGate(_ now: Instant, _ out: inout [Directive]) {
        guard !isStartGateOpen, let startedAt, !nodes.isEmpty else { return }
        let missing = nodes.values.filter { $0.state != .ready }.sorted { $0.id < $1.id }
        guard !missing.isEmpty else {
            isStartGateOpen = true
            if planDueAt != nil { planDueAt = now }
            return
        }
        guard now - startedAt >= configuration.joinTimeout else { return }
        isStartGateOpen = true
        let reasons = missing.map { "\($0.id): \($0.cause)" }.joined(separator: "; ")
        log(.warning, "waiting for \(missing.count) of \(nodes.count) workers no longer", ["missing": reasons], &out)
    }
}

extension PlannedDeployment {
    var nodes: Set<NodeID> { Set(stages.flatMap(\.replicas)) }
}
