internal import Base
internal import Planning
internal import Wire

/// Inputs that may be what ends the nodes: a micro-batch that was under way at two losses is run once more with nothing
/// beside it. If the node survives, it was innocent; if not, the request fails, and no third node pays for it together with everything
/// that others had there.
extension CoordinatorMachine {
    /// Losses of a node with the micro-batch under way after which it is run alone.
    static let suspiciousLosses = 2

    /// The node's process ended, or its executors hang: each input under way there is counted as a possible cause. Those that had the node
    /// to themselves are.
    mutating func suspectInputs(on id: NodeID, _ step: inout Step) {
        for key in flights.keys(on: id) {
            guard let flight = flights[key], !flight.isAbandoned else { continue }
            requests.noteLoss(of: id, with: flight.request, flight.piece)
            guard flight.isAlone, let piece = requests.piece(flight.request, flight.piece) else { continue }
            let names = piece.lossNodes.map(\.description).joined(separator: ", ")
            step.log(
                .error, "an input is given up: nodes end while they run it",
                ["request": "\(flight.request.number)", "items": "\(piece.items)", "nodes": names])
            finish(
                flight.request, with: .internalError,
                "this input was being executed at \(piece.lossNodes.count) losses of nodes (\(names)), the last time alone; "
                    + "items \(piece.items) of the request may be what ends them and are not tried again", isPermanent: true, &step)
        }
    }

    /// The node wrote a run off that did not end. If its request lives (the attempt was given up for another one), the input may be why.
    mutating func overran(_ id: NodeID, _ key: WorkKey) {
        let request = RequestID(key.request)
        guard key.session == session, let pieces = requests[request]?.pieces, let index = Int(exactly: key.microBatch),
            pieces.indices.contains(index), !pieces[index].isDone
        else { return }
        let isOnItsWay = flights[key]?.route.contains(id) ?? pieces[index].tried.contains(id)
        guard isOnItsWay, !pieces[index].lossNodes.contains(id) else { return }
        requests.noteLoss(of: id, with: request, index)
    }

    func isSuspicious(_ id: RequestID, _ piece: Int) -> Bool {
        (requests.piece(id, piece)?.lossNodes.count ?? 0) >= Self.suspiciousLosses
    }

    /// Forgets what nobody waits for any more, and gives up a reservation of nodes that does not hold any more.
    mutating func reviewQuarantine() {
        while let first = flights.firstQuarantined, requests.piece(first.request, first.piece)?.isDone ?? true {
            flights.dropFirstQuarantined()
        }
        guard let isolation = flights.isolation, isolation.key == nil else { return }
        let stages = plans.active?.deployment.stages ?? []
        let isWhole =
            isolation.piece == flights.firstQuarantined && isolation.generation == plans.active?.generation
            && zip(isolation.path, stages).allSatisfy { id, stage in
                roster[id]?.state == .ready && roster[id]?.takesWork == true && isLoaded(stage.partition, on: id)
            }
            && zip(isolation.path, isolation.path.dropFirst()).allSatisfy { links.isUsable(NodeLink(from: $0, to: $1)) }
        if !isWhole { flights.endIsolation() }
    }

    /// Called when everything else had its turn, so that a row of suspicious inputs does not starve the others: keeps the nodes of one route
    /// free of new work, and runs the next suspicious micro-batch when they have finished what they had.
    mutating func dispatchAlone(_ active: ActivePlan, _ step: inout Step) {
        while let next = flights.firstQuarantined, flights.isolation?.key == nil {
            if flights.isolation == nil {
                switch route(next.request, next.piece, on: active, alone: true, step.now) {
                case .none: return
                case .impossible(let message):
                    finish(next.request, with: .resourceExhausted, message, isPermanent: true, &step)
                    reviewQuarantine()
                    continue
                case .path(let path, _): flights.isolate(path, generation: active.generation)
                }
            }
            guard let path = flights.isolation?.path, path.allSatisfy({ roster[$0] != nil && flights.count(on: $0) == 0 }) else {
                return
            }
            guard let key = send(next.request, next.piece, along: path, on: active, alone: true, &step) else {
                return flights.endIsolation()
            }
            flights.runsAlone(key)
        }
    }
}
