internal import Base
internal import Planning
internal import Wire

/// Who is there: dialling, hello, silence, loss and return.
extension CoordinatorMachine {
    /// A node that could not load a partition is left out of plans this long (its memory may free up).
    static let exclusionAfterLoadFailure: Duration = .seconds(10)

    mutating func adopt(_ targets: [Target], _ step: inout Step) {
        let listed = Set(targets.map(\.name))
        // Those that have gone first: a worker that moved may come back under the name that it bears.
        roster.list(Dictionary(targets.map { ($0.name, $0.addresses) }, uniquingKeysWith: { first, _ in first }))
        reviewAliases(&step)
        for target in roster.targets.sorted() where !listed.contains(target) && !isRegistered(target: target) {
            guard let id = roster.node(at: target), roster[id]?.departure?.cause != .unlisted else { continue }
            // Whoever answers serves until a plan without it does.
            depart(id, .unlisted, "it left the topology", &step)
            if roster[id]?.control == nil { forget(id, &step) }
        }
        // Nobody is listed, so nobody is waited for: whoever registers is planned in.
        if targets.isEmpty { roster.gate.open() }
        for target in targets {
            if let alias = roster.aliases[target.name] {
                roster.pinAlias(target.name, to: target.pinnedStage)
                // What is at another address may be another worker.
                guard alias.addresses != target.addresses else { continue }
                roster.removeAlias(target.name)
            }
            guard let id = roster.node(at: target.name) else {
                guard roster[target.name] == nil else {
                    step.log(
                        .warning, "a listed name is borne by another worker",
                        ["node": target.name.description, "address": target.addresses.first ?? "?"])
                    continue
                }
                roster.add(makeNode(target.name, target.addresses, pinnedStage: target.pinnedStage, dialledAt: step.now))
                continue
            }
            listAgain(id, &step)
            if let known = roster[id], known.pinnedStage != target.pinnedStage {
                roster[id]?.pinnedStage = target.pinnedStage
                if known.state == .ready { requestPlan(step.now, after: .zero) }
            }
            let addresses = allAddresses(of: id, listed: target.addresses)
            guard roster[id]?.addresses != addresses else { continue }
            roster[id]?.addresses = addresses
            if roster[id]?.state == .lost { roster[id]?.dial.redialAt = step.now }
            roster.rearm(id)
        }
    }

    /// Looks at the nodes about which something is due: O(log n) for each of them, nothing for the others.
    mutating func watchNodes(_ step: inout Step) {
        while let id = roster.takeDue(step.now) {
            look(at: id, &step)
            roster.rearm(id)
        }
    }

    /// Dials, pings, and judges silence.
    private mutating func look(at id: NodeID, _ step: inout Step) {
        guard let node = roster[id] else { return }
        guard let session = node.session else {
            if let due = node.dial.dueAt, due <= step.now {
                roster[id]?.dial.begin()
                step.emit(.dial(id, node.addresses, hello(to: node, .control)))
            }
            return
        }
        if let paused = session.pausedUntil, paused <= step.now { roster[id]?.session?.pausedUntil = nil }
        if step.now - session.lastPing >= configuration.pingInterval {
            roster[id]?.session?.lastPing = step.now
            roster[id]?.pingSequence += 1
            let ping = Ping(
                sequence: node.pingSequence, sentAtNanoseconds: UInt64(max(0, step.now.nanoseconds)),
                questions: questions(to: id, step.now))
            step.emit(.send(session.control, .ping(ping)))
        }
        let silence = step.now - session.lastHeard
        if silence >= configuration.lostAfter {
            lose(id, "no heartbeat for \(silence.readable)", as: .silence, &step)
        } else if silence >= configuration.suspectAfter, node.state == .ready {
            change(id, to: .suspect, "silent for \(silence.readable)", ["in_flight": "\(flights.count(on: id))"], &step)
            replayFlights(through: id, why: "\(id) is silent", &step)
            useLoadedStandby(without: id, &step)
        } else if let due = node.stallDeadline(configuration.deploymentTimeout), due <= step.now {
            stall(id, &step)
        }
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
        roster.forgive(pause)
    }

    func hello(to node: Node, _ channel: Channel) -> Hello {
        Hello(
            role: .coordinator, channel: channel, name: configuration.name, software: configuration.software,
            incarnation: configuration.incarnation,
            claim: CoordinatorClaim(
                term: term, session: session, compression: configuration.compression, holder: node.holder),
            assignedName: node.id)
    }

    mutating func connected(
        _ id: NodeID, _ channel: Channel, _ connection: ConnectionID, _ welcome: Welcome, _ step: inout Step
    ) {
        guard roster[id] != nil else {
            step.emit(.close(connection, "\(id) is not in the topology any more"))
            return
        }
        switch channel {
        case .control: controlConnected(id, connection, welcome, &step)
        case .data:
            let dialledFor = roster[id]?.dial.dataFor
            roster[id]?.dial.dataFor = nil
            guard let control = roster[id]?.control, control == dialledFor, roster[id]?.incarnation == welcome.incarnation else {
                step.emit(.close(connection, "the control connection is gone"))
                dialData(id, &step)
                return
            }
            roster.dataConnected(id, connection)
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
        if let main = roster.connectedNode(welcome.incarnation, besides: listed) {
            // A worker that does not refuse a second connection of its coordinator, or one that says that it is another.
            step.emit(.close(connection, "it is \(main), which is connected"))
            roster[listed]?.dial.isUnderWay = false
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
            if let other = roster[id], !absorb(other, by: listed, &step) {
                guard other.control == nil, other.target != id, roster[other.target] == nil else {
                    let at = other.addresses.first ?? "?"
                    let message = "another worker bears the name \"\(id)\" (at \(at)); give each worker a --name of its own"
                    return misnamed(listed, connection, welcome.incarnation, message, &step)
                }
                // Who bore the name does not answer any more: it goes back to the topology's name for it.
                rename(id, to: other.target)
                roster[other.target]?.dial.isUnderWay = false
                roster[other.target]?.dial.redialAt = step.now + other.dial.backoff
                roster.rearm(other.target)
            }
            rename(listed, to: id)
        }
        if roster[id]?.control != nil {
            let isSame = roster[id]?.incarnation == welcome.incarnation
            lose(id, "it was reached a second time", as: isSame ? .connection : .process, &step)
        }
        renewDeparture(id, welcome.incarnation, &step)
        roster.beginSession(of: id, on: connection, welcome.incarnation, profile, step.now)
        gatherAliases(of: id, &step)
        roster.rearm(id)
        if roster[id]?.dial.dataFor == nil { dialData(id, &step) }
    }

    /// It answers under a name that it cannot have: nothing of its welcome counts.
    private mutating func misnamed(
        _ id: NodeID, _ connection: ConnectionID, _ incarnation: IncarnationID, _ why: String, _ step: inout Step
    ) {
        step.emit(.close(connection, why))
        dialFailed(id, DialFailure(channel: .control, message: why), &step)
        roster[id]?.dial.met = incarnation
        roster[id]?.dial.redialAt = step.now + Self.misnamedPause
        roster.rearm(id)
    }

    /// One at a time: the outcome of a dial for an earlier control connection must not be taken for this one's.
    private mutating func dialData(_ id: NodeID, _ step: inout Step) {
        guard let node = roster[id], let control = node.control else { return }
        roster[id]?.dial.dataFor = control
        step.emit(.dial(id, node.addresses, hello(to: node, .data)))
    }

    private mutating func rename(_ old: NodeID, to new: NodeID) {
        guard roster[old] != nil else { return }
        roster.rename(old, to: new)
        links.forget(old)
        flights.rename(old, to: new)
    }

    private mutating func becomeReady(_ id: NodeID, _ step: inout Step) {
        guard let node = roster[id], node.isConnected, node.state != .ready, node.state != .draining else { return }
        if staysDrained(id, &step) { return }
        roster[id]?.dial.backoff = configuration.redialFirst
        links.forget(id)
        roster[id]?.flapping.readySince = step.now
        let isLeftOut = node.flapping.isLeftOut(step.now)
        change(
            id, to: .ready, isLeftOut ? "answering; \(node.flapping.cause)" : "answering",
            ["cores": "\(node.profile?.cores ?? 0)", "memory": "\(node.profile?.memoryAvailableBytes ?? 0)"], &step)
        links.peersChanged(step.now)
        planIn(id, step.now)
    }

    /// A node can be used (again): a plan that takes it is due, at once or when it has been left out long enough.
    func isWorthAPlan(_ id: NodeID, _ now: Instant) -> Bool { plans.active == nil || roster[id]?.isLeftOut(now) != true }

    mutating func planIn(_ id: NodeID, _ now: Instant) {
        for until in [roster[id]?.flapping.leftOutUntil, roster[id]?.distrust.leftOutUntil].compactMap({ $0 }) where until > now {
            plans.mayRejoin(at: until)
        }
        if isWorthAPlan(id, now) { requestPlan(now, after: configuration.joinWindow) }
    }

    mutating func dialFailed(_ id: NodeID, _ failure: DialFailure, _ step: inout Step) {
        guard let node = roster[id] else { return }
        if failure.channel == .data {
            roster[id]?.dial.dataFor = nil
            guard let control = node.control else { return }
            guard node.dial.dataFor == control else {
                dialData(id, &step)
                return
            }
            lose(id, "its data connection failed: \(failure.message)", &step)
            return
        }
        roster[id]?.dial.isUnderWay = false
        if let incarnation = failure.refusal?.incarnation {
            // We hold this process already: most likely as another node, else by a connection that it does not know to be over.
            guard incarnation != node.incarnation || node.control == nil else { return }
            if let main = roster.connectedNode(incarnation, besides: id) { return becomeAlias(id, of: main, &step) }
            roster[id]?.dial.met = incarnation
        }
        if let refusal = failure.refusal, refusal.code == .superseded, !refusal.isHeld {
            // Nobody holds it; an earlier coordinator did. Our term must be later still.
            term = max(term, WireRanges.term(after: refusal.term))
            roster[id]?.dial.redialAt = step.now
        } else {
            let longest = isUnansweredRegistration(node) ? Self.unansweredPause : configuration.redialLongest
            roster[id]?.dial.backOff(step.now, atMost: longest)
        }
        say(failure, of: id, &step)
        roster[id]?.cause = failure.message
        roster.rearm(id)
    }

    /// A worker's, that of one that registered, or a client's, with which its requests end.
    mutating func connectionClosed(_ connection: ConnectionID, _ cause: String, _ step: inout Step) {
        if let id = roster.connectionClosed(connection) {
            guard let node = roster[id], node.control == connection || node.data == connection else { return }
            let what = node.control == connection ? "control" : "data"
            lose(id, "its \(what) connection closed: \(cause)", as: .process, &step)
            return
        }
        if registrationClosed(connection, &step) { return }
        forgetWaiters(on: connection)
        for id in requests.requests(of: connection) { drop(id, &step) }
        requests.connectionClosed(connection)
    }

    mutating func heard(_ connection: ConnectionID, _ step: inout Step) {
        guard let id = roster.node(on: connection) else { return }
        roster[id]?.session?.lastHeard = step.now
        if roster[id]?.state == .suspect, roster[id]?.session?.progress.stalledAt == nil {
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
        guard let node = roster[id] else { return }
        for connection in roster.endSession(of: id) { step.emit(.close(connection, cause)) }
        let wasMember = node.state == .ready || node.state == .suspect || node.state == .draining
        roster[id]?.dial.heldSince = nil
        roster[id]?.dial.backOff(step.now, atMost: configuration.redialLongest)
        change(id, to: .lost, cause, ["in_flight": "\(flights.count(on: id))"], &step)
        roster.rearm(id)
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
        roster.changeDeparture(of: id) { $0.takesWork = false }
        guard let node = roster[id], node.state == .ready || node.state == .suspect else { return }
        change(id, to: .draining, cause, ["in_flight": "\(flights.count(on: id))"], &step)
        planAround(id, &step)
    }
}
