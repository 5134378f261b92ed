internal import Base
internal import Glibc
internal import Synchronization

/// Shows the progress of long work in the last line of a terminal; shows nothing when stderr is a file or a pipe.
///
/// Code that writes something else to stderr must call ``end()`` first.
///
/// ## Concurrency model
/// Several threads may show; the line's state is under a mutex.
public final class ProgressLine: Sendable {
    /// Nobody reads it more often than this, and work that is measured should not spend time on writing.
    static let interval: Duration = .milliseconds(200)
    /// A line that a terminal breaks is not erased whole.
    static let width = 79
    /// To the line's start, and nothing right of it.
    static let erase = "\r\u{1B}[K"

    private struct State {
        var shownAt: ContinuousClock.Instant?
        var isShown = false
    }

    private let state = Mutex(State())
    private let descriptor: Int32
    private let isTerminal: Bool

    public init(descriptor: Int32 = 2) {
        self.descriptor = descriptor
        isTerminal = isatty(descriptor) == 1
    }

    /// The next piece of the work.
    public func show(_ text: String) { write(isUrgent: true) { text } }

    /// Shows how far the work is; does nothing when something was shown a moment ago.
    public func update(_ text: @autoclosure () -> String) { write(isUrgent: false, text) }

    /// Takes the line away.
    public func end() {
        guard isTerminal else { return }
        state.withLock { state in
            if state.isShown { StandardStream(descriptor: descriptor).write(Self.erase) }
            state = State()
        }
    }

    /// - Parameter text: made only where it is shown.
    private func write(isUrgent: Bool, _ text: () -> String) {
        guard isTerminal else { return }
        state.withLock { state in
            let now = ContinuousClock().now
            if !isUrgent, let shown = state.shownAt, now - shown < Self.interval { return }
            state.shownAt = now
            state.isShown = true
            StandardStream(descriptor: descriptor).write(Self.erase + String(text().prefix(Self.width)))
        }
    }
}
