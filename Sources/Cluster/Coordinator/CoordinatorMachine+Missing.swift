internal import Planning
internal import Wire

/// Micro-batches that disappear: a worker takes them, and its heartbeats say that it has nothing to do.
///
/// Who executes or has a queue is judged by its progress (`stall`), and who is silent by its silence. What is out for some seconds beside that
/// is asked for with each ping at every hop of its route, by its own key: what a node does for other micro-batches neither acquits nor accuses
/// it of this one. A hop holds it, has passed it on, or does not have it. Behind the furthest hop that has had it, the next one must get it;
/// whether it has got it both ends of their connection tell by the bytes that they count, so that neither a slow link nor what lies in
/// kernels is taken for a loss. Word that is missing, because a worker is from before the questions, accuses nobody.
extension CoordinatorMachine {
    /// A micro-batch that was written out to its first hop this long ago is asked for. Asking accuses nobody.
    static let askAfter: Duration = .seconds(4)
    /// So many answers in a row must say the same …
    static let answersThatCount = 3
    /// … none further from the last than this: of the time between nothing is known.
    static let answerGap: Duration = .seconds(3)
    /// … over this time where the bytes have come and the micro-batch has not: some turns of a loop, however busy.
    static let arrivedLimit: Duration = .seconds(2)
    /// … over this time where the bytes do not come and none moves: several times what TCP takes to give a connection up.
    static let stillLimit: Duration = .seconds(10)
    /// … over this time where a hop says that it holds it, has nothing to run, and sends nothing: far above what decoding, encoding and
    /// dialling take.
    static let heldLimit: Duration = .seconds(30)
    /// Who loses work is left out of plans this long at first, twice as long at each further time, up to the longest.
    static let distrustFirst: Duration = .seconds(30)
    static let distrustLongest: Duration = .seconds(300)
    /// After this long without a loss, while plans could use it, what was before is forgotten.
    static let distrustForgottenAfter: Duration = .seconds(60)

    /// A node that lost work. It ends with the process.
    struct Distrust: Sendable {
        var leftOutUntil: Instant = .zero
        var pause: Duration?
        var cause = ""
        /// Who passed to it what it lost, if it was not the coordinator: one of the two lies.
        var accuser: NodeID?
        /// It takes no work of the plans that were made before.
        var isShunned = false
        /// The latest order to the planner by then.
        var planOrders: UInt64 = 0

        func isLeftOut(_ now: Instant) -> Bool { leftOutUntil > now }
        func isForgotten(_ now: Instant) -> Bool {
            pause == nil || leftOutUntil + CoordinatorMachine.distrustForgottenAfter <= now
        }
    }

    /// What is known of a micro-batch that is missed.
    struct Search: Sendable {
        enum Kind: Sendable { case absent, held, result }
        /// What the hop that should have it says again and again.
        struct Suspicion: Sendable {
            var hop: Int
            var kind: Kind
            /// The bytes have come, the micro-batch has not.
            var hasArrived: Bool
            var carriedBytes: UInt64
            var since: Instant
            var lastAt: Instant
            var answers = 1

            func goesOn(as next: Suspicion) -> Bool {
                next.hop == hop && next.kind == kind && next.hasArrived == hasArrived && next.since - lastAt <= answerGap
                    && (hasArrived || next.carriedBytes == carriedBytes)
            }

            /// - Parameter lostAfter: how long a connection of ours may stand still.
            func isProven(_ lostAfter: Duration) -> Bool {
                let limit = hasArrived ? arrivedLimit : kind == .held ? heldLimit : max(stillLimit, lostAfter * 2)
                return answers >= answersThatCount && lastAt - since >= limit
            }
        }
        /// The last word of each hop.
        var places: [WorkPlace?]
        var suspicion: Suspicion?
    }

    mutating func dispatched(_ key: WorkKey, _ sentBytes: UInt64, _ now: Instant) {
        flights[key]?.writtenAt = now
        flights[key]?.writtenBytes = sentBytes
    }

    mutating func resultComplete(_ connection: ConnectionID, _ key: WorkKey) {
        guard let last = flights[key]?.route.last, nodes[last]?.data == connection else { return }
        flights[key]?.isResultComplete = true
    }

    private func isMissed(_ key: WorkKey, _ now: Instant) -> Bool {
        guard let flight = flights[key], !flight.isAbandoned, !flight.isResultComplete, let writtenAt = flight.writtenAt else {
            return false
        }
        return writtenAt + Self.askAfter <= now
    }

    /// For the next ping: the oldest that are missed. O(micro-batches of the node), once a second.
    func questions(to id: NodeID, _ now: Instant) -> [WorkQuestion] {
        guard let node = nodes[id], node.state == .ready || node.state == .draining else { return [] }
        let missed = node.flights.filter { isMissed($0, now) }
        guard !missed.isEmpty else { return [] }
        let oldest = missed.sorted { ($0.request, $0.microBatch) < ($1.request, $1.microBatch) }.prefix(WireLimits.workQuestions)
        return oldest.compactMap { key in
            guard let route = flights[key]?.route, let hop = route.firstIndex(of: id) else { return nil }
            guard hop > 0 else { return WorkQuestion(key: key, from: nil) }
            return nodes[route[hop - 1]]?.incarnation.map { WorkQuestion(key: key, from: $0) }
        }
    }

    /// - Parameter receivedBytes: what has come on the node's data connection.
    mutating func placed(
        _ connection: ConnectionID, _ places: [WorkPlace], _ receivedBytes: UInt64, _ step: inout Step
    ) {
        guard let id = nodeOfConnection[connection], nodes[id]?.control == connection else { return }
        for place in places where isMissed(place.key, step.now) {
            guard let flight = flights[place.key], let hop = flight.route.firstIndex(of: id) else { continue }
            var search = flight.search ?? Search(places: Array(repeating: nil, count: flight.route.count))
            var place = place
            // Who has passed it on has written bytes for it.
            if place.state == .passedOn, place.sentBytes == 0 { (place.state, place.rememberedMilliseconds) = (.absent, .max) }
            // It does not come back to who has passed it on.
            if search.places[hop]?.state != .passedOn { search.places[hop] = place }
            if let next = suspicion(of: flight, search, hop, place, receivedBytes, step.now) {
                if var known = search.suspicion, known.goesOn(as: next) {
                    known.answers += 1
                    known.lastAt = step.now
                    search.suspicion = known
                } else {
                    search.suspicion = next
                }
            } else if search.suspicion?.hop == hop {
                search.suspicion = nil
            }
            flights[place.key]?.search = search
            if let proven = search.suspicion, proven.hop == hop, proven.isProven(configuration.lostAfter) {
                isLost(flight, proven, &step)
            }
        }
    }

    /// What speaks against the hop that has just answered, if it is the one that should have the micro-batch.
    private func suspicion(
        of flight: Flight, _ search: Search, _ hop: Int, _ place: WorkPlace, _ receivedBytes: UInt64, _ now: Instant
    ) -> Search.Suspicion? {
        func next(_ kind: Search.Kind, owed: UInt64, carried: UInt64) -> Search.Suspicion {
            Search.Suspicion(
                hop: hop, kind: kind, hasArrived: kind != .held && carried >= owed, carriedBytes: carried, since: now, lastAt: now)
        }
        let last = flight.route.count - 1
        let furthest =
            flight.isResultAccepted
            ? last : search.places.lastIndex { $0?.state == .held || $0?.state == .passedOn } ?? -1
        guard
            hop == furthest
                || (hop == furthest + 1 && furthest < last && (furthest < 0 || search.places[furthest]?.state == .passedOn))
        else { return nil }
        switch search.places[hop]?.state {
        case .passedOn where hop == last:
            return next(.result, owed: search.places[hop]?.sentBytes ?? 0, carried: receivedBytes)
        case .held:
            // Who has something to run is judged by its progress.
            guard let beat = nodes[flight.route[hop]]?.heartbeat, beat.queued == 0, beat.executing == 0 else { return nil }
            return next(.held, owed: .max, carried: place.sentBytes &+ place.receivedBytes &+ beat.completed)
        case .absent:
            // It may have passed on what it does not remember.
            guard Double(place.rememberedMilliseconds) >= (now - flight.sentAt).milliseconds else { return nil }
            if hop == furthest { return next(.result, owed: 0, carried: receivedBytes) }
            let owed = hop == 0 ? flight.writtenBytes : search.places[hop - 1]?.sentBytes ?? .max
            return next(.absent, owed: owed, carried: place.receivedBytes)
        default: return nil
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
        let accused = nodes.filter {
            accuser != nil && $0.key != id && $0.value.control != nil && $0.value.distrust.accuser == accuser
                && !$0.value.distrust.isForgotten(step.now)
        }.keys
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
        for id in accused { nodes[id]?.distrust.accuser = nil }
        distrust(accuser, by: nil, "what it says that it passes on does not come, at several nodes", &step)
    }

    /// Its work runs elsewhere, and it gets none until a new plan takes it: without it, or with it where nobody else is left.
    private mutating func distrust(
        _ id: NodeID, by accuser: NodeID?, _ cause: String, _ step: inout Step
    ) {
        guard let known = nodes[id]?.distrust else { return }
        var distrust = Distrust()
        let pause = known.isForgotten(step.now) ? Self.distrustFirst : min((known.pause ?? .zero) * 2, Self.distrustLongest)
        distrust.pause = pause
        distrust.leftOutUntil = step.now + pause
        distrust.cause = cause
        distrust.accuser = accuser
        distrust.isShunned = true
        distrust.planOrders = planOrders
        nodes[id]?.distrust = distrust
        nodes[id]?.departure?.takesWork = false
        rejoinAt = min(rejoinAt ?? .distantFuture, step.now + pause)
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
            nodes[id].map { $0.distrust.isShunned && order <= $0.distrust.planOrders } ?? false
        }
    }

    /// A plan serves that was made with the nodes as they are known now.
    mutating func trust(_ deployment: PlannedDeployment) {
        for id in deployment.nodes where nodes[id]?.distrust.isShunned == true { nodes[id]?.distrust.isShunned = false }
    }

    /// What was said before this process's own pause and what is said after it do not belong together.
    mutating func forgiveSearches(_ pause: Duration) {
        for (key, flight) in flights {
            if let writtenAt = flight.writtenAt { flights[key]?.writtenAt = writtenAt + pause }
            if flight.search != nil { flights[key]?.search?.suspicion = nil }
        }
    }
}

extension CoordinatorMachine.Node {
    /// Plans are made without it for a while, where others are left.
    func isLeftOut(_ now: Instant) -> Bool { flapping.isLeftOut(now) || distrust.isLeftOut(now) }
}
