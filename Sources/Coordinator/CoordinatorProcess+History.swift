internal import Cluster
internal import Gateway
internal import History
internal import Inference
internal import Hosting
internal import Logging
internal import Loops
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
        let samples = host.machine.takeSamples(timeMs: HistoryRecorder.wallClockMs())
        if !samples.isEmpty { history.record(samples) }
        pruneLinks()
        trimAfterCrowds()
    }

    /// Gives back the memory of many connections that have ended: the allocator, which is tuned for activations, keeps it otherwise. Not on
    /// the loop, which it would hold up for some milliseconds.
    private func trimAfterCrowds() {
        guard endedConnections >= Self.crowd else { return }
        endedConnections = 0
        _ = planner.submit { TorchEngine.trimMemory() }
    }

    /// What is known of links to nodes that nobody knows any more goes with them.
    private func pruneLinks() { activations.links = activations.links.filter { host.machine.state(of: $0.key) != nil } }

    func note(_ line: LogLine) {
        guard let event = ClusterHistory.Event(line, timeMs: HistoryRecorder.wallClockMs()) else { return }
        history.record([], [event])
        recentEvents.add(event)
    }

    func answerHistory(_ request: StatusRequest, to peer: CoordinatorPeer) {
        guard let range = request.history else { return }
        let (answers, id) = (answers, peer.id)
        let isTaken = history.answer(range) { _ = answers?.post(.history(id, request.id, $0)) }
        guard !isTaken else { return }
        let message = "too many questions about the history wait; ask again"
        answer(
            .inferError(InferError(id: request.id, code: .resourceExhausted, message: message, retryAfterMilliseconds: 1_000)),
            on: peer.connection)
    }

    func historyAnswered(_ answer: HistoryRecorder.Answer, _ number: UInt64, on id: ConnectionID) {
        guard let connection = peers[id]?.connection else { return }
        switch answer {
        case .document(let bytes):
            guard let document = questions.hold(byteCount: bytes.count, readers: 1) else {
                let message = "too many answers wait for clients that do not read them; ask again"
                return self.answer(
                    .inferError(InferError(id: number, code: .resourceExhausted, message: message, retryAfterMilliseconds: 1_000)),
                    on: connection)
            }
            self.answer(
                .statusReply(StatusReply(id: number)), with: TensorStorage(copying: bytes), document: document, on: connection)
        case .unknown(let message):
            self.answer(.inferError(InferError(id: number, code: .invalidArgument, message: message)), on: connection)
        case .failure(let message):
            self.answer(.inferError(InferError(id: number, code: .internalError, message: message)), on: connection)
        }
    }
}
