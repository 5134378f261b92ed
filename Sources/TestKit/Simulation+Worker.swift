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
        guard workers[index].payloads.count == workers[index].machine.heldCount else {
            throw violation(
                "w\(index) keeps \(workers[index].payloads.count) payloads for \(workers[index].machine.heldCount) micro-batches")
        }
    }

    private mutating func carryOut(_ directive: WorkerMachine.Directive, worker index: Int) throws(Violation) {
        let process = Process.worker(index)
        let life = workers[index].life
        switch directive {
        case .send(let connection, var message):
            if case .welcome(var welcome) = message {
                welcome.worker = workers[index].profile
                message = .welcome(welcome)
            }
            transmit(Packet(message: message), on: connection, from: process)
        case .refuse(let connection, let refused):
            transmit(Packet(message: .refused(refused)), on: connection, from: process)
            close(connection, by: process, refused.message, afterFlush: true)
        case .close(let connection, let why): close(connection, by: process, why)
        case .hangUp(let connection): close(connection, by: process, "gone from the peer table")
        case .prepare(let key):
            schedule.add(.prepared(index, life: life, key), at: now + random.duration(.zero, .microseconds(200)))
        case .execute(let key, let partition):
            guard let payload = workers[index].payloads[key] else {
                throw violation("\(process) executes \(key) without its payload")
            }
            let layers = partition.endLayer - partition.firstLayer
            let time = Double(layerNanoseconds) * Double(layers * payload.values.count) / workers[index].speed
            schedule.add(.executed(index, life: life, key), at: now + .nanoseconds(Int64(time)))
        case .forward(let key, _, let connection, let route):
            guard let payload = workers[index].payloads[key] else {
                throw violation("\(process) forwards \(key) without its payload")
            }
            var work = payload.work
            work.route = route
            let packet = Packet(message: .work(work), values: payload.values, bytes: 200 + payload.values.count * itemBytes)
            report(sent: key, on: connection, by: process, life, at: transmit(packet, on: connection, from: process))
        case .giveResult(let key, let connection):
            guard let payload = workers[index].payloads[key] else {
                throw violation("\(process) returns \(key) without its payload")
            }
            let packet = Packet(
                message: .workResult(WorkResult(key: key, tensors: [], trace: [])), values: payload.values,
                bytes: 200 + payload.values.count * itemBytes)
            report(sent: key, on: connection, by: process, life, at: transmit(packet, on: connection, from: process))
        case .release(let key):
            guard workers[index].payloads.removeValue(forKey: key) != nil else {
                throw violation("\(process) releases \(key) a second time")
            }
        case .dial(let peer):
            guard let target = workers.first(where: { $0.name == peer.name }) else {
                throw violation("\(process) dials \(peer.name), which does not exist")
            }
            let hello = Hello(
                role: .worker, channel: .data, name: workers[index].name, software: "sim",
                incarnation: IncarnationID(bits: UInt128(index * 1_000 + life + 1)))
            _ = connect(from: process, to: .worker(target.index), hello: hello, dialledNode: peer.name, peer: peer)
        case .load(let order):
            let time: Duration =
                workers[index].archives.contains(order.key) ? random.duration(.milliseconds(1), .milliseconds(80)) : .zero
            schedule.add(.loaded(index, life: life, order), at: now + time)
        case .releasePartition(let key):
            // Some workers need the room at once.
            if random.chance(options.evictShare) {
                for answer in workers[index].machine.evicted(key) { try carryOut(answer, worker: index) }
            }
        case .drained: endDrained(index)
        case .log(let line): note("\(process): \(line.message) \(line.metadata)")
        }
    }

    /// The shell hears of it when the kernel has the last byte, unless the connection is over for it by then.
    private mutating func report(sent key: WorkKey, on connection: ConnectionID, by process: Process, _ life: Int, at left: Instant)
    {
        if left < .distantFuture { schedule.add(.sent(connection, process, life: life, key, nil), at: left) }
    }

    mutating func finishExecution(_ index: Int, _ key: WorkKey) throws(Violation) {
        guard var payload = workers[index].payloads[key], let hop = payload.work.route.first else {
            throw violation("w\(index) finished \(key), whose payload is gone")
        }
        if payload.values.contains(SimulatedClient.rejectMark) {
            try stepWorker(index, .executionFailed(key, .invalidArgument, "the model rejects this input"))
            return
        }
        if random.chance(options.shortageShare) {
            try stepWorker(index, .executionFailed(key, .resourceExhausted, "no memory for the activations"))
            return
        }
        payload.values = MixModel.run(payload.values, layers: hop.partition.firstLayer..<hop.partition.endLayer)
        workers[index].payloads[key] = payload
        try stepWorker(index, .executed(key))
    }

    mutating func finishLoad(_ index: Int, _ order: LoadPartition) throws(Violation) {
        guard workers[index].archives.contains(order.key) else {
            try stepWorker(index, .loadFailed(order.key, .failedPrecondition, "no archive"))
            return
        }
        if random.chance(options.shortageShare) {
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

    mutating func heartbeat(_ index: Int, _ life: Int) {
        guard workers[index].isRunning(life) else { return }
        workers[index].beat += 1
        for connection in workers[index].controlConnections.sorted() {
            let beat = Heartbeat(sequence: workers[index].beat, completed: workers[index].machine.completed)
            transmit(Packet(message: .heartbeat(beat)), on: connection, from: .worker(index))
        }
        schedule.add(.heartbeat(index, life: life), at: now + .milliseconds(250))
    }

    mutating func deliverToWorker(_ index: Int, _ id: ConnectionID, _ packet: Packet) throws(Violation) {
        switch packet.message {
        case .hello(let hello):
            if hello.role == .coordinator, hello.channel == .control { workers[index].controlConnections.insert(id) }
            try stepWorker(index, .opened(id, hello))
        case .welcome(let welcome):
            connections[id]?.isWelcomed = true
            guard let peer = connections[id]?.peer else { return }
            guard welcome.incarnation == peer.incarnation else {
                connections[id]?.toldTo.insert(.worker(index))
                close(id, by: .worker(index), "another process answers here")
                try stepWorker(index, .peerFailed(peer, "another process answers here"))
                return
            }
            try stepWorker(index, .peerOpened(peer, id))
        case .refused(let refused):
            if let peer = connections[id]?.peer { try stepWorker(index, .peerFailed(peer, refused.message)) }
        case .work(let work):
            guard workers[index].payloads[work.key] == nil else { throw violation("w\(index) got \(work.key) twice") }
            workers[index].payloads[work.key] = (work, packet.values)
            try stepWorker(index, .workArrived(id, work, bytes: packet.values.count * itemBytes))
        case .partitionData(let data):
            workers[index].archives.insert(data.key)
            try stepWorker(index, .archiveStored(data.key))
        default: try stepWorker(index, .received(id, packet.message))
        }
    }
}
