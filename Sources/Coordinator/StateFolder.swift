internal import Files
internal import Glibc
package import Shell

/// The folder of `--state-dir`: what the coordinator may forget but would rather not. Saved profiles in `profiles/`, and its history.
///
/// One coordinator at a time has it: the lock goes with the process, however that ends.
///
/// ## Concurrency model
/// Immutable after `init`; the descriptor is only held.
package final class StateFolder: Sendable {
    package let path: String
    package var profilesPath: String { path + "/profiles" }
    package var historyPath: String { path + "/history.sqlite" }
    private let lock: Int32

    /// Makes the folder (and its parents), proves that files can be made in it, and takes it.
    package init(path: String) throws(CommandFailure) {
        self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
        if let (folder, failure) = FolderMaking.make(path) { throw Self.failure("make", folder, failure) }
        let lockPath = self.path + "/lock"
        let descriptor = open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw Self.failure("write into", self.path, errno) }
        guard Self.retry({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 else {
            let reason = errno
            let holder = Self.holder(descriptor)
            close(descriptor)
            guard reason == EWOULDBLOCK else { throw Self.failure("lock", lockPath, reason) }
            throw CommandFailure(
                .failure,
                "--state-dir \(self.path) is in use by another coordinator\(holder); give each coordinator a folder of its own")
        }
        let text = "\(getpid())\n"
        let written = ftruncate(descriptor, 0) == 0 ? pwrite(descriptor, text, text.utf8.count, 0) : -1
        // A full disk is no reason not to serve: what would be kept in the folder is forgotten, and the history says so. The lock holds.
        let isFull = written >= 0 || errno == ENOSPC || errno == EDQUOT
        guard written == text.utf8.count || isFull else {
            let reason = errno
            close(descriptor)
            throw Self.failure("write into", self.path, reason)
        }
        lock = descriptor
    }

    deinit { close(lock) }

    /// ` (process 123)`, as far as the file says it.
    private static func holder(_ descriptor: Int32) -> String {
        var bytes = [UInt8](repeating: 0, count: 16)
        let count = pread(descriptor, &bytes, bytes.count, 0)
        let digits = bytes.prefix(max(0, count)).prefix { (0x30...0x39).contains($0) }
        return digits.isEmpty ? "" : " (process \(String(decoding: digits, as: UTF8.self)))"
    }

    private static func retry(_ call: () -> Int32) -> Int32 {
        while true {
            let result = call()
            if result == 0 || errno != EINTR { return result }
        }
    }

    private static func failure(_ verb: String, _ path: String, _ code: Int32) -> CommandFailure {
        CommandFailure(
            .failure,
            "--state-dir: cannot \(verb) \(path): \(String(cString: strerror(code))); give a folder that this user can write, or leave it out"
        )
    }
}
