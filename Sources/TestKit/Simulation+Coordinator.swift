internal import Cluster
internal import Planning
internal import Tensors
internal import Wire

/// The coordinator's shell: carries out its machine's directives.
extension Simulation {
    mutating func step(_ event: CoordinatorMachine.Event) {
        for directive in coordinator.machine.step(event, now: now) { carryOut(directive) }
        armCoordinator()
    }

    /// Wakes the machine when it asked for it.
    private mutating func armCoordinator() {
        guard let wake = coordinator.machine.nextWake else { return }
        let at = max(wake, now + .milliseconds(1))
        if let armed = coordinator.wakeAt, armed <= at, armed > now { return }
        coordinator.wakeAt = at
        schedule.add(.wake(.coordinator, life: coordinator.life), at: at)
    }

    private mutating func carryOut(_ directive: CoordinatorMachine.Directive) {
        switch directive {
        case .dial(let node, _, let hello):
            guard let target = workers.first(where: { $0.name == node.name }) else { return }
            _ = connect(from: .coordinator, to: .worker(target.index), hello: hello, dialledNode: node.name)
        case .send(let connection, let message): transmit(Packet(message: message), on: connection, from: .coordinator)
        case .close(let connection, let why): close(connection, by: .coordinator, why)
        case .plan(let order):
            schedule.add(.planned(life: coordinator.life, order), at: now + random.duration(.zero, .milliseconds(50)))
        case .sendArchive(let connection, let key):
            let bytes = (key.endLayer - key.firstLayer) * 1_000
            transmit(
                Packet(message: .partitionData(PartitionData(key: key, contentDigest: key.modelDigest)), bytes: bytes),
                on: connection,
                from: .coordinator)
        case .accept(let id, _, _):
            // The payload comes right behind its header; the caller put it aside.
            coordinator.arriving[id] = []
        case .dispatch(let work, let connection, let request, let range):
            guard let input = coordinator.inputs[request] else { return }
            let values = Array(input.values[range])
            transmit(
                Packet(message: .work(work), values: values, bytes: 200 + values.count * itemBytes), on: connection,
                from: .coordinator)
        case .abandonDispatch: break
        case .takeResult(let key, let request, let piece):
            coordinator.inputs[request]?.pieces[piece] = coordinator.results.removeValue(forKey: key)
        case .dropResult(let key): coordinator.results[key] = nil
        case .reply(let id, let connection, let number, let timing):
            guard let input = coordinator.inputs[id] else { return }
            let values = input.pieces.sorted { $0.key < $1.key }.flatMap(\.value)
            let packet = Packet(
                message: .inferReply(InferReply(id: number, names: [], tensors: [], timing: timing)), values: values,
                bytes: 200 + values.count * itemBytes)
            coordinator.replying[id] = connection
            let left = transmit(packet, on: connection, from: .coordinator)
            if left < .distantFuture {
                schedule.add(.sent(connection, .coordinator, life: coordinator.life, nil, id), at: left)
            } else {
                schedule.add(.sent(connection, .coordinator, life: coordinator.life, nil, id), at: now)
            }
        case .forget(let id):
            coordinator.inputs[id] = nil
            coordinator.arriving[id] = nil
            coordinator.replying[id] = nil
        case .serving, .drained: break
        case .log(let line): note("coordinator: \(line.message) \(line.metadata)")
        }
    }

    mutating func plan(_ order: CoordinatorMachine.PlanOrder) {
        var links = LinkTable()
        for link in order.brokenLinks { links.set(.unreachable, from: .node(link.from), to: .node(link.to)) }
        let outcome: CoordinatorMachine.PlanOutcome
        do {
            let plan = try Planner.plan(PlanRequest(profile: coordinator.profile, nodes: order.nodes, links: links))
            outcome = .plan(deployment(of: plan))
        } catch {
            outcome = .failure("\(error)")
        }
        step(.planned(order.generation, outcome))
    }

    private func deployment(of plan: Plan) -> PlannedDeployment {
        PlannedDeployment(
            plan: plan,
            stages: plan.stages.map { stage in
                PlannedDeployment.Stage(
                    partition: PartitionKey(
                        modelDigest: coordinator.model.digest, firstLayer: stage.layers.first, endLayer: stage.layers.end,
                        toolchain: "sim",
                        optimization: .o1),
                    replicas: stage.replicas, residentBytes: 1_000, warmups: [], inputBytesPerItem: itemBytes)
            }, microBatch: coordinator.profile.batch, outputBytesPerItem: itemBytes)
    }

    mutating func deliverToCoordinator(_ id: ConnectionID, _ packet: Packet) throws(Violation) {
        step(.heard(id))
        switch packet.message {
        case .hello:
            transmit(
                Packet(
                    message: .welcome(
                        Welcome(
                            role: .coordinator, name: "coordinator", software: "sim", incarnation: IncarnationID(bits: 1), term: 1))
                ),
                on: id, from: .coordinator)
        case .welcome(let welcome):
            guard let connection = connections[id] else { return }
            connections[id]?.isWelcomed = true
            step(.connected(NodeID(connection.dialledNode), connection.hello.channel, id, welcome))
        case .refused(let refused):
            guard let connection = connections[id] else { return }
            step(
                .dialFailed(
                    NodeID(connection.dialledNode),
                    .init(channel: connection.hello.channel, message: refused.message, refusal: refused)))
        case .inferRequest(var request):
            request.tensors = [
                TensorHeader(dtype: .int64, shape: [packet.values.count], encoding: .raw, wireByteCount: packet.values.count * 8)
            ]
            step(.requestAnnounced(id, request))
            guard let accepted = coordinator.arriving.first?.key else { return }
            coordinator.arriving[accepted] = nil
            coordinator.inputs[accepted] = .init(values: packet.values, expected: packet.values.count)
            step(.requestArrived(accepted))
        case .workResult(let result):
            coordinator.results[result.key] = packet.values
            step(.resultArrived(result.key, result.trace))
            guard coordinator.results[result.key] == nil else {
                throw violation("the result of \(result.key) was neither taken nor dropped")
            }
        default: step(.received(id, packet.message))
        }
    }

    mutating func sent(_ connection: ConnectionID, _ process: Process, _ life: Int, _ work: WorkKey?, _ request: RequestID?)
        throws(Violation)
    {
        switch process {
        case .coordinator:
            if let request, coordinator.life == life, coordinator.replying[request] != nil { step(.replySent(request)) }
        case .worker(let index):
            let isOver = connections[connection]?.closedAt.contains(process) ?? true
            if let work, !isOver, workers[index].isRunning(life) { try stepWorker(index, .forwarded(work)) }
        case .client: break
        }
    }

    mutating func wake(_ process: Process, _ life: Int) throws(Violation) {
        switch process {
        case .coordinator:
            guard coordinator.life == life, let armed = coordinator.wakeAt, armed <= now else { return }
            coordinator.wakeAt = nil
            step(.tick)
        case .client(let index):
            guard let armed = clients[index].wakeAt, armed <= now else { return }
            clients[index].wakeAt = nil
            try stepClient(index, .tick)
        case .worker: break
        }
    }
}

extension SimulatedCoordinator {
    func requestsReplying(on connection: ConnectionID) -> [RequestID] {
        replying.filter { $0.value == connection }.map(\.key).sorted()
    }
}
