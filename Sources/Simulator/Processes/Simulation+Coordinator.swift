internal import Base
internal import Cluster
internal import Planning
internal import Tensors
internal import Wire

/// The coordinators' shell: carries out their machines' directives.
extension Simulation {
    /// Of the requests, how many have their inputs come later than their header …
    static let slowUploadShare = 0.2
    /// … by up to this.
    static let longestUpload: Duration = .milliseconds(200)

    mutating func step(_ event: CoordinatorMachine.Event, coordinator index: Int) {
        let life = coordinators[index].life
        for directive in coordinators[index].machine.step(event, now: now) where coordinators[index].isRunning(life) {
            carryOut(directive, coordinator: index)
        }
        guard coordinators[index].isRunning(life) else { return }
        armCoordinator(index)
        oracle.check(coordinators[index], slotCount: slotCount, at: now)
    }

    /// Wakes the machine when it asked for it.
    private mutating func armCoordinator(_ index: Int) {
        guard let wake = coordinators[index].machine.nextWake else { return }
        let at = max(wake, now + .milliseconds(1))
        if let armed = coordinators[index].wakeAt, armed <= at, armed > now { return }
        coordinators[index].wakeAt = at
        world.schedule(.wake(.coordinator(index), life: coordinators[index].life), at: at)
    }

    private mutating func carryOut(_ directive: CoordinatorMachine.Directive, coordinator index: Int) {
        let process = Process.coordinator(index)
        switch directive {
        case .dial(let node, let addresses, let hello):
            guard let target = workers.first(where: { addresses.contains($0.address) }) else { return }
            _ = connect(from: process, to: .worker(target.index), hello: hello, dialledNode: node)
        case .send(let connection, let message): world.transmit(Packet(message: message), on: connection, from: process)
        case .close(let connection, let why): world.close(connection, by: process, why)
        case .plan(let order):
            world.schedule(
                .planned(index, life: coordinators[index].life, order), at: now + world.random.duration(.zero, .milliseconds(50)))
        case .sendArchive(let connection, let key): sendArchive(connection, key, coordinator: index)
        case .accept(let id, _, _):
            coordinators[index].payloads.admit(id)
            coordinators[index].accepted = id
        case .stopReceiving(let id, _): coordinators[index].uploads[id] = nil
        case .acceptResult(let key): coordinators[index].acceptedResult = key
        case .dispatch(let work, let connection, let request, let range):
            guard let inputs = coordinators[index].payloads.inputs(of: request) else {
                return complain("\(work.key) is dispatched, but its request's input was let go of")
            }
            oracle.dispatched(work.key, of: request, by: index)
            let values = Array(inputs[range])
            let packet = Packet(message: .work(work), values: values, bytes: 200 + values.count * itemBytes)
            let left = world.transmit(packet, on: connection, from: process)
            if left < .distantFuture {
                world.schedule(.sent(connection, process, life: coordinators[index].life, work.key, nil), at: left)
            }
        case .abandonDispatch: break
        case .takeResult(let key, let request, let piece): take(key, request, piece, coordinator: index)
        case .dropResult(let key): coordinators[index].payloads.drop(key)
        case .reply(let id, let connection, let number, let timing): reply(id, connection, number, timing, coordinator: index)
        case .forget(let id):
            coordinators[index].payloads.forget(id)
            oracle.attempts[index][id] = nil
            coordinators[index].replying[id] = nil
        case .serving(let stages, let nodes):
            if index == 0, now > world.lastFaultEnd { oracle.report.longestSettling = now - world.lastFaultEnd }
            note("\(process) serves: \(stages) stages on \(nodes) nodes")
        case .drained: endDrained(process)
        case .log(let line):
            note("\(process): \(line.message)\(Self.words(line.metadata))")
            if line.message.hasPrefix("a node loses work") {
                let node = line.metadata["node"] ?? ""
                let hasLostWork = workers.contains { $0.targets.contains(node) && $0.hasSwallowed }
                oracle.blamed(node, hasLostWork: hasLostWork, at: now)
            }
        }
    }

    private mutating func sendArchive(_ id: ConnectionID, _ key: PartitionKey, coordinator index: Int) {
        let connection = world.connection(id)
        var holder: Int?
        if case .worker(let worker) = connection.acceptor, connection.isOpen, workers[worker].isRunning(connection.acceptorLife),
            workers[worker].archives.contains(key)
        {
            holder = worker
        }
        oracle.archiveSent(key, toHolder: holder, at: now)
        world.transmit(
            Packet(
                message: .partitionData(PartitionData(key: key, contentDigest: key.modelDigest)),
                bytes: (key.endLayer - key.firstLayer) * 1_000),
            on: id, from: .coordinator(index))
    }

    private mutating func take(_ key: WorkKey, _ request: RequestID, _ piece: Int, coordinator index: Int) {
        let session = coordinators[index].machine.session
        guard oracle.taken(key, for: request, piece: piece, by: index, session: session, at: now) else { return }
        guard coordinators[index].payloads.take(key, into: request, piece: piece) else {
            return complain("the result of \(key) is taken for a request that is over, or whose piece \(piece) has one")
        }
    }

    private mutating func reply(
        _ id: RequestID, _ connection: ConnectionID, _ number: UInt64, _ timing: RequestTiming, coordinator index: Int
    ) {
        guard coordinators[index].payloads.isAdmitted(id) else {
            return complain("a reply for request \(id.number), which is over")
        }
        guard coordinators[index].replying[id] == nil else { return complain("a second reply for request \(id.number)") }
        let values = coordinators[index].payloads.parts(of: id).flatMap { $0 }
        let packet = Packet(
            message: .inferReply(InferReply(id: number, names: [], tensors: [], timing: timing)), values: values,
            bytes: 200 + values.count * itemBytes)
        coordinators[index].replying[id] = connection
        let left = world.transmit(packet, on: connection, from: .coordinator(index))
        world.schedule(
            .sent(connection, .coordinator(index), life: coordinators[index].life, nil, id),
            at: left < .distantFuture ? left : now)
    }

    mutating func deliverToCoordinator(_ index: Int, _ id: ConnectionID, _ packet: Packet) throws(Violation) {
        let process = Process.coordinator(index)
        let life = coordinators[index].life
        step(.heard(id), coordinator: index)
        // One that was stopped past the last request's deadline ends here, and reads nothing more.
        guard coordinators[index].isRunning(life) else { return try throwPending() }
        let number = Int(id.number)
        switch packet.message {
        case .hello:
            let welcome = Welcome(
                role: .coordinator, name: coordinators[index].name, software: "sim", incarnation: IncarnationID(bits: 1), term: 1)
            world.transmit(Packet(message: .welcome(welcome)), on: id, from: process)
        case .welcome(let welcome):
            world.connections[number].isWelcomed = true
            step(
                .connected(world.connections[number].dialledNode, world.connections[number].hello.channel, id, welcome),
                coordinator: index)
        case .refused(let refused):
            world.connections[number][process].wasTold = true
            world.close(id, by: process, "refused")
            step(
                .dialFailed(
                    world.connections[number].dialledNode,
                    .init(channel: world.connections[number].hello.channel, message: refused.message, refusal: refused)),
                coordinator: index)
        case .inferRequest(var request):
            request.tensors = Self.headers(packet.values)
            step(.requestAnnounced(id, request), coordinator: index)
            guard let accepted = coordinators[index].accepted else { break }
            coordinators[index].accepted = nil
            coordinators[index].uploads[accepted] = packet.values
            // The payload comes behind its header, most of the time at once.
            guard world.random.chance(Self.slowUploadShare) else {
                uploaded(index, life: life, accepted)
                break
            }
            world.schedule(.uploaded(index, life: life, accepted), at: now + world.random.duration(.zero, Self.longestUpload))
        case .register(let register):
            step(
                .registered(id, register, world.connections[number].hello.incarnation, from: register.name.name), coordinator: index
            )
        case .workResult(let result):
            step(
                .resultAnnounced(id, WorkResult(key: result.key, tensors: Self.headers(packet.values), trace: result.trace)),
                coordinator: index)
            guard coordinators[index].acceptedResult == result.key else { break }
            coordinators[index].acceptedResult = nil
            coordinators[index].payloads.hold(packet.values, of: result.key)
            step(.resultArrived(id, result.key, result.trace), coordinator: index)
            if coordinators[index].payloads.resultCount > 0 {
                complain("the result of \(result.key) was neither taken nor dropped")
            }
        case .pong(let pong) where !pong.places.isEmpty:
            step(.received(id, packet.message), coordinator: index)
            guard coordinators[index].isRunning(life), let data = coordinators[index].machine.dataConnection(beside: id) else {
                break
            }
            step(.placed(id, pong.places, receivedBytes: world.connection(data)[process].receivedBytes), coordinator: index)
        default: step(.received(id, packet.message), coordinator: index)
        }
        try throwPending()
    }

    /// In one order, as a run of one seed is the same each time.
    static func words(_ metadata: [String: String]) -> String {
        metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    }

    /// One tensor of the model's only input or output.
    private static func headers(_ values: [UInt64]) -> [TensorHeader] {
        [TensorHeader(dtype: .int64, shape: [values.count], encoding: .raw, wireByteCount: values.count * 8)]
    }

    /// The last byte of a request's inputs is here, unless nobody waits for it any more.
    mutating func uploaded(_ index: Int, life: Int, _ id: RequestID) {
        guard coordinators[index].isRunning(life), let values = coordinators[index].uploads.removeValue(forKey: id) else { return }
        guard coordinators[index].payloads.fill(id, values) else {
            return complain("the inputs of request \(id.number) come twice")
        }
        step(.requestArrived(id), coordinator: index)
    }

    mutating func sent(_ connection: ConnectionID, _ process: Process, _ life: Int, _ work: WorkKey?, _ request: RequestID?)
        throws(Violation)
    {
        switch process {
        case .coordinator(let index):
            guard coordinators[index].isRunning(life) else { return }
            if let work, !world.connection(connection)[process].knowsEnd {
                step(.dispatched(work, sentBytes: world.connection(connection)[process].sentBytes), coordinator: index)
            }
            if let request, coordinators[index].replying[request] != nil { step(.replySent(request), coordinator: index) }
            try throwPending()
        case .worker(let index):
            guard let work, !world.connection(connection)[process].knowsEnd, workers[index].isRunning(life) else { return }
            try stepWorker(index, .forwarded(work, sentBytes: world.connection(connection)[process].sentBytes))
        case .client, .person: break
        }
    }

    mutating func wake(_ process: Process, _ life: Int) throws(Violation) {
        switch process {
        case .coordinator(let index):
            guard coordinators[index].isRunning(life), let armed = coordinators[index].wakeAt, armed <= now else { return }
            coordinators[index].wakeAt = nil
            step(.tick, coordinator: index)
            try throwPending()
        case .client(let index):
            guard let armed = clients[index].wakeAt, armed <= now else { return }
            clients[index].wakeAt = nil
            try stepClient(index, .tick)
        case .worker, .person: break
        }
    }
}
