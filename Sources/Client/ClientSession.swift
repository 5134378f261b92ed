internal import Base
internal import Cluster
internal import Hosting
internal import Loops
internal import Tensors
internal import Transport
internal import Wire

/// The client's shell: one connection and the tensors of outstanding requests around a ``ClientMachine``.
///
/// ## Concurrency model
/// Lives on the client's loop thread; commands come through a mailbox.
final class ClientSession: MachineShell, ConnectionHandler {
    /// Commands that may wait for the thread.
    static let commandCapacity = 65_536

    struct Request: Sendable {
        var inputs: [Tensor]
        var names: [String]
        var deadline: Duration
    }

    enum DocumentKind: Sendable, Equatable {
        case model, status
        case history(HistoryRange)
        case drain(node: String, undo: Bool, force: Bool)
    }

    enum Command: Sendable {
        case infer(UInt64, Request, completion: @Sendable (Result<InferenceResult, ClientError>) -> Void)
        case cancel(UInt64)
        case document(UInt64, DocumentKind, Duration, completion: @Sendable (Result<TensorStorage, ClientError>) -> Void)
        case retries(completion: @Sendable (UInt64) -> Void)
        case close
    }

    private struct Outstanding {
        var request: Request
        var completion: @Sendable (Result<InferenceResult, ClientError>) -> Void
        var reply: InferenceResult?
    }

    /// A question about the cluster. For the machine it is a request, so it waits, is sent again and has a deadline as one.
    private struct Question {
        var kind: DocumentKind
        var completion: @Sendable (Result<TensorStorage, ClientError>) -> Void
        var reply: TensorStorage?
    }

    private let loop: EventLoop
    private let address: String
    private let options: AMP4ECClient.Options
    private let security: ConnectionSecurity
    private let incarnation = IncarnationID(bits: UInt128.random(in: 0...UInt128.max))
    let host: MachineHost<ClientMachine>
    private var outstanding: [UInt64: Outstanding] = [:]
    private var questions: [UInt64: Question] = [:]
    private var connection: Connection?

    init(loop: EventLoop, coordinator: String, options: AMP4ECClient.Options, security: ConnectionSecurity) {
        self.security = security
        self.loop = loop
        address = coordinator
        self.options = options
        var configuration = ClientMachine.Configuration()
        configuration.maximumConnectFailures = options.maximumConnectFailures
        if let remedy = options.remedy { configuration.remedy = remedy }
        host = MachineHost(loop: loop, machine: ClientMachine(configuration: configuration))
    }

    /// The loop keeps the session alive through the mailbox's handler.
    func start() -> Mailbox<Command> {
        loop.mailbox(capacity: Self.commandCapacity) { self.handle($0) }
    }

    private func handle(_ command: Command) {
        switch command {
        case .infer(let id, let request, let completion):
            outstanding[id] = Outstanding(request: request, completion: completion)
            step(.submit(id, deadline: request.deadline))
        case .cancel(let id): step(.cancel(id))
        case .document(let id, let kind, let deadline, let completion):
            questions[id] = Question(kind: kind, completion: completion)
            step(.submit(id, deadline: deadline))
        case .retries(let completion): completion(host.machine.retries)
        case .close: step(.close)
        }
    }

    // MARK: Directives

    func carryOut(_ directive: ClientMachine.Directive) {
        switch directive {
        case .connect: connect()
        case .send(let id, let deadline): send(id, deadline)
        case .sendCancel(let id):
            connection?.cancelSend(tag: id)
            connection?.send(.cancelRequest(CancelRequest(id: id)))
        case .succeed(let id):
            if let entry = outstanding.removeValue(forKey: id), let reply = entry.reply { entry.completion(.success(reply)) }
            if let question = questions.removeValue(forKey: id), let reply = question.reply { question.completion(.success(reply)) }
        case .fail(let id, let code, let message):
            outstanding.removeValue(forKey: id)?.completion(.failure(ClientError(code, message)))
            questions.removeValue(forKey: id)?.completion(.failure(ClientError(code, message)))
        case .disconnect: connection?.closeAfterFlush(.requested("the client closes"))
        }
    }

    private func connect() {
        let hello = Hello(
            role: .client, channel: .data, name: options.name, software: ClientVersion.current, incarnation: incarnation)
        var settings = ConnectionOptions()
        settings.outgoingByteLimit = 4 << 30
        Dialer(loop: loop, addresses: [address], hello: hello, settings: security.dialing(settings)) { welcome in
            welcome.role == .coordinator ? nil : "a worker answers here, not a coordinator"
        } completion: { [weak self] result in
            guard let self else { return }
            switch result {
            case .success((let opened, _)):
                connection = opened
                opened.handler = self
                step(.connected)
            case .failure(let failure):
                let why = "no coordinator at \(address): \(failure.message)"
                step(failure.isNobodyThere ? .nobodyThere(why) : .disconnected(why))
            }
        }
    }

    private func send(_ id: UInt64, _ deadline: Duration) {
        guard let connection else { return }
        if let question = questions[id] {
            switch question.kind {
            case .model: ask(.modelRequest(ModelRequest(id: id)), id, connection)
            case .status: ask(.statusRequest(StatusRequest(id: id)), id, connection)
            case .history(let range): ask(.statusRequest(StatusRequest(id: id, history: range)), id, connection)
            case .drain(let node, let undo, let force):
                ask(.drainRequest(DrainRequest(id: id, node: NodeID(node), undo: undo, force: force)), id, connection)
            }
            return
        }
        guard let request = outstanding[id]?.request else { return }
        do {
            let outgoing = try OutgoingPayload.raw(request.inputs)
            let milliseconds = UInt32(clamping: max(1, Int64(deadline.milliseconds)))
            let message = Message.inferRequest(
                InferRequest(id: id, deadlineMilliseconds: milliseconds, names: request.names, tensors: outgoing.headers))
            connection.send(message, payload: outgoing.payload, tag: id) { [weak self] outcome in
                if case .refused(let error) = outcome {
                    self?.step(.refused(id, .invalidArgument, error.message, retryAfter: .zero))
                }
            }
        } catch {
            step(.refused(id, .invalidArgument, error.message, retryAfter: .zero))
        }
    }

    /// What cannot be asked (a name that no node can have) is answered at once, not at the deadline.
    private func ask(_ question: Message, _ id: UInt64, _ connection: Connection) {
        connection.send(question) { [weak self] outcome in
            if case .refused(let error) = outcome {
                self?.step(.refused(id, .invalidArgument, error.message, retryAfter: .zero))
            }
        }
    }

    // MARK: ConnectionHandler

    func connection(_ connection: Connection, willReceive message: Message, payloadByteCount: Int) -> PayloadDisposition {
        switch message {
        case .inferReply(let reply) where outstanding[reply.id] != nil: .accept(TensorStorage(payloadByteCount: payloadByteCount))
        case .statusReply(let reply) where questions[reply.id] != nil: .accept(TensorStorage(payloadByteCount: payloadByteCount))
        case .modelReply(let reply) where questions[reply.id] != nil: .accept(TensorStorage(payloadByteCount: payloadByteCount))
        // An answer to what was cancelled or has run out of time.
        default: .discard
        }
    }

    func connection(_ connection: Connection, didReceive message: Message, payload: TensorStorage?) {
        switch message {
        case .inferReply(let reply): received(reply, payload, connection.layout)
        case .inferError(let error):
            // What is still on its way of a request that is refused is of no use.
            connection.cancelSend(tag: error.id)
            step(.refused(error.id, error.code, error.message, retryAfter: .milliseconds(Int64(error.retryAfterMilliseconds))))
        case .statusReply(let reply): received(document: payload, for: reply.id)
        case .modelReply(let reply): received(document: payload, for: reply.id)
        case .drainReply(let reply): received(document: TensorStorage(copying: Array(reply.message.utf8)), for: reply.id)
        default: break
        }
    }

    private func received(_ reply: InferReply, _ payload: TensorStorage?, _ layout: PayloadLayout?) {
        guard outstanding[reply.id] != nil, let payload, let layout else { return }
        do {
            let outputs = try layout.tensors(in: payload)
            outstanding[reply.id]?.reply = InferenceResult(outputs: outputs, names: reply.names, timing: reply.timing)
            step(.replied(reply.id))
        } catch {
            step(.refused(reply.id, .internalError, "the reply cannot be read: \(error.message)", retryAfter: .zero))
        }
    }

    private func received(document payload: TensorStorage?, for id: UInt64) {
        guard questions[id] != nil else { return }
        guard let payload else {
            // The coordinator has no answer yet (the model is being analysed).
            return step(.refused(id, .unavailable, "the coordinator has no answer yet", retryAfter: .milliseconds(200)))
        }
        questions[id]?.reply = payload
        step(.replied(id))
    }

    func connectionClosed(_ connection: Connection, reason: CloseReason) {
        guard connection === self.connection else { return }
        self.connection = nil
        step(.disconnected("the connection to \(address) closed: \(reason)"))
    }
}

enum ClientVersion {
    /// Shown in the coordinator's log.
    static let current = "amp4ec-client/1"
}
