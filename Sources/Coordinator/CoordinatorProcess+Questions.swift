internal import Base
internal import Cluster
internal import Gateway
internal import Hosting
internal import Logging
internal import Loops
internal import Shell
internal import Tensors
internal import Transport
internal import Wire

/// Questions of clients and of the HTTP side: counted, and answered with documents that all askers share.
extension CoordinatorProcess {
    /// Documents that wait for the thread: there is one at a time, and histories have a thread of their own.
    static let documentCapacity = 4

    /// Who waits for the next status.
    enum StatusAsker {
        case client(ConnectionID, number: UInt64)
        case gateway(@Sendable (GatewayReport?) -> Void)
    }

    /// A status that was written down.
    struct StatusDocument: Sendable {
        let report: GatewayReport
        let storage: TensorStorage
        let threadCost: Duration
    }

    /// Counts a question, or refuses it where the client has its share outstanding.
    private func take(_ number: UInt64, from peer: CoordinatorPeer) -> Bool {
        if questions.take(from: peer.id) { return true }
        refuseQuestion(
            number, of: peer.connection,
            "\(QuestionDesk.perConnection) questions of this connection are not answered yet, which is the limit; ask again")
        return false
    }

    private func refuseQuestion(_ number: UInt64, of connection: Connection, _ message: String) {
        connection.send(
            .inferError(
                InferError(
                    id: number, code: .resourceExhausted, message: message,
                    retryAfterMilliseconds: UInt32(QuestionDesk.retryHint.components.attoseconds / 1_000_000_000_000_000))))
    }

    /// Answers a question that was taken; it is outstanding until the answer is written.
    func answer(
        _ message: Message, with storage: TensorStorage? = nil, document: UInt64? = nil, on connection: Connection
    ) {
        let id = ConnectionID(connection.id)
        connection.send(message, payload: storage.map { OutgoingPayload($0) } ?? .empty) { [weak self] _ in
            self?.questions.answered(id)
            if let document { self?.questions.wasRead(document) }
        }
    }

    func asked(_ message: Message, by peer: CoordinatorPeer) {
        switch message {
        case .statusRequest(let request):
            guard take(request.id, from: peer) else { return }
            if request.history != nil { return answerHistory(request, to: peer) }
            statuses.ask(.client(peer.id, number: request.id))
            makeStatusWhenDue()
        case .modelRequest(let request):
            guard take(request.id, from: peer) else { return }
            answer(.modelReply(ModelReply(id: request.id)), with: manifestDocument, on: peer.connection)
        case .ping(let ping):
            // Its answer would only wait behind the others that are not read.
            guard questions.take(from: peer.id) else { return }
            answer(.pong(ping), on: peer.connection)
        default: step(.received(peer.id, message, by: peer.connection.peerIdentity?.description))
        }
    }

    // MARK: Status

    func ask(_ completion: @escaping @Sendable (GatewayReport?) -> Void) {
        statuses.ask(.gateway(completion))
        makeStatusWhenDue()
    }

    private func makeStatusWhenDue() {
        guard let due = statuses.dueAt else { return }
        if due <= Instant.current() { return makeStatus() }
        if let statusTimer, statusTimer.isPending { return }
        statusTimer = loop.schedule(at: due) { [weak self] in self?.makeStatusWhenDue() }
    }

    /// The state is copied on the loop and written down on a thread: with a thousand nodes that takes a hundred times as long.
    private func makeStatus() {
        let askers = statuses.begin()
        let start = Instant.current()
        statusNumber += 1
        let report = GatewayReport(
            status: status, readiness: host.machine.readiness, number: statusNumber, lastAnswerMs: lastAnswerMs)
        let loopCost = Instant.current() - start
        let answers = answers
        let isTaken = documents.submit {
            let start = Instant.current()
            let bytes = (try? JSONOutput.text(report.status)).map { Array($0.utf8) } ?? []
            var written = report
            written.statusDocument = bytes
            let document = StatusDocument(
                report: written, storage: TensorStorage(copying: bytes), threadCost: Instant.current() - start)
            _ = answers?.post(.status(document))
        }
        statusAskers = askers
        statusLoopCost = loopCost
        if !isTaken { statusIsWritten(nil) }
    }

    func statusIsWritten(_ document: StatusDocument?) {
        let askers = statusAskers
        statusAskers = []
        statuses.made(at: .current(), loopCost: statusLoopCost, threadCost: document?.threadCost ?? .zero)
        let clients = askers.compactMap { asker -> (Connection, UInt64)? in
            guard case .client(let id, let number) = asker else { return nil }
            return peers[id].map { ($0.connection, number) }
        }
        let held = document.flatMap { questions.hold(byteCount: $0.storage.byteCount, readers: clients.count) }
        if clients.isEmpty, let held { questions.wasRead(held) }
        for (connection, number) in clients {
            if let document, let held {
                answer(.statusReply(StatusReply(id: number)), with: document.storage, document: held, on: connection)
            } else {
                questions.answered(ConnectionID(connection.id))
                refuseQuestion(
                    number, of: connection,
                    "\(questions.heldBytes) bytes of answers wait for clients that do not read them; ask again")
            }
        }
        for case .gateway(let completion) in askers { completion(document?.report) }
        makeStatusWhenDue()
    }

    // MARK: Room

    /// Closes the client that has been idle for longest, for one that comes while no descriptor or place is free.
    func makeRoom() -> Bool {
        Connection.dismissIdlest(of: peers.values.lazy.filter { [self] in isIdle($0) }.map(\.connection), logger)
    }

    /// It came to us, has said who it is, and nobody waits for anything on it.
    private func isIdle(_ peer: CoordinatorPeer) -> Bool {
        guard peer.connection.isServer, peer.connection.isOpen, peer.node == nil else { return false }
        // A worker that has registered is a peer for good; one that has not in all this time is none.
        if peer.registrant != nil { return !peer.hasRegistered }
        return peer.isClient && !host.machine.hasRequests(of: peer.id) && !questions.hasQuestions(of: peer.id)
    }
}
