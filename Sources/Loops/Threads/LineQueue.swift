internal import Base
internal import DequeModule
internal import Files
internal import Glibc

/// Lines on their way to a descriptor, written by a thread of their own: whoever adds one never waits for the reader.
///
/// A pipe whose reader stalls, a reader that is gone, a disk that is full: the lines that cannot be written are counted and dropped, and once
/// something can be written again a line says how many they were.
///
/// ## Concurrency model
/// `add` may be called from any thread; it holds the lock for an append. One thread writes, outside the lock. The thread starts with the
/// first line, so that a process that says nothing has none.
public final class LineQueue: Sendable {
    /// What the loss of a thousand workers is told in, some times over.
    public static let defaultLineLimit = 8_192
    /// Lines seldom have more than 500 bytes; a reader that stalls for good costs no more memory than this.
    public static let defaultByteLimit = 4 << 20

    private struct State: Sendable {
        var lines = Deque<String>()
        /// Of the lines that wait and of the one that is being written.
        var pendingBytes = 0
        var isWriting = false
        var dropped = 0
        var hasThread = false
        var isClosed = false
        var pendingLines: Int { lines.count + (isWriting ? 1 : 0) }
    }

    private let descriptor: Int32
    private let lineLimit: Int
    private let byteLimit: Int
    private let notice: (@Sendable (Int) -> String)?
    private let state = Monitor(State())

    /// - Parameters:
    ///   - descriptor: stays the caller's, who keeps it open.
    ///   - notice: the line that says how many were dropped; `nil` where nobody would understand it.
    public init(
        descriptor: Int32, lineLimit: Int = defaultLineLimit, byteLimit: Int = defaultByteLimit,
        notice: (@Sendable (Int) -> String)? = nil
    ) {
        self.descriptor = descriptor
        self.lineLimit = lineLimit
        self.byteLimit = byteLimit
        self.notice = notice
    }

    deinit {
        state.withLock { $0.isClosed = true }
        state.broadcast()
    }

    /// Takes whole lines, with their line feeds. Never waits; what is over the bounds is counted and dropped.
    public func add(_ text: String) {
        let size = text.utf8.count
        let (isTaken, needsThread) = state.withLock { state -> (Bool, Bool) in
            guard state.pendingLines < lineLimit, state.pendingBytes + size <= byteLimit else {
                state.dropped += 1
                return (false, false)
            }
            state.lines.append(text)
            state.pendingBytes += size
            let needsThread = !state.hasThread
            state.hasThread = true
            return (true, needsThread)
        }
        if needsThread { startThread() }
        if isTaken { state.broadcast() }
    }

    /// Waits until everything is written or dropped, but no longer than `limit`: the last words of a process that ends in order.
    /// - Returns: `false` when lines are left.
    @discardableResult
    public func flush(within limit: Duration) -> Bool {
        state.wait(until: Instant.current() + limit, for: { $0.pendingLines == 0 || !$0.hasThread ? true : nil }) ?? false
    }

    /// Lines that were dropped and of which nobody has been told.
    public var droppedCount: Int { state.withLock { $0.dropped } }

    // MARK: The thread

    private func startThread() {
        let (state, descriptor, notice) = (state, descriptor, notice)
        let thread = try? PosixThread(name: "log") { Self.work(state, descriptor, notice) }
        // Without a thread nothing is ever written: the next line tries again.
        if thread == nil { state.withLock { $0.hasThread = false } }
    }

    private static func work(_ state: Monitor<State>, _ descriptor: Int32, _ notice: (@Sendable (Int) -> String)?) {
        var writer = Writer(descriptor: descriptor)
        while true {
            let line: String? = state.wait { state -> String?? in
                if let line = state.lines.popFirst() {
                    state.isWriting = true
                    return .some(line)
                }
                return state.isClosed ? .some(nil) : nil
            }
            guard let line else { return }
            var wasWritten = reportDropped(state, notice, &writer)
            if wasWritten { wasWritten = writer.write(line) }
            state.withLock { state in
                state.pendingBytes -= line.utf8.count
                state.isWriting = false
                if !wasWritten { state.dropped += 1 }
            }
            // Not only with the next line, which may be long in coming; a write that fails now is tried again with that one.
            if wasWritten { _ = reportDropped(state, notice, &writer, onlyWhenIdle: true) }
            state.broadcast()
        }
    }

    /// Says how many lines are missing.
    /// - Returns: `false` when that could not be written: then nothing else can.
    private static func reportDropped(
        _ state: Monitor<State>, _ notice: (@Sendable (Int) -> String)?, _ writer: inout Writer, onlyWhenIdle: Bool = false
    ) -> Bool {
        let count = state.withLock { state in onlyWhenIdle && !state.lines.isEmpty ? 0 : state.dropped }
        guard count > 0 else { return true }
        if let notice, !writer.write(notice(count)) { return false }
        state.withLock { $0.dropped -= count }
        return true
    }

    /// Writes whole lines, and mends one that broke off.
    private struct Writer {
        let descriptor: Int32
        /// The last line ended in its middle, where a disk became full: the next begins on a line of its own.
        var isBrokenOff = false

        mutating func write(_ line: String) -> Bool {
            if isBrokenOff {
                guard put("\n") else { return false }
                isBrokenOff = false
            }
            return put(line)
        }

        private mutating func put(_ text: String) -> Bool {
            var text = text
            return text.withUTF8 { bytes in
                let (count, failure) = WholeWrite.write(UnsafeRawBufferPointer(bytes), to: descriptor)
                guard failure != nil else { return true }
                isBrokenOff = count > 0
                return false
            }
        }
    }
}
