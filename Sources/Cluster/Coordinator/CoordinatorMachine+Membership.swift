internal import HeapModule
internal import Planning
internal import Wire

/// Who is there: dialling, hello, silence, loss and return.
extension CoordinatorMachine {
    /// A node that could not load a partition is left out of plans this long (its memory may free up).
    static let exclusionAfterLoadFailure: Duration = .seconds(10)

    mutating func adopt(_ targets: [Target], _ step: inout Step) {
        let listed = Set(targets.map(\.name))
        // Those that have gone first: a worker that moved may come back under the name that it bears.
        listedTargets = listed
        reviewAliases(&step)
        for target in nodeOfTarget.keys.sorted() where !listed.contains(target) && !isRegistered(target: target) {
            guard let id = nodeOfTarget[target], nodes[id]?.departure?.cause != .unlisted else { continue }
            // Whoever answers serves until a plan without it does.
            depart(id, .unlisted, "it left the topology", &step)
            if nodes[id]?.control == nil { forget(id, &step) }
        }
        // Nobody is listed, so nobody is waited for: whoever registers is planned in.
        if targets.isEmpty { isStartGateOpen = true }
        for target in targets {
            if let alias = aliases[target.name] {
                aliases[target.name]?.pinnedStage = target.pinnedStage
                // What is at another address may be another worker.
                guard alias.addresses != target.addresses else { continue }
                aliases[target.name] = nil
            }
            guard let id = nodeOfTarget[target.name] else {
                guard nodes[target.name] == nil else {
                    step.log(
                        .warning, "a listed name is borne by another worker",
                        ["node": target.name.description, "address": target.addresses.first ?? "?"])
                    continue
                }
                nodeOfTarget[target.name] = target.name
                nodes[target.name] = makeNode(target.name, target.addresses, step.now)
                nodes[target.name]?.pinnedStage = target.pinnedStage
                rearm(target.name)
                continue
            }
            listAgain(id, &step)
            if let known = nodes[id], known.pinnedStage != target.pinnedStage {
                nodes[id]?.pinnedStage = target.pinnedStage
                if known.state == .ready { requestPlan(step.now, after: .zero) }
            }
            let addresses = allAddresses(of: id, listed: target.addresses)
            guard nodes[id]?.addresses != addresses else { continue }
            nodes[id]?.addresses = addresses
            if nodes[id]?.state == .lost { nodes[id]?.redialAt = step.now }
            rearm(id)
        }
    }

    /// Looks at the nodes about which something is due: O(log n) for each of them, nothing for the others.
    mutating func watchNodes(_ step: inout Step) {
        while let watch = watches.min, watch.at <= step.now {
            watches.removeMin()
            guard nodes[watch.node]?.watchAt == watch.at else { continue }
            nodes[watch.node]?.watchAt = .distantFuture
            look(at: watch.node, &step)
            rearm(watch.node)
        }
    }

    /// Dials, pings, and judges silence.
    private mutating func look(at id: NodeID, _ step: inout Step) {
        guard let node = nodes[id] else { return }
        if let paused = node.pausedUntil, paused <= step.now { nodes[id]?.pausedUntil = nil }
        guard let control = node.control else {
            if !node.isDialing, let due = node.redialAt, due <= step.now {
                nodes[id]?.isDialing = true
                nodes[id]?.redialAt = nil
                step.emit(.dial(id, node.addresses, hello(to: node, .control)))
            }
            return
        }
        if step.now - node.lastPing >= configuration.pingInterval {
            nodes[id]?.lastPing = step.now
            nodes[id]?.pingSequence += 1
            let ping = Ping(
                sequence: node.pingSequence, sentAtNanoseconds: UInt64(max(0, step.now.nanoseconds)),
                questions: questions(to: id, step.now))
            step.emit(.send(control, .ping(ping)))
        }
        let silence = step.now - node.lastHeard
        if silence >= configuration.lostAfter {
            lose(id, "no heartbeat for \(silence.readable)", as: .silence, &step)
        } else if silence >= configuration.suspectAfter, node.state == .ready {
            change(id, to: .suspect, "silent for \(silence.readable)", ["in_flight": "\(flights.count(on: id))"], &step)
            replayFlights(through: id, why: "\(id) is silent", &step)
            useLoadedStandby(without: id, &step)
        } else if let due = stallDeadline(node), due <= step.now {
            stall(id, &step)
        }
    }

    /// Sees to it that the node is looked at when something about it is due. Called after whatever brings that nearer.
    mutating func rearm(_ id: NodeID) {
        guard let node = nodes[id] else { return }
        var due: Instant
        if node.control == nil {
            due = node.isDialing ? .distantFuture : node.redialAt ?? .distantFuture
        } else {
            let limit = node.state == .ready ? configuration.suspectAfter : configuration.lostAfter
            due = min(node.lastPing + configuration.pingInterval, node.lastHeard + limit)
            if let stalled = stallDeadline(node) { due = min(due, stalled) }
        }
        if let paused = node.pausedUntil { due = min(due, paused) }
        guard due < node.watchAt else { return }
        nodes[id]?.watchAt = due
        watches.insert(Watch(at: due, node: id))
    }

    /// How often this machine wants to be stepped while nodes are connected. It bounds how much of its own pause can pass for silence.
    var lifeCheckInterval: Duration { configuration.suspectAfter / 4 }

    /// When this process was stopped or starved itself, the others' silence in that time says nothing about them. It was if it comes much
    /// later than the wake that it asked for; that nothing came from anybody is no sign of it.
    mutating func forgiveOwnPause(_ now: Instant) {
        defer { lastStep = now }
        guard let lastStep, let promisedWake, now - promisedWake >= lifeCheckInterval else { return }
        let pause = now - lastStep
        requests.forgive(pause)
        flights.forgive(pause)
        for id in nodes.keys {
            nodes[id]?.lastHeard += pause
            nodes[id]?.progress.lastAt += pause
        }
    }

    func hello(to node: Node, _ channel: Channel) -> Hello {
        Hello(
            role: .coordinator, channel: channel, name: configuration.name, software: configuration.software,
            incarnation: configuration.incarnation,
            claim: CoordinatorClaim(
                term: term, session: session, compression: configuration.compression, holder: node.holder),
            assignedName: node.id.description)
    }

    mutating func connected(
        _ id: NodeID, _ channel: Channel, _ connection: ConnectionID, _ welcome: Welcome, _ step: inout Step
    ) {
        guard nodes[id] != nil else {
            step.emit(.close(connection, "\(id) is not in the topology any more"))
            return
        }
        switch channel {
        case .control: controlConnected(id, connection, welcome, &step)
        case .data:
            let dialledFor = nodes[id]?.dataDialFor
            nodes[id]?.dataDialFor = nil
            guard let control = nodes[id]?.control, control == dialledFor, nodes[id]?.incarnation == welcome.incarnation else {
                step.emit(.close(connection, "the control connection is gone"))
                dialData(id, &step)
                return
            }
            nodes[id]?.data = connection
            nodeOfConnection[connection] = id
            becomeReady(id, &step)
        }
    }

    private mutating func controlConnected(
        _ listed: NodeID, _ connection: ConnectionID, _ welcome: Welcome, _ step: inout Step
    ) {
        guard let profile = welcome.worker else {
            step.emit(.close(connection, "the welcome carries no worker profile"))
            dialFailed(listed, DialFailure(channel: .control, message: "it is no worker"), &step)
            return
        }
        if let main = connectedNode(welcome.incarnation, besides: listed) {
            // A worker that does not refuse a second connection of its coordinator, or one that says that it is another.
            step.emit(.close(connection, "it is \(main), which is connected"))
            nodes[listed]?.isDialing = false
            becomeAlias(listed, of: main, &step)
            return
        }
        var id = listed
        if NodeID(welcome.name) != listed {
            // The worker was given a name of its own (`--name`), which goes before the topology's.
            id = NodeID(welcome.name)
            if let problem = objection(to: id, of: listed) {
                return misnamed(listed, connection, welcome.incarnation, problem, &step)
            }
            if let other = nodes[id], !absorb(other, by: listed, &step) {
                guard other.control == nil, other.target != id, nodes[other.target] == nil else {
                    let at = other.addresses.first ?? "?"
                    let message = "another worker bears the name \"\(id)\" (at \(at)); give each worker a --name of its own"
                    return misnamed(listed, connection, welcome.incarnation, message, &step)
                }
                // Who bore the name does not answer any more: it goes back to the topology's name for it.
                rename(id, to: other.target)
                nodes[other.target]?.isDialing = false
                nodes[other.target]?.redialAt = step.now + other.backoff
                rearm(other.target)
            }
            rename(listed, to: id)
        }
        if nodes[id]?.control != nil {
            let isSame = nodes[id]?.incarnation == welcome.incarnation
            lose(id, "it was reached a second time", as: isSame ? .connection : .process, &step)
        }
        renewDeparture(id, welcome.incarnation, &step)
        nodes[id]?.isDialing = false
        nodes[id]?.redialAt = nil
        nodes[id]?.control = connection
        if nodes[id]?.incarnation != welcome.incarnation { nodes[id]?.distrust = Distrust() }
        nodes[id]?.incarnation = welcome.incarnation
        nodes[id]?.profile = profile
        nodes[id]?.lastHeard = step.now
        nodes[id]?.lastPing = step.now
        nodes[id]?.heartbeat = nil
        nodes[id]?.pausedUntil = nil
        nodes[id]?.progress = Progress(lastAt: step.now)
        nodes[id]?.pace = NodePace()
        nodes[id]?.refusedStandbys = [:]
        nodes[id]?.recentLoads = []
        nodes[id]?.partitions = Dictionary(
            profile.inventory.filter(\.isLoaded).map { ($0.key, .unowned(weightBytes: 0)) }, uniquingKeysWith: { first, _ in first }
        )
        nodeOfConnection[connection] = id
        nodes[id]?.met = nil
        gatherAliases(of: id, &step)
        rearm(id)
        if nodes[id]?.dataDialFor == nil { dialData(id, &step) }
    }

    /// It answers under a name that it cannot have: nothing of its welcome counts.
    private mutating func misnamed(
        _ id: NodeID, _ connection: ConnectionID, _ incarnation: IncarnationID, _ why: String, _ step: inout Step
    ) {
        step.emit(.close(connection, why))
        dialFailed(id, DialFailure(channel: .control, message: why), &step)
        nodes[id]?.met = incarnation
        nodes[id]?.redialAt = step.now + Self.misnamedPause
        rearm(id)
    }

    /// One at a time: the outcome of a dial for an earlier control connection must not be taken for this one's.
    private mutating func dialData(_ id: NodeID, _ step: inout Step) {
        guard let node = nodes[id], let control = node.control else { return }
        nodes[id]?.dataDialFor = control
        step.emit(.dial(id, node.addresses, hello(to: node, .data)))
    }

    private mutating func rename(_ old: NodeID, to new: NodeID) {
        guard var node = nodes.removeValue(forKey: old) else { return }
        node.id = new
        node.watchAt = .distantFuture
        nodeOfTarget[node.target] = new
        if departing.remove(old) != nil { departing.insert(new) }
        links.forget(old)
        flights.rename(old, to: new)
        nodes[new] = node
        rearm(new)
    }

    private mutating func becomeReady(_ id: NodeID, _ step: inout Step) {
        guard let node = nodes[id], node.isConnected, node.state != .ready, node.state != .draining else { return }
        if staysDrained(id, &step) { return }
        nodes[id]?.backoff = configuration.redialFirst
        links.forget(id)
        nodes[id]?.flapping.readySince = step.now
        let isLeftOut = node.flapping.isLeftOut(step.now)
        change(
            id, to: .ready, isLeftOut ? "answering; \(node.flapping.cause)" : "answering",
            ["cores": "\(node.profile?.cores ?? 0)", "memory": "\(node.profile?.memoryAvailableBytes ?? 0)"], &step)
        links.peersChanged(step.now)
        planIn(id, step.now)
    }

    /// A node can be used (again): a plan that takes it is due, at once or when it has been left out long enough.
    func isWorthAPlan(_ id: NodeID, _ now: Instant) -> Bool { plans.active == nil || nodes[id]?.isLeftOut(now) != true }

    mutating func planIn(_ id: NodeID, _ now: Instant) {
        for until in [nodes[id]?.flapping.leftOutUntil, nodes[id]?.distrust.leftOutUntil].compactMap({ $0 }) where until > now {
            plans.mayRejoin(at: until)
        }
        if isWorthAPlan(id, now) { requestPlan(now, after: configuration.joinWindow) }
    }

    mutating func dialFailed(_ id: NodeID, _ failure: DialFailure, _ step: inout Step) {
        guard var node = nodes[id] else { return }
        if failure.channel == .data {
            nodes[id]?.dataDialFor = nil
            guard let control = node.control else { return }
            guard node.dataDialFor == control else {
                dialData(id, &step)
                return
            }
            lose(id, "its data connection failed: \(failure.message)", &step)
            return
        }
        node.isDialing = false
        if let incarnation = failure.refusal?.incarnation {
            // We hold this process already: most likely as another node, else by a connection that it does not know to be over.
            guard incarnation != node.incarnation || node.control == nil else {
                nodes[id]?.isDialing = false
                return
            }
            if let main = connectedNode(incarnation, besides: id) {
                nodes[id]?.isDialing = false
                return becomeAlias(id, of: main, &step)
            }
            node.met = incarnation
        }
        if let refusal = failure.refusal, refusal.code == .superseded, !refusal.isHeld {
            // Nobody holds it; an earlier coordinator did. Our term must be later still.
            term = max(term, WireRanges.term(after: refusal.term))
            node.redialAt = step.now
        } else {
            node.redialAt = step.now + node.backoff
            node.backoff = min(
                node.backoff * 2, isUnansweredRegistration(node) ? Self.unansweredPause : configuration.redialLongest)
        }
        say(failure, of: &node, &step)
        node.cause = failure.message
        nodes[id] = node
        rearm(id)
    }

    mutating func connectionClosed(_ connection: ConnectionID, _ cause: String, _ step: inout Step) {
        if let id = nodeOfConnection.removeValue(forKey: connection) {
            guard let node = nodes[id], node.control == connection || node.data == connection else { return }
            let what = nodes[id]?.control == connection ? "control" : "data"
            lose(id, "its \(what) connection closed: \(cause)", as: .process, &step)
            return
        }
        if registrationClosed(connection, &step) { return }
        forgetWaiters(on: connection)
        for id in requests.requests(of: connection) { drop(id, &step) }
        requests.connectionClosed(connection)
    }

    mutating func heard(_ connection: ConnectionID, _ step: inout Step) {
        guard let id = nodeOfConnection[connection] else { return }
        nodes[id]?.lastHeard = step.now
        if nodes[id]?.state == .suspect, nodes[id]?.progress.stalledAt == nil {
            clearSuspicion(of: id, "answering again", &step)
        }
    }

    mutating func clearSuspicion(of id: NodeID, _ cause: String, _ step: inout Step) {
        change(id, to: .ready, cause, [:], &step)
        // While it was suspect a plan may have been made without it, or none may have been possible.
        if !plans.activeUses(id) { planIn(id, step.now) }
    }

    /// The node is gone: everything on it is replayed and a new plan is due.
    mutating func lose(
        _ id: NodeID, _ cause: String, as kind: LossKind = .connection, _ step: inout Step
    ) {
        guard var node = nodes[id] else { return }
        let connections = [node.control, node.data].compactMap { $0 }
        for connection in connections {
            nodeOfConnection[connection] = nil
            step.emit(.close(connection, cause))
        }
        let wasMember = node.state == .ready || node.state == .suspect || node.state == .draining
        node.control = nil
        node.data = nil
        node.partitions = [:]
        node.heartbeat = nil
        node.heldSince = nil
        node.redialAt = step.now + node.backoff
        node.backoff = min(node.backoff * 2, configuration.redialLongest)
        node.pausedUntil = nil
        nodes[id] = node
        change(id, to: .lost, cause, ["in_flight": "\(flights.count(on: id))"], &step)
        rearm(id)
        releaseAliases(of: id, step.now)
        guard wasMember else { return }
        if kind != .departure { count { $0.nodesLost += 1 } }
        if node.state != .draining {
            if kind != .departure { noteLoss(of: id, &step) }
            if kind == .process { suspectInputs(on: id, &step) }
        }
        replayFlights(through: id, why: "\(id) was lost (\(cause))", &step)
        planAround(id, &step)
    }

    /// It said that it is shutting down: it finishes what it has and gets nothing new.
    mutating func nodeDrains(_ id: NodeID, _ cause: String, _ step: inout Step) {
        // Its patience is at an end: the plan that serves cannot use it any more.
        nodes[id]?.departure?.takesWork = false
        guard let node = nodes[id], node.state == .ready || node.state == .suspect else { return }
        change(id, to: .draining, cause, ["in_flight": "\(flights.count(on: id))"], &step)
        planAround(id, &step)
    }
}
