internal import Base
internal import Planning
internal import Wire

/// Micro-batches on their way: reservation, dispatch, results, setbacks, replay.
extension CoordinatorMachine {
    /// A node that had no room is left alone this long: attempts are bounded, and asking again at once would use them up.
    static let rejectionPause: Duration = .milliseconds(20)

    /// Gives every request with waiting micro-batches its turn, one micro-batch each, while there is room on the routes.
    mutating func dispatch(_ step: inout Step) {
        reviewQuarantine()
        guard let active = plans.active else { return }
        dispatchShared(active, &step)
        dispatchAlone(active, &step)
    }

    private mutating func dispatchShared(_ active: ActivePlan, _ step: inout Step) {
        guard requests.turnCount > 0 else { return }
        let microBatch = plans.model?.batching == .splittable ? max(1, active.deployment.microBatch) : nil
        while flights.living < active.window, let (id, piece) = requests.nextTurn(microBatch: microBatch) {
            switch route(id, piece, on: active, alone: false, step.now) {
            case .none:
                // First in line stays first, so that a large micro-batch is not passed for ever by small ones.
                return
            case .impossible(let message):
                requests.turnRefused(id)
                finish(id, with: .resourceExhausted, message, isPermanent: true, &step)
            case .path(let path, _):
                guard send(id, piece, along: path, on: active, alone: false, &step) != nil else { return }
                requests.turnTaken(id)
            }
        }
    }

    mutating func reclaimAbandoned(_ now: Instant) {
        while let key = flights.takeReclaimable(now) { _ = land(key) }
    }

    enum Routing {
        case path([NodeID], bytes: [Int])
        /// Not now: no replica has room, or none is ready.
        case none
        case impossible(String)
    }

    /// Activation bytes of a micro-batch at each hop.
    private func hopBytes(_ id: RequestID, _ piece: Int, on active: ActivePlan) -> [Int] {
        guard let items = requests.piece(id, piece)?.items.count else { return [] }
        return active.deployment.stages.enumerated().map { index, stage in
            guard index == 0 else { return stage.inputBytesPerItem.multipliedSaturating(by: items) }
            return (requests[id]?.inputBytes ?? 0).multipliedSaturating(by: items) / max(1, requests[id]?.items ?? 1)
        }
    }

    /// - Parameter alone: the nodes need room when they have finished what they have, not now.
    func route(_ id: RequestID, _ piece: Int, on active: ActivePlan, alone: Bool, _ now: Instant) -> Routing {
        let bytes = hopBytes(id, piece, on: active)
        guard !bytes.isEmpty else { return .none }
        if let path = freePath(through: active.deployment.stages, bytes, alone: alone, now) { return .path(path, bytes: bytes) }
        for (index, stage) in active.deployment.stages.enumerated() where !couldHold(bytes[index], stage) {
            return .impossible(
                "one micro-batch needs \(bytes[index]) bytes at stage \(index), more than its nodes hold at once; send fewer items")
        }
        return .none
    }

    /// Reserves a slot and the bytes at every hop and sends the micro-batch off.
    /// - Returns: the attempt's key, or `nil` if the first hop is not connected.
    mutating func send(
        _ id: RequestID, _ piece: Int, along path: [NodeID], on active: ActivePlan, alone: Bool, _ step: inout Step
    ) -> WorkKey? {
        let bytes = hopBytes(id, piece, on: active)
        guard let first = path.first, let data = roster[first]?.data,
            let attempt = requests.beginAttempt(id, piece, step.now)
        else { return nil }
        let key = workKey(id, of: attempt.client, piece, attempt.number)
        flights.begin(
            key,
            Flight(
                request: id, piece: piece, generation: active.generation, route: path, bytes: bytes, sentAt: step.now,
                isAlone: alone))
        pace.began(step.now)
        for node in path { plans.began(on: node) }
        let left = UInt32(clamping: Int64((attempt.deadline - step.now).milliseconds))
        let route = zip(path, active.deployment.stages).map { Hop(node: $0, partition: $1.partition) }
        count { $0.microBatchesDispatched += 1 }
        let work = Work(key: key, route: route, items: UInt32(attempt.items.count), deadlineMilliseconds: max(1, left), tensors: [])
        step.emit(.dispatch(work, data, id, attempt.items))
        return key
    }

    /// Frees the reservation at every hop.
    /// - Parameter traces: of a flight whose result came, what the hops measured.
    mutating func land(_ key: WorkKey, _ traces: [HopTrace] = []) -> Flight? {
        guard let (flight, freed) = flights.land(key) else { return nil }
        for node in freed {
            let trace = traces.first { $0.node == node }
            plans.ended(on: node, milliseconds: trace.map { Double($0.compute) / 1e6 })
        }
        return flight
    }

    /// Nobody wants it any more: the hops are told, and the reservation waits for their word.
    mutating func abandon(_ key: WorkKey, _ step: inout Step) {
        guard let flight = flights.abandon(key, step.now) else { return }
        var isHeard = false
        for (hop, id) in flight.route.enumerated() {
            guard let node = roster[id], let control = node.control else { continue }
            isHeard = true
            if hop == 0, let data = node.data { step.emit(.abandonDispatch(key, data)) }
            step.emit(.send(control, .cancelWork(CancelWork(keys: [key]))))
        }
        if !isHeard { _ = land(key) }
    }

    mutating func workFailed(
        _ key: WorkKey, node: NodeID?, _ code: StatusCode, _ message: String, _ step: inout Step
    ) {
        guard let flight = land(key), !flight.isAbandoned else { return }
        let place = node.map { " (at \($0))" } ?? ""
        finish(flight.request, with: code, message + place, &step)
    }

    /// It never left: no reservation waits for anybody's word, and trying again would end alike.
    mutating func dispatchFailed(_ key: WorkKey, _ message: String, _ step: inout Step) {
        guard let flight = land(key), !flight.isAbandoned else { return }
        finish(flight.request, with: .resourceExhausted, message, isPermanent: true, &step)
    }

    /// The micro-batch will not come back from where it is: send it again, on whatever route the plan gives.
    mutating func replay(_ key: WorkKey, why: String, _ step: inout Step) {
        guard let flight = flights[key], !flight.isAbandoned else { return }
        abandon(key, &step)
        guard let piece = requests.piece(flight.request, flight.piece), !piece.isDone else { return }
        guard piece.attempt < configuration.maximumAttempts else {
            finish(
                flight.request, with: .unavailable, "given up after \(configuration.maximumAttempts) attempts; the last: \(why)",
                &step)
            return
        }
        count { $0.microBatchesReplayed += 1 }
        requests.setBack(flight.request, flight.piece, why, from: flight.route)
        guard !isSuspicious(flight.request, flight.piece) else {
            return flights.quarantine(.init(request: flight.request, piece: flight.piece))
        }
        requests.waitAgain(flight.request, flight.piece)
    }

    /// Replays everything whose route contains the node.
    mutating func replayFlights(through id: NodeID, why: String, _ step: inout Step) {
        guard let node = roster[id] else { return }
        for key in flights.keys(on: id) {
            replay(key, why: why, &step)
            // A lost node holds nothing, and what the other hops hold of it they drop on the cancellation.
            if node.control == nil { _ = land(key) }
        }
    }

    /// What workers and clients say without a payload, for whichever part it is.
    mutating func received(_ connection: ConnectionID, _ message: Message, by: String?, _ step: inout Step) {
        guard let id = roster.node(on: connection) else {
            switch message {
            case .cancelRequest(let cancel): cancelled(connection, cancel.id, &step)
            case .drainRequest(let request): drainRequested(connection, request, by: by, &step)
            default: break
            }
            return
        }
        // The data connection brings results, and those come as events of their own.
        guard roster[id]?.control == connection else { return }
        switch message {
        case .heartbeat(let heartbeat): progressReported(id, heartbeat, &step)
        case .pong(let ping):
            roster[id]?.roundTrip = .nanoseconds(max(0, step.now.nanoseconds - Int64(clamping: ping.sentAtNanoseconds)))
        case .partitionReport(let report): reported(id, report, &step)
        case .workDropped(let dropped):
            if dropped.hasOverrun { overran(id, dropped.key) }
            guard isOnRoute(id, of: dropped.key) else { return }
            replay(dropped.key, why: "\(id) dropped it", &step)
            _ = land(dropped.key)
        case .workRejected(let rejected): rejectedWork(id, rejected, &step)
        case .workFailed(let failed) where isOnRoute(id, of: failed.key):
            roster[id]?.session?.progress.lastAt = step.now
            workFailed(failed.key, node: id, failed.code, failed.message, &step)
        case .peerLost(let lost): linkLost(id, lost, &step)
        case .leaving(let leaving): depart(id, .leaving, leaving.message, &step)
        default: break
        }
    }

    /// Word about a micro-batch counts only from where it was sent.
    private func isOnRoute(_ id: NodeID, of key: WorkKey) -> Bool { flights[key]?.route.contains(id) ?? false }

    private mutating func rejectedWork(_ id: NodeID, _ rejected: WorkRejected, _ step: inout Step) {
        // That it is shutting down it may say at any time: it says it of itself.
        if rejected.code == .unavailable { nodeDrains(id, rejected.message, &step) }
        guard isOnRoute(id, of: rejected.key) else { return }
        switch rejected.code {
        case .failedPrecondition: partitionIsMissing(at: id, for: rejected.key, step.now)
        case .unavailable: break
        default:
            roster[id]?.session?.pausedUntil = step.now + Self.rejectionPause
            roster.rearm(id)
        }
        replay(rejected.key, why: rejected.message, &step)
        _ = land(rejected.key)
    }

    /// Its tables and ours disagree about the partition: nothing goes there until it has said "ready" again. What an earlier plan's
    /// micro-batch meets says nothing about the plan that serves.
    private mutating func partitionIsMissing(at id: NodeID, for key: WorkKey, _ now: Instant) {
        guard let flight = flights[key], let active = plans.active, flight.generation == active.generation else { return }
        for stage in active.deployment.stages where stage.replicas.contains(id) {
            roster[id]?.session?.partitions[stage.partition] = nil
        }
        retireActiveIfBroken()
        requestPlan(now, after: .zero)
    }

    /// `from` cannot reach a peer: the link is out, both nodes stay; only our own evidence fails a node.
    private mutating func linkLost(_ from: NodeID, _ lost: PeerLost, _ step: inout Step) {
        let link = NodeLink(from: from, to: lost.to)
        let why = "\(from) cannot reach \(lost.to): \(lost.message)"
        // Who was let go closes its connections: no fault of the link.
        if roster[link.to]?.state != .drained { markOut(link, lost.message, &step) }
        replayFlights(over: link, unsent: Set(lost.keys), why: why, &step)
    }

    /// What the kernel of the sender had taken may be lost in the connection too, and neither side can say: all of the link is replayed.
    /// - Parameter unsent: what the sender says that it has not sent on.
    mutating func replayFlights(
        over link: NodeLink, unsent: Set<WorkKey> = [], why: String, _ step: inout Step
    ) {
        for key in flights.keys(over: link, unsent: unsent) {
            replay(key, why: why, &step)
            if unsent.contains(key) { _ = land(key) }
        }
    }
}
