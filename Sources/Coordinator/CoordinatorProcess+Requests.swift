internal import Cluster
internal import Planning
internal import Tensors
internal import Transport
internal import Wire

extension CoordinatorProcess {
    /// The coordinator's own direction of one link, with its measured codec policy.
    struct LinkState {
        var policy: CompressionPolicy
        var messages: UInt64 = 0
        var compressed: UInt64 = 0
        var rawBytes: UInt64 = 0
        var wireBytes: UInt64 = 0
        var bandwidth: Double = 0
    }

    // MARK: Requests

    /// How far the inputs have come that are on their way.
    func reportUploads() {
        for upload in host.machine.uploadsUnderWay {
            guard let count = peers[upload.connection]?.connection.receivedByteCount(ticket: upload.request.number) else {
                continue
            }
            step(.requestProgressed(upload.request, byteCount: count))
        }
    }

    func requestArrived(_ id: RequestID, _ request: InferRequest, _ storage: TensorStorage, _ layout: PayloadLayout) {
        if layout.isRaw {
            let tensors = Result { () throws(WireError) in try layout.tensors(in: storage) }
            return requestDecoded(id, request.names, tensors)
        }
        let answers = answers
        let isTaken = codec.decode(layout, in: storage) { result, _ in
            _ = answers?.post(.requestDecoded(id, names: request.names, result))
        }
        if !isTaken { step(.requestBroken(id, "the codec's queue is full")) }
    }

    func requestDecoded(_ id: RequestID, _ names: [String], _ result: Result<[Tensor], WireError>) {
        guard let served else { return }
        switch result {
        case .success(let tensors):
            let inputs =
                names.isEmpty ? tensors : served.inputs.compactMap { spec in names.firstIndex(of: spec.name).map { tensors[$0] } }
            guard inputs.count == served.inputs.count else {
                return step(
                    .requestBroken(id, "the request carries \(tensors.count) tensors, the model takes \(served.inputs.count)"))
            }
            if payloads.fill(id, inputs) { inputsComplete(id) }
        case .failure(let error): step(.requestBroken(id, error.message))
        }
    }

    // MARK: Micro-batches

    func dispatch(_ work: Work, on connection: ConnectionID, _ request: RequestID, _ range: Range<Int>) {
        guard let inputs = payloads.inputs(of: request), let served, let node = work.route.first.map({ NodeID($0.node) }) else {
            return
        }
        let tensors: [Tensor]
        do { tensors = try Batching.slice(inputs, served.inputs, range) } catch {
            return step(.requestBroken(request, error.message))
        }
        var link = links[node] ?? LinkState(policy: CompressionPolicy(mode: options.compress))
        let decision = link.policy.decide(rawBytes: tensors.reduce(0) { $0 + $1.byteCount })
        links[node] = link
        let encoding: TensorEncoding
        let level: Int
        var isSample = false
        switch decision {
        case .raw: return transmit(work, node, connection, tensors.map { EncodedSegment(raw: $0) }, isCompressed: false)
        case .compress(let chosen, let chosenLevel): (encoding, level) = (chosen, chosenLevel)
        case .sample(let chosen, let chosenLevel): (encoding, level, isSample) = (chosen, chosenLevel, true)
        }
        let answers = answers
        let isTaken = codec.encode(tensors, as: encoding, level: level, measuresDecoding: isSample) { encoded in
            _ = answers?.post(.encoded(work.key, node, connection, work, encoded))
        }
        if !isTaken { transmit(work, node, connection, tensors.map { EncodedSegment(raw: $0) }, isCompressed: false) }
    }

    func sendEncoded(_ key: WorkKey, _ node: NodeID, _ connection: ConnectionID, _ work: Work, _ encoded: CodecQueue.Encoded) {
        links[node]?.policy.observe(codec: encoded.sample)
        // Abandoned while it was compressed: nobody wants it any more.
        guard host.machine.wants(key) else { return }
        transmit(work, node, connection, encoded.segments, isCompressed: encoded.isCompressed)
    }

    private func transmit(
        _ header: Work, _ node: NodeID, _ id: ConnectionID, _ segments: [EncodedSegment], isCompressed: Bool
    ) {
        guard let connection = peers[id]?.connection else { return }
        let outgoing: (payload: OutgoingPayload, headers: [TensorHeader])
        do { outgoing = try OutgoingPayload.encoded(segments) } catch {
            return step(.dispatchFailed(header.key, "the micro-batch cannot be sent: \(error.message)"))
        }
        var work = header
        work.tensors = outgoing.headers
        links[node]?.messages += 1
        links[node]?.compressed += isCompressed ? 1 : 0
        links[node]?.rawBytes += UInt64(
            outgoing.headers.reduce(0) { $0 + ((try? Tensor.byteCount(of: $1.dtype, shape: $1.shape)) ?? 0) })
        links[node]?.wireBytes += UInt64(outgoing.payload.byteCount)
        let tag = nextTag
        nextTag += 1
        sendTags[work.key] = tag
        connection.send(.work(work), payload: outgoing.payload, tag: tag) { [weak self] outcome in
            guard let self else { return }
            if sendTags[work.key] == tag { sendTags[work.key] = nil }
            if case .refused(let error) = outcome {
                return step(.dispatchFailed(work.key, "the micro-batch cannot be sent: \(error.message)"))
            }
            guard case .written = outcome else { return }
            step(.dispatched(work.key, sentBytes: connection.counters.sentBytes))
            guard let rate = connection.deliveryRate(), rate > 0 else { return }
            links[node]?.bandwidth = rate
            links[node]?.policy.observe(bandwidthBytesPerSecond: rate)
        }
    }

    // MARK: Results

    func resultArrived(
        _ result: WorkResult, _ storage: TensorStorage, _ layout: PayloadLayout, on connection: ConnectionID
    ) {
        if layout.isRaw {
            let tensors = Result { () throws(WireError) in try layout.tensors(in: storage) }
            return resultDecoded(result, on: connection, tensors)
        }
        step(.resultComplete(connection, result.key))
        let answers = answers
        let isTaken = codec.decode(layout, in: storage) { tensors, _ in
            _ = answers?.post(.resultDecoded(result, connection, tensors))
        }
        if !isTaken { step(.resultBroken(connection, result.key, "the codec's queue is full")) }
    }

    func resultDecoded(_ result: WorkResult, on connection: ConnectionID, _ tensors: Result<[Tensor], WireError>) {
        switch tensors {
        case .success(let outputs):
            payloads.hold(outputs, of: result.key)
            step(.resultArrived(connection, result.key, result.trace))
        case .failure(let error): step(.resultBroken(connection, result.key, error.message))
        }
    }

    func reply(_ id: RequestID, on connection: ConnectionID, _ number: UInt64, _ timing: RequestTiming) {
        guard payloads.isAdmitted(id), let served else { return }
        guard let client = peers[connection]?.connection else { return step(.replySent(id)) }
        do {
            let cached = cacheEntries[id]
            let outputs = try cached?.outputs ?? Batching.join(payloads.parts(of: id), served.outputs)
            let outgoing = try OutgoingPayload.raw(outputs)
            let message = Message.inferReply(
                InferReply(id: number, names: served.outputs.map(\.name), tensors: outgoing.headers, timing: timing))
            if cached?.outputs == nil { remember(outputs, for: cached?.key) }
            client.send(message, payload: outgoing.payload) { [weak self] outcome in
                if case .refused(let error) = outcome {
                    let failure = InferError(
                        id: number, code: .resourceExhausted, message: "the reply cannot be sent: \(error.message)")
                    client.send(.inferError(failure))
                }
                self?.step(.replySent(id))
            }
        } catch {
            let failure = InferError(id: number, code: .internalError, message: "the parts of the reply do not join: \(error)")
            client.send(.inferError(failure)) { [weak self] _ in self?.step(.replySent(id)) }
        }
    }
}
