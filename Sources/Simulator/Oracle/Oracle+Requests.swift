internal import Base
internal import Cluster
internal import Wire

/// What each client was promised: one right outcome in time, and an error only where one is allowed.
extension Oracle {
    /// - Returns: the request's number.
    mutating func plan(_ request: PromisedRequest, of client: Int) -> Int {
        openRequests += 1
        requests[client].append(request)
        return requests[client].count - 1
    }

    func unanswered(by client: Int) -> [Int] {
        left.contains(client) ? [] : requests[client].indices.filter { requests[client][$0].outcome == nil }
    }

    mutating func submitted(_ client: Int, _ request: Int, at now: Instant) {
        requests[client][request].submittedAt = now
        requests[client][request].endingFaultsBefore = max(0, endingFaults - 1)
        report.requests += 1
    }

    mutating func hasLeft(_ client: Int) {
        openRequests -= unanswered(by: client).count
        left.insert(client)
    }

    /// The client sends a request.
    /// - Returns: its values.
    mutating func sent(_ client: Int, _ id: UInt64, at now: Instant) throws(Violation) -> [UInt64] {
        guard requests[client].indices.contains(Int(id)), requests[client][Int(id)].outcome == nil else {
            throw violation("client\(client) sends request \(id), which is not outstanding", at: now)
        }
        requests[client][Int(id)].sends += 1
        return requests[client][Int(id)].values
    }

    /// A reply has come to the client.
    mutating func replied(_ client: Int, _ request: Int, _ values: [UInt64], on connection: ConnectionID, at now: Instant)
        throws(Violation)
    {
        guard requests[client].indices.contains(request) else {
            throw violation("client\(client) got a reply to request \(request), which it never made", at: now)
        }
        let expected = MixModel.run(requests[client][request].values, layers: 0..<layerCount)
        guard values == expected else {
            throw violation("client\(client)/\(request) got a wrong reply: \(values) where \(expected) is right", at: now)
        }
        guard requests[client][request].repliedOn != connection else {
            throw violation("client\(client)/\(request) got two replies on one connection", at: now)
        }
        requests[client][request].repliedOn = connection
    }

    /// The one outcome of a request: right, and an error only where one is allowed.
    mutating func settle(
        _ client: Int, _ request: Int, _ outcome: PromisedRequest.Outcome, _ message: String, in world: World
    ) throws(Violation) {
        let now = world.now
        let promised = requests[client][request]
        let name = "client\(client)/\(request)"
        guard promised.outcome == nil else {
            throw violation("\(name) has two outcomes: \(String(describing: promised.outcome)) and \(outcome)", at: now)
        }
        requests[client][request].outcome = outcome
        openRequests -= 1
        let wait = now - max(promised.submittedAt, world.lastFaultEnd)
        report.longestWait = max(report.longestWait, wait)
        guard wait < longestRecovery else {
            throw violation("\(name) waited \(wait.readable) with nothing wrong any more, then: \(outcome) \(message)", at: now)
        }
        let age = now - promised.submittedAt
        let latest = promised.deadline + ClientMachine.Configuration().answerGrace + Self.deadlineSlack
        guard age <= latest else {
            throw violation(
                "\(name) has its outcome \(age.readable) after its submission; its deadline was \(promised.deadline.readable)",
                at: now)
        }
        guard !promised.isProbe || outcome == .reply else {
            throw violation(
                "\(name) was submitted long after the last fault, and has no reply: \(outcome) \(message)", at: now)
        }
        if let wrong = count(promised, outcome, age: age) { throw violation("\(name) \(wrong): \(message)", at: now) }
    }

    /// - Returns: why the outcome is not allowed.
    private mutating func count(_ promised: PromisedRequest, _ outcome: PromisedRequest.Outcome, age: Duration) -> String? {
        switch outcome {
        case .reply:
            report.replies += 1
            return promised.input == .good ? nil : "must fail (\(promised.input)) but got a reply"
        case .failed(.cancelled):
            report.cancelled += 1
            return promised.isCancelled ? nil : "was cancelled by nobody"
        case .failed(.invalidArgument):
            report.rejectedInputs += 1
            return promised.input == .rejected ? nil : "was rejected"
        case .failed(.deadlineExceeded):
            report.expired += 1
            return age >= promised.deadline - Self.deadlineSlack
                ? nil : "failed \(age.readable) after its submission, before its deadline"
        case .failed(.internalError):
            // Only what ends nodes itself, or was there each time that something else did, is given up.
            report.givenUp += 1
            return promised.input == .poison || promised.endingFaultsBefore < endingFaults ? nil : "was given up"
        case .failed(.unavailable) where promised.deadline - age <= Self.longestRetryHint && !report.faults.isEmpty:
            // Asked to try again at a time when its deadline will have passed.
            report.expired += 1
            return nil
        case .failed(let code): return "failed with \(code)"
        }
    }

    /// The process that executes a poison ends. How often is bounded for each time that its client sent it: a coordinator
    /// knows nothing of what another one, or the same one before it gave up for lack of memory, saw of it.
    mutating func poisoned(by client: Int, _ request: Int, at now: Instant) throws(Violation) {
        requests[client][request].kills += 1
        report.poisonKills += 1
        let promised = requests[client][request]
        // What a fault sends twice runs again, and ends the connection that it comes by: an attempt is given up uncounted.
        let repeats = promised.repeats + report.faults["old messages again", default: 0]
        let limit = Self.killsOfOneInput * promised.sends + repeats + endingFaults
        guard promised.kills <= limit else {
            throw violation("client\(client)/\(request) has ended \(promised.kills) workers; its bound is \(limit)", at: now)
        }
        // Not the fault of anything else.
        endingFaults -= 1
    }

    /// A fault has sent an old message with these values again.
    mutating func repeated(_ values: [UInt64]) {
        report.repeated += 1
        for (client, request) in Set(values).compactMap(MixModel.owner) { requests[client][request].repeats += 1 }
    }
}
