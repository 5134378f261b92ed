internal import Base
internal import Planning
internal import Wire

/// What must hold after each step. Each part looks after its own state; what parts promise each other is looked at here.
extension CoordinatorMachine {
    /// What does not hold though it must after each step, for tests and simulations. O(n).
    public var brokenInvariant: String? {
        // A closure that is kept, or a chain of them, would copy the whole machine for each look.
        if let broken = roster.checkInvariants() { return broken }
        if let broken = links.checkInvariants(isNode: { roster[$0] != nil }) { return broken }
        if let broken = requests.checkInvariants() { return broken }
        if let broken = flights.checkInvariants(isNode: { roster[$0] != nil }) { return broken }
        if let broken = plans.checkInvariants() { return broken }
        if lostRequests != 0 { return "\(lostRequests) of \(counters.requestsAdmitted ?? 0) admitted requests had no end" }
        return brokenPiece
    }

    /// A piece that is not done waits, is under way, or is in quarantine: in one place, and nowhere when it is done.
    private var brokenPiece: String? {
        let underWay = flights.piecesUnderWay
        for request in requests.all where request.phase == .running {
            let waiting = Set(request.waiting)
            for (index, piece) in request.pieces.enumerated() {
                let places = (underWay[.init(request: request.id, piece: index)] ?? 0) + (waiting.contains(index) ? 1 : 0)
                guard places == (piece.isDone ? 0 : 1) else {
                    return "piece \(index) of request \(request.id.number) is in \(places) places"
                }
            }
        }
        return nil
    }
}
