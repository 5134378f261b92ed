internal import Base
internal import Images
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import OpenInference
internal import Synchronization
internal import Tensors
internal import Transport
internal import Wire

/// Answers `POST …/infer`: reads the body, asks the coordinator for a place as soon as the shapes are known, and lets the tensors' bytes go from
/// the socket's buffers into the memory that is sent to the workers.
///
/// ## Concurrency model
/// Runs on Swift's pool, one task for each request and one that waits for its end; what takes long (pictures, large JSON) has threads of its own,
/// so that probes are answered meanwhile.
struct InferenceHandler: Sendable {
    let source: any InferenceSource
    let limits: GatewayLimits
    let budget: BodyBudget
    let threads: NIOThreadPool
    let logger: Logger
    /// Calls so far: their names.
    let numbers: CallNumbers

    /// The names of calls.
    final class CallNumbers: Sendable {
        private let last = Atomic<UInt64>(0)
        func next() -> UInt64 { last.add(1, ordering: .relaxed).newValue }
    }

    /// Text that is shorter is read where it is: handing it to a thread costs more.
    static let shortTextByteCount = 64 << 10

    func answer(_ exchange: HTTPExchange, _ model: ModelManifest) async -> HTTPAnswer {
        let trace = TraceContext(exchange.request.headers["traceparent"])
        var answer: HTTPAnswer
        do throws(InferenceRefusal) { answer = try await infer(exchange, model) } catch { answer = HTTPAnswer(error.reply) }
        if let trace { answer.reply.headers["traceparent"] = trace.text }
        logger.debug(
            "inference over HTTP",
            metadata: [
                "status": "\(answer.reply.status)", "caller": "\(exchange.request.caller)",
                "trace": "\(trace?.traceID ?? "-")",
            ])
        return answer
    }

    private func infer(_ exchange: HTTPExchange, _ model: ModelManifest) async throws(InferenceRefusal) -> HTTPAnswer {
        let form = try BodyForm(exchange.request.headers)
        if let length = exchange.contentLength, length > limits.inferenceBody {
            throw InferenceRefusal(BodyAssembly.tooLong(limits.inferenceBody))
        }
        // From here on the budget, and the coordinator's own rule about slow uploads, bound what it may take.
        guard exchange.connection.takePlace() else { throw noPlace }
        let call = InferenceCall(numbers.next(), on: exchange.connection)
        let hold = InferenceHold(call, source)
        exchange.connection.onDeparture { [source, call] in source.end(call) }
        let (plan, inputs) = try await inputs(of: exchange, form, model, call)
        source.complete(call, inputs)
        guard let outcome = await call.outcome() else { throw InferenceRefusal(503, "the server is ending; try again") }
        switch outcome {
        case .failed(let error): throw InferenceRefusal(error)
        case .outputs(let outputs, let timing):
            return try await reply(exchange, plan, model, outputs, timing, hold)
        }
    }

    /// The body as tensors. What it came in is let go of, and then no longer counted.
    private func inputs(
        of exchange: HTTPExchange, _ form: BodyForm, _ model: ModelManifest, _ call: InferenceCall
    ) async throws(InferenceRefusal) -> (InferencePlan, [Tensor]) {
        let share = BodyBudget.Share(of: budget)
        defer { withExtendedLifetime(share) {} }
        return try await receive(exchange, form, model, call, share)
    }

    // MARK: The body

    /// A body that has come, with the memory that its tensors came into.
    private struct Received: Sendable {
        let plan: InferencePlan
        let preprocessing: ImagePreprocessing?
        let head: [UInt8]
        /// By the model's inputs; `nil` where the bytes are still to be made into a tensor.
        let storages: [TensorStorage?]
        let kept: [Int: [UInt8]]
    }

    private enum Step: Sendable {
        case received(Result<(InferencePlan, [Tensor]), InferenceRefusal>)
        case ended(InferenceCall.Outcome?)
    }

    /// Reads and decodes until the tensors are there, or the coordinator has ended the request meanwhile (its deadline, an upload that is too slow).
    private func receive(
        _ exchange: HTTPExchange, _ form: BodyForm, _ model: ModelManifest, _ call: InferenceCall, _ share: BodyBudget.Share
    ) async throws(InferenceRefusal) -> (InferencePlan, [Tensor]) {
        let step = await withTaskGroup(of: Step.self) { group in
            group.addTask {
                do throws(InferenceRefusal) {
                    let received = try await read(exchange, form, model, call, share)
                    return .received(.success((received.plan, try await tensors(received))))
                } catch { return .received(.failure(error)) }
            }
            group.addTask { .ended(await call.outcome()) }
            group.addTask { await watch(call) }
            var first = await group.next()
            // A refusal settles the call too; the reader knows more of it.
            if case .ended(nil)? = first { first = await group.next() }
            group.cancelAll()
            return first
        }
        switch step {
        case .received(let result): return try result.get()
        case .ended(.failed(let error)?): throw InferenceRefusal(error)
        default: throw InferenceRefusal(500, "the request ended before its body was here")
        }
    }

    /// Ends when the body has come too slowly to say what it is. From its announcement on the coordinator's own rule holds.
    private func watch(_ call: InferenceCall) async -> Step {
        let start = ContinuousClock.now
        var rest = limits.body
        while rest > .zero {
            guard (try? await Task.sleep(for: rest)) != nil else { return .ended(nil) }
            if call.isAnnounced || call.hasBodyEnded { return .ended(await call.outcome()) }
            let allowed = limits.body + .seconds(call.heardByteCount / GatewayLimits.minimumBytesPerSecond)
            rest = allowed - (ContinuousClock.now - start)
        }
        return .received(.failure(tooSlow))
    }

    private func read(
        _ exchange: HTTPExchange, _ form: BodyForm, _ model: ModelManifest, _ call: InferenceCall, _ share: BodyBudget.Share
    ) async throws(InferenceRefusal) -> Received {
        var assembly = BodyAssembly(headByteCount: form.headByteCount, limit: limits.inferenceBody)
        var announced: (plan: InferencePlan, storages: [TensorStorage?])?
        do {
            let inflater = try form.coding.map { coding throws(OpenInferenceError) in
                try BodyInflater(coding, limit: limits.inferenceBody)
            }
            let reader = exchange.makeReader()
            if assembly.isHeadComplete { announced = try await announce(&assembly, form, model, call) }
            while let piece = try await reader.next() {
                // Inflated bytes are a thousand times as many at most: small pieces of the sender's, so that the sums are looked at in between.
                let step = inflater == nil ? max(1, piece.readableBytes) : Self.inflatedPieceByteCount
                for offset in stride(from: 0, to: piece.readableBytes, by: step) {
                    try piece.withUnsafeReadableBytes { bytes in
                        let part = UnsafeRawBufferPointer(rebasing: bytes[offset..<min(offset + step, bytes.count)])
                        guard let inflater else { return try assembly.take(part) }
                        var problem: BodyAssembly.Problem?
                        try inflater.decode(part) { plain throws(OpenInferenceError) in
                            guard problem == nil else { return }
                            do throws(BodyAssembly.Problem) { try assembly.take(plain) } catch { problem = error }
                        }
                        if let problem { throw problem }
                    }
                    guard share.hold(assembly.heldByteCount) else { throw noRoom }
                    // A few kilobytes may be megabytes inflated: others have their turn in between.
                    if inflater != nil { await Task.yield() }
                    if announced == nil, assembly.isHeadComplete {
                        announced = try await announce(&assembly, form, model, call)
                        guard share.hold(assembly.heldByteCount) else { throw noRoom }
                    }
                }
                call.progressed(to: assembly.filledByteCount, heard: assembly.arrivedByteCount)
            }
            call.bodyEnded()
            try inflater?.finish()
            if announced == nil, form.headByteCount == nil { announced = try await announce(&assembly, form, model, call) }
            try assembly.finish()
            if form.kind == .tensors, let plan = announced?.plan, plan.hasPictures { try await begin(plan, call) }
        } catch let refusal as InferenceRefusal {
            throw refusal
        } catch let problem as BodyAssembly.Problem {
            throw InferenceRefusal(problem)
        } catch let error as OpenInferenceError {
            throw InferenceRefusal(ofBody: error)
        } catch {
            throw InferenceRefusal(400, "the body cannot be read: \(error)")
        }
        guard let announced else { throw InferenceRefusal(400, "the body is shorter than its JSON head") }
        return Received(
            plan: announced.plan, preprocessing: model.preprocessing, head: assembly.head, storages: announced.storages,
            kept: assembly.kept)
    }

    private static let inflatedPieceByteCount = 4 << 10

    private var noPlace: InferenceRefusal {
        var error = InferError(
            id: 0, code: .resourceExhausted,
            message: "as many requests as there are places for are under way over HTTP; send fewer at once, or try again")
        error.retryAfterMilliseconds = 1_000
        return InferenceRefusal(error)
    }

    private var noRoom: InferenceRefusal {
        var error = InferError(
            id: 0, code: .resourceExhausted,
            message: "\(budget.heldByteCount) bytes of bodies are held, and \(budget.limit) is the limit; try again")
        error.retryAfterMilliseconds = 1_000
        return InferenceRefusal(error)
    }

    private var tooSlow: InferenceRefusal {
        InferenceRefusal(
            408, "the body came at less than \(GatewayLimits.minimumBytesPerSecond) bytes a second for \(limits.body.optionText)")
    }

    /// The shapes are known: asks for a place, and makes the memory.
    private func announce(
        _ assembly: inout BodyAssembly, _ form: BodyForm, _ model: ModelManifest, _ call: InferenceCall
    ) async throws(InferenceRefusal) -> (plan: InferencePlan, storages: [TensorStorage?]) {
        let plan: InferencePlan
        switch form.kind {
        case .tensors:
            let head = assembly.head
            let request: InferenceRequest
            do throws(OpenInferenceError) {
                request =
                    head.count <= Self.shortTextByteCount
                    ? try InferenceRequest(parsing: head)
                    : try await onThread { () throws(OpenInferenceError) in try InferenceRequest(parsing: head) }
            } catch { throw InferenceRefusal(error) }
            plan = try InferencePlan(request, for: model)
            let rest = plan.binaryByteCounts.reduce(0) { $0.addedSaturating(to: $1) }
            if form.headByteCount == nil, rest > 0 {
                throw InferenceRefusal(
                    400,
                    "binary_data_size announces binary parts; say where they begin with the header Inference-Header-Content-Length")
            }
            guard rest.addedSaturating(to: head.count) <= limits.inferenceBody else {
                throw InferenceRefusal(BodyAssembly.tooLong(limits.inferenceBody))
            }
        case .raw:
            let request: InferenceRequest
            do throws(OpenInferenceError) {
                request = try InferenceRequest(rawByteCount: assembly.head.count, for: model.inputs)
            } catch { throw InferenceRefusal(error) }
            plan = try InferencePlan(request, for: model)
        case .picture: plan = try .picture(byteCount: assembly.head.count, for: model)
        }
        if form.kind != .tensors || !plan.hasPictures { try await begin(plan, call) }
        var storages = [TensorStorage?](repeating: nil, count: plan.inputs.count)
        guard form.kind == .tensors else { return (plan, storages) }
        var targets = plan.binaryByteCounts.map { BodyAssembly.Target.bytes(count: $0) }
        for (index, input) in plan.inputs.enumerated() {
            guard case .binary(let position) = input.origin else { continue }
            let storage = TensorStorage(payloadByteCount: input.byteCount)
            storages[index] = storage
            targets[position] = .tensor(storage, byteCount: input.byteCount)
        }
        do throws(BodyAssembly.Problem) { try assembly.aim(at: targets) } catch { throw InferenceRefusal(error) }
        return (plan, storages)
    }

    private func begin(_ plan: InferencePlan, _ call: InferenceCall) async throws(InferenceRefusal) {
        call.announce()
        guard let isAdmitted = await source.begin(plan.announcement, call) else { throw .silence }
        guard isAdmitted else {
            guard case .failed(let error)? = await call.outcome() else { throw .silence }
            throw InferenceRefusal(error)
        }
    }

    // MARK: Tensors

    /// The inputs, in the model's order.
    private func tensors(_ received: Received) async throws(InferenceRefusal) -> [Tensor] {
        var tensors: [Tensor] = []
        for (index, input) in received.plan.inputs.enumerated() {
            let storage: TensorStorage
            switch input.origin {
            case .binary:
                // A body without a head is one tensor.
                storage = received.storages[index] ?? TensorStorage(copying: received.head)
            case .text(let range, let datatype):
                storage = TensorStorage(byteCount: input.byteCount)
                let head = received.head
                let isShort = range.count <= Self.shortTextByteCount
                do throws(OpenInferenceError) {
                    let read = { @Sendable () throws(OpenInferenceError) in
                        try TensorText.read(range, of: head, datatype, shape: input.shape, into: storage.mutableBytes)
                    }
                    if isShort { try read() } else { try await onThread(read) }
                } catch { throw InferenceRefusal(error.ofInput(input.spec.name)) }
            case .pictures(let position, let count):
                tensors.append(try await pictures(received, input, position: position, count: count))
                continue
            }
            do throws(TensorError) {
                tensors.append(try Tensor(dtype: input.spec.dtype, shape: input.shape, storage: storage))
            } catch {
                throw InferenceRefusal(400, error.message)
            }
        }
        return tensors
    }

    /// One after the other, so that the threads are shared picture by picture, and no further than somebody waits for them.
    private func pictures(
        _ received: Received, _ input: InferencePlan.Input, position: Int, count: Int
    ) async throws(InferenceRefusal) -> Tensor {
        guard let preprocessing = received.preprocessing else { throw InferenceRefusal(500, "the model takes no pictures") }
        // A body without a head is one picture; elements have their lengths before them.
        let bytes = received.kept[position] ?? received.head
        let ranges: [Range<Int>]
        do throws(OpenInferenceError) {
            let isOne = received.kept[position] == nil
            ranges = isOne ? [0..<bytes.count] : try BytesElements.ranges(in: bytes, count: count)
        } catch { throw InferenceRefusal(error.ofInput(input.spec.name)) }
        let dtype = input.spec.dtype
        var items: [Tensor] = []
        for (number, range) in ranges.enumerated() {
            guard !Task.isCancelled else { throw InferenceRefusal(503, "the request ended while its pictures were decoded") }
            do throws(ImageError) {
                items.append(
                    try await onThread { () throws(ImageError) in
                        try ImagePreprocessor.tensor(
                            fromFile: bytes, range, name: "picture \(number)", preprocessing: preprocessing, dtype: dtype)
                    })
            } catch { throw InferenceRefusal(400, "\(error)") }
        }
        do throws(TensorError) {
            let tensor = input.spec.batchDimension == 0 ? try ImagePreprocessor.batch(items) : items[0]
            guard tensor.shape == input.shape else {
                throw TensorError(.specMismatch, "pictures become \(tensor.shape), but the model takes \(input.spec)")
            }
            return tensor
        } catch { throw InferenceRefusal(500, "\(error.message); export the model again") }
    }

    func onThread<Value: Sendable, Failure: Error>(
        _ work: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result = try? await threads.runIfActive { () -> Result<Value, Failure> in
            do throws(Failure) { return .success(try work()) } catch { return .failure(error) }
        }
        // The threads have ended with the server: then on this one.
        guard let result else { return try work() }
        return try result.get()
    }
}
