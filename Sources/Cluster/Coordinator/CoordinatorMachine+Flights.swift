internal import DequeModule
internal import Planning
public import Wire

/// Micro-batches on their way: reservation, dispatch, results, setbacks, replay.
extension CoordinatorMachine {
    /// Word of an abandoned micro-batch that has not come after this long will not come (it was lost between two hops). The worker's own
    /// bounds still hold if it does.
    static let abandonedReclaim: Duration = .seconds(5)

    /// Gives every request with waiting micro-batches its turn, one micro-batch each, while there is room on the routes.
    mutating func dispatch(_ now: Instant, _ out: inout [Directive]) {
        guard let active else { return }
        while flights.count < active.window, let id = rotation.popFirst() {
            guard let request = requests[id] else { continue }
            if request.pieces.isEmpty { cut(id, by: active.deployment) }
            guard let piece = requests[id]?.waiting.first else {
                requests[id]?.isInRotation = false
                continue
            }
            switch reserve(id, piece, on: active, now) {
            case .noRoom:
                // First in line stays first, so that a large micro-batch is not passed for ever by small ones.
                rotation.prepend(id)
                return
            case .impossible(let message):
                requests[id]?.isInRotation = false
                finish(id, with: .resourceExhausted, message, now, &out)
            case .flight(let work, let data):
                requests[id]?.waiting.removeFirst()
                if requests[id]?.firstDispatchAt == nil { requests[id]?.firstDispatchAt = now }
                count { $0.microBatchesDispatched += 1 }
                out.append(.dispatch(work, data, id, requests[id]?.pieces[piece].items ?? 0..<0))
                if requests[id]?.waiting.isEmpty == true {
                    requests[id]?.isInRotation = false
                } else {
                    rotation.append(id)
                }
            }
        }
    }

    mutating func reclaimAbandoned(_ now: Instant) {
        while let oldest = abandoned.first, oldest.at + Self.abandonedReclaim <= now {
            abandoned.removeFirst()
            if flights[oldest.key]?.isAbandoned == true { _ = land(oldest.key) }
        }
    }

    /// Cuts a request into micro-batches; the cut stays when it is replayed, so that the numbers stay the same.
    private mutating func cut(_ id: RequestID, by deployment: PlannedDeployment) {
        guard let request = requests[id] else { return }
        let size = model?.batching == .splittable ? max(1, deployment.microBatch) : request.items
        var pieces: [Request.Piece] = []
        var first = 0
        while first < request.items {
            let end = min(first + size, request.items)
            pieces.append(Request.Piece(items: first..<end))
            first = end
        }
        requests[id]?.pieces = pieces
        requests[id]?.waiting = Deque(pieces.indices)
        requests[id]?.remaining = pieces.count
    }

    private enum Reservation {
        case flight(Work, ConnectionID)
        case noRoom
        case impossible(String)
    }

    private mutating func reserve(_ id: RequestID, _ piece: Int, on active: ActivePlan, _ now: Instant) -> Reservation {
        guard let request = requests[id] else { return .noRoom }
        let items = request.pieces[piece].items.count
        var route: [Hop] = []
        var bytes: [Int] = []
        for (index, stage) in active.deployment.stages.enumerated() {
            let needed = index == 0 ? request.inputBytes * items / max(1, request.items) : stage.inputBytesPerItem * items
            let fitting = stage.replicas.filter { id in
                guard let node = nodes[id], node.state == .ready, let profile = node.profile else { return false }
                return needed <= Int(clamping: profile.slotBytes)
            }
            guard !fitting.isEmpty else {
                let present = stage.replicas.contains { nodes[$0]?.state == .ready }
                return present
                    ? .impossible(
                        "one micro-batch needs \(needed) bytes at stage \(index), more than its nodes hold at once; send fewer items"
                    )
                    : .noRoom
            }
            let open = fitting.filter { id in
                guard let node = nodes[id], let profile = node.profile else { return false }
                return node.flights.count < Int(profile.slots) && node.flightBytes + needed <= Int(clamping: profile.slotBytes)
            }
            // The least loaded replica; the name decides a tie, so that equal states give equal choices.
            guard let chosen = open.min(by: { (nodes[$0]?.flights.count ?? 0, $0) < (nodes[$1]?.flights.count ?? 0, $1) }) else {
                return .noRoom
            }
            route.append(Hop(node: chosen.description, partition: stage.partition))
            bytes.append(needed)
        }
        guard let first = route.first, let data = nodes[NodeID(first.node)]?.data else { return .noRoom }
        requests[id]?.pieces[piece].attempt += 1
        let attempt = request.pieces[piece].attempt + 1
        let key = workKey(request, piece, attempt)
        let path = route.map { NodeID($0.node) }
        flights[key] = Flight(request: id, piece: piece, route: path, bytes: bytes, deadline: request.deadline)
        for (node, reserved) in zip(path, bytes) {
            nodes[node]?.flights.insert(key)
            nodes[node]?.flightBytes += reserved
        }
        let left = UInt32(clamping: Int64((request.deadline - now).milliseconds))
        return .flight(Work(key: key, route: route, items: UInt32(items), deadlineMilliseconds: max(1, left), tensors: []), data)
    }

    /// Frees the reservation at every hop.
    private mutating func land(_ key: WorkKey) -> Flight? {
        guard let flight = flights.removeValue(forKey: key) else { return nil }
        for (node, reserved) in zip(flight.route, flight.bytes) where nodes[node]?.flights.remove(key) != nil {
            nodes[node]?.flightBytes -= reserved
        }
        return flight
    }

    /// Nobody wants it any more: the hops are told, and the reservation waits for their word.
    mutating func abandon(_ key: WorkKey, _ now: Instant, _ out: inout [Directive]) {
        guard let flight = flights[key], !flight.isAbandoned else { return }
        flights[key]?.isAbandoned = true
        abandoned.append(Abandonment(at: now, key: key))
        var isHeard = false
        for (hop, id) in flight.route.enumerated() {
            guard let node = nodes[id], let control = node.control else { continue }
            isHeard = true
            if hop == 0, let data = node.data { out.append(.abandonDispatch(key, data)) }
            out.append(.send(control, .cancelWork(CancelWork(keys: [key]))))
        }
        if !isHeard { _ = land(key) }
    }

    /// Whether a result of this attempt is still of use (asked before its payload is read).
    public func wants(_ key: WorkKey) -> Bool {
        guard let flight = flights[key] else { return false }
        return !flight.isAbandoned
    }

    mutating func resultArrived(_ key: WorkKey, _ traces: [HopTrace], _ now: Instant, _ out: inout [Directive]) {
        guard let flight = land(key), !flight.isAbandoned, var request = requests[flight.request],
            !request.pieces[flight.piece].isDone
        else {
            count { $0.resultsDropped += 1 }
            out.append(.dropResult(key))
            return
        }
        request.pieces[flight.piece].isDone = true
        request.remaining -= 1
        out.append(.takeResult(key, flight.request, piece: flight.piece))
        if request.remaining == 0 {
            request.phase = .replying
            count { $0.requestsCompleted += 1 }
            out.append(
                .reply(
                    request.id, request.client, clientNumber: request.clientNumber,
                    RequestTiming(
                        queue: UInt64(max(0, ((request.firstDispatchAt ?? now) - request.admittedAt).nanoseconds)),
                        total: UInt64(max(0, (now - request.admittedAt).nanoseconds)), replays: request.replays)))
        }
        requests[flight.request] = request
    }

    mutating func workFailed(
        _ key: WorkKey, node: NodeID?, _ code: StatusCode, _ message: String, _ now: Instant, _ out: inout [Directive]
    ) {
        guard let flight = land(key), !flight.isAbandoned else { return }
        let place = node.map { " (at \($0))" } ?? ""
        finish(flight.request, with: code, message + place, now, &out)
    }

    /// The micro-batch will not come back from where it is: send it again, on whatever route the plan gives.
    mutating func replay(_ key: WorkKey, why: String, _ now: Instant, _ out: inout [Directive]) {
        guard let flight = flights[key], !flight.isAbandoned else { return }
        abandon(key, now, &out)
        guard let request = requests[flight.request], !request.pieces[flight.piece].isDone else { return }
        guard request.pieces[flight.piece].attempt < configuration.maximumAttempts else {
            finish(
                flight.request, with: .unavailable, "given up after \(configuration.maximumAttempts) attempts; the last: \(why)",
                now, &out)
            return
        }
        count { $0.microBatchesReplayed += 1 }
        requests[flight.request]?.replays += 1
        requests[flight.request]?.lastSetback = why
        requests[flight.request]?.waiting.prepend(flight.piece)
        enterRotation(flight.request)
    }

    /// Replays everything whose route contains the node.
    mutating func replayFlights(through id: NodeID, why: String, _ now: Instant, _ out: inout [Directive]) {
        guard let node = nodes[id] else { return }
        for key in node.flights.sorted(by: { ($0.request, $0.microBatch) < ($1.request, $1.microBatch) }) {
            replay(key, why: why, now, &out)
            // A lost node holds nothing, and what the other hops hold of it they drop on the cancellation.
            if node.control == nil { _ = land(key) }
        }
    }

    mutating func received(_ connection: ConnectionID, _ message: Message, _ now: Instant, _ out: inout [Directive]) {
        guard let id = nodeOfConnection[connection] else {
            if case .cancelRequest(let cancel) = message { cancelled(connection, cancel.id, now, &out) }
            return
        }
        switch message {
        case .heartbeat(let heartbeat): nodes[id]?.heartbeat = heartbeat
        case .pong(let ping):
            nodes[id]?.roundTrip = .nanoseconds(max(0, now.nanoseconds - Int64(clamping: ping.sentAtNanoseconds)))
        case .partitionReport(let report): reported(id, report, now, &out)
        case .workDropped(let dropped):
            replay(dropped.key, why: "\(id) dropped it", now, &out)
            _ = land(dropped.key)
        case .workRejected(let rejected):
            rejectedWork(id, rejected, now, &out)
        case .workFailed(let failed): workFailed(failed.key, node: id, failed.code, failed.message, now, &out)
        case .peerLost(let lost): linkLost(lost, now, &out)
        default: break
        }
    }

    private mutating func rejectedWork(_ id: NodeID, _ rejected: WorkRejected, _ now: Instant, _ out: inout [Directive]) {
        if rejected.code == .failedPrecondition, let flight = flights[rejected.key], let active {
            // Its tables and ours disagree about the partition: nothing goes there until it has said "ready" again.
            for stage in active.deployment.stages where flight.route.contains(id) && stage.replicas.contains(id) {
                nodes[id]?.partitions[stage.partition] = nil
                self.active = nil
            }
            requestPlan(now, after: .zero)
        }
        replay(rejected.key, why: rejected.message, now, &out)
        _ = land(rejected.key)
    }

    /// `from` cannot reach `to`: the link is out, both nodes stay; only our own evidence fails a node.
    private mutating func linkLost(_ lost: PeerLost, _ now: Instant, _ out: inout [Directive]) {
        let link = NodeLink(from: NodeID(lost.from), to: NodeID(lost.to))
        let why = "\(lost.from) cannot reach \(lost.to): \(lost.message)"
        let unsent = Set(lost.keys)
        // What the kernel of `from` had taken may be lost in the connection too, and neither side can say: all of the link is replayed.
        let concerned = flights.filter { key, flight in unsent.contains(key) || flight.uses(link) }.keys
        for key in concerned.sorted(by: { ($0.request, $0.microBatch) < ($1.request, $1.microBatch) }) {
            replay(key, why: why, now, &out)
            if unsent.contains(key) { _ = land(key) }
        }
        guard nodes[link.from]?.state == .ready, nodes[link.to]?.state == .ready, brokenLinks.insert(link).inserted else { return }
        log(.warning, "a link is out", ["from": lost.from, "to": lost.to, "cause": lost.message], &out)
        requestPlan(now, after: .zero)
    }
}

extension CoordinatorMachine.Flight {
    func uses(_ link: NodeLink) -> Bool {
        zip(route, route.dropFirst()).contains { $0 == link.from && $1 == link.to }
    }
}
