internal import Base
internal import FoundationEssentials
internal import Glibc
internal import Shell
internal import Synchronization

/// The check of a batch in a process of its own: a model that is fed extremes may crash, run forever or ask for all memory, and none of
/// that may touch the coordinator. Whatever goes wrong there is inconclusive.
///
/// ## Concurrency model
/// A process number and a descriptor that never change. ``verdict(of:)`` is called once; ``stop()`` may come from any thread meanwhile, and
/// meets a process that is not yet waited for, because a mutex stands between.
final class BatchCheckProcess: Sendable {
    /// An answer is a line; what is longer is none.
    static let maximumAnswerByteCount = 64 << 10

    private let patience: Duration
    private let process: pid_t
    private let pipe: Int32
    private let deadline: ContinuousClock.Instant
    private let isRunning = Mutex(true)

    /// Starts `executable`, which must begin with ``BatchCheckChild/runIfAsked(_:)``.
    init(executable: String, patience: Duration, question: BatchCheckChild.Question) throws {
        self.patience = patience
        let text = String(decoding: try JSONEncoder().encode(question), as: UTF8.self)
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { throw Failure(what: "there is no pipe: \(Self.reason(errno))") }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        defer { close(ends[1]) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
        posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        // The coordinator blocks the signals that it reads; and a Ctrl-C is not meant for the check.
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        // It ignores the end of a pipe, which ends the check: nobody reads its answer any more.
        var reset = sigset_t()
        sigemptyset(&reset)
        sigaddset(&reset, SIGPIPE)
        posix_spawnattr_setsigdefault(&attributes, &reset)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        var environment = ProcessEnvironment.current
        environment.merge(BatchCheckChild.environment) { _, own in own }
        let arguments = Self.list([executable, BatchCheckChild.word, text])
        let variables = Self.list(environment.map { "\($0.key)=\($0.value)" })
        defer { (arguments + variables).forEach { free($0) } }
        var number: pid_t = 0
        let code = posix_spawn(&number, executable, &actions, &attributes, arguments, variables)
        guard code == 0 else {
            close(ends[0])
            throw Failure(what: "\(executable) cannot be started: \(Self.reason(code))")
        }
        process = number
        pipe = ends[0]
        deadline = .now + patience
    }

    struct Failure: Error { let what: String }

    private static func list(_ texts: [String]) -> [UnsafeMutablePointer<CChar>?] { texts.map { strdup($0) } + [nil] }
    private static func reason(_ code: Int32) -> String { String(cString: strerror(code)) }

    /// Nobody asks any more.
    func stop() {
        isRunning.withLock { if $0 { kill(process, SIGKILL) } }
    }

    /// Waits for the answer.
    /// - Parameter digest: of the model that it must be about: the file may have been exchanged.
    func verdict(of digest: String) -> BatchVerdict {
        let bytes = answer()
        if bytes.map({ $0.count > Self.maximumAnswerByteCount }) ?? true { stop() }
        let status = end()
        guard let bytes else {
            return .inconclusive("the check whether items influence each other did not end within \(patience.optionText)")
        }
        guard status == 0, let answer = try? JSONDecoder().decode(BatchCheckChild.Answer.self, from: Data(bytes)) else {
            let signal = status & 0x7F
            let how = signal == 0 ? "failed (exit status \((status >> 8) & 0xFF))" : "was ended by signal \(signal)"
            return .inconclusive("the check whether items influence each other \(how)")
        }
        guard answer.digest == digest else {
            return .inconclusive("the model's file changed while it was checked whether items influence each other")
        }
        return answer.verdict
    }

    /// What the process writes until it closes its end; `nil` where the time is over.
    private func answer() -> [UInt8]? {
        defer { close(pipe) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while bytes.count <= Self.maximumAnswerByteCount {
            let left = max(.zero, deadline - .now) / .milliseconds(1)
            guard left > 0 else { return nil }
            var waiting = pollfd(fd: pipe, events: Int16(POLLIN), revents: 0)
            let ready = poll(&waiting, 1, Int32(left.rounded(.up)))
            if ready < 0, errno == EINTR { continue }
            guard ready > 0 else { return nil }
            let count = read(pipe, &buffer, buffer.count)
            if count < 0, errno == EINTR { continue }
            if count <= 0 { break }
            bytes += buffer[..<count]
        }
        return bytes
    }

    /// It has closed its output, which it does by ending, or was killed.
    private func end() -> Int32 {
        isRunning.withLock { $0 = false }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
        return status
    }
}
