internal import Base
internal import Planning
internal import Wire

/// What is known of a micro-batch that is missed: a worker took it, and its heartbeats say that it has nothing to do.
///
/// Who executes or has a queue is judged by its progress (`stall`), and who is silent by its silence. What is out for some seconds beside that
/// is asked for with each ping at every hop of its route, by its own key: what a node does for other micro-batches neither acquits nor accuses
/// it of this one. A hop holds it, has passed it on, or does not have it. Behind the furthest hop that has had it, the next one must get it;
/// whether it has got it both ends of their connection tell by the bytes that they count, so that neither a slow link nor what lies in
/// kernels is taken for a loss. Word that is missing, because a worker is from before the questions, accuses nobody.
struct Search: Sendable {
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
    private(set) var places: [WorkPlace?]
    var suspicion: Suspicion?

    init(hopCount: Int) { places = Array(repeating: nil, count: hopCount) }

    /// A hop has said where it is.
    /// - Parameters:
    ///   - receivedBytes: what has come on the hop's data connection.
    ///   - beat: the last that the hop said of itself.
    mutating func note(
        _ word: WorkPlace, at hop: Int, of flight: Flight, receivedBytes: UInt64, beat: Heartbeat?, _ now: Instant
    ) {
        var place = word
        // Who has passed it on has written bytes for it.
        if place.state == .passedOn, place.sentBytes == 0 { (place.state, place.rememberedMilliseconds) = (.absent, .max) }
        // It does not come back to who has passed it on.
        if places[hop]?.state != .passedOn { places[hop] = place }
        guard let next = accusation(by: place, at: hop, of: flight, receivedBytes, beat, now) else {
            if suspicion?.hop == hop { suspicion = nil }
            return
        }
        if let known = suspicion, known.goesOn(as: next) {
            suspicion?.answers += 1
            suspicion?.lastAt = now
        } else {
            suspicion = next
        }
    }

    /// What speaks against the hop that has just answered, if it is the one that should have the micro-batch.
    private func accusation(
        by place: WorkPlace, at hop: Int, of flight: Flight, _ receivedBytes: UInt64, _ beat: Heartbeat?, _ now: Instant
    ) -> Suspicion? {
        func next(_ kind: Kind, owed: UInt64, carried: UInt64) -> Suspicion {
            Suspicion(
                hop: hop, kind: kind, hasArrived: kind != .held && carried >= owed, carriedBytes: carried, since: now, lastAt: now)
        }
        let last = flight.route.count - 1
        let furthest =
            flight.isResultAccepted ? last : places.lastIndex { $0?.state == .held || $0?.state == .passedOn } ?? -1
        guard
            hop == furthest
                || (hop == furthest + 1 && furthest < last && (furthest < 0 || places[furthest]?.state == .passedOn))
        else { return nil }
        switch places[hop]?.state {
        case .passedOn where hop == last: return next(.result, owed: places[hop]?.sentBytes ?? 0, carried: receivedBytes)
        case .held:
            // Who has something to run is judged by its progress.
            guard let beat, beat.queued == 0, beat.executing == 0 else { return nil }
            return next(.held, owed: .max, carried: place.sentBytes &+ place.receivedBytes &+ beat.completed)
        case .absent:
            // It may have passed on what it does not remember.
            guard Double(place.rememberedMilliseconds) >= (now - flight.sentAt).milliseconds else { return nil }
            if hop == furthest { return next(.result, owed: 0, carried: receivedBytes) }
            let owed = hop == 0 ? flight.writtenBytes : places[hop - 1]?.sentBytes ?? .max
            return next(.absent, owed: owed, carried: place.receivedBytes)
        default: return nil
        }
    }
}
