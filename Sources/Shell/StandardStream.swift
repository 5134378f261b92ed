internal import Files
internal import Glibc
internal import Logging
internal import Loops
internal import Synchronization

/// stdout (results) and stderr (logs), written with plain `write(2)`: nothing stays in a buffer, so a script that waits for the ready
/// line sees it, and lines of several threads never mix.
///
/// A command writes at once and waits for its reader, as every filter does, and ends quietly when the reader goes away (`| head`). A server
/// must not do that: after ``detach()``, the lines of each stream go through a ``LineQueue``.
public struct StandardStream: Sendable {
    public static let output = StandardStream(descriptor: 1)
    public static let error = StandardStream(descriptor: 2)

    /// How long a server that ends normally may take to write its last lines.
    static let flushLimit: Duration = .seconds(1)

    private struct Queues: Sendable {
        let output: LineQueue
        let error: LineQueue
    }

    private static let queues = Mutex<Queues?>(nil)

    private let descriptor: Int32

    init(descriptor: Int32) { self.descriptor = descriptor }

    /// From now on no write of this process waits for a reader. Call it once, before the first line.
    public static func detach() {
        let made = Queues(
            output: LineQueue(descriptor: 1),
            error: LineQueue(descriptor: 2) { LineLogHandler.line(.warning, "log", "\($0) log lines were dropped", [:]) })
        queues.withLock { $0 = made }
    }

    /// Writes the lines that wait, for a limited time. Does nothing when lines are written at once.
    public static func flush() {
        guard let queues = queues.withLock({ $0 }) else { return }
        queues.output.flush(within: flushLimit)
        queues.error.flush(within: flushLimit)
    }

    /// Writes `line` and a line feed with one call.
    public func writeLine(_ line: String) { write(line + "\n") }

    /// Writes all of `text`, usually with one call. A closed stderr is not an error here, because nobody could read about it; a stdout that
    /// takes no more ends the process, because what is there must not pass for all of it.
    public func write(_ text: String) {
        guard !text.isEmpty else { return }
        if let queues = Self.queues.withLock({ $0 }) {
            return (descriptor == 1 ? queues.output : queues.error).add(text)
        }
        var text = text
        text.withUTF8 { bytes in
            guard let reason = WholeWrite.write(UnsafeRawBufferPointer(bytes), to: descriptor).failure, descriptor == 1 else {
                return
            }
            if reason == EPIPE { ProcessSurroundings.endByClosedPipe() }
            ProcessSurroundings.endByFailedOutput(reason)
        }
    }
}
