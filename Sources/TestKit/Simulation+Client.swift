internal import Cluster
internal import Wire

/// The clients: the library's machine, and the checker that knows what each of them was promised.
extension Simulation {
    mutating func stepClient(_ index: Int, _ event: ClientMachine.Event) throws(Violation) {
        for directive in clients[index].machine.step(event, now: now) { try carryOut(directive, client: index) }
        guard let wake = clients[index].machine.nextWake else { return }
        let at = max(wake, now + .milliseconds(1))
        if let armed = clients[index].wakeAt, armed <= at, armed > now { return }
        clients[index].wakeAt = at
        schedule.add(.wake(.client(index), life: 0), at: at)
    }

    private mutating func carryOut(_ directive: ClientMachine.Directive, client index: Int) throws(Violation) {
        switch directive {
        case .connect:
            let hello = Hello(
                role: .client, channel: .data, name: "client\(index)", software: "sim",
                incarnation: IncarnationID(bits: UInt128(9_000 + index)))
            clients[index].connection = connect(from: .client(index), to: .coordinator, hello: hello, dialledNode: "coordinator")
        case .send(let id, let deadline):
            guard let connection = clients[index].connection else { throw violation("client\(index) sends without a connection") }
            let values = clients[index].requests[Int(id)].values
            let request = InferRequest(
                id: id, deadlineMilliseconds: UInt32(clamping: Int(deadline.milliseconds)), names: [], tensors: [])
            transmit(
                Packet(message: .inferRequest(request), values: values, bytes: 200 + values.count * itemBytes), on: connection,
                from: .client(index))
        case .sendCancel(let id):
            if let connection = clients[index].connection {
                transmit(Packet(message: .cancelRequest(CancelRequest(id: id))), on: connection, from: .client(index))
            }
        case .succeed: break
        case .fail(let id, let code, let message): try settle(index, Int(id), .failed(code), message)
        case .disconnect:
            if let connection = clients[index].connection { close(connection, by: .client(index), "the client closes") }
        }
    }

    mutating func submit(_ client: Int, _ request: Int) throws(Violation) {
        guard !clients[client].hasLeft else { return }
        clients[client].requests[request].isSubmitted = true
        clients[client].requests[request].submittedAt = now
        report.requests += 1
        try stepClient(client, .submit(UInt64(request), deadline: options.requestDeadline))
    }

    mutating func cancel(_ client: Int, _ request: Int) throws(Violation) {
        guard !clients[client].hasLeft else { return }
        try stepClient(client, .cancel(UInt64(request)))
    }

    mutating func leave(_ client: Int) throws(Violation) {
        note("client\(client) leaves")
        clients[client].hasLeft = true
        if let connection = clients[client].connection { close(connection, by: .client(client), "the client left") }
    }

    mutating func deliverToClient(_ index: Int, _ id: ConnectionID, _ packet: Packet) throws(Violation) {
        switch packet.message {
        case .welcome:
            connections[id]?.isWelcomed = true
            try stepClient(index, .connected)
        case .inferReply(let reply):
            let request = Int(reply.id)
            let expected = MixModel.run(clients[index].requests[request].values, layers: 0..<layerCount)
            guard packet.values == expected else {
                throw violation("client\(index)/\(request) got a wrong reply: \(packet.values) where \(expected) is right")
            }
            if clients[index].requests[request].outcome == nil { try settle(index, request, .reply, "") }
            try stepClient(index, .replied(reply.id))
        case .inferError(let error):
            try stepClient(
                index, .refused(error.id, error.code, error.message, retryAfter: .milliseconds(Int64(error.retryAfterMilliseconds)))
            )
        default: throw violation("client\(index) got \(packet.message)")
        }
    }

    /// The one outcome of a request.
    private mutating func settle(_ index: Int, _ request: Int, _ outcome: SimulatedClient.Outcome, _ message: String)
        throws(Violation)
    {
        let planned = clients[index].requests[request]
        guard planned.outcome == nil else {
            throw violation("client\(index)/\(request) has two outcomes: \(String(describing: planned.outcome)) and \(outcome)")
        }
        clients[index].requests[request].outcome = outcome
        let wait = now - max(planned.submittedAt, lastFaultEnd)
        report.longestWait = max(report.longestWait, wait)
        guard wait < Self.recoveryLimit else {
            throw violation("client\(index)/\(request) waited \(wait.readable) with nothing wrong any more")
        }
        switch outcome {
        case .reply:
            report.replies += 1
            guard !planned.isRejected else { throw violation("client\(index)/\(request) must be rejected but got a reply") }
        case .failed(.cancelled): report.cancelled += 1
        case .failed(.invalidArgument):
            report.rejectedInputs += 1
            guard planned.isRejected else { throw violation("client\(index)/\(request) was rejected: \(message)") }
        case .failed(let code):
            report.errors.append("\(code): \(message)")
            throw violation("client\(index)/\(request) failed: \(code) \(message)")
        }
    }
}
