internal import Cluster
internal import Gateway
internal import Logging
internal import Shell
internal import Synchronization
internal import Transport

/// The HTTP server beside the loop (`--http`).
extension CoordinatorProcess {
    /// Questions that may wait for the loop. More than one for each connection means that the loop does not turn: then no more are taken.
    static let questionCapacity = 2 * GatewayLimits.connections

    /// Starts the server where it was asked for; it ends with the process, so that a scraper sees the coordinator drain.
    func startGateway() throws {
        guard let http = options.http else { return }
        let questions: Mailbox<LoopQuestions.Question> = loop.mailbox(capacity: Self.questionCapacity) { [unowned self] in $0(self) }
        let source = LoopQuestions(mailbox: questions, limit: GatewayLimits.answerLimit)
        let address = try address(of: http, option: "--http")
        do {
            gateway = try GatewayServer(
                host: address.hostDescription, port: address.port, routes: RouteTable(OperatorRoutes.all(source)),
                allowsPublicPeers: options.insecure, logger: Logger(label: "http"))
        } catch { throw CommandFailure(.failure, error.message) }
    }

    fileprivate var gatewayReport: GatewayReport { GatewayReport(status: status, readiness: machine.readiness) }
}

/// Asks the coordinator's loop from any thread.
///
/// ## Concurrency model
/// A question is a closure that the loop runs on its own thread; its answer resumes the asker, or time does, whichever is first. A question that
/// is answered too late is answered to nobody.
struct LoopQuestions: GatewaySource {
    typealias Question = @Sendable (CoordinatorProcess) -> Void

    let mailbox: Mailbox<Question>
    let limit: Duration

    func isAlive() async -> Bool { await ask { _ in true } ?? false }
    func report() async -> GatewayReport? { await ask { $0.gatewayReport } }

    private func ask<Answer: Sendable>(_ read: @escaping @Sendable (CoordinatorProcess) -> Answer) async -> Answer? {
        let pending = PendingAnswer<Answer>()
        let limit = limit
        let timer = Task {
            // Cancelled when the answer is here.
            guard (try? await Task.sleep(for: limit)) != nil else { return }
            pending.settle(nil)
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { continuation in
            pending.wait(continuation)
            if !mailbox.post({ pending.settle(read($0)) }) { pending.settle(nil) }
        }
    }
}

/// One answer that two may give; the first counts.
private final class PendingAnswer<Answer: Sendable>: Sendable {
    private enum State {
        case empty
        case waiting(CheckedContinuation<Answer?, Never>)
        case settled(Answer?)
        case over
    }

    private let state = Mutex(State.empty)

    func wait(_ continuation: CheckedContinuation<Answer?, Never>) {
        let early: Answer?? = state.withLock { state in
            guard case .settled(let answer) = state else {
                state = .waiting(continuation)
                return nil
            }
            state = .over
            return .some(answer)
        }
        if let early { continuation.resume(returning: early) }
    }

    func settle(_ answer: Answer?) {
        let asker: CheckedContinuation<Answer?, Never>? = state.withLock { state in
            switch state {
            case .empty: state = .settled(answer)
            case .waiting(let continuation):
                state = .over
                return continuation
            case .settled, .over: break
            }
            return nil
        }
        asker?.resume(returning: answer)
    }
}
