internal import Base
internal import Planning
internal import Wire

/// What follows from micro-batches that disappear (see ``Search``): a link that is out, or a node that is left out of plans.
extension CoordinatorMachine {
    mutating func resultComplete(_ connection: ConnectionID, _ key: WorkKey) {
        guard let last = flights[key]?.route.last, roster[last]?.data == connection else { return }
        flights.resultCame(key)
    }

    /// For the next ping: the oldest that are missed. O(micro-batches of the node), once a second.
    func questions(to id: NodeID, _ now: Instant) -> [WorkQuestion] {
        guard let node = roster[id], node.state == .ready || node.state == .draining else { return [] }
        return flights.missed(on: id, now).compactMap { key in
            guard let route = flights[key]?.route, let hop = route.firstIndex(of: id) else { return nil }
            guard hop > 0 else { return WorkQuestion(key: key, from: nil) }
            return roster[route[hop - 1]]?.incarnation.map { WorkQuestion(key: key, from: $0) }
        }
    }

    /// - Parameter receivedBytes: what has come on the node's data connection.
    mutating func placed(
        _ connection: ConnectionID, _ places: [WorkPlace], _ receivedBytes: UInt64, _ step: inout Step
    ) {
        guard let id = roster.node(on: connection), roster[id]?.control == connection else { return }
        for place in places {
            let accusation = flights.note(
                place, from: id, receivedBytes: receivedBytes, beat: roster[id]?.heartbeat, lostAfter: configuration.lostAfter,
                step.now)
            if let (flight, suspicion) = accusation { isLost(flight, suspicion, &step) }
        }
    }

    /// What a hop should have from another: where its bytes do not come, the link between the two is out, and nobody is blamed. Where they have
    /// come, one of the two lies: the receiver is blamed first, and who accuses a second one is itself.
    private mutating func isLost(
        _ flight: Flight, _ found: Search.Suspicion, _ step: inout Step
    ) {
        let id = flight.route[found.hop]
        let age = flight.writtenAt.map { (step.now - $0).readable } ?? "?"
        let accuser = found.kind == .absent && found.hop > 0 ? flight.route[found.hop - 1] : nil
        if let accuser, !found.hasArrived {
            let link = NodeLink(from: accuser, to: id)
            let cause = "a micro-batch was sent on its way \(age) ago, and its bytes do not come"
            markOut(link, cause, &step)
            return replayFlights(over: link, why: "\(accuser) does not reach \(id): \(cause)", &step)
        }
        // Who has gone since may well have been at fault, and is kept in the tables for minutes.
        let accused = roster.all.filter {
            accuser != nil && $0.id != id && $0.control != nil && $0.distrust.accuser == accuser
                && !$0.distrust.isForgotten(step.now)
        }.map(\.id)
        guard let accuser, !accused.isEmpty else {
            let what =
                switch found.kind {
                case .absent: "it says that it does not have it"
                case .held: "it says that it has it and nothing to run"
                case .result: "it says that it has sent the result, which did not come"
                }
            return distrust(id, by: accuser, "a micro-batch was sent on its way \(age) ago, and \(what)", &step)
        }
        // They are not acquitted: two receivers may lie together. Their time runs out by itself.
        for id in accused { roster[id]?.distrust.dropAccuser() }
        distrust(accuser, by: nil, "what it says that it passes on does not come, at several nodes", &step)
    }

    /// Its work runs elsewhere, and it gets none until a new plan takes it: without it, or with it where nobody else is left.
    private mutating func distrust(
        _ id: NodeID, by accuser: NodeID?, _ cause: String, _ step: inout Step
    ) {
        let lost = roster[id]?.distrust.noteLoss(of: cause, by: accuser, planOrders: plans.orders, step.now)
        guard let pause = lost else { return }
        roster.changeDeparture(of: id) { $0.takesWork = false }
        plans.mayRejoin(at: step.now + pause)
        step.log(
            .warning, "a node loses work: it is left out of plans for a while",
            ["node": id.description, "cause": cause, "for": pause.readable])
        selectorsHear(of: id)
        replayFlights(through: id, why: "\(id) lost work", &step)
        planAround(id, &step)
    }

    /// Whether a plan that was ordered then brings a node back that has lost work since.
    func bringsBack(_ deployment: PlannedDeployment, orderedAs order: UInt64) -> Bool {
        deployment.nodes.contains { id in
            roster[id].map { $0.distrust.isShunned && order <= $0.distrust.planOrders } ?? false
        }
    }

    /// A plan serves that was made with the nodes as they are known now.
    mutating func trust(_ deployment: PlannedDeployment) {
        for id in deployment.nodes where roster[id]?.distrust.isShunned == true { roster[id]?.distrust.takesWork() }
    }
}
