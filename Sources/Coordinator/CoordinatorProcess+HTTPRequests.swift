internal import Base
internal import Cluster
internal import Gateway
internal import Hosting
internal import Inference
internal import Loops
internal import Planning
internal import Profiling
internal import Tensors
internal import Wire

/// Requests that come over HTTP. To the machine each is a client of its own with one request: admitted, deadlined, replayed and answered once as
/// all others.
extension CoordinatorProcess {
    /// A request that the gateway has announced, until the gateway ends it.
    struct HTTPCall {
        let call: InferenceCall
        /// `nil` where it was not admitted.
        var request: RequestID?
    }

    /// Above the numbers of sockets' connections.
    private static let firstConnection: UInt64 = 1 << 62

    private static func connection(of call: InferenceCall) -> ConnectionID { ConnectionID(firstConnection + call.number) }

    /// - Returns: whether it was admitted; if not, the call knows why.
    func begin(_ request: InferRequest, _ call: InferenceCall) -> Bool {
        // Its client was gone before its turn came.
        guard !call.isSettled else { return false }
        let connection = Self.connection(of: call)
        httpCalls[connection] = HTTPCall(call: call)
        admittedRequest = nil
        step(.requestAnnounced(connection, request))
        guard let id = admittedRequest else {
            // The machine has said why, and `refused` has told the call.
            httpCalls[connection] = nil
            return false
        }
        httpCalls[connection]?.request = id
        return true
    }

    func complete(_ call: InferenceCall, _ inputs: [Tensor]) {
        // A request that has ended meanwhile has told its call.
        guard let id = httpCalls[Self.connection(of: call)]?.request, payloads.fill(id, inputs) else { return }
        inputsComplete(id)
    }

    /// The reply is out, or nobody waits for it.
    func end(_ call: InferenceCall) {
        call.settle(.failed(InferError(id: 1, code: .cancelled, message: "the client has gone", retryAfterMilliseconds: 0)))
        let connection = Self.connection(of: call)
        guard let ended = httpCalls.removeValue(forKey: connection) else { return }
        guard let id = ended.request, !isFinishing else { return }
        // Of the two the one counts that fits the request's state.
        step(.replySent(id))
        step(.connectionClosed(connection, cause: "the client of HTTP has gone"))
    }

    /// What the machine says to a call.
    /// - Returns: `false` where the connection is none of a call.
    func tell(_ connection: ConnectionID, _ error: InferError) -> Bool {
        guard let call = httpCalls[connection]?.call else { return connection.number >= Self.firstConnection }
        call.settle(.failed(error))
        return true
    }

    /// - Returns: `false` where the connection is none of a call.
    func giveUp(_ connection: ConnectionID) -> Bool {
        guard connection.number >= Self.firstConnection else { return false }
        if let call = httpCalls[connection]?.call {
            call.giveUp()
            end(call)
        }
        return true
    }

    /// - Returns: `false` where the connection is none of a call.
    func reply(_ id: RequestID, over connection: ConnectionID, _ timing: RequestTiming) -> Bool {
        guard connection.number >= Self.firstConnection else { return false }
        guard let call = httpCalls[connection]?.call else {
            step(.replySent(id))
            return true
        }
        do { call.settle(.outputs(try outputs(of: id), timing)) } catch {
            call.settle(
                .failed(
                    InferError(
                        id: 1, code: .internalError, message: "the parts of the reply do not join: \(error)",
                        retryAfterMilliseconds: 0)))
        }
        return true
    }
}

/// The coordinator as the HTTP side's inferences see it.
struct CoordinatorInference: InferenceSource {
    let questions: LoopQuestions<CoordinatorProcess>
    /// A question for each step of each call: the gateway bounds the calls.
    let calls: Mailbox<LoopQuestions<CoordinatorProcess>.Question>

    func model() async -> ModelAnswer? { await questions.ask { $0.modelAnswer } }

    func begin(_ request: InferRequest, _ call: InferenceCall) async -> Bool? {
        await LoopQuestions(mailbox: calls, limit: GatewayLimits.answerLimit).ask { $0.begin(request, call) }
    }

    func complete(_ call: InferenceCall, _ inputs: [Tensor]) { calls.post { $0.complete(call, inputs) } }
    func end(_ call: InferenceCall) { calls.post { $0.end(call) } }
}

extension CoordinatorProcess {
    var modelAnswer: ModelAnswer {
        guard let served else { return .notYet("the model is still being analysed; try again") }
        return .known(
            ModelManifest(
                name: served.name, inputs: served.inputs, outputs: served.outputs, preprocessing: service.manifest.preprocessing,
                labels: service.manifest.labels))
    }
}
