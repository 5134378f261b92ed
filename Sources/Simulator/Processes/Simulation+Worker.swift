internal import Base
internal import Cluster
internal import Planning
internal import Wire

/// The worker's shell: carries out its machine's directives.
extension Simulation {
    mutating func stepWorker(_ index: Int, _ event: WorkerMachine.Event) throws(Violation) {
        let life = workers[index].life
        for directive in workers[index].machine.step(event, now: now) where workers[index].isRunning(life) {
            try carryOut(directive, worker: index)
        }
        guard workers[index].isRunning(life) else { return }
        let load = Oracle.Load(
            payloads: workers[index].payloads.count, receivingBytes: workers[index].payloads.receivingBytes,
            held: workers[index].machine.heldCount, executing: workers[index].machine.executingCount)
        try oracle.check(load, ofWorker: index, slots: workers[index].slots, executors: workers[index].executors, at: now)
    }

    private mutating func carryOut(_ directive: WorkerMachine.Directive, worker index: Int) throws(Violation) {
        let process = Process.worker(index)
        let life = workers[index].life
        switch directive {
        case .send(let connection, var message):
            if case .welcome(var welcome) = message {
                welcome.worker = workers[index].profile
                message = .welcome(welcome)
                try oracle.obeyed(world.connection(connection).hello, on: connection, by: index, at: now)
            }
            world.transmit(Packet(message: message), on: connection, from: process)
        case .sayPlaces(let connection, let pong, let questions): sayPlaces(pong, questions, on: connection, worker: index)
        case .refuse(let connection, let refused):
            world.transmit(Packet(message: .refused(refused)), on: connection, from: process)
            world.close(connection, by: process, refused.message, afterFlush: true)
        case .close(let connection, let why): world.close(connection, by: process, why)
        case .hangUp(let connection): world.close(connection, by: process, "gone from the peer table")
        case .prepare(let key):
            world.schedule(.prepared(index, life: life, key), at: now + world.random.duration(.zero, .microseconds(200)))
        case .execute(let key, let partition):
            guard let payload = workers[index].payloads[key] else {
                throw violation("\(process) executes \(key) without its payload")
            }
            let layers = partition.endLayer - partition.firstLayer
            let time = Double(layerNanoseconds) * Double(layers * payload.values.count) / workers[index].speed
            world.schedule(.executed(index, life: life, key), at: now + .nanoseconds(Int64(time)))
        case .forward(let key, let node, let connection, let route):
            guard let payload = workers[index].payloads[key] else {
                throw violation("\(process) forwards \(key) without its payload")
            }
            var work = payload.work
            work.route = route
            hand(key, Packet(message: .work(work), values: payload.values), to: node, on: connection, worker: index)
        case .giveResult(let key, let connection):
            guard let payload = workers[index].payloads[key] else {
                throw violation("\(process) returns \(key) without its payload")
            }
            let result = WorkResult(key: key, tensors: [], trace: [])
            hand(key, Packet(message: .workResult(result), values: payload.values), to: nil, on: connection, worker: index)
        case .release(let key):
            guard workers[index].payloads.release(key) else {
                throw violation("\(process) releases \(key) a second time")
            }
        case .dial(let peer):
            guard let target = workers.first(where: { peer.addresses.contains($0.address) }) else {
                throw violation("\(process) dials \(peer.name), which does not exist")
            }
            let hello = Hello(
                role: .worker, channel: .data, name: workers[index].name, software: "sim", incarnation: workers[index].incarnation)
            _ = connect(from: process, to: .worker(target.index), hello: hello, dialledNode: peer.name, peer: peer)
        case .load(let order):
            let time: Duration =
                workers[index].archives.contains(order.key) ? world.random.duration(.milliseconds(1), .milliseconds(80)) : .zero
            world.schedule(.loaded(index, life: life, order), at: now + time)
        // None waits here.
        case .forgetWaitingLoads: break
        case .releasePartition(let key):
            // Some workers need the room at once.
            if world.random.chance(options.evictShare) {
                for answer in workers[index].machine.evicted(key) { try carryOut(answer, worker: index) }
            }
        case .drained: endDrained(process)
        case .restart: startAnew(index)
        case .log(let line): note("\(process): \(line.message)\(Self.words(line.metadata))", .detail)
        }
    }

    private mutating func sayPlaces(_ pong: Ping, _ questions: [WorkQuestion], on id: ConnectionID, worker index: Int) {
        let process = Process.worker(index)
        var pong = pong
        for (number, question) in questions.enumerated() {
            if question.from != nil {
                let sources = world.connections.filter {
                    $0.acceptor == process && $0.acceptorLife == workers[index].life && $0.hello.role == .worker
                        && $0.hello.incarnation == question.from && !$0[process].knowsEnd
                }
                pong.places[number].receivedBytes = sources.map { $0[process].receivedBytes }.max() ?? 0
                if sources.count > 1, pong.places[number].state == .absent { pong.places[number].state = .unknown }
            } else if let source = workers[index].machine.resultConnection {
                pong.places[number].receivedBytes = world.connection(source)[process].receivedBytes
            }
            if pong.places[number].state == .held, let sending = workers[index].machine.sendingConnection(of: question.key) {
                pong.places[number].sentBytes = world.connection(sending)[process].sentBytes
            }
        }
        world.transmit(Packet(message: .pong(pong)), on: id, from: process)
    }

    /// Sends what was computed. The shell hears of it when the kernel has the last byte, unless the connection is over for it by then.
    private mutating func hand(_ key: WorkKey, _ packet: Packet, to node: NodeID?, on id: ConnectionID, worker index: Int) {
        var packet = packet
        packet.bytes = 200 + packet.values.count * itemBytes
        let process = Process.worker(index)
        if options.remembersOldMessages { workers[index].remember(packet, to: node) }
        let left = world.transmit(packet, on: id, from: process)
        if left < .distantFuture { world.schedule(.sent(id, process, life: workers[index].life, key, nil), at: left) }
    }

    mutating func finishExecution(_ index: Int, _ key: WorkKey) throws(Violation) {
        guard let payload = workers[index].payloads[key], let hop = payload.work.route.first else {
            if workers[index].machine.hasWrittenOff(key) { return try stepWorker(index, .executed(key)) }
            throw violation("w\(index) finished \(key), whose payload is gone")
        }
        if workers[index].hangsUntil > now {
            return world.schedule(.executed(index, life: workers[index].life, key), at: workers[index].hangsUntil)
        }
        let layers = hop.partition.firstLayer..<hop.partition.endLayer
        if let mark = MixModel.mark(in: payload.values, layers: layers, layerCount: layerCount) {
            if let (client, request) = MixModel.owner(of: mark) { return try die(index, of: client, request) }
            try stepWorker(index, .executionFailed(key, .invalidArgument, "the model rejects this input"))
            return
        }
        if isShort(index) {
            try stepWorker(index, .executionFailed(key, .resourceExhausted, "no memory for the activations"))
            return
        }
        workers[index].payloads.update(key) { $0.values = MixModel.run(payload.values, layers: layers) }
        try stepWorker(index, .executed(key))
    }

    /// The process that executes a poison ends.
    private mutating func die(_ index: Int, of client: Int, _ request: Int) throws(Violation) {
        try oracle.poisoned(by: client, request, at: now)
        try inject(
            .crash(
                .worker(index), downFor: world.random.duration(.milliseconds(50), .seconds(1)), keepsDisk: world.random.chance(0.9),
                isSilent: false))
    }

    private mutating func isShort(_ index: Int) -> Bool { now < workers[index].shortUntil || world.random.chance(shortageShare) }

    mutating func finishLoad(_ index: Int, _ order: LoadPartition) throws(Violation) {
        guard workers[index].archives.contains(order.key) else {
            try stepWorker(index, .loadFailed(order.key, .failedPrecondition, "no archive"))
            return
        }
        if isShort(index) {
            try stepWorker(index, .loadFailed(order.key, .resourceExhausted, "no memory for the partition"))
            return
        }
        let bytes = UInt64(order.key.endLayer - order.key.firstLayer) * 1_000
        try stepWorker(
            index,
            .loaded(
                order.key,
                PartitionReport(key: order.key, state: .ready, archiveBytes: bytes, weightBytes: bytes, loadMilliseconds: 1)))
    }

    mutating func heartbeat(_ index: Int, _ life: Int) throws(Violation) {
        guard workers[index].isRunning(life) else { return }
        try stepWorker(index, .tick)
        guard workers[index].isRunning(life) else { return }
        workers[index].beat += 1
        if let connection = workers[index].machine.controlConnection {
            let machine = workers[index].machine
            var beat = Heartbeat(sequence: workers[index].beat, completed: machine.completed)
            // What hangs waits for something that does not come.
            if workers[index].hangsUntil <= now { workers[index].cpuNanoseconds += UInt64(machine.executingCount) * 100_000_000 }
            beat.executorCPUNanoseconds = workers[index].cpuNanoseconds
            beat.queued = UInt32(machine.queuedCount)
            beat.executing = UInt32(machine.executingCount)
            beat.memoryLimitBytes = workers[index].memoryBytes
            beat.processResidentBytes = SimulatedWorker.runtimeBytes
            beat.memoryUsedBytes = SimulatedWorker.runtimeBytes
            world.transmit(Packet(message: .heartbeat(beat)), on: connection, from: .worker(index))
        }
        world.schedule(.heartbeat(index, life: life), at: now + .milliseconds(250))
    }

    mutating func deliverToWorker(_ index: Int, _ id: ConnectionID, _ packet: Packet) throws(Violation) {
        let process = Process.worker(index)
        let number = Int(id.number)
        if packet.countsAsWord, let claim = world.connections[number].hello.claim { oracle.heard(claim, by: index, at: now) }
        switch packet.message {
        case .hello(let hello):
            oracle.helloCame(to: index, in: world)
            try stepWorker(index, .opened(id, hello))
        case .welcome(let welcome):
            world.connections[number].isWelcomed = true
            guard let peer = world.connections[number].peer else { return }
            guard welcome.incarnation == peer.incarnation else {
                try giveUp(id, peer, "another process answers here", worker: index)
                return
            }
            try stepWorker(index, .peerOpened(peer, id))
        case .refused(let refused):
            if let peer = world.connections[number].peer { try giveUp(id, peer, refused.message, worker: index) }
        case .work where workers[index].swallowsUntil > now: workers[index].hasSwallowed = true
        case .work(let work):
            let bytes = packet.values.count * itemBytes
            let held = workers[index].machine.heldByteCount
            guard let ticket = workers[index].payloads.admit(bytes, on: id, heldBytes: held) else {
                return try stepWorker(index, .workTurnedAway(id, work, bytes: bytes))
            }
            workers[index].payloads.received(ticket)
            guard workers[index].payloads.hold((work, packet.values), of: work.key) else {
                guard options.remembersOldMessages else { throw violation("w\(index) got \(work.key) twice") }
                world.close(id, by: process, "micro-batch \(work.key) came twice")
                return
            }
            try stepWorker(index, .workArrived(id, work, bytes: bytes))
        case .partitionData(let data):
            workers[index].archives.insert(data.key)
            try stepWorker(index, .archiveStored(data.key))
        default: try stepWorker(index, .received(id, packet.message))
        }
    }

    /// A dial that ended in the wrong place: the machine hears of it once, not of the connection's end.
    private mutating func giveUp(_ id: ConnectionID, _ peer: PeerTable.Peer, _ why: String, worker index: Int) throws(Violation) {
        world.connections[Int(id.number)][.worker(index)].wasTold = true
        world.close(id, by: .worker(index), why)
        try dialEnded(id, why, worker: index)
    }

    /// A worker that is listed by two addresses may have dialled itself by one of them: then the end that it accepted is over as well.
    mutating func dialEnded(_ id: ConnectionID, _ why: String, worker index: Int) throws(Violation) {
        let connection = world.connection(id)
        let life = workers[index].life
        if let peer = connection.peer { try stepWorker(index, .peerFailed(peer, why)) }
        if connection.acceptor == .worker(index), workers[index].isRunning(life) { try stepWorker(index, .closed(id)) }
    }
}
