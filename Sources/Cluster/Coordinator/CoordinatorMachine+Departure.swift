internal import Planning
internal import Wire

/// Taking a node out without losing anything: it serves until a plan without it does, then what it has ends, and only then it goes.
extension CoordinatorMachine {
    /// A worker that left the topology stays this long at most while no plan without it serves: its successors start in that time.
    static let unlistedPatience: Duration = .seconds(30)
    /// Commands that wait for one drain at once: people and scripts, not load.
    static let drainWaiterLimit = 64

    /// Drained processes that are known by no name, at once: the oldest go. Renamed ones are back within seconds, others may never be.
    static let drainedProcessLimit = 256

    /// Why a node goes, and how far it has come.
    struct Departure: Sendable {
        enum Cause: Sendable, Hashable {
            /// `amp4ec drain`: the process stays, and comes back by `--undo`.
            case asked
            /// The worker was told to end, and waits for our word.
            case leaving
            /// It is not in the topology any more.
            case unlisted
        }
        var cause: Cause
        /// The mark ends with the process: one that was started anew takes part.
        var incarnation: IncarnationID?
        var startedAt: Instant
        /// Also where no plan is possible without it.
        var isForced = false
        /// It takes what the plan that serves still sends it.
        var takesWork = true
        var isDone = false
        var waiters: [DrainWaiter] = []
    }

    struct DrainWaiter: Sendable, Hashable {
        var connection: ConnectionID
        var number: UInt64
    }

    /// A process that stays out under whatever name it comes back.
    struct DrainedProcess: Sendable, Hashable {
        /// As it was called, and as an operator may still call it.
        var node: NodeID
        var incarnation: IncarnationID
    }

    // MARK: From outside

    mutating func drainRequested(_ connection: ConnectionID, _ request: DrainRequest, _ step: inout Step) {
        let id = NodeID(request.node)
        let waiter = DrainWaiter(connection: connection, number: request.id)
        // Whatever is said of a node that is not there: it is not to stay out.
        if request.undo { drainedProcesses.removeAll { $0.node == id } }
        guard let node = nodes[id] else {
            let known = nodes.keys.sorted().map(\.description).joined(separator: ", ")
            let who = known.isEmpty ? "no node is known yet" : "the nodes are: \(known)"
            return refuse(waiter, .invalidArgument, "there is no node \"\(request.node)\"; \(who)", &step)
        }
        if request.undo {
            guard node.departure?.cause == .asked else {
                return refuse(waiter, .failedPrecondition, "\(id) is not drained (it is \(node.state.name): \(node.cause))", &step)
            }
            let state = comeBack(id, &step)
            return reply(waiter, "\(id) \(state)", &step)
        }
        guard node.departure == nil || node.departure?.cause == .asked else {
            return refuse(waiter, .failedPrecondition, "\(id) is leaving already: \(node.cause)", &step)
        }
        guard node.departure?.isDone != true else { return reply(waiter, "\(id) is drained already", &step) }
        let others = nodes.values.filter { $0.id != id && $0.state == .ready }
        guard request.force || !others.isEmpty || node.state == .lost || node.state == .joining else {
            return refuse(
                waiter, .failedPrecondition,
                "\(id) is the last node: without it nothing serves; start another worker first, or say --force", &step)
        }
        guard (node.departure?.waiters.count ?? 0) < Self.drainWaiterLimit else {
            return refuse(waiter, .resourceExhausted, "\(Self.drainWaiterLimit) commands wait for \(id) already", &step)
        }
        depart(id, .asked, "drained by an operator", &step)
        if request.force { nodes[id]?.departure?.isForced = true }
        nodes[id]?.departure?.waiters.append(waiter)
    }

    /// Takes the node out of plans; it serves on until one without it does.
    mutating func depart(_ id: NodeID, _ cause: Departure.Cause, _ why: String, _ step: inout Step) {
        guard let node = nodes[id] else { return }
        var departure =
            node.departure
            ?? Departure(cause: cause, incarnation: node.control == nil ? nil : node.incarnation, startedAt: step.now)
        // Who is asked to drain and then told to end, or taken off the list, will not come back.
        if departure.cause != cause {
            // The topology may call the same process something else: an operator's drain is of the process.
            if departure.cause == .asked, cause == .unlisted {
                rememberDrain(of: id, departure.incarnation ?? nodes[id]?.incarnation)
            }
            departure.isDone = false
            departure.startedAt = step.now
        }
        departure.cause = cause
        nodes[id]?.departure = departure
        departing.insert(id)
        guard node.state == .ready || node.state == .suspect || node.state == .drained else { return }
        if node.state == .suspect { nodes[id]?.departure?.takesWork = false }
        change(id, to: .draining, why, ["in_flight": "\(flights.count(on: id))"], &step)
        plans.forgetDepartureObstacle()
        if node.state != .drained { planAround(id, &step) }
    }

    // MARK: As time passes

    /// Ends the departures that are through. Called after plans and dispatches of the step.
    mutating func settleDepartures(_ step: inout Step) {
        guard !departing.isEmpty else { return }
        for id in departing.sorted() { settle(id, &step) }
        departing = departing.filter { nodes[$0]?.departure != nil }
    }

    private mutating func settle(_ id: NodeID, _ step: inout Step) {
        guard let node = nodes[id], let departure = node.departure else { return }
        if node.control == nil {
            switch departure.cause {
            case .unlisted: forget(id, &step)
            case .leaving where departure.isDone && !listedTargets.contains(node.target): forget(id, &step)
            case .leaving: answerWaiters(of: id, "has ended (\(node.cause))", &step)
            case .asked: if !departure.isDone { finishDeparture(id, "is not connected (\(node.cause)) and stays out", &step) }
            }
            return
        }
        guard !departure.isDone else { return }
        if plans.activeUses(id) {
            guard let obstacle = obstacle(to: departure, step.now) else { return }
            if departure.cause == .asked, !departure.isForced {
                // Answered below, with the reason.
                nodes[id]?.departure?.waiters = []
                _ = comeBack(id, &step)
                for waiter in departure.waiters {
                    refuse(
                        waiter, .failedPrecondition,
                        "\(id) stays: without it no plan is possible (\(obstacle)); --force does it all the same",
                        &step)
                }
                return
            }
            step.log(.warning, "nothing serves without a node that goes", ["node": id.description, "cause": obstacle])
            plans.retire()
        }
        guard flights.count(on: id) == 0 else { return }
        switch departure.cause {
        case .asked: finishDeparture(id, "is drained: no plan uses it and nothing runs on it", &step)
        case .leaving:
            if let control = node.control { step.emit(.send(control, .released(Released()))) }
            finishDeparture(id, "may end", &step)
        case .unlisted:
            change(id, to: .drained, "it left the topology", [:], &step)
            lose(id, "it left the topology", as: .departure, &step)
            forget(id, &step)
        }
    }

    /// Why waiting for a plan without the node makes no sense any more; `nil` while one may still come.
    private func obstacle(to departure: Departure, _ now: Instant) -> String? {
        if departure.cause == .unlisted {
            return now - departure.startedAt >= Self.unlistedPatience
                ? plans.departureObstacle ?? "no other plan came in time" : nil
        }
        if !nodes.values.contains(where: { $0.state == .ready || $0.state == .suspect }) { return "no other worker is ready" }
        guard plans.inProgress == nil, plans.candidate == nil else { return nil }
        return plans.departureObstacle
    }

    private mutating func finishDeparture(_ id: NodeID, _ outcome: String, _ step: inout Step) {
        nodes[id]?.departure?.isDone = true
        if nodes[id]?.state == .draining { change(id, to: .drained, nodes[id]?.cause ?? "", [:], &step) }
        answerWaiters(of: id, outcome, &step)
    }

    private mutating func answerWaiters(of id: NodeID, _ outcome: String, _ step: inout Step) {
        guard let waiters = nodes[id]?.departure?.waiters, !waiters.isEmpty else { return }
        nodes[id]?.departure?.waiters = []
        for waiter in waiters { reply(waiter, "\(id) \(outcome)", &step) }
    }

    /// Ends the departure and lets the node take part again. Answers with what it is now.
    mutating func comeBack(_ id: NodeID, _ step: inout Step) -> String {
        let waiters = nodes[id]?.departure?.waiters ?? []
        nodes[id]?.departure = nil
        departing.remove(id)
        for waiter in waiters { refuse(waiter, .cancelled, "\(id) was taken back before it was drained", &step) }
        guard let node = nodes[id], node.state == .draining || node.state == .drained else {
            return "is not connected (\(nodes[id]?.cause ?? "")) and takes part once it is"
        }
        change(id, to: .ready, "taken back", [:], &step)
        nodes[id]?.progress.lastAt = step.now
        rearm(id)
        requestPlan(step.now, after: configuration.joinWindow)
        return "takes part again"
    }

    /// The topology names it again: it takes part, or goes on draining where an operator asked for that.
    mutating func listAgain(_ id: NodeID, _ step: inout Step) {
        guard let node = nodes[id], node.departure?.cause == .unlisted else { return }
        if let incarnation = node.incarnation, recallDrain(of: incarnation) {
            nodes[id]?.departure?.cause = .asked
        } else {
            _ = comeBack(id, &step)
        }
    }

    /// The process's name goes, and it may come back under another one.
    mutating func rememberDrain(of id: NodeID, _ incarnation: IncarnationID?) {
        guard let incarnation, !drainedProcesses.contains(where: { $0.incarnation == incarnation }) else { return }
        drainedProcesses.append(DrainedProcess(node: id, incarnation: incarnation))
        if drainedProcesses.count > Self.drainedProcessLimit { drainedProcesses.removeFirst() }
    }

    /// Whether the process was drained when its name went; said once, for from then on its node is marked.
    private mutating func recallDrain(of incarnation: IncarnationID) -> Bool {
        guard let index = drainedProcesses.firstIndex(where: { $0.incarnation == incarnation }) else { return false }
        drainedProcesses.remove(at: index)
        return true
    }

    // MARK: What happens to a node meanwhile

    /// Whether a node that has just connected stays out: it was drained, and it is still the same process.
    mutating func staysDrained(_ id: NodeID, _ step: inout Step) -> Bool {
        guard nodes[id]?.departure?.cause == .asked else { return false }
        // The others learn where it is all the same: it may be taken back at any time.
        links.forget(id)
        links.peersChanged(step.now)
        change(id, to: .drained, "drained by an operator", [:], &step)
        finishDeparture(id, "is drained: no plan uses it and nothing runs on it", &step)
        return true
    }

    /// Ends the marks that do not outlive a connection (`leaving` is said again on the next) or the process; a drain outlives the name.
    mutating func renewDeparture(_ id: NodeID, _ incarnation: IncarnationID, _ step: inout Step) {
        defer {
            if recallDrain(of: incarnation), nodes[id]?.departure == nil {
                nodes[id]?.departure = Departure(cause: .asked, incarnation: incarnation, startedAt: step.now)
                departing.insert(id)
            }
        }
        guard let departure = nodes[id]?.departure else { return }
        if departure.cause != .asked || (departure.incarnation != nil && departure.incarnation != incarnation) {
            for waiter in departure.waiters { refuse(waiter, .cancelled, "\(id) has connected anew before it was drained", &step) }
            nodes[id]?.departure = nil
            departing.remove(id)
        } else {
            nodes[id]?.departure?.incarnation = incarnation
        }
    }

    /// Takes everything of the node away, for good; it must not be connected.
    mutating func forget(_ id: NodeID, _ step: inout Step) {
        guard let node = nodes[id] else { return }
        remove(id, because: "it has left", &step)
        step.log(.info, "node has left", ["node": id.description, "cause": node.cause])
    }

    mutating func remove(_ id: NodeID, because why: String, _ step: inout Step) {
        guard let node = nodes.removeValue(forKey: id) else { return }
        flights.forget(id)
        // An operator means the process, which may come under this name or another again.
        if node.departure?.cause == .asked { rememberDrain(of: id, node.departure?.incarnation ?? node.incarnation) }
        for waiter in node.departure?.waiters ?? [] { refuse(waiter, .cancelled, "\(id): \(why)", &step) }
        if nodeOfTarget[node.target] == id { nodeOfTarget[node.target] = nil }
        departing.remove(id)
        links.forget(id)
        links.peersChanged(step.now)
    }

    /// A command that waited has gone.
    mutating func forgetWaiters(on connection: ConnectionID) {
        for id in departing { nodes[id]?.departure?.waiters.removeAll { $0.connection == connection } }
    }

    /// When a departure needs a look though nothing happens.
    var departureWake: Instant? {
        departing.compactMap { id in
            guard let departure = nodes[id]?.departure, departure.cause == .unlisted, !departure.isDone else { return nil }
            return departure.startedAt + Self.unlistedPatience
        }.min()
    }

    private mutating func refuse(_ waiter: DrainWaiter, _ code: StatusCode, _ message: String, _ step: inout Step) {
        step.emit(.send(waiter.connection, .inferError(InferError(id: waiter.number, code: code, message: message))))
    }

    private mutating func reply(_ waiter: DrainWaiter, _ message: String, _ step: inout Step) {
        step.emit(.send(waiter.connection, .drainReply(DrainReply(id: waiter.number, message: message))))
    }
}

extension CoordinatorMachine.Node {
    /// Whether routes of the plan that serves may lead over it.
    var takesWork: Bool { !distrust.isShunned && (state == .ready || (state == .draining && departure?.takesWork == true)) }
}
