import Foundation
import Glibc

/// A control group (version 1 or 2) whose processes together may have so much memory. It is removed with its last user, once they have ended.
///
/// ## Concurrency model
/// `Sendable`: nothing of it changes.
final class MemoryGroup: Sendable {
    struct Impossible: Error, CustomStringConvertible { let description: String }

    private static let versionOne = "/sys/fs/cgroup/memory"
    private static let versionTwo = "/sys/fs/cgroup"
    /// The kernel clears the last process away a moment after its end.
    private static let emptyLimitTries = 500

    private let folder: String
    private let isVersionOne: Bool

    init(byteLimit: Int) throws {
        isVersionOne = access("\(Self.versionOne)/cgroup.procs", F_OK) == 0
        let root = isVersionOne ? Self.versionOne : Self.versionTwo
        folder = "\(root)/amp4ec-\(getpid())-\(UUID().uuidString.prefix(8))"
        do {
            if !isVersionOne { try Self.write("+memory", to: "\(root)/cgroup.subtree_control") }
            guard mkdir(folder, 0o755) == 0 else { throw Impossible(description: String(cString: strerror(errno))) }
            try Self.write("\(byteLimit)", to: isVersionOne ? "\(folder)/memory.limit_in_bytes" : "\(folder)/memory.max")
        } catch {
            rmdir(folder)
            throw Impossible(
                description: "no group with a limit of memory can be made (\(error)): run it as root, outside a container")
        }
    }

    deinit {
        for _ in 0..<Self.emptyLimitTries where rmdir(folder) != 0 { usleep(10_000) }
    }

    var membersPath: String { "\(folder)/cgroup.procs" }

    /// Processes of it that the kernel has ended for lack of memory.
    var killedCount: Int {
        get throws {
            let text = try String(
                contentsOfFile: "\(folder)/\(isVersionOne ? "memory.oom_control" : "memory.events")", encoding: .utf8)
            let line = text.split(separator: "\n").first { $0.hasPrefix("oom_kill ") }
            return line.flatMap { $0.split(separator: " ").last }.flatMap { Int($0) } ?? 0
        }
    }

    /// The most that its processes had at once, pages of files that the kernel would give back included.
    var peakBytes: Int {
        get throws {
            let file = "\(folder)/\(isVersionOne ? "memory.max_usage_in_bytes" : "memory.peak")"
            return Int(try String(contentsOfFile: file, encoding: .utf8).filter(\.isNumber)) ?? 0
        }
    }

    private static func write(_ text: String, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw Impossible(description: "\(path): \(String(cString: strerror(errno)))") }
        defer { close(descriptor) }
        guard Glibc.write(descriptor, text, text.utf8.count) == text.utf8.count else {
            throw Impossible(description: "\(path): \(String(cString: strerror(errno)))")
        }
    }
}

/// What a process may have, as a container or a service manager limits it.
struct ProcessLimits: Sendable {
    var memoryBytes: Int?
    var descriptors: Int?

    static let none = ProcessLimits()
    /// A small board's, and the shell's usual ones.
    static let small = ProcessLimits(memoryBytes: 512 << 20, descriptors: 1_024)

    func group() throws -> MemoryGroup? { try memoryBytes.map { try MemoryGroup(byteLimit: $0) } }
}
