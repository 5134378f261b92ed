internal import Cluster
internal import Gateway
internal import History
internal import Hosting
internal import Planning
internal import Tensors
internal import Transport
internal import Wire

extension CoordinatorProcess {
    /// A payload that came.
    enum Arrival: Sendable {
        case request(RequestID, names: [String])
        case result(WorkResult, ConnectionID)
    }

    // MARK: Requests

    /// How far the inputs have come that are on their way.
    func reportUploads() {
        for upload in host.machine.uploadsUnderWay {
            guard
                let count = httpCalls[upload.connection]?.call.arrivedByteCount
                    ?? peers[upload.connection]?.connection.receivedByteCount(ticket: upload.request.number)
            else { continue }
            step(.requestProgressed(upload.request, byteCount: count))
        }
    }

    private func requestDecoded(_ id: RequestID, _ names: [String], _ result: Result<[Tensor], WireError>) {
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
        guard let inputs = payloads.inputs(of: request), let served, let node = work.route.first?.node else {
            return
        }
        let tensors: [Tensor]
        do { tensors = try Batching.slice(inputs, served.inputs, range) } catch {
            return step(.requestBroken(request, error.message))
        }
        let shipment = Shipment(over: node, on: connection, work, tag: work.key.token)
        activations.send(tensors, as: shipment, mode: options.compress, for: self)
    }

    // MARK: Results

    func resultArrived(
        _ result: WorkResult, _ storage: TensorStorage, _ layout: PayloadLayout, on connection: ConnectionID
    ) {
        if !layout.isRaw { step(.resultComplete(connection, result.key)) }
        activations.decode(layout, in: storage, as: .result(result, connection), for: self)
    }

    private func resultDecoded(_ result: WorkResult, on connection: ConnectionID, _ tensors: Result<[Tensor], WireError>) {
        switch tensors {
        case .success(let outputs):
            payloads.hold(outputs, of: result.key)
            step(.resultArrived(connection, result.key, result.trace))
        case .failure(let error): step(.resultBroken(connection, result.key, error.message))
        }
    }

    /// What a request is answered with: its parts joined, which the cache keeps, or what the cache has.
    func outputs(of id: RequestID) throws -> [Tensor] {
        let cached = cacheEntries[id]
        if let outputs = cached?.outputs { return outputs }
        let outputs = try Batching.join(payloads.parts(of: id), served?.outputs ?? [])
        remember(outputs, for: cached?.key)
        return outputs
    }

    func reply(_ id: RequestID, on connection: ConnectionID, _ number: UInt64, _ timing: RequestTiming) {
        guard payloads.isAdmitted(id), let served else { return }
        lastAnswerMs = UInt64(max(0, HistoryRecorder.wallClockMs()))
        if reply(id, over: connection, timing) { return }
        guard let client = peers[connection]?.connection else { return step(.replySent(id)) }
        do {
            let outputs = try outputs(of: id)
            let outgoing = try OutgoingPayload.raw(outputs)
            let message = Message.inferReply(
                InferReply(id: number, names: served.outputs.map(\.name), tensors: outgoing.headers, timing: timing))
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

extension CoordinatorProcess: ActivationOwner {
    func arrived(_ arrival: Arrival, _ tensors: Result<[Tensor], WireError>, decoding: Duration) {
        switch arrival {
        case .request(let id, let names): requestDecoded(id, names, tensors)
        case .result(let result, let connection): resultDecoded(result, on: connection, tensors)
        }
    }

    func connection(for encoded: EncodedShipment) -> Connection? {
        // Abandoned while it was compressed: nobody wants it any more.
        guard encoded.sample == nil || host.machine.wants(encoded.shipment.work.key) else { return nil }
        return peers[encoded.shipment.connection]?.connection
    }

    func message(for encoded: EncodedShipment, _ tensors: [TensorHeader], wireByteCount: Int) -> Message {
        var work = encoded.shipment.work
        work.tensors = tensors
        return .work(work)
    }

    func sent(_ key: WorkKey, _ outcome: Result<UInt64, WireError>) {
        switch outcome {
        case .success(let sentBytes): step(.dispatched(key, sentBytes: sentBytes))
        case .failure(let error): step(.dispatchFailed(key, "the micro-batch cannot be sent: \(error.message)"))
        }
    }
}
