internal import Synchronization
public import Tensors
public import Wire

/// One inference between the HTTP side and the coordinator's loop: how far its inputs have come, and what became of it.
///
/// ## Concurrency model
/// The loop settles it, the request's handler waits for that; the first end counts. The state is under a mutex, waiters are resumed outside it.
public final class InferenceCall: Sendable {
    public enum Outcome: Sendable {
        case outputs([Tensor], RequestTiming)
        case failed(InferError)
    }

    private struct State {
        var outcome: Outcome?
        var waiters: [Int: CheckedContinuation<Outcome?, Never>] = [:]
        var lastWaiter = 0
    }

    /// The coordinator's name for it: never used twice.
    public let number: UInt64
    private let state = Mutex(State())
    private let arrived = Atomic<Int>(0)
    private let heard = Atomic<Int>(0)
    private let announced = Atomic<Bool>(false)
    private let ended = Atomic<Bool>(false)
    private let giveUpConnection: @Sendable () -> Void

    init(_ number: UInt64, on connection: ClientConnection?) {
        self.number = number
        // The connection keeps the call while its reply is written; the call must not keep the connection.
        giveUpConnection = { [weak connection] in connection?.end() }
    }

    /// Bytes of its inputs that have come; `Int.max` when its body is whole.
    public var arrivedByteCount: Int { arrived.load(ordering: .relaxed) }
    /// Bytes of its body that have come.
    var heardByteCount: Int { heard.load(ordering: .relaxed) }
    /// Whether its shapes are known.
    var isAnnounced: Bool { announced.load(ordering: .relaxed) }

    func progressed(to byteCount: Int, heard bodyByteCount: Int) {
        arrived.store(byteCount, ordering: .relaxed)
        heard.store(bodyByteCount, ordering: .relaxed)
    }

    /// The body has ended: nobody waits for its sender any more.
    func bodyEnded() {
        arrived.store(.max, ordering: .relaxed)
        ended.store(true, ordering: .relaxed)
    }
    var hasBodyEnded: Bool { ended.load(ordering: .relaxed) }

    func announce() { announced.store(true, ordering: .relaxed) }

    public func settle(_ outcome: Outcome) {
        let waiters = state.withLock { state in
            guard state.outcome == nil else { return [CheckedContinuation<Outcome?, Never>]() }
            state.outcome = outcome
            defer { state.waiters = [:] }
            return Array(state.waiters.values)
        }
        for waiter in waiters { waiter.resume(returning: outcome) }
    }

    /// Its client does not take the reply: the connection ends.
    public func giveUp() { giveUpConnection() }

    public var isSettled: Bool { state.withLock { $0.outcome != nil } }

    /// Waits until it is settled.
    /// - Returns: `nil` where the task was cancelled before.
    func outcome() async -> Outcome? {
        let number = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let early: Outcome?? = state.withLock { state in
                    if let outcome = state.outcome { return .some(outcome) }
                    if Task.isCancelled { return .some(nil) }
                    state.waiters[number] = continuation
                    return nil
                }
                if let early { continuation.resume(returning: early) }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: number) }?.resume(returning: nil)
        }
    }
}

/// Keeps a call at the coordinator: it ends there when nobody holds this any more.
final class InferenceHold: Sendable {
    let call: InferenceCall
    private let source: any InferenceSource

    init(_ call: InferenceCall, _ source: any InferenceSource) {
        self.call = call
        self.source = source
    }

    deinit { source.end(call) }
}
