internal import Cluster
internal import Inference
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
        var readyAt: LoopTime
    }

    /// One direction of traffic, with its measured codec policy.
    struct LinkState {
        /// Results go to the coordinator; its link bears this name.
        static let coordinatorName = "coordinator"
        var policy: CompressionPolicy
        var messages: UInt64 = 0
        var compressed: UInt64 = 0
        var rawBytes: UInt64 = 0
        var wireBytes: UInt64 = 0
        var bandwidth: Double = 0
        var roundTripMs: Double = 0
        var lastUsed = LoopTime.current()
    }

    /// What a thread has done.
    enum Answer: Sendable {
        case decoded(WorkKey, Result<[Tensor], WireError>, Duration)
        case executed(WorkKey, PartitionKey, Result<[Tensor], InferenceError>, RunTime)
        case encoded(WorkKey, Outbound, CodecQueue.Encoded)
        case stored(PartitionKey, Result<Int, StoreRefusal>)
        case loaded(PartitionKey, Result<LoadOutcome, StoreRefusal>)
    }

    /// How long a run took, and how much of a processor it had in that time.
    struct RunTime: Sendable {
        var wall: Duration
        var cpuNanoseconds: UInt64
    }

    /// Where an activation goes.
    struct Outbound: Sendable {
        var link: String
        var connection: ConnectionID
        var route: [Hop]
    }

    func receive(_ answer: Answer) {
        switch answer {
        case .decoded(let key, let result, let time): decoded(key, result, time)
        case .executed(let key, let partition, let result, let time): executed(key, partition, result, time)
        case .encoded(let key, let outbound, let activation): encoded(key, outbound, activation)
        case .stored(let key, let result): stored(key, result)
        case .loaded(let key, let result): loadEnded(key, result)
        }
    }

    /// Room for a micro-batch before a byte of it is read: what is held and what is being received are within the limit together.
    func admit(_ work: Work, _ payloadByteCount: Int, on peer: PeerConnection) -> PayloadDisposition {
        let bytes = max(payloadByteCount, peer.connection.layout?.decodedByteCount ?? 0)
        guard host.machine.heldByteCount + receivingBytes + bytes <= slotBytes else {
            step(.workTurnedAway(peer.id, work, bytes: bytes))
            return .discard
        }
        lastTicket += 1
        peer.receiving[lastTicket] = bytes
        receivingBytes += bytes
        return .accept(TensorStorage(payloadByteCount: payloadByteCount), ticket: lastTicket)
    }

    /// It is whole or given up: from here on what the machine holds counts.
    func received(_ ticket: UInt64?, on peer: PeerConnection) {
        if let ticket, let bytes = peer.receiving.removeValue(forKey: ticket) { receivingBytes -= bytes }
    }

    func arrived(_ work: Work, _ storage: TensorStorage?, on peer: PeerConnection) {
        guard payloads[work.key] == nil else { return peer.connection.close(.requested("micro-batch \(work.key) came twice")) }
        guard let storage, let layout = peer.connection.layout else { return }
        var trace = HopTrace(node: host.machine.name)
        trace.receive = UInt64(clamping: peer.connection.receiveDuration.nanoseconds)
        payloads[work.key] = Payload(header: work, received: (storage, layout), trace: trace, readyAt: loop.now)
        step(.workArrived(peer.id, work, bytes: max(storage.byteCount, layout.decodedByteCount)))
    }

    func prepare(_ key: WorkKey) {
        guard let (storage, layout) = payloads[key]?.received else { return }
        if layout.isRaw {
            do {
                payloads[key]?.tensors = try layout.tensors(in: storage)
                payloads[key]?.received = nil
                payloads[key]?.readyAt = .current()
                step(.prepared(key))
            } catch {
                step(.prepareFailed(key, .invalidArgument, error.message))
            }
            return
        }
        let answers = answers
        let isTaken = codec.decode(layout, in: storage) { result, time in _ = answers?.post(.decoded(key, result, time)) }
        if !isTaken { step(.prepareFailed(key, .resourceExhausted, "the codec's queue is full")) }
    }

    private func decoded(_ key: WorkKey, _ result: Result<[Tensor], WireError>, _ time: Duration) {
        guard payloads[key] != nil else { return }
        switch result {
        case .success(let tensors):
            payloads[key]?.tensors = tensors
            payloads[key]?.received = nil
            payloads[key]?.trace.decode = UInt64(clamping: time.nanoseconds)
            payloads[key]?.readyAt = .current()
            step(.prepared(key))
        case .failure(let error): step(.prepareFailed(key, .invalidArgument, error.message))
        }
    }

    func execute(_ key: WorkKey, _ partition: PartitionKey) {
        guard let payload = payloads[key], let ready = loaded[partition]?.partition else {
            return step(.executionFailed(key, .failedPrecondition, "partition \(partition) is not loaded"))
        }
        payloads[key]?.trace.queue = UInt64(clamping: (LoopTime.current() - payload.readyAt).nanoseconds)
        let inputs = payload.tensors
        let answers = answers
        let isTaken = executors.submit {
            let (start, cpuStart) = (LoopTime.current(), SpeedProbe.threadNanoseconds())
            let result = Result { () throws(InferenceError) in try ready.run(inputs) }
            let time = RunTime(
                wall: LoopTime.current() - start, cpuNanoseconds: SpeedProbe.threadNanoseconds() &- cpuStart)
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
            payloads[key]?.tensors = tensors
            payloads[key]?.trace.compute = nanoseconds
            step(.executed(key))
        case .failure(let error): step(.executionFailed(key, error.statusCode, error.message))
        }
    }

    /// Sends the activation on, or the result back when the route is empty, encoded as the link's policy says.
    func forward(_ key: WorkKey, to link: String, on connection: ConnectionID, route: [Hop]) {
        guard let payload = payloads[key], connections[connection] != nil else { return }
        let outbound = Outbound(link: link, connection: connection, route: route)
        let rawBytes = payload.tensors.reduce(0) { $0 + $1.byteCount }
        let compression = host.machine.compression
        var state = links[link] ?? LinkState(policy: CompressionPolicy(mode: compression))
        if state.policy.mode != compression { state.policy = CompressionPolicy(mode: compression) }
        state.lastUsed = loop.now
        let decision = state.policy.decide(rawBytes: rawBytes)
        links[link] = state
        let encoding: TensorEncoding
        let level: Int
        var isSample = false
        switch decision {
        case .raw: return transmit(key, outbound, payload.tensors.map { EncodedSegment(raw: $0) }, isCompressed: false)
        case .compress(let chosen, let chosenLevel): (encoding, level) = (chosen, chosenLevel)
        case .sample(let chosen, let chosenLevel): (encoding, level, isSample) = (chosen, chosenLevel, true)
        }
        let answers = answers
        let isTaken = codec.encode(payload.tensors, as: encoding, level: level, measuresDecoding: isSample) { encoded in
            _ = answers?.post(.encoded(key, outbound, encoded))
        }
        if !isTaken { transmit(key, outbound, payload.tensors.map { EncodedSegment(raw: $0) }, isCompressed: false) }
    }

    private func encoded(_ key: WorkKey, _ outbound: Outbound, _ activation: CodecQueue.Encoded) {
        links[outbound.link]?.policy.observe(codec: activation.sample)
        guard payloads[key] != nil else { return }
        payloads[key]?.trace.encode = UInt64(clamping: activation.sample.encode.nanoseconds)
        transmit(key, outbound, activation.segments, isCompressed: activation.isCompressed)
    }

    private func transmit(_ key: WorkKey, _ outbound: Outbound, _ segments: [EncodedSegment], isCompressed: Bool) {
        guard let payload = payloads[key], let connection = connections[outbound.connection]?.connection else { return }
        let outgoing: (payload: OutgoingPayload, headers: [TensorHeader])
        do { outgoing = try OutgoingPayload.encoded(segments) } catch {
            return step(.forwardFailed(key, "the activation cannot be sent: \(error.message)"))
        }
        var trace = payload.trace
        let rawBytes = payload.tensors.reduce(0) { $0 + $1.byteCount }
        trace.rawBytes = UInt64(rawBytes)
        trace.wireBytes = UInt64(outgoing.payload.byteCount)
        links[outbound.link]?.messages += 1
        links[outbound.link]?.compressed += isCompressed ? 1 : 0
        links[outbound.link]?.rawBytes += UInt64(rawBytes)
        links[outbound.link]?.wireBytes += UInt64(outgoing.payload.byteCount)
        let traces = payload.header.trace + [trace]
        let message: Message
        if outbound.route.isEmpty {
            message = .workResult(WorkResult(key: key, tensors: outgoing.headers, trace: traces))
        } else {
            var work = payload.header
            work.route = outbound.route
            work.tensors = outgoing.headers
            work.trace = traces
            message = .work(work)
        }
        connection.send(message, payload: outgoing.payload) { [weak self] outcome in
            guard let self else { return }
            switch outcome {
            case .written:
                measured(outbound.link, connection)
                step(.forwarded(key, sentBytes: connection.counters.sentBytes))
            case .refused(let error): step(.forwardFailed(key, "the activation cannot be sent: \(error.message)"))
            // The end of the connection ends everything that was on it.
            case .cancelled, .lost: break
            }
        }
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

    /// Takes the kernel's newest measurements of a link's connection.
    func measured(_ link: String, _ connection: Connection) {
        if let roundTrip = connection.roundTripMilliseconds() { links[link]?.roundTripMs = roundTrip }
        guard let rate = connection.deliveryRate(), rate > 0 else { return }
        links[link]?.bandwidth = rate
        links[link]?.policy.observe(bandwidthBytesPerSecond: rate)
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
