internal import Cluster
internal import History
internal import Logging
internal import Profiling
internal import Tensors
internal import Transport
internal import Wire

/// What outlives the moment: saved profiles, and the history of nodes and plans.
extension CoordinatorProcess {
    /// As often as workers look at themselves.
    static let sampleInterval: Duration = .seconds(1)

    static func profiles(in folder: StateFolder?, _ logger: Logger) -> ProfileFolder? {
        folder.map { folder in
            ProfileFolder(path: folder.profilesPath) { file, cause in
                logger.warning("a saved profile is not used", metadata: ["file": "\(file)", "cause": "\(cause)"])
            }
        }
    }

    static func history(in folder: StateFolder?, _ logger: Logger) throws -> HistoryRecorder {
        try HistoryRecorder(path: folder?.historyPath) { logger.warning("history", metadata: ["cause": "\($0)"]) }
    }

    func logOrigin(of prepared: ModelService.Prepared) {
        switch prepared.origin {
        case .read(let file): logger.info("profile read", metadata: ["file": "\(file)"])
        case .measured:
            let file = service.profilePath(of: prepared) ?? "none (no --state-dir)"
            logger.info("profile measured", metadata: ["file": "\(file)"])
        }
    }

    func takeSamples() {
        let samples = machine.takeSamples(timeMs: HistoryRecorder.wallClockMs())
        if !samples.isEmpty { history.record(samples) }
        pruneLinks()
    }

    /// What is known of links to nodes that nobody knows any more goes with them.
    private func pruneLinks() { links = links.filter { machine.state(of: $0.key) != nil } }

    func note(_ line: LogLine) {
        if let event = ClusterHistory.Event(line, timeMs: HistoryRecorder.wallClockMs()) { history.record([], [event]) }
    }

    func answerHistory(_ request: StatusRequest, to peer: PeerConnection) {
        guard let range = request.history else { return }
        let (answers, id) = (answers, peer.id)
        let isTaken = history.answer(range) { _ = answers?.post(.history(id, request.id, $0)) }
        guard !isTaken else { return }
        let message = "too many questions about the history wait; ask again"
        peer.connection.send(
            .inferError(InferError(id: request.id, code: .resourceExhausted, message: message, retryAfterMilliseconds: 1_000)))
    }

    func historyAnswered(_ answer: HistoryRecorder.Answer, _ number: UInt64, on id: ConnectionID) {
        guard let connection = peers[id]?.connection else { return }
        switch answer {
        case .document(let bytes):
            let payload = OutgoingPayload(TensorStorage(copying: bytes))
            connection.send(.statusReply(StatusReply(id: number)), payload: payload)
        case .unknown(let message):
            connection.send(.inferError(InferError(id: number, code: .invalidArgument, message: message)))
        case .failure(let message):
            connection.send(.inferError(InferError(id: number, code: .internalError, message: message)))
        }
    }
}
