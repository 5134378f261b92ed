internal import Base
internal import Planning
internal import Tensors
internal import Wire

/// Admission, the in-flight table, deadlines, cancellation, and the one reply.
extension CoordinatorMachine {
    /// When the in-flight table is full, a slot is free after about this long.
    static let retryHint: Duration = .milliseconds(100)
    /// A client that has not taken a reply this long after the request's deadline does not read: it must not hold memory and a place for ever.
    static let replyGrace: Duration = .seconds(30)

    mutating func announced(_ connection: ConnectionID, _ request: InferRequest, _ step: inout Step) {
        switch admission(of: request, from: connection, &step) {
        case .refused(let error):
            count { $0.requestsRejected += 1 }
            step.emit(.send(connection, .inferError(error)))
        case .admitted(let items, let bytes, let inputBytes, let outputBytes):
            var wanted = configuration.defaultDeadline
            if request.deadlineMilliseconds > 0 {
                wanted = min(.milliseconds(Int64(request.deadlineMilliseconds)), configuration.maximumDeadline)
            }
            count { $0.requestsAdmitted = ($0.requestsAdmitted ?? 0) + 1 }
            let id = requests.admit(
                request.id, of: connection, items: items, bytes: bytes, inputBytes: inputBytes, outputBytes: outputBytes,
                deadline: step.now + wanted, step.now)
            step.emit(.accept(id, connection, clientNumber: request.id))
        }
    }

    private enum Admission {
        case admitted(items: Int, bytes: Int, inputBytes: Int, outputBytes: Int)
        case refused(InferError)
    }

    private mutating func admission(
        of request: InferRequest, from connection: ConnectionID, _ step: inout Step
    ) -> Admission {
        func refuse(_ code: StatusCode, _ message: String, retryAfter: Duration = .zero) -> Admission {
            .refused(
                InferError(
                    id: request.id, code: code, message: message,
                    retryAfterMilliseconds: UInt32(clamping: Int(retryAfter.milliseconds))))
        }
        guard let model = plans.model else {
            return refuse(.unavailable, "the model is still being analysed; try again", retryAfter: .seconds(1))
        }
        guard !isDraining else { return refuse(.unavailable, "the coordinator is shutting down", retryAfter: .seconds(1)) }
        guard requests.request(request.id, of: connection) == nil else {
            return refuse(
                .invalidArgument, "request \(request.id) is already outstanding on this connection; number each request anew")
        }
        let items: Int
        do { items = try model.check(request) } catch { return refuse(.invalidArgument, error.message) }
        guard items <= configuration.maximumItems else {
            return refuse(
                .invalidArgument,
                "the request has \(items) items, over the limit of \(configuration.maximumItems); send fewer items at once")
        }
        guard requests.hasPlace(for: connection, limit: configuration.maximumRequests) else {
            return refuse(
                .resourceExhausted,
                "\(requests.count) requests are in flight, which is the limit; try again in \(Self.retryHint.readable)",
                retryAfter: Self.retryHint)
        }
        let inputBytes = request.tensors.decodedByteCount
        let outputBytes = (plans.active?.deployment.outputBytesPerItem ?? 0).multipliedSaturating(by: items)
        let bytes = (inputBytes + request.tensors.encodedByteCount).addedSaturating(to: outputBytes)
        guard bytes <= configuration.maximumRequestBytes else {
            return refuse(
                .invalidArgument,
                "the request takes \(bytes) bytes, over the limit of \(configuration.maximumRequestBytes); send fewer items at once"
            )
        }
        if requests.heldBytes + bytes > configuration.maximumRequestBytes { endStandingUploads(toMakeRoomFor: bytes, &step) }
        guard requests.heldBytes + bytes <= configuration.maximumRequestBytes else {
            return refuse(
                .resourceExhausted,
                "\(requests.heldBytes) bytes of requests are in flight; \(bytes) more would pass the limit of \(configuration.maximumRequestBytes)",
                retryAfter: Self.retryHint)
        }
        if let objection = requests.objection(
            toUploadOf: bytes, from: connection, budget: configuration.maximumRequestBytes)
        {
            return refuse(.resourceExhausted, objection, retryAfter: Self.retryHint)
        }
        // Its deadline is no limit: as long as it may be kept, nobody is refused for it.
        if let limit = configuration.queueLimit, let expected = expectedWait, expected > limit {
            pace.refused(step.now)
            return refuse(
                .resourceExhausted,
                "\(requests.waitingItems) items are before it, which take about \(expected.readable), and --queue-limit is \(limit.readable); try again later",
                retryAfter: max(Self.retryHint, expected - limit))
        }
        return .admitted(items: items, bytes: bytes, inputBytes: inputBytes, outputBytes: outputBytes)
    }

    /// How long what is before a new request takes, as far as anybody knows.
    var expectedWait: Duration? {
        guard requests.waitingItems > 0 else { return .zero }
        let predicted = plans.active.map { $0.deployment.plan.itemsPerSecond }
        guard let rate = pace.itemsPerSecond(predicted: predicted), rate > 0 else { return nil }
        return .seconds(min(Double(requests.waitingItems) / rate, configuration.maximumDeadline.milliseconds / 1e3))
    }

    /// Whether anything of this client is outstanding.
    public func hasRequests(of connection: ConnectionID) -> Bool { requests.hasRequests(of: connection) }

    /// What the shell tells of with ``Event/requestProgressed(_:byteCount:)``.
    public var uploadsUnderWay: [(request: RequestID, connection: ConnectionID)] { requests.uploadsUnderWay }

    mutating func endSlowUploads(_ step: inout Step) {
        for id in requests.takeOverdueUploads(step.now) {
            finish(
                id, with: .resourceExhausted,
                "the request's bytes came at less than \(Uploads.minimumBytesPerSecond) bytes a second for \(Uploads.patience.readable); "
                    + "the place that they were promised is given to others", isPermanent: true, &step)
        }
    }

    /// Uploads of which nothing comes give way to a request that has no room, until it has.
    private mutating func endStandingUploads(toMakeRoomFor bytes: Int, _ step: inout Step) {
        for id in requests.standingUploads(step.now) where requests.heldBytes + bytes > configuration.maximumRequestBytes {
            finish(
                id, with: .resourceExhausted,
                "no byte of the request has come for \(Uploads.yieldAfter.readable), and others need the place that it was promised",
                &step)
        }
    }

    mutating func expireRequests(_ step: inout Step) {
        while let request = requests.takeExpired(step.now) {
            guard request.phase != .replying else {
                replyIsOverdue(request, &step)
                continue
            }
            finish(request.id, with: .deadlineExceeded, deadlineMessage(request, step.now), &step)
        }
    }

    private mutating func replyIsOverdue(_ request: Request, _ step: inout Step) {
        guard request.isReplyOverdue else {
            requests.waitForReader(request.id, until: step.now + Self.replyGrace)
            return
        }
        step.log(.warning, "a client does not read its replies", ["connection": "\(request.client.number)"])
        step.emit(.close(request.client, "a reply was not read within \(Self.replyGrace.readable) after its deadline"))
    }

    private func deadlineMessage(_ request: Request, _ now: Instant) -> String {
        let waited = (now - request.admittedAt).readable
        if request.phase == .receiving { return "no answer within \(waited): the request's own bytes did not arrive in time" }
        if plans.active == nil {
            return "no answer within \(waited): no plan serves (\(waitingCause))"
        }
        let done = request.pieces.count { $0.isDone }
        let setback = request.lastSetback.map { "; last setback: \($0)" } ?? ""
        return "no answer within \(waited): \(done) of \(request.pieces.count) micro-batches were done\(setback)"
    }

    /// Answers with an error and ends the request.
    /// - Parameter isPermanent: trying again as it is cannot help.
    mutating func finish(
        _ id: RequestID, with code: StatusCode, _ message: String, isPermanent: Bool = false, retryAfter: Duration = retryHint,
        _ step: inout Step
    ) {
        guard let request = requests[id], request.phase != .replying else { return }
        let mayHelp = (code == .unavailable || code == .resourceExhausted) && !isPermanent
        let hint: UInt32 = mayHelp ? UInt32(retryAfter.milliseconds) : 0
        step.emit(
            .send(
                request.client,
                .inferError(InferError(id: request.clientNumber, code: code, message: message, retryAfterMilliseconds: hint))))
        count { $0.requestsFailed += 1 }
        times.failed(request, step.now)
        remove(id, &step)
    }

    /// The client left or cancelled: nobody is told.
    mutating func drop(_ id: RequestID, _ step: inout Step) {
        guard let request = requests[id] else { return }
        // A reply on its way out belongs to the connection; the shell says `replySent` when that ends.
        guard request.phase != .replying else { return }
        count { $0.requestsCancelled += 1 }
        remove(id, &step)
    }

    /// Takes the request out of every table and its micro-batches out of the cluster.
    mutating func remove(_ id: RequestID, _ step: inout Step) {
        guard let request = requests.remove(id) else { return }
        if request.phase == .receiving { step.emit(.stopReceiving(id, request.client)) }
        for (index, piece) in request.pieces.enumerated() where !piece.isDone && piece.attempt > 0 {
            abandon(workKey(id, of: request.client, index, piece.attempt), &step)
        }
        step.emit(.forget(id))
    }

    func workKey(_ id: RequestID, of client: ConnectionID, _ piece: Int, _ attempt: UInt32) -> WorkKey {
        WorkKey(
            session: session, client: client.number, request: id.number, microBatch: UInt32(piece), attempt: attempt,
            token: workToken(id, piece, attempt))
    }

    mutating func replySent(_ id: RequestID, _ step: inout Step) {
        guard let request = requests[id], request.phase == .replying else { return }
        times.answered(request, step.now)
        remove(id, &step)
    }

    mutating func cancelled(_ connection: ConnectionID, _ number: UInt64, _ step: inout Step) {
        guard let id = requests.request(number, of: connection) else { return }
        drop(id, &step)
    }
}

extension ServedModel {
    /// Checks a request's tensors against the declared inputs.
    /// - Returns: items along the batch dimension (1 where the model has none).
    func check(_ request: InferRequest) throws(TensorError) -> Int {
        guard request.tensors.count == inputs.count else {
            throw TensorError(
                .specMismatch,
                "the model takes \(inputs.count) inputs (\(inputs.map(\.description).joined(separator: ", "))), but \(request.tensors.count) were given"
            )
        }
        guard request.names.isEmpty || request.names.count == inputs.count else {
            throw TensorError(.specMismatch, "\(request.names.count) names were given for \(request.tensors.count) inputs")
        }
        return try TensorSpec.itemCount(inputs) { position throws(TensorError) in
            let header = try request.tensors[index(of: inputs[position], at: position, in: request)]
            return (header.dtype, header.shape)
        }
    }

    private func index(of spec: TensorSpec, at position: Int, in request: InferRequest) throws(TensorError) -> Int {
        guard !request.names.isEmpty else { return position }
        guard let index = request.names.firstIndex(of: spec.name) else {
            throw TensorError(
                .specMismatch,
                "input \"\(spec.name)\" is missing; the request names \(request.names.joined(separator: ", "))")
        }
        return index
    }
}
