internal import Base
internal import Cluster
internal import Hosting
internal import Inference
internal import Loops
internal import Resources
internal import Tensors
internal import Transport
internal import Wire

extension WorkerProcess {
    /// The bytes of one micro-batch and where its time went.
    struct Payload {
        var header: Work
        /// What came, and where its tensors stand in it; let go of once decoded.
        var received: (storage: TensorStorage, layout: PayloadLayout)?
        /// Inputs before execution, outputs after it.
        var tensors: [Tensor] = []
        var trace: HopTrace
        var readyAt: Instant
    }

    /// What a thread has done.
    enum Answer: Sendable {
        case executed(WorkKey, PartitionKey, Result<[Tensor], InferenceError>, RunTime)
        case stored(PartitionKey, Result<Int, StoreRefusal>)
        case loaded(PartitionKey, Result<LoadOutcome, StoreRefusal>)
    }

    /// How long a run took, and how much of a processor it had in that time.
    struct RunTime: Sendable {
        var wall: Duration
        var cpuNanoseconds: UInt64
    }

    func receive(_ answer: Answer) {
        switch answer {
        case .executed(let key, let partition, let result, let time): executed(key, partition, result, time)
        case .stored(let key, let result): stored(key, result)
        case .loaded(let key, let result): loadEnded(key, result)
        }
    }

    /// Room for a micro-batch before a byte of it is read: what is held and what is being received are within the limit together.
    func admit(_ work: Work, _ payloadByteCount: Int, on peer: WorkerPeer) -> PayloadDisposition {
        let bytes = max(payloadByteCount, peer.connection.layout?.decodedByteCount ?? 0)
        guard let ticket = payloads.admit(bytes, on: peer.id, heldBytes: host.machine.heldByteCount) else {
            step(.workTurnedAway(peer.id, work, bytes: bytes))
            return .discard
        }
        return .accept(TensorStorage(payloadByteCount: payloadByteCount), ticket: ticket)
    }

    func arrived(_ work: Work, _ storage: TensorStorage?, on peer: WorkerPeer) {
        guard let storage, let layout = peer.connection.layout else { return }
        var trace = HopTrace(node: host.machine.name)
        trace.receive = UInt64(clamping: peer.connection.receiveDuration.nanoseconds)
        let payload = Payload(header: work, received: (storage, layout), trace: trace, readyAt: loop.now)
        guard payloads.hold(payload, of: work.key) else {
            return peer.connection.close(.requested("micro-batch \(work.key) came twice"))
        }
        step(.workArrived(peer.id, work, bytes: max(storage.byteCount, layout.decodedByteCount)))
    }

    func prepare(_ key: WorkKey) {
        guard let (storage, layout) = payloads[key]?.received else { return }
        activations.decode(layout, in: storage, as: key, for: self)
    }

    func execute(_ key: WorkKey, _ partition: PartitionKey) {
        guard let payload = payloads[key], let ready = loaded[partition]?.partition else {
            return step(.executionFailed(key, .failedPrecondition, "partition \(partition) is not loaded"))
        }
        payloads.update(key) { $0.trace.queue = UInt64(clamping: (Instant.current() - $0.readyAt).nanoseconds) }
        let inputs = payload.tensors
        let answers = answers
        let isTaken = executors.submit {
            let (start, cpuStart) = (Instant.current(), SpeedProbe.threadNanoseconds())
            let result = Result { () throws(InferenceError) in try ready.run(inputs) }
            let time = RunTime(
                wall: Instant.current() - start, cpuNanoseconds: SpeedProbe.threadNanoseconds() &- cpuStart)
            _ = answers?.post(.executed(key, partition, result, time))
        }
        if !isTaken { step(.executionFailed(key, .resourceExhausted, "the executors' queue is full")) }
    }

    private func executed(_ key: WorkKey, _ partition: PartitionKey, _ result: Result<[Tensor], InferenceError>, _ time: RunTime) {
        let nanoseconds = UInt64(clamping: time.wall.nanoseconds)
        loaded[partition]?.runs += 1
        loaded[partition]?.computeNanoseconds += nanoseconds
        loaded[partition]?.cpuNanoseconds += time.cpuNanoseconds
        loaded[partition]?.items += UInt64(payloads[key]?.header.items ?? 0)
        switch result {
        case .success(let tensors):
            payloads.update(key) {
                $0.tensors = tensors
                $0.trace.compute = nanoseconds
            }
            step(.executed(key))
        case .failure(let error): step(.executionFailed(key, error.statusCode, error.message))
        }
    }

    /// Sends the activation on, or the result back when the route is empty.
    func forward(_ key: WorkKey, to link: NodeID, on connection: ConnectionID, route: [Hop]) {
        guard let payload = payloads[key], connections[connection] != nil else { return }
        var work = payload.header
        work.route = route
        activations.send(
            payload.tensors, as: Shipment(over: link, on: connection, work), mode: host.machine.compression, for: self)
    }

    /// Completes what the machine says of micro-batches that the coordinator misses by what their connections have carried.
    func sayPlaces(_ pong: Ping, _ questions: [WorkQuestion], on id: ConnectionID) {
        var pong = pong
        for (index, question) in questions.enumerated() where index < pong.places.count {
            let sources = connections.values.filter { peer in
                question.from.map { peer.hello?.role == .worker && peer.hello?.incarnation == $0 }
                    ?? (peer.id == host.machine.resultConnection)
            }
            pong.places[index].receivedBytes = sources.map(\.connection.counters.receivedBytes).max() ?? 0
            // By which of them it comes nobody here can say: one whose other end is gone, or a stranger's under that process's number.
            if sources.count > 1, pong.places[index].state == .absent { pong.places[index].state = .unknown }
            if pong.places[index].state == .held, let sending = host.machine.sendingConnection(of: question.key) {
                pong.places[index].sentBytes = connections[sending]?.connection.counters.sentBytes ?? 0
            }
        }
        connections[id]?.connection.send(.pong(pong))
    }
}

extension WorkerProcess: ActivationOwner {
    func arrived(_ key: WorkKey, _ tensors: Result<[Tensor], WireError>, decoding time: Duration) {
        guard payloads.contains(key) else { return }
        switch tensors {
        case .success(let tensors):
            payloads.update(key) {
                $0.tensors = tensors
                $0.received = nil
                $0.trace.decode = UInt64(clamping: time.nanoseconds)
                $0.readyAt = .current()
            }
            step(.prepared(key))
        case .failure(let error):
            // A full queue is ours, everything else is the sender's.
            step(.prepareFailed(key, error.code == .limitExceeded ? .resourceExhausted : .invalidArgument, error.message))
        }
    }

    func connection(for encoded: EncodedShipment) -> Connection? {
        payloads.contains(encoded.shipment.work.key) ? connections[encoded.shipment.connection]?.connection : nil
    }

    func message(for encoded: EncodedShipment, _ tensors: [TensorHeader], wireByteCount: Int) -> Message {
        var work = encoded.shipment.work
        var trace = payloads[work.key]?.trace ?? HopTrace(node: host.machine.name)
        if let sample = encoded.sample { trace.encode = UInt64(clamping: sample.encode.nanoseconds) }
        trace.rawBytes = UInt64(encoded.rawByteCount)
        trace.wireBytes = UInt64(wireByteCount)
        work.trace.append(trace)
        work.tensors = tensors
        return work.route.isEmpty ? .workResult(WorkResult(key: work.key, tensors: tensors, trace: work.trace)) : .work(work)
    }

    func sent(_ key: WorkKey, _ outcome: Result<UInt64, WireError>) {
        switch outcome {
        case .success(let sentBytes): step(.forwarded(key, sentBytes: sentBytes))
        case .failure(let error): step(.forwardFailed(key, "the activation cannot be sent: \(error.message)"))
        }
    }
}

extension InferenceError {
    /// What a client is told: its input's fault, or ours.
    var statusCode: StatusCode {
        switch code {
        case .inputRejected: .invalidArgument
        case .outOfMemory: .resourceExhausted
        default: .internalError
        }
    }
}
