internal import Base
internal import Cluster
internal import Wire

/// The clients' shell: carries out their machines' directives, and shows the oracle what came.
extension Simulation {
    mutating func stepClient(_ index: Int, _ event: ClientMachine.Event) throws(Violation) {
        guard !clients[index].hasLeft else { return }
        for directive in clients[index].machine.step(event, now: now) { try carryOut(directive, client: index) }
        guard let wake = clients[index].machine.nextWake else { return }
        let at = max(wake, now + .milliseconds(1))
        if let armed = clients[index].wakeAt, armed <= at, armed > now { return }
        clients[index].wakeAt = at
        world.schedule(.wake(.client(index), life: 0), at: at)
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
            let values = try oracle.sent(index, id, at: now)
            let request = InferRequest(
                id: id, deadlineMilliseconds: UInt32(clamping: Int(deadline.milliseconds)), names: [], tensors: [])
            world.transmit(
                Packet(message: .inferRequest(request), values: values, bytes: 200 + values.count * itemBytes), on: connection,
                from: process)
        case .sendCancel(let id):
            if let connection = clients[index].connection {
                world.transmit(Packet(message: .cancelRequest(CancelRequest(id: id))), on: connection, from: process)
            }
        case .succeed(let id): try settle(index, Int(id), .reply, "")
        case .fail(let id, let code, let message): try settle(index, Int(id), .failed(code), message)
        case .disconnect:
            if let connection = clients[index].connection { world.close(connection, by: process, "the client closes") }
        }
    }

    mutating func submit(_ client: Int, _ request: Int) throws(Violation) {
        guard !clients[client].hasLeft else { return }
        oracle.submitted(client, request, at: now)
        try stepClient(client, .submit(UInt64(request), deadline: oracle.requests[client][request].deadline))
    }

    mutating func cancel(_ client: Int, _ request: Int) throws(Violation) {
        guard !clients[client].hasLeft else { return }
        oracle.requests[client][request].isCancelled = true
        try stepClient(client, .cancel(UInt64(request)))
    }

    mutating func leave(_ client: Int) {
        note("client\(client) leaves")
        oracle.hasLeft(client)
        clients[client].hasLeft = true
        if let connection = clients[client].connection { world.close(connection, by: .client(client), "the client left") }
    }

    mutating func deliverToClient(_ index: Int, _ id: ConnectionID, _ packet: Packet) throws(Violation) {
        switch packet.message {
        case .welcome:
            world.connections[Int(id.number)].isWelcomed = true
            try stepClient(index, .connected)
        case .inferReply(let reply):
            try oracle.replied(index, Int(reply.id), packet.values, on: id, at: now)
            try stepClient(index, .replied(reply.id))
        case .inferError(let error):
            try stepClient(
                index, .refused(error.id, error.code, error.message, retryAfter: .milliseconds(Int64(error.retryAfterMilliseconds)))
            )
        default: throw violation("client\(index) got \(packet.message)")
        }
    }

    private mutating func settle(_ index: Int, _ request: Int, _ outcome: PromisedRequest.Outcome, _ message: String)
        throws(Violation)
    {
        let age = now - oracle.requests[index][request].submittedAt
        note("client\(index)/\(request): \(outcome) after \(age.readable) \(message)")
        try oracle.settle(index, request, outcome, message, in: world)
    }
}
