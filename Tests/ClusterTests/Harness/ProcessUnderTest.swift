import Foundation
import Glibc
import Synchronization
import Transport

/// One process of the product, started by a test: its output goes to files, its end is always collected.
///
/// ## Concurrency model
/// `Sendable`: what changes is behind a mutex. The process is signalled by its own id and only while it has not been collected, so
/// that an id which the system has given to somebody else is never hit.
final class ProcessUnderTest: Sendable {
    /// How the process ended.
    enum Ending: Sendable, Hashable {
        case exited(Int32)
        case signalled(Int32)
    }

    enum Stream: String, Sendable { case stdout, stderr }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// What is still printed of a log in a failed test.
    static let logTailByteCount = 4_096
    /// A polite end that takes longer than this is a bug of the process.
    static let politeEnd: Duration = .seconds(20)

    let name: String
    let commandLine: [String]
    let pid: pid_t
    private let files: [Stream: String]
    private let ending = Mutex<Ending?>(nil)
    let memoryGroup: MemoryGroup?

    /// - Parameters:
    ///   - environment: laid over this process's own. The key is the one that ``Security`` says, none of this machine's user.
    ///   - folder: gets `NAME.stdout` and `NAME.stderr`.
    ///   - descriptorLimit: of the process, soft and hard.
    ///   - memoryGroup: that it and what it starts belong to.
    ///   - output, errors: descriptors that the process has in place of those files.
    ///   - closed: standard descriptors that it is started without.
    init(
        _ product: Product, _ arguments: [String], name: String, environment: [String: String] = [:], output: Int32? = nil,
        errors: Int32? = nil, closed: [Int] = [], descriptorLimit: Int? = nil, memoryGroup: MemoryGroup? = nil,
        in folder: TemporaryFolder
    ) throws {
        self.name = name
        let path = try product.path
        self.memoryGroup = memoryGroup
        // Both limits, as a service manager sets them: the process cannot raise it again.
        let limits = [memoryGroup.map { "echo $$ > '\($0.membersPath)'" }, descriptorLimit.map { "ulimit -n \($0)" }].compactMap {
            $0
        }
        let run = "exec \"$0\" \"$@\"" + closed.map { " \($0)>&-" }.joined()
        let shell = limits.isEmpty && closed.isEmpty ? [] : ["/bin/sh", "-c", (limits + [run]).joined(separator: " && ")]
        commandLine = shell + [path] + arguments
        files = [.stdout: folder.path("\(name).stdout"), .stderr: folder.path("\(name).stderr")]
        var variables = ProcessInfo.processInfo.environment
        variables[KeyPlaces.environmentVariable] = try Security.current.keyPath(of: product)
        variables["XDG_CONFIG_HOME"] = try TestKeys.shared.get().emptyConfigurationFolder
        variables.merge(environment) { $1 }
        pid = try Self.spawn(
            commandLine, variables,
            [
                (STDOUT_FILENO, folder.path("\(name).stdout"), output), (STDERR_FILENO, folder.path("\(name).stderr"), errors),
            ])
    }

    deinit {
        guard collect() == nil else { return }
        kill(pid, SIGKILL)
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0, errno == EINTR {}
    }

    private static func spawn(
        _ commandLine: [String], _ variables: [String: String], _ streams: [(Int32, path: String, descriptor: Int32?)]
    ) throws -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        for (place, path, descriptor) in streams {
            if let descriptor {
                posix_spawn_file_actions_adddup2(&actions, descriptor, place)
            } else {
                posix_spawn_file_actions_addopen(&actions, place, path, O_WRONLY | O_CREAT | O_APPEND, 0o600)
            }
        }
        // Signals stand as a shell would leave them, whatever the test runner has done with its own.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        var defaults = sigset_t()
        sigemptyset(&defaults)
        for signal in [SIGTERM, SIGINT, SIGPIPE, SIGCHLD] { sigaddset(&defaults, signal) }
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &defaults)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
        let arguments = commandLine.map { strdup($0) } + [nil]
        let environment = variables.map { strdup("\($0)=\($1)") } + [nil]
        defer { (arguments + environment).forEach { free($0) } }
        var pid: pid_t = 0
        let code = posix_spawn(&pid, commandLine[0], &actions, &attributes, arguments, environment)
        guard code == 0 else {
            throw Failure(description: "\(commandLine[0]) cannot be started: \(String(cString: strerror(code)))")
        }
        return pid
    }

    // MARK: Output

    func text(_ stream: Stream) -> String {
        guard let path = files[stream], let data = FileManager.default.contents(atPath: path) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }

    /// Waits for a whole line that the condition takes.
    func line(_ what: String, on stream: Stream, within limit: Duration = .seconds(30), where takes: (Substring) -> Bool)
        async throws -> String
    {
        var found: Substring?
        try await eventually("\(name): \(what) on \(stream.rawValue)", within: limit, about: { self.report }) {
            // Asked before the text is read: what it wrote before its end is in the file then.
            let hasEnded = collect() != nil
            found = text(stream).split(separator: "\n", omittingEmptySubsequences: false).dropLast().first(where: takes)
            if found == nil, hasEnded { throw Failure(description: "\(name) ended before it said: \(what)\n\(report)") }
            return found != nil
        }
        return String(found ?? "")
    }

    /// What a failed test shows of the process.
    var report: String {
        let state = collect().map { "\($0)" } ?? "running"
        let logs = [Stream.stdout, .stderr].map { stream in
            "---- \(stream.rawValue)\n\(String(decoding: text(stream).utf8.suffix(Self.logTailByteCount), as: UTF8.self))"
        }
        return "==== \(name) (\(state)): \(commandLine.joined(separator: " "))\n" + logs.joined(separator: "\n")
    }

    // MARK: End

    var isRunning: Bool { collect() == nil }

    /// The process's end, if it has come.
    @discardableResult func collect() -> Ending? {
        ending.withLock { ending in
            if let ending { return ending }
            var status: Int32 = 0
            guard waitpid(pid, &status, WNOHANG) == pid else { return nil }
            let signal = status & 0x7f
            ending = signal == 0 ? .exited((status >> 8) & 0xff) : .signalled(signal)
            return ending
        }
    }

    func send(_ signal: Int32) {
        ending.withLock { ending in
            if ending == nil { kill(pid, signal) }
        }
    }

    func end(within limit: Duration = politeEnd) async throws -> Ending {
        try await eventually("\(name) ends", within: limit, about: { self.report }) { collect() != nil }
        guard let ending = collect() else { throw Failure(description: "\(name) has not ended") }
        return ending
    }

    /// SIGTERM, and SIGKILL where that is not enough.
    func terminate(within limit: Duration = politeEnd) async -> Ending? {
        send(SIGTERM)
        if let ending = try? await end(within: limit) { return ending }
        await killAndCollect()
        return nil
    }

    /// SIGKILL; the process is gone on return.
    func killAndCollect() async {
        send(SIGKILL)
        _ = try? await end(within: .seconds(10))
    }
}
