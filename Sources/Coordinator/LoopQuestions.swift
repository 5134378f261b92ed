package import Loops
internal import Synchronization

/// Asks a loop's thread about what lives on it, from any other.
///
/// ## Concurrency model
/// A question is a closure that the loop runs on its own thread; its answer resumes the asker, or time does, whichever is first. A question that
/// is answered too late is answered to nobody, and one that finds the mailbox full is answered at once, by nobody.
package struct LoopQuestions<Subject>: Sendable {
    package typealias Question = @Sendable (Subject) -> Void

    let mailbox: Mailbox<Question>
    private let limit: Duration

    /// - Parameter limit: how long an asker waits.
    package init(mailbox: Mailbox<Question>, limit: Duration) {
        self.mailbox = mailbox
        self.limit = limit
    }

    /// - Returns: `nil` when the loop did not answer in time, or takes no more questions.
    package func ask<Answer: Sendable>(_ read: @escaping @Sendable (Subject) -> Answer) async -> Answer? {
        await askLater { subject, answer in answer(read(subject)) }
    }

    /// For what the loop does not have at once: it calls back when it has.
    package func askLater<Answer: Sendable>(
        _ read: @escaping @Sendable (Subject, @escaping @Sendable (Answer) -> Void) -> Void
    ) async -> Answer? {
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
            if !mailbox.post({ read($0) { pending.settle($0) } }) { pending.settle(nil) }
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
