internal import Base
internal import Cluster
internal import Wire

/// The clients: the library's machine, and the checker that knows what each of them was promised.
extension Simulation {
    /// Rounding of deadlines to milliseconds on the wire, and of the client's timer.
    static let deadlineSlack: Duration = .milliseconds(50)
    /// A client that is asked to come back after its deadline gives up at once. No coordinator asks for a longer pause than this.
    static let longestRetryHint: Duration = .seconds(1)

    mutating func stepClient(_ index: Int, _ event: ClientMachine.Event) throws(Violation) {
        guard !clients[index].hasLeft else { return }
        for directive in clients[index].machine.step(event, now: now) { try carryOut(directive, client: index) }
        guard let wake = clients[index].machine.nextWake else { return }
        let at = max(wake, now + .milliseconds(1))
        if let armed = clients[index].wakeAt, armed <= at, armed > now { return }
        clients[index].wakeAt = at
        schedule.add(.wake(.client(index), life: 0), at: at)
    }

    private mutating func carryOut(_ directive: ClientMachine.Directive, client index: Int) throws(Violation) {
        let process = Process.client(index)
        switch directive {
        case .connect:
            let hello = Hello(
                role: .client, channel: .data, name: "client\(index)", software: "sim",
                incarnation: IncarnationID(bits: UInt128(9_000 + index)))
            clients[index].connection = connect(from: process, to: .coordinator(0), hello: hello, dialledNode: .coordinator)
        case .send(let id, let deadline):
            guard let connection = clients[index].connection else { throw violation("client\(index) sends without a connection") }
            guard clients[index].requests.indices.contains(Int(id)), clients[index].requests[Int(id)].outcome == nil else {
                throw violation("client\(index) sends request \(id), which is not outstanding")
            }
            clients[index].requests[Int(id)].sends += 1
            let values = clients[index].requests[Int(id)].values
            let request = InferRequest(
                id: id, deadlineMilliseconds: UInt32(clamping: Int(deadline.milliseconds)), names: [], tensors: [])
            transmit(
                Packet(message: .inferRequest(request), values: values, bytes: 200 + values.count * itemBytes), on: connection,
                from: process)
        case .sendCancel(let id):
            if let connection = clients[index].connection {
                transmit(Packet(message: .cancelRequest(CancelRequest(id: id))), on: connection, from: process)
            }
        case .succeed(let id): try settle(index, Int(id), .reply, "")
        case .fail(let id, let code, let message): try settle(index, Int(id), .failed(code), message)
        case .disconnect:
            if let connection = clients[index].connection { close(connection, by: process, "the client closes") }
        }
    }

    mutating func submit(_ client: Int, _ request: Int) throws(Violation) {
        guard !clients[client].hasLeft else { return }
        clients[client].requests[request].submittedAt = now
        clients[client].requests[request].endingFaultsBefore = max(0, endingFaults - 1)
        report.requests += 1
        try stepClient(client, .submit(UInt64(request), deadline: clients[client].requests[request].deadline))
    }

    mutating func cancel(_ client: Int, _ request: Int) throws(Violation) {
        guard !clients[client].hasLeft else { return }
        clients[client].requests[request].isCancelled = true
        try stepClient(client, .cancel(UInt64(request)))
    }

    mutating func leave(_ client: Int) throws(Violation) {
        note("client\(client) leaves")
        openRequests -= clients[client].unanswered.count
        clients[client].hasLeft = true
        if let connection = clients[client].connection { close(connection, by: .client(client), "the client left") }
    }

    mutating func deliverToClient(_ index: Int, _ id: ConnectionID, _ packet: Packet) throws(Violation) {
        switch packet.message {
        case .welcome:
            connections[Int(id.number)].isWelcomed = true
            try stepClient(index, .connected)
        case .inferReply(let reply):
            let request = Int(reply.id)
            guard clients[index].requests.indices.contains(request) else {
                throw violation("client\(index) got a reply to request \(request), which it never made")
            }
            let expected = MixModel.run(clients[index].requests[request].values, layers: 0..<layerCount)
            guard packet.values == expected else {
                throw violation("client\(index)/\(request) got a wrong reply: \(packet.values) where \(expected) is right")
            }
            guard clients[index].requests[request].repliedOn != id else {
                throw violation("client\(index)/\(request) got two replies on one connection")
            }
            clients[index].requests[request].repliedOn = id
            try stepClient(index, .replied(reply.id))
        case .inferError(let error):
            try stepClient(
                index, .refused(error.id, error.code, error.message, retryAfter: .milliseconds(Int64(error.retryAfterMilliseconds)))
            )
        default: throw violation("client\(index) got \(packet.message)")
        }
    }

    /// The one outcome of a request: right, and an error only where one is allowed.
    private mutating func settle(_ index: Int, _ request: Int, _ outcome: SimulatedClient.Outcome, _ message: String)
        throws(Violation)
    {
        let planned = clients[index].requests[request]
        let name = "client\(index)/\(request)"
        guard planned.outcome == nil else {
            throw violation("\(name) has two outcomes: \(String(describing: planned.outcome)) and \(outcome)")
        }
        clients[index].requests[request].outcome = outcome
        openRequests -= 1
        let wait = now - max(planned.submittedAt, lastFaultEnd)
        report.longestWait = max(report.longestWait, wait)
        guard wait < longestRecovery else {
            throw violation("\(name) waited \(wait.readable) with nothing wrong any more, then: \(outcome) \(message)")
        }
        let age = now - planned.submittedAt
        let latest = planned.deadline + ClientMachine.Configuration().answerGrace + Self.deadlineSlack
        guard age <= latest else {
            throw violation(
                "\(name) has its outcome \(age.readable) after its submission; its deadline was \(planned.deadline.readable)")
        }
        guard !planned.isProbe || outcome == .reply else {
            throw violation("\(name) was submitted long after the last fault, and has no reply: \(outcome) \(message)")
        }
        note("\(name): \(outcome) after \(age.readable) \(message)")
        switch outcome {
        case .reply:
            report.replies += 1
            guard planned.input == .good else { throw violation("\(name) must fail (\(planned.input)) but got a reply") }
        case .failed(.cancelled):
            report.cancelled += 1
            guard planned.isCancelled else { throw violation("\(name) was cancelled by nobody: \(message)") }
        case .failed(.invalidArgument):
            report.rejectedInputs += 1
            guard planned.input == .rejected else { throw violation("\(name) was rejected: \(message)") }
        case .failed(.deadlineExceeded):
            report.expired += 1
            guard age >= planned.deadline - Self.deadlineSlack else {
                throw violation("\(name) failed \(age.readable) after its submission, before its deadline: \(message)")
            }
        case .failed(.internalError):
            // Only what ends nodes itself, or was there each time that something else did, is given up.
            report.givenUp += 1
            guard planned.input == .poison || planned.endingFaultsBefore < endingFaults else {
                throw violation("\(name) was given up: \(message)")
            }
        case .failed(.unavailable) where planned.deadline - age <= Self.longestRetryHint && !report.faults.isEmpty:
            // Asked to try again at a time when its deadline will have passed.
            report.expired += 1
        case .failed(let code): throw violation("\(name) failed: \(code) \(message)")
        }
    }
}
