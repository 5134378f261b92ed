public import Cluster
public import Tensors
internal import Transport
public import Wire

/// A connection to a coordinator: any number of requests outstanding at once, replies in any order.
///
///     let client = try AMP4ECClient(coordinator: "gateway:9100")
///     let result = try await client.infer([image])
///
/// A lost connection is opened again and what was not answered is sent again (requests are idempotent), until each request's deadline.
/// Cancelling the task cancels the request on the coordinator and at the workers.
///
/// ## Concurrency model
/// `Sendable`: any task may call it. One thread of its own runs the sockets and the ``ClientMachine``.
public final class AMP4ECClient: Sendable {
    public struct Options: Sendable {
        /// Shown in the coordinator's log.
        public var name = "amp4ec-client"
        /// For requests that name none.
        public var deadline: Duration = .seconds(60)
        /// Connections tried in a row before requests fail with ``Wire/StatusCode/unavailable``; `nil` tries until the deadline.
        public var maximumConnectFailures: Int?
        /// What to do where no coordinator is, for the error's message; `nil` speaks of the coordinator and its address alone.
        package var remedy: String?
        /// Talk plain text with public addresses too.
        public var allowsPublicPlainText = false
        public init() {}
    }

    private let options: Options
    private let thread: LoopThread
    private let session: SessionPort

    /// - Parameter coordinator: `host:port`, `:port` or `port`.
    /// - Throws: ``ClientError`` for an address that does not parse, or when the process has no threads or descriptors left.
    public init(coordinator: String, options: Options = Options()) throws(ClientError) {
        self.options = options
        let port = SessionPort()
        session = port
        do {
            _ = try Endpoint(coordinator)
            thread = try LoopThread(name: "amp4ec-client") { loop in
                port.attach(ClientSession(loop: loop, coordinator: coordinator, options: options))
            }
        } catch {
            throw ClientError(.invalidArgument, error.message)
        }
    }

    deinit { thread.stop() }

    /// Runs the model once.
    /// - Parameters:
    ///   - inputs: in the model's order, or in any order with `names`.
    ///   - deadline: from now to the reply; the coordinator gives up then too.
    public func infer(_ inputs: [Tensor], names: [String] = [], deadline: Duration? = nil) async throws(ClientError)
        -> InferenceResult
    {
        let request = ClientSession.Request(inputs: inputs, names: names, deadline: deadline ?? options.deadline)
        return try await outcome { .infer($0, request, completion: $1) }
    }

    /// What the served model takes and gives.
    public func model() async throws(ClientError) -> ModelManifest {
        try await document(.model)
    }

    /// The state of the cluster.
    public func status() async throws(ClientError) -> ClusterStatus {
        try await document(.status)
    }

    /// Takes a worker out of plans, or back with `undo`. Returns once nothing runs on it any more, with what came of it for people.
    ///
    /// The worker's process stays up. The mark lasts until it is undone, or the worker or the coordinator is started anew.
    /// - Parameter force: also where no plan is possible without it.
    /// - Throws: ``Wire/StatusCode/invalidArgument`` for a node that is not known, ``Wire/StatusCode/failedPrecondition`` where it must stay.
    public func drain(_ node: String, undo: Bool = false, force: Bool = false) async throws(ClientError) -> String {
        let answer = try await self.answer(.drain(node: node, undo: undo, force: force))
        return String(decoding: answer.bytes, as: UTF8.self)
    }

    /// Requests that were sent more than once since the start.
    package func retries() async -> UInt64 {
        await withCheckedContinuation { continuation in
            if !session.post(.retries { continuation.resume(returning: $0) }) { continuation.resume(returning: 0) }
        }
    }

    /// Fails what is outstanding and closes the connection.
    public func close() { _ = session.post(.close) }

    private func document<Document: Decodable & Sendable>(_ kind: ClientSession.DocumentKind) async throws(ClientError) -> Document
    {
        try await DocumentDecoder.decode(answer(kind))
    }

    func answer(_ kind: ClientSession.DocumentKind) async throws(ClientError) -> TensorStorage {
        let deadline = options.deadline
        return try await outcome { .document($0, kind, deadline, completion: $1) }
    }

    /// Gives a command to the session and waits for what comes of it; a cancelled task takes it back.
    private func outcome<Reply: Sendable>(
        _ command: (UInt64, _ completion: @escaping @Sendable (Result<Reply, ClientError>) -> Void) -> ClientSession.Command
    ) async throws(ClientError) -> Reply {
        let id = session.nextNumber()
        let result: Result<Reply, ClientError> = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard session.post(command(id) { continuation.resume(returning: $0) }) else {
                    let error = ClientError(.resourceExhausted, "the client is closed or far too many requests wait")
                    return continuation.resume(returning: .failure(error))
                }
                // The handler of a task that was cancelled by now has run before the command was there.
                if Task.isCancelled { _ = session.post(.cancel(id)) }
            }
        } onCancel: {
            _ = session.post(.cancel(id))
        }
        return try result.get()
    }
}

/// One reply.
public struct InferenceResult: Sendable {
    /// In the model's order.
    public let outputs: [Tensor]
    public let names: [String]
    /// Where the time went on the coordinator's side.
    public let timing: RequestTiming
}

/// Why a request got no reply.
public struct ClientError: Error, Sendable, Hashable, CustomStringConvertible {
    public let code: StatusCode
    public let message: String

    package init(_ code: StatusCode, _ message: String) {
        self.code = code
        self.message = message
    }

    public var description: String { message }
}
