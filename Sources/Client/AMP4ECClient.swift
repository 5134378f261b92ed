internal import Base
public import Cluster
internal import Loops
public import Tensors
package import Transport
public import Wire

/// A connection to a coordinator, over which any number of requests may be under way at once.
///
/// One client is enough for a program: make it once, share it between tasks, and call ``close()`` at the end. Replies come in any order;
/// each call waits for its own.
///
/// ```swift
/// let client = try AMP4ECClient(coordinator: "gateway:9100")
/// defer { client.close() }
/// let image = try Tensor(shape: [1, 3, 224, 224], values: pixels)
/// let result = try await client.infer([image], deadline: .seconds(5))
/// ```
///
/// When the connection is lost, the client opens it again and sends again what has no answer yet, until each request's deadline. This is
/// safe: a request changes nothing on the coordinator, so it may be sent twice. A caller gets exactly one outcome: a result or a
/// ``ClientError``.
///
/// ## Concurrency model
/// `Sendable`: any task may call any method at any time. The client runs one thread of its own, which does all the input and output; no
/// call blocks the caller's thread.
public final class AMP4ECClient: Sendable {
    /// Settings of a client, all with a default.
    ///
    /// ```swift
    /// var options = AMP4ECClient.Options()
    /// options.name = "kitchen-camera"
    /// options.deadline = .seconds(2)
    /// options.maximumConnectFailures = 3
    /// let client = try AMP4ECClient(coordinator: "gateway:9100", options: options)
    /// ```
    public struct Options: Sendable {
        /// The client's name, which the coordinator's log shows: at most 255 bytes of UTF-8.
        public var name = "amp4ec-client"
        /// The time that a request has when the call does not say another, and that each question about the cluster has: 60 seconds.
        public var deadline: Duration = .seconds(60)
        /// Attempts to connect that may fail in a row before waiting requests fail with `unavailable`; `nil` (the default) tries until
        /// the deadline.
        ///
        /// The first attempts follow each other after 50 ms, then 100 ms, and so on up to 2 seconds: a value of 3 gives up after some
        /// tenths of a second where nobody listens. Use a small number in a program that a person waits for, and `nil` in one that should
        /// outlast a restart of the coordinator.
        public var maximumConnectFailures: Int?
        /// What to do where no coordinator is, for the error's message; `nil` speaks of the coordinator and its address alone.
        package var remedy: String?
        /// Which key the client proves itself with: by default the one in the usual places, which the `amp4ec` command finds too.
        public var secret = Secret.usualPlaces
        /// Whether the client may talk with a public address in plain text, where it has no key; `false` by default.
        ///
        /// Without it, a request to a public address fails with `unavailable` and says why.
        public var allowsPublicPlainText = false

        /// In place of ``secret`` and ``allowsPublicPlainText``: what a command has found by its own options.
        package var given: ConnectionSecurity?

        /// Makes options that all have their defaults.
        public init() {}
    }

    /// Where a client's key stands. With a key everything that the client says and hears is encrypted (TLS 1.3), and the coordinator has
    /// proved that it is of the same cluster.
    ///
    /// The key is a client's or an operator's, as `amp4ec secret --derive client` makes it; draining needs an operator's.
    ///
    /// ```swift
    /// var options = AMP4ECClient.Options()
    /// options.secret = .file("/etc/kitchen-camera/amp4ec.key")
    /// let client = try AMP4ECClient(coordinator: "gateway:9100", options: options)
    /// ```
    public enum Secret: Sendable, Hashable {
        /// The file that `AMP4EC_CLUSTER_SECRET_FILE` names, else `/run/secrets/amp4ec_cluster_secret`, else `~/.config/amp4ec/secret`; plain
        /// text where there is none.
        case usualPlaces
        /// A file, which only its owner may read.
        case file(String)
        /// None: plain text.
        case none
    }

    private let options: Options
    private let thread: LoopThread
    private let session: SessionPort

    /// Makes a client; it connects with the first request, not here.
    /// - Parameters:
    ///   - coordinator: where the coordinator listens: `host:port`, `[IPv6]:port`, or `:port` or `port` on this machine.
    ///   - options: settings, which cannot be changed later.
    /// - Throws: ``ClientError`` with the code `invalidArgument` for an address that cannot be read, for a key that cannot be used, or when
    ///   the process has no threads or file descriptors left. That nobody listens at the address shows in the first request.
    public init(coordinator: String, options: Options = Options()) throws(ClientError) {
        self.options = options
        let port = SessionPort()
        session = port
        do { _ = try HostPort(parsing: coordinator) } catch { throw ClientError(.invalidArgument, error.message) }
        let security: ConnectionSecurity
        do { security = try options.security() } catch { throw ClientError(.invalidArgument, error.message) }
        do {
            thread = try LoopThread(name: "amp4ec-client") { loop in
                port.attach(ClientSession(loop: loop, coordinator: coordinator, options: options, security: security))
            }
        } catch {
            throw ClientError(.invalidArgument, error.message)
        }
    }

    deinit { thread.stop() }

    /// Runs the model once and returns its outputs.
    ///
    /// ```swift
    /// let result = try await client.infer([place, readings], names: ["place", "readings"], deadline: .seconds(5))
    /// let scores = result.outputs[0].values(as: Float.self) ?? []
    /// ```
    ///
    /// Each input must have the type and shape that ``model()`` declares. `N` in a declared shape is the number of items: any number from
    /// 1, the same in all inputs. The coordinator may cut the items into micro-batches and run them on several workers; the outputs come
    /// back whole and in the order of the items.
    ///
    /// Many calls may run at once, from one task or many; there is no need to wait for one reply before the next request. Inputs are kept
    /// in memory until the reply is there, and their bytes are not copied.
    ///
    /// Cancelling the task ends the call at once with the code `cancelled`, and the coordinator and the workers drop the work.
    /// - Parameters:
    ///   - inputs: one tensor for each input of the model, 1 GiB together at most; in the model's order where there are no `names`.
    ///   - names: the input that each tensor is for, in the order of `inputs`; empty means the model's order.
    ///   - deadline: the longest time to wait, from now; `nil` takes ``Options/deadline``. The coordinator stops the work then too.
    /// - Returns: the outputs, their names, and where the time went.
    /// - Throws: ``ClientError``. Wrong inputs are `invalidArgument`, and trying them again does not help. `unavailable`,
    ///   `resourceExhausted` and `deadlineExceeded` come only after the client itself has tried as long as the deadline allows.
    ///   <doc:HandlingErrors> has all codes.
    public func infer(_ inputs: [Tensor], names: [String] = [], deadline: Duration? = nil) async throws(ClientError)
        -> InferenceResult
    {
        let request = ClientSession.Request(inputs: inputs, names: names, deadline: deadline ?? options.deadline)
        return try await outcome { .infer($0, request, completion: $1) }
    }

    /// Asks which model is served: its name, its inputs and outputs, and for image models the preprocessing and the labels.
    ///
    /// ```swift
    /// let model = try await client.model()
    /// for input in model.inputs { print("takes \(input)") }  // takes image:float32[N,3,224,224]
    /// for output in model.outputs { print("gives \(output)") }
    /// ```
    ///
    /// The model stays the same while the coordinator runs, so one question at the start is enough.
    /// - Returns: the manifest. In a shape, `N` is the number of items, another name is a length that may differ from request to request.
    /// - Throws: ``ClientError``: `unavailable` or `deadlineExceeded` where no coordinator answers within ``Options/deadline`` or it has
    ///   not read the model by then, `incompatible` where its version is too different.
    public func model() async throws(ClientError) -> ModelManifest {
        try await document(.model)
    }

    /// Asks for the state of the cluster: nodes, plan, links, counters.
    ///
    /// ```swift
    /// let status = try await client.status()
    /// let lost = status.nodes.filter { $0.state == "lost" }
    /// ```
    ///
    /// It is what `amp4ec status --json` prints. The coordinator makes one such document for all who ask, at most every 20 ms, so asking
    /// once a second costs it little.
    /// - Returns: the state of a moment that is a second old at most.
    /// - Throws: ``ClientError``: `unavailable` or `deadlineExceeded` where no coordinator answers within ``Options/deadline``,
    ///   `incompatible` where its version is too different.
    public func status() async throws(ClientError) -> ClusterStatus {
        try await document(.status)
    }

    /// Takes a worker out of service without losing a request, or takes it back with `undo`.
    ///
    /// ```swift
    /// print(try await client.drain("w2"))
    /// // Now nothing runs on w2: update the machine, for example.
    /// print(try await client.drain("w2", undo: true))
    /// ```
    ///
    /// The call returns when a plan without the worker serves and nothing runs on it any more. That may take longer than
    /// ``Options/deadline``: then the call fails with `deadlineExceeded`, and the drain goes on; the same is true when the task is
    /// cancelled. Calling again waits for the rest.
    ///
    /// The worker's process stays up. It is left out of plans until `undo`, or until the worker or the coordinator is started again.
    /// - Parameters:
    ///   - node: the worker's name, as in ``status()``.
    ///   - undo: takes the worker back into plans.
    ///   - force: takes it out even when no plan is possible without it. Then requests wait until there is another worker.
    /// - Returns: what came of it, as a sentence for people.
    /// - Throws: ``ClientError``: `invalidArgument` where no worker has that name, `failedPrecondition` where no plan is possible without
    ///   it (add a worker first, or use `force`), and the codes of ``status()``.
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

    /// Closes the connection; calls that wait, and later ones, fail with the code `cancelled`.
    ///
    /// It returns at once and may be called more than once. A closed client cannot be opened again: make another. A client that is
    /// released without it closes its connection too.
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

/// The reply to one request: outputs, their names, and where the time went.
///
/// ```swift
/// for (name, output) in zip(result.names, result.outputs) {
///     print(name, output.dtype.name, output.shape, output.values(as: Float.self)?.prefix(3) ?? [])
/// }
/// let seconds = Double(result.timing.total) / 1e9
/// ```
public struct InferenceResult: Sendable {
    /// The outputs in the model's order, with as many items along `N` as the inputs had.
    ///
    /// `values(as:)` of a tensor copies its elements into an array, row by row, and is `nil` for another element type than the tensor's.
    public let outputs: [Tensor]
    /// The outputs' names in the same order, as in `outputs` of the manifest (``AMP4ECClient/model()``).
    public let names: [String]
    /// Where the time went on the coordinator's side, in nanoseconds, and whether the reply came from the result cache.
    ///
    /// `total` is from the arrival of the request to its reply, `queue` the part before the first work was sent, `receive` the part of
    /// that until the inputs were complete. `replays` counts micro-batches that ran again because a worker was lost. With `isCached` no
    /// worker ran anything.
    public let timing: RequestTiming
}

/// Why a request got no reply: a code to act on, and a message for people.
///
/// <doc:HandlingErrors> says for each code what to do.
///
/// ```swift
/// do {
///     return try await client.infer(inputs, deadline: .seconds(2))
/// } catch {
///     // Nobody can do the work now: later perhaps.
///     guard error.code == .unavailable || error.code == .resourceExhausted else { throw error }
///     return nil
/// }
/// ```
public struct ClientError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The kind of failure, which does not change from version to version.
    public let code: StatusCode
    /// What went wrong and, where it is known, what to do: a sentence in English, for a person or a log. Its words may change.
    public let message: String

    package init(_ code: StatusCode, _ message: String) {
        self.code = code
        self.message = message
    }

    /// The same text as ``message``.
    public var description: String { message }
}
