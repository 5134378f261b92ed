internal import Base
internal import Planning
internal import Wire

/// Taking a node out without losing anything: it serves until a plan without it does, then what it has ends, and only then it goes.
extension CoordinatorMachine {
    /// Commands that wait for one drain at once: people and scripts, not load.
    static let drainWaiterLimit = 64

    // MARK: From outside

    /// - Parameter who: asks, where the peer has proved it.
    mutating func drainRequested(
        _ connection: ConnectionID, _ request: DrainRequest, by who: String?, _ step: inout Step
    ) {
        let id = request.node
        let waiter = Departure.Waiter(connection: connection, number: request.id)
        // Whatever is said of a node that is not there: it is not to stay out.
        if request.undo { roster.drained.forget(id) }
        guard let node = roster[id] else {
            let known = roster.ids.sorted().map(\.description).joined(separator: ", ")
            let who = known.isEmpty ? "no node is known yet" : "the nodes are: \(known)"
            return refuse(waiter, .invalidArgument, "there is no node \"\(id)\"; \(who)", &step)
        }
        if request.undo {
            guard node.departure?.cause == .asked else {
                return refuse(waiter, .failedPrecondition, "\(id) is not drained (it is \(node.state.name): \(node.cause))", &step)
            }
            let state = comeBack(id, by: who, &step)
            return reply(waiter, "\(id) \(state)", &step)
        }
        guard node.departure == nil || node.departure?.cause == .asked else {
            return refuse(waiter, .failedPrecondition, "\(id) is leaving already: \(node.cause)", &step)
        }
        guard node.departure?.isDone != true else { return reply(waiter, "\(id) is drained already", &step) }
        let others = roster.all.filter { $0.id != id && $0.state == .ready && $0.session?.refusal == nil }
        guard request.force || !others.isEmpty || node.state == .lost || node.state == .joining else {
            return refuse(
                waiter, .failedPrecondition,
                "\(id) is the last node: without it nothing serves; start another worker first, or say --force", &step)
        }
        guard (node.departure?.waiters.count ?? 0) < Self.drainWaiterLimit else {
            return refuse(waiter, .resourceExhausted, "\(Self.drainWaiterLimit) commands wait for \(id) already", &step)
        }
        depart(id, .asked, "drained by \(who ?? "an operator")", &step)
        roster.changeDeparture(of: id) { departure in
            if request.force { departure.isForced = true }
            departure.waiters.append(waiter)
        }
    }

    /// Takes the node out of plans; it serves on until one without it does.
    mutating func depart(_ id: NodeID, _ cause: Departure.Cause, _ why: String, _ step: inout Step) {
        guard let node = roster[id] else { return }
        var departure =
            node.departure
            ?? Departure(cause: cause, incarnation: node.control == nil ? nil : node.incarnation, startedAt: step.now)
        // Who is asked to drain and then told to end, or taken off the list, will not come back.
        if departure.cause != cause {
            // The topology may call the same process something else: an operator's drain is of the process.
            if departure.cause == .asked, cause == .unlisted {
                roster.drained.remember(id, departure.incarnation ?? node.incarnation)
            }
            departure.isDone = false
            departure.startedAt = step.now
        }
        departure.cause = cause
        roster.depart(id, departure)
        guard node.state == .ready || node.state == .suspect || node.state == .drained else { return }
        if node.state == .suspect { roster.changeDeparture(of: id) { $0.takesWork = false } }
        change(id, to: .draining, why, ["in_flight": "\(flights.count(on: id))"], &step)
        plans.forgetDepartureObstacle()
        if node.state != .drained { planAround(id, &step) }
    }

    // MARK: As time passes

    /// Ends the departures that are through. Called after plans and dispatches of the step.
    mutating func settleDepartures(_ step: inout Step) {
        for id in roster.departing.sorted() { settle(id, &step) }
    }

    private mutating func settle(_ id: NodeID, _ step: inout Step) {
        guard let node = roster[id], let departure = node.departure else { return }
        if node.control == nil {
            switch departure.cause {
            case .unlisted: forget(id, &step)
            case .leaving where departure.isDone && !roster.listed.contains(node.target): forget(id, &step)
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
                roster.changeDeparture(of: id) { $0.waiters = [] }
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
            return now - departure.startedAt >= Departure.unlistedPatience
                ? plans.departureObstacle ?? "no other plan came in time" : nil
        }
        if !roster.all.contains(where: { $0.state == .ready || $0.state == .suspect }) { return "no other worker is ready" }
        guard plans.inProgress == nil, plans.candidate == nil else { return nil }
        // Who is left tries again after a while: a worker that ends waits for that as long as it can, a person hears it now.
        return plans.departureObstacle ?? (departure.cause == .asked ? plans.passingObstacle : nil)
    }

    private mutating func finishDeparture(_ id: NodeID, _ outcome: String, _ step: inout Step) {
        roster.changeDeparture(of: id) { $0.isDone = true }
        if roster[id]?.state == .draining { change(id, to: .drained, roster[id]?.cause ?? "", [:], &step) }
        answerWaiters(of: id, outcome, &step)
    }

    private mutating func answerWaiters(of id: NodeID, _ outcome: String, _ step: inout Step) {
        guard let waiters = roster[id]?.departure?.waiters, !waiters.isEmpty else { return }
        roster.changeDeparture(of: id) { $0.waiters = [] }
        for waiter in waiters { reply(waiter, "\(id) \(outcome)", &step) }
    }

    /// Ends the departure and lets the node take part again. Answers with what it is now.
    mutating func comeBack(_ id: NodeID, by who: String? = nil, _ step: inout Step) -> String {
        let waiters = roster[id]?.departure?.waiters ?? []
        roster.endDeparture(of: id)
        for waiter in waiters { refuse(waiter, .cancelled, "\(id) was taken back before it was drained", &step) }
        guard let node = roster[id], node.state == .draining || node.state == .drained else {
            return "is not connected (\(roster[id]?.cause ?? "")) and takes part once it is"
        }
        change(id, to: .ready, who.map { "taken back by \($0)" } ?? "taken back", [:], &step)
        roster[id]?.session?.progress.lastAt = step.now
        roster.rearm(id)
        requestPlan(step.now, after: configuration.joinWindow)
        return "takes part again"
    }

    /// The topology names it again: it takes part, or goes on draining where an operator asked for that.
    mutating func listAgain(_ id: NodeID, _ step: inout Step) {
        guard let node = roster[id], node.departure?.cause == .unlisted else { return }
        if let incarnation = node.incarnation, roster.drained.recall(incarnation) {
            roster.changeDeparture(of: id) { $0.cause = .asked }
        } else {
            _ = comeBack(id, &step)
        }
    }

    // MARK: What happens to a node meanwhile

    /// Whether a node that has just connected stays out: it was drained, and it is still the same process.
    mutating func staysDrained(_ id: NodeID, _ step: inout Step) -> Bool {
        guard roster[id]?.departure?.cause == .asked else { return false }
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
            if roster.drained.recall(incarnation), roster[id]?.departure == nil {
                roster.depart(id, Departure(cause: .asked, incarnation: incarnation, startedAt: step.now))
            }
        }
        guard let departure = roster[id]?.departure else { return }
        if departure.cause != .asked || (departure.incarnation != nil && departure.incarnation != incarnation) {
            for waiter in departure.waiters { refuse(waiter, .cancelled, "\(id) has connected anew before it was drained", &step) }
            roster.endDeparture(of: id)
        } else {
            roster.changeDeparture(of: id) { $0.incarnation = incarnation }
        }
    }

    /// Takes everything of the node away, for good; it must not be connected.
    mutating func forget(_ id: NodeID, _ step: inout Step) {
        guard let node = roster[id] else { return }
        remove(id, because: "it has left", &step)
        step.log(.info, "node has left", ["node": id.description, "cause": node.cause])
    }

    mutating func remove(_ id: NodeID, because why: String, _ step: inout Step) {
        guard let node = roster.remove(id) else { return }
        flights.forget(id)
        // An operator means the process, which may come under this name or another again.
        if node.departure?.cause == .asked { roster.drained.remember(id, node.departure?.incarnation ?? node.incarnation) }
        for waiter in node.departure?.waiters ?? [] { refuse(waiter, .cancelled, "\(id): \(why)", &step) }
        links.forget(id)
        links.peersChanged(step.now)
    }

    /// A command that waited has gone.
    mutating func forgetWaiters(on connection: ConnectionID) {
        for id in roster.departing { roster.changeDeparture(of: id) { $0.waiters.removeAll { $0.connection == connection } } }
    }

    private mutating func refuse(_ waiter: Departure.Waiter, _ code: StatusCode, _ message: String, _ step: inout Step) {
        step.emit(.send(waiter.connection, .inferError(InferError(id: waiter.number, code: code, message: message))))
    }

    private mutating func reply(_ waiter: Departure.Waiter, _ message: String, _ step: inout Step) {
        step.emit(.send(waiter.connection, .drainReply(DrainReply(id: waiter.number, message: message))))
    }
}
